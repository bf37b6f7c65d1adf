//! The bounded channel.
//!
//! Purpose: senders that wait while the channel is full, in the order in which they came.
//!
//! Data flow: [`Sender::send`] → `permits` → `chan` → `queue` → [`Receiver::recv`] → `permits` → the next sender.
//!
//! Cost, in atomic read-modify-writes: a message takes 1 for its permit and 1 for its slot; receiving it gives the
//! permit back with 1.
//!
//! Invariants:
//! - I1: a permit stands for one free slot. It is held from the reservation to the receiving of the message, or goes
//!   back; the number of permits is the capacity.
//! - I2: whoever gives a permit back without a message calls `wake_if_over` (I3 of `chan`).

use std::fmt;
use std::future::poll_fn;
use std::iter::FusedIterator;
use std::mem::{ManuallyDrop, forget};
use std::task::{Context, Poll};

use super::chan::{self, Flow, RecvHalf, SendHalf, WeakHalf};
use super::error::{SendError, TryRecvError, TrySendError};
use super::queue::Queue;
use crate::blocking::block_on;
use crate::permits::{Permits, TryAcquireError};

/// A permit for each message.
struct Bounded {
    permits: Permits,
    capacity: usize,
}

impl Flow for Bounded {
    #[inline]
    fn give_back(&self, count: usize) {
        self.permits.release(count);
    }

    fn close<T>(&self, _: &Queue<T>) {
        self.permits.close();
    }

    fn is_closed<T>(&self, _: &Queue<T>) -> bool {
        self.permits.is_closed()
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.permits.is_closed_with(self.capacity)
    }
}

type Half<T> = SendHalf<T, Bounded>;

impl<T> Half<T> {
    /// Sends a message for which a permit is held.
    #[inline]
    fn push_permitted(&self, message: T) {
        let pushed = self.push(message);
        // The queue of a bounded channel is never closed; its permits are.
        debug_assert!(pushed.is_ok());
    }

    /// Gives permits back that no message was sent with.
    fn return_permits(&self, count: usize) {
        /// Runs also if the waker of the sender that gets the permit panics.
        struct WakeIfOver<'a, T>(&'a Half<T>);

        impl<T> Drop for WakeIfOver<'_, T> {
            fn drop(&mut self) {
                self.0.wake_if_over();
            }
        }

        let _wake = WakeIfOver(self);
        self.flow().give_back(count);
    }

    fn try_reserve(&self, count: usize) -> Result<(), TrySendError<()>> {
        self.flow().permits.try_acquire(count).map_err(|error| match error {
            TryAcquireError::Closed => TrySendError::Closed(()),
            TryAcquireError::NoPermits => TrySendError::Full(()),
        })
    }

    async fn reserve(&self, count: usize) -> Result<(), SendError<()>> {
        /// Dropped after the future that waits for permits, which gives back what it has (I2).
        struct WakeIfOver<'a, T>(&'a Half<T>);

        impl<T> Drop for WakeIfOver<'_, T> {
            fn drop(&mut self) {
                self.0.wake_if_over();
            }
        }

        if count > self.flow().capacity {
            return Err(SendError(()));
        }
        let wake = WakeIfOver(self);
        match self.flow().permits.acquire(count).await {
            Ok(()) => {
                forget(wake);
                Ok(())
            }
            Err(_) => Err(SendError(())),
        }
    }
}

/// Sends into a bounded channel. Clone it for further senders.
pub struct Sender<T> {
    chan: Half<T>,
}

/// A sender that does not keep its channel open.
///
/// The channel ends for the receiver when only weak senders are left.
pub struct WeakSender<T> {
    chan: WeakHalf<T, Bounded>,
}

/// Receives from a bounded channel.
pub struct Receiver<T> {
    chan: RecvHalf<T, Bounded>,
}

/// Room for one message, reserved; given back when dropped.
#[must_use = "the room is given back at once"]
pub struct Permit<'a, T> {
    chan: &'a Half<T>,
}

/// Room for some messages, reserved; yields a [`Permit`] for each. What is left is given back when dropped.
#[must_use = "the room is given back at once"]
pub struct PermitIterator<'a, T> {
    chan: &'a Half<T>,
    count: usize,
}

/// Room for one message, reserved, together with the sender; given back when dropped.
#[must_use = "the room is given back at once"]
pub struct OwnedPermit<T> {
    chan: Half<T>,
}

/// Makes a channel that holds up to `buffer` messages.
///
/// # Panics
///
/// If `buffer` is 0, or more than [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
///
/// ```
/// # futures::executor::block_on(async {
/// let (sender, mut receiver) = sprang_sync::mpsc::channel(1);
/// sender.send("hello").await.unwrap();
/// assert!(sender.try_send("again").is_err());
/// assert_eq!(receiver.recv().await, Some("hello"));
/// # });
/// ```
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    assert!(buffer > 0, "mpsc bounded channel requires buffer > 0");
    let (sender, receiver) = chan::halves(Bounded {
        permits: Permits::new(buffer),
        capacity: buffer,
    });
    (Sender { chan: sender }, Receiver { chan: receiver })
}

impl<T> Sender<T> {
    /// Sends a message; waits while the channel is full.
    ///
    /// # Errors
    ///
    /// Gives the message back if the receiver was closed or dropped. `Ok` does not say that it will be received.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, the message is dropped unsent, and the place in the queue is
    /// lost. To keep the message, [`reserve`](Self::reserve) first.
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        match self.chan.reserve(1).await {
            Ok(()) => {
                self.chan.push_permitted(value);
                Ok(())
            }
            Err(_) => Err(SendError(value)),
        }
    }

    /// Waits until the receiver is closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) {
        self.chan.closed().await;
    }

    /// Sends a message if there is room.
    ///
    /// # Errors
    ///
    /// Gives the message back: [`TrySendError::Full`] if there is no room, [`TrySendError::Closed`] if the receiver was
    /// closed or dropped.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        match self.chan.try_reserve(1) {
            Ok(()) => {
                self.chan.push_permitted(message);
                Ok(())
            }
            Err(TrySendError::Full(())) => Err(TrySendError::Full(message)),
            Err(TrySendError::Closed(())) => Err(TrySendError::Closed(message)),
        }
    }

    /// As [`send`](Self::send), on this thread. Not for use in async code.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        block_on(self.send(value))
    }

    /// Whether the receiver was closed or dropped.
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Waits for room for one message.
    ///
    /// # Errors
    ///
    /// If the receiver was closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the place in the queue, and nothing else.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let (sender, mut receiver) = sprang_sync::mpsc::channel(1);
    /// let permit = sender.reserve().await.unwrap();
    /// assert!(sender.try_send(1).is_err());
    /// permit.send(2);
    /// assert_eq!(receiver.recv().await, Some(2));
    /// # });
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        self.chan.reserve(1).await?;
        Ok(Permit { chan: &self.chan })
    }

    /// Waits for room for `n` messages, to be had together.
    ///
    /// # Errors
    ///
    /// If the receiver was closed or dropped, or `n` is more than the capacity.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let (sender, mut receiver) = sprang_sync::mpsc::channel(2);
    /// for (permit, i) in sender.reserve_many(2).await.unwrap().zip(1..) {
    ///     permit.send(i);
    /// }
    /// assert_eq!(receiver.recv().await, Some(1));
    /// assert_eq!(receiver.recv().await, Some(2));
    /// # });
    /// ```
    pub async fn reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        self.chan.reserve(n).await?;
        Ok(PermitIterator {
            chan: &self.chan,
            count: n,
        })
    }

    /// As [`reserve`](Self::reserve), with a permit that holds the sender.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve); the sender is dropped with the future.
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        self.chan.reserve(1).await?;
        Ok(OwnedPermit { chan: self.chan })
    }

    /// Takes room for one message if there is some.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] if there is no room, [`TrySendError::Closed`] if the receiver was closed or dropped.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.chan.try_reserve(1)?;
        Ok(Permit { chan: &self.chan })
    }

    /// Takes room for `n` messages if there is so much.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve); [`TrySendError::Full`] also if `n` is more than the capacity.
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        if n > self.max_capacity() {
            return Err(TrySendError::Full(()));
        }
        self.chan.try_reserve(n)?;
        Ok(PermitIterator {
            chan: &self.chan,
            count: n,
        })
    }

    /// As [`try_reserve`](Self::try_reserve), with a permit that holds the sender.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve), with the sender.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.chan.try_reserve(1) {
            Ok(()) => Ok(OwnedPermit { chan: self.chan }),
            Err(TrySendError::Full(())) => Err(TrySendError::Full(self)),
            Err(TrySendError::Closed(())) => Err(TrySendError::Closed(self)),
        }
    }

    /// Whether both senders send into the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.chan.same_channel(&other.chan)
    }

    /// The room there is now, in messages. A permit takes room as a message does.
    pub fn capacity(&self) -> usize {
        self.chan.flow().permits.available()
    }

    /// A sender that does not keep the channel open.
    #[must_use = "this does not drop the sender"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            chan: self.chan.downgrade(),
        }
    }

    /// The room there is at most, as given to [`channel`].
    pub fn max_capacity(&self) -> usize {
        self.chan.flow().capacity
    }

    /// The number of senders; an owned permit counts as one.
    pub fn strong_count(&self) -> usize {
        self.chan.counts().strong
    }

    /// The number of weak senders.
    pub fn weak_count(&self) -> usize {
        self.chan.counts().weak
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("chan", &self.chan).finish()
    }
}

impl<T> WeakSender<T> {
    /// A sender, unless all are gone.
    ///
    /// ```
    /// let (sender, _receiver) = sprang_sync::mpsc::channel::<()>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.chan.upgrade().map(|chan| Sender { chan })
    }

    /// The number of senders.
    pub fn strong_count(&self) -> usize {
        self.chan.counts().strong
    }

    /// The number of weak senders.
    pub fn weak_count(&self) -> usize {
        self.chan.counts().weak
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish()
    }
}

impl<T> Permit<'_, T> {
    /// Sends a message into the reserved room. Never waits, never fails: if the receiver is gone the message is dropped.
    pub fn send(self, value: T) {
        ManuallyDrop::new(self).chan.push_permitted(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.chan.return_permits(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("chan", self.chan).finish()
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        Some(Permit { chan: self.chan })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.chan.return_permits(self.count);
        }
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator")
            .field("chan", self.chan)
            .field("capacity", &self.count)
            .finish()
    }
}

impl<T> OwnedPermit<T> {
    /// Sends a message into the reserved room, and gives the sender back. If the receiver is gone the message is dropped.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let (sender, mut receiver) = sprang_sync::mpsc::channel(1);
    /// let permit = sender.reserve_owned().await.unwrap();
    /// let sender = permit.send(1);
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # drop(sender);
    /// # });
    /// ```
    pub fn send(self, value: T) -> Sender<T> {
        let sender = Sender { chan: self.into_half() };
        sender.chan.push_permitted(value);
        sender
    }

    /// Gives the room back, and returns the sender.
    pub fn release(self) -> Sender<T> {
        let sender = Sender { chan: self.into_half() };
        sender.chan.return_permits(1);
        sender
    }

    /// Whether both permits are for the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.chan.same_channel(&other.chan)
    }

    /// Whether the permit is for the channel that `sender` sends into.
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        self.chan.same_channel(&sender.chan)
    }

    fn into_half(self) -> Half<T> {
        let this = ManuallyDrop::new(self);
        // SAFETY: read once: `this` is not dropped.
        unsafe { std::ptr::read(&this.chan) }
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        self.chan.return_permits(1);
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("chan", &self.chan).finish()
    }
}

impl<T> Unpin for Receiver<T> {}

impl<T> Receiver<T> {
    /// Receives the next message; `None` when all senders are gone, or the channel was [closed](Self::close), and all
    /// messages were received.
    ///
    /// # Cancel safety
    ///
    /// No message is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.chan.poll_recv(cx)).await
    }

    /// Receives up to `limit` messages, at least one, and pushes them to `buffer`. Returns how many; 0 when the channel
    /// is over, or `limit` is 0.
    ///
    /// # Cancel safety
    ///
    /// No message is lost when the future is dropped.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let (sender, mut receiver) = sprang_sync::mpsc::channel(8);
    /// for i in 0..5 {
    ///     sender.send(i).await.unwrap();
    /// }
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut buffer, 3).await, 3);
    /// assert_eq!(buffer, [0, 1, 2]);
    /// # });
    /// ```
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.chan.poll_recv_many(cx, buffer, limit)).await
    }

    /// Takes the next message, if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] while there may be one later, [`TryRecvError::Disconnected`] if there will not.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.chan.try_recv()
    }

    /// As [`recv`](Self::recv), on this thread. Not for use in async code.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        block_on(self.recv())
    }

    /// As [`recv_many`](Self::recv_many), on this thread. Not for use in async code.
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        block_on(self.recv_many(buffer, limit))
    }

    /// Gives no more room to senders.
    ///
    /// Messages sent before, and those sent with permits that are out, can still be received;
    /// [`recv`](Self::recv) returns `None` when there are none of either.
    pub fn close(&mut self) {
        self.chan.close();
    }

    /// Whether the channel was closed, or all senders are gone. There may be messages left.
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Whether no message is there.
    pub fn is_empty(&self) -> bool {
        self.chan.len() == 0
    }

    /// The number of messages that are there.
    pub fn len(&self) -> usize {
        self.chan.len()
    }

    /// The room there is now, in messages. A permit takes room as a message does.
    pub fn capacity(&self) -> usize {
        self.chan.flow().permits.available()
    }

    /// The room there is at most, as given to [`channel`].
    pub fn max_capacity(&self) -> usize {
        self.chan.flow().capacity
    }

    /// Polls for the next message, as [`recv`](Self::recv). The task polled last is the one woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.chan.poll_recv(cx)
    }

    /// Polls for messages, as [`recv_many`](Self::recv_many). The task polled last is the one woken.
    pub fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        self.chan.poll_recv_many(cx, buffer, limit)
    }

    /// The number of senders; an owned permit counts as one.
    pub fn sender_strong_count(&self) -> usize {
        self.chan.counts().strong
    }

    /// The number of weak senders.
    pub fn sender_weak_count(&self) -> usize {
        self.chan.counts().weak
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("chan", &self.chan).finish()
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::{model, thread};

    #[test]
    fn a_full_channel_hands_its_room_to_the_sender_that_waits() {
        model(|| {
            let (sender, mut receiver) = channel(1);
            let sending = thread::spawn(move || {
                for i in 0..2 {
                    block_on(sender.send(Box::new(i))).unwrap();
                }
            });
            for i in 0..2 {
                assert_eq!(block_on(receiver.recv()), Some(Box::new(i)));
            }
            sending.join().unwrap();
        });
    }

    #[test]
    fn the_last_permit_of_a_closed_channel_ends_it() {
        model(|| {
            let (sender, mut receiver) = channel::<u8>(2);
            let permits = [0, 1].map(|_| sender.clone().try_reserve_owned().unwrap());
            receiver.close();
            let threads = permits.map(|permit| thread::spawn(move || permit.release()));
            assert_eq!(block_on(receiver.recv()), None);
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}
