//! The unbounded channel.
//!
//! Purpose: senders that never wait, for whom there is as much room as there is memory.
//!
//! Data flow: [`UnboundedSender::send`] → `chan` → `queue` → [`UnboundedReceiver::recv`].
//!
//! Cost: a message is one atomic read-modify-write.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::chan::{self, Flow, RecvHalf, SendHalf, WeakHalf};
use super::error::{SendError, TryRecvError};
use super::queue::Queue;
use crate::blocking::block_on;

/// No limit.
struct Unbounded;

impl Flow for Unbounded {
    #[inline]
    fn give_back(&self, _: usize) {}

    fn close<T>(&self, queue: &Queue<T>) {
        queue.close();
    }

    fn is_closed<T>(&self, queue: &Queue<T>) -> bool {
        queue.is_closed()
    }

    /// The queue itself knows.
    #[inline]
    fn is_over(&self) -> bool {
        false
    }
}

/// Sends into an unbounded channel. Clone it for further senders.
pub struct UnboundedSender<T> {
    chan: SendHalf<T, Unbounded>,
}

/// A sender that does not keep its channel open.
///
/// The channel ends for the receiver when only weak senders are left.
pub struct WeakUnboundedSender<T> {
    chan: WeakHalf<T, Unbounded>,
}

/// Receives from an unbounded channel.
pub struct UnboundedReceiver<T> {
    chan: RecvHalf<T, Unbounded>,
}

/// Makes a channel without a limit.
///
/// A receiver that is slower than its senders lets the channel grow until memory runs out: where that can happen, use
/// a bounded [`channel`](super::channel).
///
/// ```
/// # futures::executor::block_on(async {
/// let (sender, mut receiver) = sprang_sync::mpsc::unbounded_channel();
/// sender.send("hello").unwrap();
/// drop(sender);
/// assert_eq!(receiver.recv().await, Some("hello"));
/// assert_eq!(receiver.recv().await, None);
/// # });
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let (sender, receiver) = chan::halves(Unbounded);
    (UnboundedSender { chan: sender }, UnboundedReceiver { chan: receiver })
}

impl<T> UnboundedSender<T> {
    /// Sends a message. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the message back if the receiver was closed or dropped. `Ok` does not say that it will be received.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.chan.push(message).map_err(SendError)
    }

    /// Waits until the receiver is closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) {
        self.chan.closed().await;
    }

    /// Whether the receiver was closed or dropped.
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Whether both senders send into the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.chan.same_channel(&other.chan)
    }

    /// A sender that does not keep the channel open.
    #[must_use = "this does not drop the sender"]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        WeakUnboundedSender {
            chan: self.chan.downgrade(),
        }
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

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        Self {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender").field("chan", &self.chan).finish()
    }
}

impl<T> WeakUnboundedSender<T> {
    /// A sender, unless all are gone.
    ///
    /// ```
    /// let (sender, _receiver) = sprang_sync::mpsc::unbounded_channel::<()>();
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        self.chan.upgrade().map(|chan| UnboundedSender { chan })
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

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        Self {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakUnboundedSender").finish()
    }
}

impl<T> Unpin for UnboundedReceiver<T> {}

impl<T> UnboundedReceiver<T> {
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

    /// Takes no more messages. Those sent before can still be received.
    ///
    /// ```
    /// let (sender, mut receiver) = sprang_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// receiver.close();
    /// assert!(sender.send(2).is_err());
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
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

    /// Polls for the next message, as [`recv`](Self::recv). The task polled last is the one woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.chan.poll_recv(cx)
    }

    /// Polls for messages, as [`recv_many`](Self::recv_many). The task polled last is the one woken.
    pub fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        self.chan.poll_recv_many(cx, buffer, limit)
    }

    /// The number of senders.
    pub fn sender_strong_count(&self) -> usize {
        self.chan.counts().strong
    }

    /// The number of weak senders.
    pub fn sender_weak_count(&self) -> usize {
        self.chan.counts().weak
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver").field("chan", &self.chan).finish()
    }
}
