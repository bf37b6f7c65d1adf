//! A channel whose receivers all get each message.
//!
//! Purpose: events for many tasks. The channel is a ring: a sender never waits, and a receiver that is too slow finds
//! that messages were overwritten, and how many.
//!
//! Data flow: [`Sender::send`] → slot of the message's position → the receivers that wait, from the list beside the
//! tail → [`Receiver::recv`] → the same slot, where the last receiver to come takes the message out.
//!
//! Cost: a send takes the lock of the tail and that of one slot; receiving a message takes the lock of its slot, and one
//! that waits takes that of the tail once.
//!
//! Invariants:
//! - I1: positions count messages from 0 on. Message `p` lies in slot `p % capacity` until message `p + capacity` takes
//!   its place; a slot's `position` says which one is in it, and changes under the locks of the tail and of the slot.
//! - I2: `left` counts the receivers that have not passed the slot's message. A receiver passes each message from its
//!   subscription on once: it receives it, drops it with itself, or finds it overwritten. So while the message at its
//!   own position is there, the value is.
//! - I3: locks are taken in the order tail, slot.
//! - I4: a waiter's data is the position that it waits for. It is queued under the lock of the tail, while that position
//!   is the tail's, so that the list is sorted by it; a send wakes those that wait for its message or an earlier one.
//! - I5: under the lock of a slot the message is cloned, since values need not be `Sync`; if that panics the message
//!   counts as received. Values are dropped, and wakers cloned, dropped and woken, without any lock.
//!
//! Memory ordering: everything is ordered by the two locks. `Slot::position` is read without them as a hint (Relaxed):
//! under the lock of the slot, a receiver looks again.
//!
//! Models: `each_receiver_gets_each_message`, `received_and_missed_add_up`, `the_last_sender_to_go_wakes_receivers`,
//! `a_message_is_dropped_when_all_have_passed_it`, `a_receiver_that_leaves_the_queue_keeps_nobody_from_being_woken`,
//! `a_subscriber_gets_each_later_message`.

pub mod error;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use crossbeam_utils::CachePadded;
use sprang_core::coop;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use sprang_core::primitive::sync::atomic::{AtomicU64, AtomicUsize};
use sprang_core::primitive::sync::{Arc, Mutex, MutexGuard};
use sprang_core::waiting;

use self::error::{RecvError, SendError, TryRecvError};
use crate::blocking::block_on;
use crate::notify::Notify;
use crate::wait_list::{Fill, WaitList, Waiter, wake_in_batches};

const MAX_RECEIVERS: usize = usize::MAX >> 2;

struct Shared<T> {
    /// A power of two of them.
    slots: Box<[Slot<T>]>,
    tail: CachePadded<Mutex<Tail>>,
    senders: AtomicUsize,
    weak_senders: AtomicUsize,
    /// Notified when the last receiver goes.
    gone: Notify,
}

struct Slot<T> {
    /// The position of the message (I1).
    position: AtomicU64,
    message: Mutex<Message<T>>,
}

struct Message<T> {
    /// Receivers that have not passed it (I2).
    left: usize,
    value: Option<T>,
}

struct Tail {
    /// The position of the next message.
    position: u64,
    receivers: usize,
    senders_gone: bool,
    /// Receivers that have passed all messages (I4).
    waiting: WaitList<u64>,
}

// A panic leaves no message half sent or half received.
impl<T> UnwindSafe for Shared<T> {}
impl<T> RefUnwindSafe for Shared<T> {}

impl<T> Shared<T> {
    fn slot(&self, position: u64) -> &Slot<T> {
        // The number of slots is a power of two, so that the bits above it do not matter.
        &self.slots[position as usize & (self.slots.len() - 1)]
    }

    /// The message of a position, locked, if it is there.
    #[inline]
    fn message(&self, position: u64) -> Option<MutexGuard<'_, Message<T>>> {
        let slot = self.slot(position);
        let is_there = || slot.position.load(Relaxed) == position;
        is_there().then(|| slot.message.lock()).filter(|_| is_there())
    }

    /// Wakes all that wait for an earlier position than `end`.
    fn wake_before(&self, end: u64, tail: MutexGuard<'_, Tail>) {
        if tail.waiting.is_empty() {
            return;
        }
        let mut locked = Some(tail);
        wake_in_batches(|batch| {
            let mut tail = locked.take().unwrap_or_else(|| self.tail.lock());
            while batch.can_push() {
                if tail.waiting.with_front(|position| *position < end) != Some(true) {
                    return Fill::Through;
                }
                if let Some(waker) = tail.waiting.pop_front() {
                    batch.push(waker);
                }
            }
            Fill::More
        });
    }
}

/// Sends to all receivers. Clone it for further senders.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// A sender that does not keep its channel open.
///
/// The channel ends for the receivers when only weak senders are left.
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

/// Receives each message that was sent after its making. Further ones come from [`subscribe`](Sender::subscribe) and
/// [`resubscribe`](Self::resubscribe).
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The position of the next message to be received.
    next: u64,
}

/// Makes a channel that keeps the last `capacity` messages, rounded up to a power of two.
///
/// A message is kept until all receivers have received it or it is overwritten.
///
/// # Panics
///
/// If `capacity` is 0, or more than `usize::MAX / 2`.
///
/// ```
/// # futures::executor::block_on(async {
/// use sprang_sync::broadcast::{self, error::RecvError};
///
/// let (sender, mut first) = broadcast::channel(2);
/// let mut second = sender.subscribe();
/// sender.send(1).unwrap();
/// sender.send(2).unwrap();
/// assert_eq!(first.recv().await, Ok(1));
/// sender.send(3).unwrap();
/// assert_eq!(first.recv().await, Ok(2));
/// assert_eq!(second.recv().await, Err(RecvError::Lagged(1)));
/// assert_eq!(second.recv().await, Ok(2));
/// # });
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(capacity);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    /// A sender without receivers, of a channel as [`channel`] makes it.
    ///
    /// # Panics
    ///
    /// As [`channel`].
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "broadcast channel capacity cannot be zero");
        assert!(
            capacity <= usize::MAX >> 1,
            "broadcast channel capacity exceeded `usize::MAX / 2`"
        );
        let capacity = capacity.next_power_of_two();
        let slots = (0..capacity as u64).map(|index| Slot {
            // One lap before the first message: no receiver is there.
            position: AtomicU64::new(index.wrapping_sub(capacity as u64)),
            message: Mutex::new(Message { left: 0, value: None }),
        });
        let shared = Arc::new(Shared {
            slots: slots.collect(),
            tail: CachePadded::new(Mutex::new(Tail {
                position: 0,
                receivers: 0,
                senders_gone: false,
                waiting: WaitList::new(),
            })),
            senders: AtomicUsize::new(1),
            weak_senders: AtomicUsize::new(0),
            gone: Notify::new(),
        });
        Self { shared }
    }

    /// Sends a message to all receivers there are now; returns how many. Never waits for a receiver to receive.
    ///
    /// If the channel is full the oldest message is dropped. That a message was sent does not say that it will be
    /// received.
    ///
    /// # Errors
    ///
    /// Gives the message back if there is no receiver. There may be some later.
    ///
    /// ```
    /// let (sender, mut receiver) = sprang_sync::broadcast::channel(16);
    /// assert_eq!(sender.send("hello").unwrap(), 1);
    /// assert_eq!(receiver.blocking_recv(), Ok("hello"));
    /// drop(receiver);
    /// assert_eq!(sender.send("anyone?").unwrap_err().0, "anyone?");
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let mut tail = self.shared.tail.lock();
        let (position, receivers) = (tail.position, tail.receivers);
        if receivers == 0 {
            return Err(SendError(value));
        }
        tail.position += 1;
        let slot = self.shared.slot(position);
        let mut message = slot.message.lock();
        slot.position.store(position, Relaxed);
        message.left = receivers;
        let _overwritten = message.value.replace(value);
        drop(message);
        self.shared.wake_before(position + 1, tail);
        Ok(receivers)
    }

    /// A receiver of all messages that are sent from now on.
    ///
    /// ```
    /// let (sender, _) = sprang_sync::broadcast::channel(16);
    /// let mut receiver = sender.subscribe();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.blocking_recv(), Ok(1));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared)
    }

    /// A sender that does not keep the channel open.
    #[must_use = "this does not drop the sender"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender::new(&self.shared)
    }

    /// The number of messages that some receiver has not received, and that were not overwritten.
    ///
    /// ```
    /// let (sender, mut receiver) = sprang_sync::broadcast::channel(4);
    /// sender.send(1).unwrap();
    /// sender.send(2).unwrap();
    /// receiver.blocking_recv().unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        let tail = self.shared.tail.lock();
        let capacity = self.shared.slots.len();
        // Nobody has passed a message without having passed those before it.
        let (mut passed, mut kept) = (0, capacity);
        while passed < kept {
            let middle = passed + (kept - passed) / 2;
            if self.is_passed(tail.position.wrapping_add(middle as u64)) {
                passed = middle + 1;
            } else {
                kept = middle;
            }
        }
        capacity - passed
    }

    /// Whether all messages were received or overwritten.
    pub fn is_empty(&self) -> bool {
        let tail = self.shared.tail.lock();
        self.is_passed(tail.position.wrapping_sub(1))
    }

    /// Whether nobody is to receive what is in the slot of `position`. Called under the lock of the tail.
    fn is_passed(&self, position: u64) -> bool {
        self.shared.slot(position).message.lock().left == 0
    }

    /// The number of receivers.
    pub fn receiver_count(&self) -> usize {
        self.shared.tail.lock().receivers
    }

    /// Whether both are senders of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until there is no receiver. [`subscribe`](Self::subscribe) may make one afterwards.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let (sender, receiver) = sprang_sync::broadcast::channel::<u8>(16);
    /// drop(receiver);
    /// sender.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        loop {
            // Made before the look: a receiver that goes in between notifies it.
            let notified = self.shared.gone.notified();
            if self.receiver_count() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// The number of senders.
    pub fn strong_count(&self) -> usize {
        // ORDERING: pairs with the drop of a sender.
        self.shared.senders.load(Acquire)
    }

    /// The number of weak senders.
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders.load(Relaxed)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Relaxed);
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // ORDERING: the last one to go passes on what all others did.
        if self.shared.senders.fetch_sub(1, AcqRel) == 1 {
            let mut tail = self.shared.tail.lock();
            tail.senders_gone = true;
            self.shared.wake_before(u64::MAX, tail);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Sender")
    }
}

impl<T> WeakSender<T> {
    fn new(shared: &Arc<Shared<T>>) -> Self {
        shared.weak_senders.fetch_add(1, Relaxed);
        Self {
            shared: Arc::clone(shared),
        }
    }

    /// A sender, unless all are gone.
    ///
    /// ```
    /// let (sender, _receiver) = sprang_sync::broadcast::channel::<u8>(16);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let mut senders = self.shared.senders.load(Relaxed);
        while senders > 0 {
            // ORDERING: acquire pairs with the drop of other senders: this one goes on where they ended.
            match self
                .shared
                .senders
                .compare_exchange_weak(senders, senders + 1, Acquire, Relaxed)
            {
                Ok(_) => {
                    return Some(Sender {
                        shared: Arc::clone(&self.shared),
                    });
                }
                Err(now) => senders = now,
            }
        }
        None
    }

    /// The number of senders.
    pub fn strong_count(&self) -> usize {
        // ORDERING: pairs with the drop of a sender.
        self.shared.senders.load(Acquire)
    }

    /// The number of weak senders.
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders.load(Relaxed)
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self::new(&self.shared)
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.shared.weak_senders.fetch_sub(1, Relaxed);
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::WeakSender")
    }
}

/// The message that a receiver is about to pass, locked. Passed when dropped.
struct Passing<'a, T>(Option<MutexGuard<'a, Message<T>>>);

impl<T: Clone> Passing<'_, T> {
    fn value(&self) -> T {
        let value = self.0.as_ref().and_then(|message| message.value.as_ref());
        value.expect("the value stays until all have passed it").clone()
    }
}

impl<T> Drop for Passing<'_, T> {
    fn drop(&mut self) {
        let Some(mut message) = self.0.take() else { return };
        message.left -= 1;
        let value = if message.left == 0 { message.value.take() } else { None };
        // The value is dropped without the lock (I5).
        drop(message);
        drop(value);
    }
}

impl<T> Receiver<T> {
    #[track_caller]
    fn new(shared: &Arc<Shared<T>>) -> Self {
        let mut tail = shared.tail.lock();
        assert!(tail.receivers < MAX_RECEIVERS, "max receivers");
        tail.receivers += 1;
        Self {
            shared: Arc::clone(shared),
            next: tail.position,
        }
    }

    /// The next message, of which the receiver has to be told; if there is none, leaves the waker of `waiting`, if any.
    ///
    /// # Safety
    ///
    /// A waiter that is given belongs to the caller, who gives it to this receiver only, and removes it from the list
    /// before it is dropped.
    unsafe fn pass(&mut self, waiting: Option<(Pin<&Waiter<u64>>, &Waker)>) -> Result<Passing<'_, T>, TryRecvError> {
        let shared = &*self.shared;
        loop {
            if let Some(message) = shared.message(self.next) {
                self.next += 1;
                return Ok(Passing(Some(message)));
            }
            let waker = waiting.map(|(_, waker)| waker.clone());
            let mut tail = shared.tail.lock();
            let capacity = shared.slots.len() as u64;
            match tail.position - self.next {
                0 if tail.senders_gone => return Err(TryRecvError::Closed),
                0 => {
                    let mut unused = waker;
                    if let Some((waiter, _)) = waiting {
                        // SAFETY: the lock of the list is held, and the rest passed on.
                        unused = unsafe { tail.wait(waiter, self.next, unused) };
                    }
                    drop(tail);
                    drop(unused);
                    return Err(TryRecvError::Empty);
                }
                behind if behind > capacity => {
                    let missed = behind - capacity;
                    self.next += missed;
                    return Err(TryRecvError::Lagged(missed));
                }
                // A message has come in between.
                _ => {}
            }
        }
    }

    /// The number of messages sent that were not received; they may be more than the channel keeps.
    pub fn len(&self) -> usize {
        (self.shared.tail.lock().position - self.next) as usize
    }

    /// Whether there is no message to be received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both are receivers of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The number of senders.
    pub fn sender_strong_count(&self) -> usize {
        // ORDERING: pairs with the drop of a sender.
        self.shared.senders.load(Acquire)
    }

    /// The number of weak senders.
    pub fn sender_weak_count(&self) -> usize {
        self.shared.weak_senders.load(Relaxed)
    }

    /// Whether all senders are gone. There may be messages left.
    pub fn is_closed(&self) -> bool {
        self.sender_strong_count() == 0
    }
}

impl Tail {
    /// Queues `waiter`, which waits for `position`, or renews its waker. Returns the waker that is not needed.
    ///
    /// # Safety
    ///
    /// As for [`WaitList::push_back`], but that the waiter may be in this list already.
    unsafe fn wait(&mut self, waiter: Pin<&Waiter<u64>>, position: u64, waker: Option<Waker>) -> Option<Waker> {
        if waiter.is_queued() {
            // SAFETY: the list is held, and with it its lock.
            return unsafe { waiter.replace_waker(waker) };
        }
        // SAFETY: not queued, and the caller owns it.
        unsafe { waiter.with_data(|awaited| *awaited = position) };
        // SAFETY: passed on.
        unsafe { self.waiting.push_back(waiter, waker) }
    }
}

impl<T: Clone> Receiver<T> {
    /// A receiver of all messages that are sent from now on. What this one has not received is not for the other.
    ///
    /// ```
    /// let (sender, mut receiver) = sprang_sync::broadcast::channel(16);
    /// sender.send(1).unwrap();
    /// let mut other = receiver.resubscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.blocking_recv(), Ok(1));
    /// assert_eq!(other.blocking_recv(), Ok(2));
    /// ```
    pub fn resubscribe(&self) -> Self {
        Self::new(&self.shared)
    }

    /// Receives the next message, a clone of what was sent.
    ///
    /// The value is cloned under a lock that other receivers of the message wait for: `clone` must not use the channel.
    ///
    /// # Errors
    ///
    /// [`RecvError::Lagged`] if messages were overwritten before they were received; the next call receives the oldest
    /// that is left. [`RecvError::Closed`] if all senders are gone and all messages were received.
    ///
    /// # Cancel safety
    ///
    /// No message is lost when the future is dropped.
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        // A message that is there already needs no waiter.
        let ready = poll_fn(|cx| {
            let proceed = ready!(coop::poll_proceed(cx));
            let Some(message) = self.shared.message(self.next) else {
                return Poll::Ready(None);
            };
            self.next += 1;
            proceed.made_progress();
            Poll::Ready(Some(Passing(Some(message)).value()))
        });
        if let Some(value) = ready.await {
            return Ok(value);
        }
        let mut receiving = pin!(Receiving {
            receiver: self,
            waiter: Waiter::new(0),
        });
        poll_fn(|cx| {
            let proceed = ready!(coop::poll_proceed(cx));
            let received = ready!(receiving.as_mut().poll(cx));
            proceed.made_progress();
            Poll::Ready(received)
        })
        .await
    }

    /// Receives the next message, if there is one.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`TryRecvError::Empty`] if no message is there now.
    ///
    /// ```
    /// use sprang_sync::broadcast::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = broadcast::channel(16);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        // SAFETY: no waiter is given.
        let passing = unsafe { self.pass(None) }?;
        Ok(passing.value())
    }

    /// As [`recv`](Self::recv), on this thread. Not for use in async code.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        block_on(self.recv())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let (end, last) = {
            let mut tail = self.shared.tail.lock();
            tail.receivers -= 1;
            (tail.position, tail.receivers == 0)
        };
        let mut panic = None;
        while self.next < end {
            // SAFETY: no waiter is given. What was overwritten is passed, too.
            let passed = catch_unwind(AssertUnwindSafe(|| drop(unsafe { self.pass(None) })));
            if let Err(caught) = passed {
                panic.get_or_insert(caught);
            }
        }
        if last {
            self.shared.gone.notify_waiters();
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Receiver")
    }
}

/// The future of [`Receiver::recv`], but for the budget.
struct Receiving<'a, T> {
    receiver: &'a mut Receiver<T>,
    waiter: Waiter<u64>,
}

impl<T: Clone> Future for Receiving<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of `this`; the waiter stays where it is.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `self` is pinned.
        let waiter = unsafe { Pin::new_unchecked(&this.waiter) };
        // SAFETY: the waiter is ours, and `drop` removes it.
        match unsafe { this.receiver.pass(Some((waiter, cx.waker()))) } {
            Ok(passing) => Poll::Ready(Ok(passing.value())),
            Err(TryRecvError::Empty) => {
                waiting::on("a message");
                Poll::Pending
            }
            Err(TryRecvError::Closed) => Poll::Ready(Err(RecvError::Closed)),
            Err(TryRecvError::Lagged(missed)) => Poll::Ready(Err(RecvError::Lagged(missed))),
        }
    }
}

impl<T> Drop for Receiving<'_, T> {
    fn drop(&mut self) {
        if !self.waiter.is_queued() {
            return;
        }
        let mut tail = self.receiver.shared.tail.lock();
        if self.waiter.is_queued() {
            // SAFETY: queued in this list, whose lock is held.
            let waker = unsafe { tail.waiting.remove(&self.waiter) };
            drop(tail);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::{model, thread};

    /// What a receiver gets until the end: messages, and how many it missed.
    fn drain(mut receiver: Receiver<Arc<u64>>) -> (Vec<u64>, u64) {
        let (mut received, mut missed) = (Vec::new(), 0);
        loop {
            match block_on(receiver.recv()) {
                Ok(value) => received.push(*value),
                Err(RecvError::Lagged(count)) => missed += count,
                Err(RecvError::Closed) => return (received, missed),
            }
        }
    }

    #[test]
    fn each_receiver_gets_each_message() {
        model(|| {
            let (sender, mut receiver) = channel(1);
            // One that goes would wake receivers, too.
            let staying = sender.clone();
            let mut other = sender.subscribe();
            // One that does not wait for long: loom does not like two threads that spin.
            let receiving = thread::spawn(move || {
                let received = Box::pin(other.recv())
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
                (other, received)
            });
            let sending = thread::spawn(move || sender.send(Arc::new(7)).unwrap());
            assert_eq!(block_on(receiver.recv()).map(|value| *value), Ok(7));
            drop(staying);
            assert_eq!(drain(receiver), (vec![], 0));
            assert_eq!(sending.join().unwrap(), 2);
            match receiving.join().unwrap() {
                (other, Poll::Pending) => assert_eq!(drain(other), (vec![7], 0)),
                (other, Poll::Ready(received)) => {
                    assert_eq!(received.map(|value| *value), Ok(7));
                    assert_eq!(drain(other), (vec![], 0));
                }
            }
        });
    }

    #[test]
    fn received_and_missed_add_up() {
        model(|| {
            let (sender, receiver) = channel(1);
            let sending = thread::spawn(move || {
                for i in 0..3 {
                    sender.send(Arc::new(i)).unwrap();
                }
            });
            let (received, missed) = drain(receiver);
            assert!(received.is_sorted());
            assert_eq!(received.last(), Some(&2));
            assert_eq!(received.len() as u64 + missed, 3);
            sending.join().unwrap();
        });
    }

    #[test]
    fn the_last_sender_to_go_wakes_receivers() {
        model(|| {
            let (sender, receiver) = channel(1);
            let (weak, other) = (sender.downgrade(), sender.clone());
            let leaving = thread::spawn(move || drop(sender));
            let also_leaving = thread::spawn(move || drop(other));
            assert_eq!(drain(receiver), (vec![], 0));
            assert!(weak.upgrade().is_none());
            leaving.join().unwrap();
            also_leaving.join().unwrap();
        });
    }

    #[test]
    fn a_message_is_dropped_when_all_have_passed_it() {
        model(|| {
            let (sender, mut receiver) = channel(2);
            let other = sender.subscribe();
            let message = Arc::new(0);
            sender.send(Arc::clone(&message)).unwrap();
            let leaving = thread::spawn(move || drop(other));
            drop(block_on(receiver.recv()).unwrap());
            leaving.join().unwrap();
            assert!(sender.is_empty());
            assert_eq!(Arc::strong_count(&message), 1);
            // Counts one receiver, not two.
            assert_eq!(sender.send(message).unwrap(), 1);
        });
    }

    #[test]
    fn a_receiver_that_leaves_the_queue_keeps_nobody_from_being_woken() {
        model(|| {
            let (sender, mut receiver) = channel(1);
            // One that goes would wake receivers, too.
            let staying = sender.clone();
            let mut other = sender.subscribe();
            let leaving = thread::spawn(move || {
                let mut recv = Box::pin(other.recv());
                let _ = recv.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                drop(recv);
                // Whatever the future came to, the message is still there or was received.
                drop(other);
            });
            let sending = thread::spawn(move || drop(sender.send(Arc::new(7))));
            assert_eq!(block_on(receiver.recv()).map(|value| *value), Ok(7));
            drop(staying);
            leaving.join().unwrap();
            sending.join().unwrap();
        });
    }

    #[test]
    fn a_subscriber_gets_each_later_message() {
        model(|| {
            let (sender, receiver) = channel(2);
            let other = sender.clone();
            let sending = thread::spawn(move || other.send(Arc::new(1)).unwrap());
            let late = sender.subscribe();
            sender.send(Arc::new(2)).unwrap();
            drop(sender);
            let counted = sending.join().unwrap();
            // The one is counted as a receiver if and only if it gets the message.
            let (mut received, missed) = drain(late);
            received.retain(|value| *value == 1);
            assert_eq!((received.len() + 1, missed), (counted, 0));
            assert_eq!(drain(receiver).0.len(), 2);
        });
    }
}
