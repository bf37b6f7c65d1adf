//! What the channel promises, seen through its public API.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};

use sprang_core::coop;

use super::{Sender, channel};
use crate::testing::{Count, poll};

#[test]
fn only_the_latest_value_is_seen() {
    let (sender, mut receiver) = channel(0);
    for i in 1..10 {
        sender.send(i).unwrap();
    }
    assert!(poll(pin!(receiver.changed())).is_ready());
    assert_eq!(*receiver.borrow(), 9);
    assert!(poll(pin!(receiver.changed())).is_pending());
}

#[test]
fn borrowing_does_not_count_as_seeing() {
    let (sender, mut receiver) = channel(0);
    sender.send(1).unwrap();
    assert!(receiver.borrow().has_changed());
    assert!(receiver.has_changed().unwrap());
    assert!(receiver.borrow_and_update().has_changed());
    assert!(!receiver.has_changed().unwrap());
    assert!(!sender.borrow().has_changed());
}

#[test]
fn marks_are_for_one_receiver_only() {
    let (sender, mut receiver) = channel(0);
    let mut other = receiver.clone();
    receiver.mark_changed();
    assert!(receiver.has_changed().unwrap());
    assert!(!other.has_changed().unwrap());
    assert!(poll(pin!(receiver.changed())).is_ready());
    sender.send(1).unwrap();
    other.mark_unchanged();
    assert!(!other.has_changed().unwrap());
    assert!(receiver.has_changed().unwrap());
    receiver.mark_changed();
    assert!(receiver.has_changed().unwrap());
}

#[test]
fn a_clone_has_seen_what_its_receiver_has() {
    let (sender, mut receiver) = channel(0);
    sender.send(1).unwrap();
    let unseen = receiver.clone();
    receiver.borrow_and_update();
    assert!(unseen.has_changed().unwrap());
    assert!(!receiver.clone().has_changed().unwrap());
    assert!(!sender.subscribe().has_changed().unwrap());
}

#[test]
fn receivers_learn_that_the_senders_are_gone_after_the_last_value() {
    let (sender, mut receiver) = channel(0);
    let other = sender.clone();
    let mut waiting = receiver.clone();
    let mut changed = pin!(waiting.changed());
    assert!(poll(changed.as_mut()).is_pending());
    assert_eq!(sender.sender_count(), 2);
    drop(sender);
    assert!(!receiver.is_closed());
    other.send(1).unwrap();
    drop(other);
    assert!(receiver.is_closed());
    assert!(matches!(poll(changed), Poll::Ready(Ok(()))));
    assert!(matches!(poll(pin!(receiver.changed())), Poll::Ready(Ok(()))));
    assert!(matches!(poll(pin!(receiver.changed())), Poll::Ready(Err(_))));
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn senders_learn_that_the_receivers_are_gone() {
    let (sender, receiver) = channel(0);
    let other = receiver.clone();
    let mut closed = pin!(sender.closed());
    assert!(poll(closed.as_mut()).is_pending());
    drop(receiver);
    assert!(poll(closed.as_mut()).is_pending());
    assert_eq!(sender.receiver_count(), 1);
    drop(other);
    assert!(sender.is_closed());
    assert!(poll(closed).is_ready());
    assert_eq!(sender.send(1).unwrap_err().0, 1);
    assert_eq!(*sender.borrow(), 0, "what was not sent is not there");
    sender.send_replace(2);
    assert_eq!(*sender.subscribe().borrow(), 2);
}

#[test]
fn closed_waits_again_if_a_receiver_came_in_between() {
    let (sender, receiver) = channel(0);
    let mut closed = pin!(sender.closed());
    assert!(poll(closed.as_mut()).is_pending());
    drop(receiver);
    let receiver = sender.subscribe();
    assert!(poll(closed.as_mut()).is_pending());
    drop(receiver);
    assert!(poll(closed).is_ready());
}

#[test]
fn wait_for_looks_at_the_present_value_first_and_at_each_once() {
    let (sender, mut receiver) = channel(0);
    let mut looked = Vec::new();
    {
        let mut waiting = pin!(receiver.wait_for(|value| {
            looked.push(*value);
            *value == 2
        }));
        for i in 0..3 {
            let state = poll(waiting.as_mut());
            assert_eq!(state.is_ready(), i == 2);
            if i < 2 {
                assert!(poll(waiting.as_mut()).is_pending());
                sender.send(i + 1).unwrap();
            }
        }
    }
    assert_eq!(looked, [0, 1, 2]);
    drop(sender);
    assert!(matches!(poll(pin!(receiver.wait_for(|value| *value == 2))), Poll::Ready(Ok(value)) if *value == 2));
    assert!(matches!(poll(pin!(receiver.wait_for(|_| false))), Poll::Ready(Err(_))));
}

#[test]
fn a_dropped_changed_has_seen_nothing() {
    let (sender, mut receiver) = channel(0);
    {
        let mut changed = pin!(receiver.changed());
        assert!(poll(changed.as_mut()).is_pending());
        sender.send(1).unwrap();
    }
    assert!(receiver.has_changed().unwrap());
}

#[test]
fn a_closure_that_panics_leaves_the_channel_usable_and_the_version_as_it_was() {
    let (sender, mut receiver) = channel(0);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        sender.send_modify(|value| {
            *value = 1;
            panic!("in the middle");
        });
    }));
    assert!(caught.is_err());
    assert!(!receiver.has_changed().unwrap());
    assert_eq!(*receiver.borrow(), 1);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        poll(pin!(receiver.wait_for(|_| panic!("while looking")))).is_ready()
    }));
    assert!(caught.is_err());
    sender.send(2).unwrap();
    assert!(poll(pin!(receiver.changed())).is_ready());
    assert_eq!(*receiver.borrow_and_update(), 2);
}

#[test]
fn a_replaced_value_may_use_the_channel_and_panic_when_it_is_dropped() {
    /// Sends another one when it is dropped, then panics.
    struct Chain(Option<Arc<Sender<Chain>>>);

    impl Drop for Chain {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                drop(sender.send_replace(Chain(None)));
                panic!("a destructor that panics");
            }
        }
    }

    let sender = Arc::new(Sender::new(Chain(None)));
    let mut receiver = sender.subscribe();
    drop(sender.send_replace(Chain(Some(Arc::clone(&sender)))));
    assert!(catch_unwind(AssertUnwindSafe(|| sender.send(Chain(None)))).is_err());
    assert!(poll(pin!(receiver.changed())).is_ready());
    assert!(receiver.borrow_and_update().0.is_none());
    sender.send(Chain(None)).ok().unwrap();
    assert!(receiver.has_changed().unwrap());
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    let (sender, receiver) = channel(0);
    let counts: [_; 40] = std::array::from_fn(|i| {
        Arc::new(Count {
            panics: i == 3,
            ..Count::default()
        })
    });
    let mut receivers: Vec<_> = counts.iter().map(|_| receiver.clone()).collect();
    let mut waiting: Vec<_> = receivers
        .iter_mut()
        .map(|receiver| Box::pin(receiver.changed()))
        .collect();
    for (changed, count) in waiting.iter_mut().zip(&counts) {
        let waker = Waker::from(Arc::clone(count));
        assert!(changed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| sender.send(1))).is_err());
    assert!(counts.iter().all(|count| count.wakes.load(SeqCst) == 1));
    assert!(waiting.iter_mut().all(|changed| poll(changed.as_mut()).is_ready()));
}

#[test]
fn the_budget_makes_a_busy_receiver_yield() {
    let (sender, mut receiver) = channel(0);
    let changes = coop::budget(|| {
        let seen = std::iter::from_fn(|| {
            sender.send(1).unwrap();
            poll(pin!(receiver.changed())).is_ready().then_some(())
        });
        seen.count()
    });
    assert_eq!(changes, usize::from(coop::BUDGET));
    let looks = coop::budget(|| {
        std::iter::from_fn(|| poll(pin!(receiver.wait_for(|_| true))).is_ready().then_some(())).count()
    });
    assert_eq!(looks, usize::from(coop::BUDGET));
    drop(receiver);
    let closed = coop::budget(|| std::iter::from_fn(|| poll(pin!(sender.closed())).is_ready().then_some(())).count());
    assert_eq!(closed, usize::from(coop::BUDGET));
}

#[test]
fn threads_see_the_values_in_order_and_the_last_one() {
    const VALUES: usize = 2_000;
    let (sender, receiver) = channel(0);
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let mut receiver = receiver.clone();
            std::thread::spawn(move || {
                let mut last = 0;
                while crate::blocking::block_on(receiver.changed()).is_ok() {
                    let value = *receiver.borrow_and_update();
                    assert!(value > last, "{value} after {last}");
                    last = value;
                }
                last
            })
        })
        .collect();
    drop(receiver);
    for i in 1..=VALUES {
        sender.send(i).unwrap();
    }
    drop(sender);
    for thread in threads {
        assert_eq!(thread.join().unwrap(), VALUES);
    }
}
