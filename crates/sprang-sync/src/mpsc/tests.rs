//! What both channels promise, seen through their public API.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::coop;

use super::error::{TryRecvError, TrySendError};
use super::{channel, unbounded_channel};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Counts its wake-ups.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Panics when it is dropped, if told to.
struct Bomb(bool, Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.1.fetch_add(1, SeqCst);
        assert!(!self.0, "a destructor that panics");
    }
}

#[test]
fn messages_arrive_in_order_over_many_blocks() {
    let (sender, mut receiver) = unbounded_channel();
    for round in 0..3 {
        for i in 0..1_000 {
            sender.send(round * 1_000 + i).unwrap();
        }
        assert_eq!(receiver.len(), 1_000);
        for i in 0..1_000 {
            assert_eq!(receiver.try_recv(), Ok(round * 1_000 + i));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert!(receiver.is_empty());
    }
}

#[test]
fn many_threads_lose_nothing() {
    const EACH: usize = 5_000;
    let (sender, mut receiver) = channel(7);
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for i in 0..EACH {
                    sender.blocking_send((thread, i)).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let mut next = [0; 3];
    while let Some((thread, i)) = receiver.blocking_recv() {
        assert_eq!(i, next[thread], "out of order");
        next[thread] += 1;
    }
    assert_eq!(next, [EACH; 3]);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_full_channel_makes_senders_wait_in_order() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(0).unwrap();
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    let mut first = pin!(sender.send(1));
    let mut second = pin!(sender.send(2));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(receiver.try_recv(), Ok(0));
    assert!(poll(second.as_mut()).is_pending());
    assert!(poll(first.as_mut()).is_ready());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(poll(second.as_mut()).is_ready());
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(sender.capacity(), 1);
}

#[test]
fn a_dropped_reservation_gives_its_room_to_the_next() {
    let (sender, _receiver) = channel::<u8>(1);
    let permit = sender.try_reserve().unwrap();
    let mut waiting = Box::pin(sender.reserve());
    let mut next = Box::pin(sender.reserve());
    assert!(poll(waiting.as_mut()).is_pending());
    assert!(poll(next.as_mut()).is_pending());
    drop(permit);
    drop(waiting);
    assert!(poll(next.as_mut()).is_ready());
}

#[test]
fn a_receiver_is_woken_once_for_a_burst() {
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let (sender, mut receiver) = unbounded_channel();
    let mut cx = Context::from_waker(&waker);
    assert!(receiver.poll_recv(&mut cx).is_pending());
    for i in 0..10 {
        sender.send(i).unwrap();
    }
    assert_eq!(count.0.load(SeqCst), 1);
}

#[test]
fn the_task_polled_last_is_the_one_woken() {
    let counts = [(); 2].map(|()| Arc::new(Count::default()));
    let (sender, mut receiver) = channel(1);
    for count in &counts {
        let waker = Waker::from(Arc::clone(count));
        assert!(receiver.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&counts[0]), 1, "the first waker is dropped");
    sender.try_send(1).unwrap();
    assert_eq!(counts.each_ref().map(|count| count.0.load(SeqCst)), [0, 1]);
}

#[test]
fn a_closed_channel_delivers_what_permits_still_send() {
    let (sender, mut receiver) = channel(2);
    sender.try_send(1).unwrap();
    let permit = sender.try_reserve().unwrap();
    receiver.close();
    assert_eq!(sender.try_send(9), Err(TrySendError::Closed(9)));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(receiver.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending());
    permit.send(2);
    assert_eq!(receiver.blocking_recv(), Some(2));
    assert_eq!(receiver.blocking_recv(), None);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_cancelled_send_on_a_closed_channel_ends_it() {
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let (sender, mut receiver) = channel::<u8>(2);
    let permit = sender.try_reserve().unwrap();
    let mut both = Box::pin(sender.reserve_many(2));
    assert!(poll(both.as_mut()).is_pending());
    receiver.close();
    drop(permit);
    assert!(receiver.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    drop(both);
    assert_eq!(count.0.load(SeqCst), 1);
    assert_eq!(receiver.blocking_recv(), None);
}

#[test]
fn senders_learn_that_the_receiver_is_gone() {
    let (sender, receiver) = channel::<u8>(1);
    let (unbounded, unbounded_receiver) = unbounded_channel::<u8>();
    let mut closed = pin!(sender.closed());
    let mut unbounded_closed = pin!(unbounded.closed());
    assert!(poll(closed.as_mut()).is_pending());
    assert!(poll(unbounded_closed.as_mut()).is_pending());
    drop(receiver);
    drop(unbounded_receiver);
    assert!(poll(closed).is_ready());
    assert!(poll(unbounded_closed).is_ready());
    assert!(sender.is_closed() && unbounded.is_closed());
    assert_eq!(unbounded.send(1).unwrap_err().0, 1);
}

#[test]
fn weak_senders_do_not_keep_a_channel_open() {
    let (sender, mut receiver) = unbounded_channel::<u8>();
    let weak = sender.downgrade();
    assert_eq!((receiver.sender_strong_count(), receiver.sender_weak_count()), (1, 1));
    assert!(weak.upgrade().unwrap().same_channel(&sender));
    drop(sender);
    assert!(weak.upgrade().is_none());
    assert!(receiver.is_closed());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn messages_left_are_dropped_with_the_receiver_even_if_one_panics() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = unbounded_channel();
    for i in 0..100 {
        sender.send(Bomb(i == 3, Arc::clone(&drops))).ok().unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!(drops.load(SeqCst), 100);
}

#[test]
fn a_message_sent_to_a_gone_receiver_is_dropped_with_the_channel() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = channel(1);
    let permit = sender.try_reserve().unwrap();
    drop(receiver);
    permit.send(Bomb(false, Arc::clone(&drops)));
    drop(sender);
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn recv_many_takes_what_is_there() {
    let (sender, mut receiver) = channel(64);
    for i in 0..50 {
        sender.try_send(i).unwrap();
    }
    let mut buffer = vec![-1];
    assert_eq!(receiver.blocking_recv_many(&mut buffer, 0), 0);
    assert_eq!(receiver.blocking_recv_many(&mut buffer, 40), 40);
    assert_eq!(receiver.blocking_recv_many(&mut buffer, 40), 10);
    assert!(buffer.iter().copied().eq(-1..50));
    assert_eq!(sender.capacity(), 64);
    drop(sender);
    assert_eq!(receiver.blocking_recv_many(&mut buffer, 40), 0);
}

#[test]
fn the_budget_makes_a_busy_receiver_yield() {
    let (sender, mut receiver) = unbounded_channel();
    for i in 0..1_000 {
        sender.send(i).unwrap();
    }
    let mut cx = Context::from_waker(Waker::noop());
    let received = coop::budget(|| std::iter::from_fn(|| receiver.poll_recv(&mut cx).is_ready().then_some(())).count());
    assert_eq!(received, usize::from(coop::BUDGET));
}

#[test]
#[should_panic(expected = "requires buffer > 0")]
fn a_channel_without_room_panics() {
    let _ = channel::<u8>(0);
}

#[test]
fn the_halves_have_the_auto_traits_of_their_messages() {
    fn check<T: Send + Sync + Unpin + std::panic::UnwindSafe>() {}
    check::<super::Sender<u8>>();
    check::<super::Receiver<u8>>();
    check::<super::OwnedPermit<u8>>();
    check::<super::Permit<'static, u8>>();
    check::<super::PermitIterator<'static, u8>>();
    check::<super::WeakSender<u8>>();
    check::<super::UnboundedSender<u8>>();
    check::<super::UnboundedReceiver<u8>>();
    check::<super::WeakUnboundedSender<u8>>();
}
