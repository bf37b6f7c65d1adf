//! What the channel promises, seen through its public API.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::coop;

use super::error::{RecvError, TryRecvError};
use super::{Receiver, Sender, channel};
use crate::testing::{Count, poll};

/// A value that says when it is dropped, and may panic in doing so.
#[derive(Clone)]
struct Bomb(bool, Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.1.fetch_add(1, SeqCst);
        assert!(!self.0, "a destructor that panics");
    }
}

fn all<T: Clone>(receiver: &mut Receiver<T>) -> Vec<T> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

#[test]
fn each_receiver_gets_what_is_sent_after_its_making() {
    let (sender, mut first) = channel(8);
    assert_eq!(sender.send(0).unwrap(), 1);
    let mut second = sender.subscribe();
    assert_eq!(sender.send(1).unwrap(), 2);
    let mut third = first.resubscribe();
    assert_eq!(sender.send(2).unwrap(), 3);
    assert_eq!(all(&mut first), [0, 1, 2]);
    assert_eq!(all(&mut second), [1, 2]);
    assert_eq!(all(&mut third), [2]);
    assert!(first.same_channel(&third));
}

#[test]
fn a_receiver_that_lags_misses_exactly_what_was_overwritten() {
    // 3 is rounded up to 4.
    let (sender, mut receiver) = channel(3);
    for i in 0..4 {
        sender.send(i).unwrap();
    }
    assert_eq!(receiver.try_recv(), Ok(0));
    for i in 4..7 {
        sender.send(i).unwrap();
    }
    assert_eq!(receiver.len(), 6);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(2)));
    assert_eq!(receiver.len(), 4);
    assert_eq!(all(&mut receiver), [3, 4, 5, 6]);
    for i in 7..100 {
        sender.send(i).unwrap();
    }
    drop(sender);
    assert_eq!(receiver.blocking_recv(), Err(RecvError::Lagged(89)));
    assert_eq!(all(&mut receiver), [96, 97, 98, 99]);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(receiver.blocking_recv(), Err(RecvError::Closed));
}

#[test]
fn a_channel_for_one_message_keeps_the_last() {
    let (sender, mut receiver) = channel(1);
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(1)));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_value_lives_until_all_have_received_it_or_it_is_overwritten() {
    let drops = Arc::new(AtomicUsize::new(0));
    let message = || Bomb(false, Arc::clone(&drops));
    let dropped = || drops.swap(0, SeqCst);
    let (sender, mut first) = channel(2);
    let mut second = sender.subscribe();
    sender.send(message()).ok().unwrap();
    drop(first.try_recv());
    assert_eq!(dropped(), 1, "the clone");
    drop(second.try_recv());
    assert_eq!(dropped(), 2, "the clone and the value");
    for _ in 0..3 {
        sender.send(message()).ok().unwrap();
    }
    assert_eq!(dropped(), 1, "the oldest");
    drop(first);
    assert_eq!(dropped(), 0);
    drop(second);
    assert_eq!(dropped(), 2, "nobody is left to receive them");
}

#[test]
fn lengths_count_what_is_kept_and_what_is_to_come() {
    let (sender, mut first) = channel(4);
    let mut second = sender.subscribe();
    assert!(sender.is_empty() && first.is_empty());
    for i in 0..3 {
        sender.send(i).unwrap();
    }
    assert_eq!((sender.len(), first.len()), (3, 3));
    first.try_recv().unwrap();
    assert_eq!((sender.len(), first.len(), second.len()), (3, 2, 3));
    second.try_recv().unwrap();
    assert_eq!(sender.len(), 2);
    for i in 3..10 {
        sender.send(i).unwrap();
    }
    assert_eq!((sender.len(), first.len()), (4, 9));
    assert_eq!(first.try_recv(), Err(TryRecvError::Lagged(5)));
    all(&mut first);
    drop(second);
    assert!(sender.is_empty());
    assert_eq!(sender.len(), 0);
}

#[test]
fn a_waiting_receiver_is_woken_once_and_finds_the_message() {
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let (sender, mut receiver) = channel(4);
    {
        let mut recv = pin!(receiver.recv());
        // A task that came before is forgotten.
        assert!(poll(recv.as_mut()).is_pending());
        assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert_eq!(count.wakes.load(SeqCst), 1);
        assert!(matches!(poll(recv), Poll::Ready(Ok(1))));
    }
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(Arc::strong_count(&count), 2, "the waker is dropped");
}

#[test]
fn a_dropped_recv_receives_nothing_and_leaves_the_queue() {
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let (sender, mut receiver) = channel(4);
    for woken in [false, true] {
        let mut recv = Box::pin(receiver.recv());
        assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        if woken {
            sender.send(1).unwrap();
        }
        drop(recv);
        assert!(sender.shared.tail.lock().waiting.is_empty());
    }
    assert_eq!(Arc::strong_count(&count), 2);
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn counts_and_ends() {
    let (sender, mut receiver) = channel(2);
    let weak = sender.downgrade();
    let other = weak.upgrade().unwrap();
    assert!(other.same_channel(&sender));
    assert_eq!((receiver.sender_strong_count(), receiver.sender_weak_count()), (2, 1));
    assert_eq!((weak.strong_count(), weak.weak_count()), (2, 1));
    let also_weak = weak.clone();
    assert_eq!((sender.strong_count(), sender.weak_count()), (2, 2));
    drop(also_weak);
    sender.send(1).unwrap();
    drop(sender);
    assert!(!receiver.is_closed());
    drop(other);
    assert!(receiver.is_closed());
    assert!(weak.upgrade().is_none());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn senders_learn_that_the_receivers_are_gone_and_may_get_new_ones() {
    let sender = Sender::new(2);
    assert!(poll(pin!(sender.closed())).is_ready());
    assert_eq!(sender.send(1).unwrap_err().0, 1);
    let receiver = sender.subscribe();
    let mut closed = pin!(sender.closed());
    assert!(poll(closed.as_mut()).is_pending());
    assert_eq!(sender.receiver_count(), 1);
    drop(receiver);
    assert!(poll(closed).is_ready());
    let mut receiver = sender.subscribe();
    sender.send(2).unwrap();
    assert_eq!(all(&mut receiver), [2]);
}

#[test]
fn a_clone_that_panics_costs_its_receiver_the_message_and_nothing_else() {
    struct Shy(usize);

    impl Clone for Shy {
        fn clone(&self) -> Self {
            assert_ne!(self.0, 0, "a clone that panics");
            Self(self.0)
        }
    }

    let (sender, mut first) = channel(1);
    let mut second = sender.subscribe();
    sender.send(Shy(0)).ok().unwrap();
    for receiver in [&mut first, &mut second] {
        assert!(catch_unwind(AssertUnwindSafe(|| receiver.try_recv().is_ok())).is_err());
    }
    assert!(sender.is_empty());
    sender.send(Shy(1)).ok().unwrap();
    assert_eq!(first.try_recv().ok().unwrap().0, 1);
    assert_eq!(second.blocking_recv().ok().unwrap().0, 1);
}

#[test]
fn destructors_may_panic_and_use_the_channel() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, mut receiver) = channel(2);
    for i in 0..3 {
        let sent = catch_unwind(AssertUnwindSafe(|| {
            sender.send(Bomb(i == 0, Arc::clone(&drops))).is_ok()
        }));
        // The third overwrites the first.
        assert_eq!(sent.is_err(), i == 2);
    }
    assert_eq!(receiver.len(), 3);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(1))));

    let (sender, receiver) = channel(4);
    let other = sender.subscribe();
    for i in 0..4 {
        sender.send(Bomb(i == 1, Arc::clone(&drops))).ok().unwrap();
    }
    drop(other);
    drops.store(0, SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!(drops.load(SeqCst), 4, "all of them");
    assert!(poll(pin!(sender.closed())).is_ready());

    /// Looks at the channel when it is dropped.
    #[derive(Clone)]
    struct Nosy(Option<Sender<Nosy>>);

    impl Drop for Nosy {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                sender.len();
                drop(sender.subscribe());
            }
        }
    }

    let (sender, mut receiver) = channel(1);
    sender.send(Nosy(Some(sender.clone()))).ok().unwrap();
    sender.send(Nosy(Some(sender.clone()))).ok().unwrap();
    assert!(receiver.try_recv().is_err());
    assert!(receiver.try_recv().is_ok());
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    let (sender, receiver) = channel(1);
    let counts: [_; 40] = std::array::from_fn(|i| {
        Arc::new(Count {
            panics: i == 3,
            ..Count::default()
        })
    });
    let mut receivers: Vec<_> = counts.iter().map(|_| receiver.resubscribe()).collect();
    let mut waiting: Vec<_> = receivers.iter_mut().map(|receiver| Box::pin(receiver.recv())).collect();
    for (recv, count) in waiting.iter_mut().zip(&counts) {
        let waker = Waker::from(Arc::clone(count));
        assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| sender.send(7))).is_err());
    assert!(counts.iter().all(|count| count.wakes.load(SeqCst) == 1));
    assert!(waiting.iter_mut().all(|recv| poll(recv.as_mut()) == Poll::Ready(Ok(7))));
}

#[test]
fn a_receiver_that_waits_again_while_others_are_woken_waits_for_the_next_message() {
    /// Receives and waits again as soon as it is woken.
    struct Again(std::sync::Mutex<Option<Receiver<u8>>>, AtomicUsize);

    impl Wake for Again {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, SeqCst);
            let receiver = self.0.lock().unwrap().take();
            if let Some(mut receiver) = receiver {
                assert_eq!(receiver.try_recv(), Ok(1));
                let waker = Waker::from(self);
                let mut recv = Box::pin(async move { receiver.recv().await });
                assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                std::mem::forget(recv);
            }
        }
    }

    let (sender, receiver) = channel(1);
    let again = Arc::new(Again(
        std::sync::Mutex::new(Some(sender.subscribe())),
        AtomicUsize::new(0),
    ));
    let waker = Waker::from(Arc::clone(&again));
    let mut receivers: Vec<_> = (0..100).map(|_| receiver.resubscribe()).collect();
    let mut waiting: Vec<_> = receivers.iter_mut().map(|receiver| Box::pin(receiver.recv())).collect();
    for recv in &mut waiting {
        assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    sender.send(1).unwrap();
    assert_eq!(again.1.load(SeqCst), 100);
    assert!(waiting.iter_mut().all(|recv| poll(recv.as_mut()).is_ready()));
}

#[test]
fn the_budget_makes_a_busy_receiver_yield() {
    let (sender, mut receiver) = channel(256);
    for i in 0..256 {
        sender.send(i).unwrap();
    }
    let received = coop::budget(|| std::iter::from_fn(|| poll(pin!(receiver.recv())).is_ready().then_some(())).count());
    assert_eq!(received, usize::from(coop::BUDGET));
}

#[test]
fn threads_get_everything_or_know_what_they_missed() {
    const MESSAGES: u64 = 20_000;
    let (sender, receiver) = channel(64);
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let mut receiver = receiver.resubscribe();
            std::thread::spawn(move || {
                let mut next = 0;
                loop {
                    match receiver.blocking_recv() {
                        Ok(value) => {
                            assert_eq!(value, next);
                            next += 1;
                        }
                        Err(RecvError::Lagged(missed)) => next += missed,
                        Err(RecvError::Closed) => return next,
                    }
                }
            })
        })
        .collect();
    drop(receiver);
    for i in 0..MESSAGES {
        sender.send(i).unwrap();
    }
    drop(sender);
    for thread in threads {
        assert_eq!(thread.join().unwrap(), MESSAGES);
    }
}

#[test]
#[should_panic(expected = "cannot be zero")]
fn a_channel_without_room_panics() {
    let _ = channel::<u8>(0);
}

#[test]
#[should_panic(expected = "exceeded")]
fn a_channel_with_too_much_room_panics() {
    let _ = channel::<u8>(usize::MAX / 2 + 1);
}
