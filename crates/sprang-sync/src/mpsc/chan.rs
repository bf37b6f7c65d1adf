//! What bounded and unbounded channels have in common: the halves, their counts, and the way to the end.
//!
//! Purpose: the queue, and who is left on either side of it. How messages are limited is up to a [`Flow`].
//!
//! Data flow: `Sender` → [`SendHalf`] → [`Queue::push`]; `Receiver` → [`RecvHalf`] → [`Queue::pop`] →
//! [`Flow::give_back`].
//!
//! Cost, in atomic read-modify-writes: a message costs those of the queue and those of its permit; cloning a sender 2.
//!
//! Invariants:
//! - I1: there is one `RecvHalf` for a channel, and it polls through `&mut`: it is the receiver of the queue.
//! - I2: a channel is over for the receiver when the queue is empty for good, or when it is closed and all permits are
//!   back: each message holds its permit until it is received.
//! - I3: whoever gives back a permit of a closed channel that makes it idle wakes the receiver, which looks for that
//!   after it parked.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll, ready};

use sprang_core::coop;
use sprang_core::primitive::sync::Arc;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use sprang_core::waiting;

use super::error::TryRecvError;
use super::queue::{Park, Pause, Queue};
use crate::notify::Notify;

/// How many messages a channel takes.
pub(super) trait Flow {
    /// `count` messages were received.
    fn give_back(&self, count: usize);

    /// Takes no more messages.
    fn close<T>(&self, queue: &Queue<T>);

    /// Whether no more messages are taken.
    fn is_closed<T>(&self, queue: &Queue<T>) -> bool;

    /// Whether it was closed and no permit is out (I2).
    fn is_over(&self) -> bool;
}

struct Chan<T, F> {
    queue: Queue<T>,
    flow: F,
    /// Notified when the receiver closes.
    closed: Notify,
    senders: AtomicUsize,
    weak_senders: AtomicUsize,
}

impl<T, F: Flow> Chan<T, F> {
    fn close(&self) {
        self.flow.close(&self.queue);
        self.closed.notify_waiters();
    }
}

// A panic leaves no message half sent or half received.
impl<T, F> UnwindSafe for Chan<T, F> {}
impl<T, F> RefUnwindSafe for Chan<T, F> {}

/// A sender's half.
pub(super) struct SendHalf<T, F>(Arc<Chan<T, F>>);

/// A half that does not keep the channel open.
pub(super) struct WeakHalf<T, F>(Arc<Chan<T, F>>);

/// The receiver's half.
pub(super) struct RecvHalf<T, F: Flow>(Arc<Chan<T, F>>);

/// A channel.
pub(super) fn halves<T, F: Flow>(flow: F) -> (SendHalf<T, F>, RecvHalf<T, F>) {
    let chan = Arc::new(Chan {
        queue: Queue::new(),
        flow,
        closed: Notify::new(),
        senders: AtomicUsize::new(1),
        weak_senders: AtomicUsize::new(0),
    });
    (SendHalf(Arc::clone(&chan)), RecvHalf(chan))
}

impl<T, F: Flow> SendHalf<T, F> {
    #[inline]
    pub(super) fn flow(&self) -> &F {
        &self.0.flow
    }

    /// Sends a message, for which the caller has whatever permit it takes.
    #[inline]
    pub(super) fn push(&self, message: T) -> Result<(), T> {
        self.0.queue.push(message)
    }

    /// Wakes the receiver if the channel is over (I3).
    #[inline]
    pub(super) fn wake_if_over(&self) {
        if self.0.flow.is_over() {
            self.0.queue.wake_parked();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.flow.is_closed(&self.0.queue)
    }

    pub(super) async fn closed(&self) {
        // Made before the look: a close in between notifies it.
        let notified = self.0.closed.notified();
        if !self.is_closed() {
            notified.await;
        }
    }
}

impl<T, F> SendHalf<T, F> {
    pub(super) fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn downgrade(&self) -> WeakHalf<T, F> {
        WeakHalf::new(&self.0)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts::of(&self.0)
    }
}

impl<T, F> Clone for SendHalf<T, F> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<T, F> Drop for SendHalf<T, F> {
    fn drop(&mut self) {
        // ORDERING: all messages sent before are in the queue for whoever is last.
        if self.0.senders.fetch_sub(1, AcqRel) == 1 {
            self.0.queue.senders_gone();
        }
    }
}

impl<T, F> WeakHalf<T, F> {
    fn new(chan: &Arc<Chan<T, F>>) -> Self {
        chan.weak_senders.fetch_add(1, Relaxed);
        Self(Arc::clone(chan))
    }

    /// A sender, unless all are gone.
    pub(super) fn upgrade(&self) -> Option<SendHalf<T, F>> {
        let mut senders = self.0.senders.load(Relaxed);
        while senders > 0 {
            // ORDERING: acquire: the queue as the other senders see it.
            match self
                .0
                .senders
                .compare_exchange_weak(senders, senders + 1, Acquire, Relaxed)
            {
                Ok(_) => return Some(SendHalf(Arc::clone(&self.0))),
                Err(now) => senders = now,
            }
        }
        None
    }

    pub(super) fn counts(&self) -> Counts {
        Counts::of(&self.0)
    }
}

impl<T, F> Clone for WeakHalf<T, F> {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl<T, F> Drop for WeakHalf<T, F> {
    fn drop(&mut self) {
        self.0.weak_senders.fetch_sub(1, Relaxed);
    }
}

/// How many senders there are.
pub(super) struct Counts {
    pub(super) strong: usize,
    pub(super) weak: usize,
}

impl Counts {
    fn of<T, F>(chan: &Chan<T, F>) -> Self {
        Self {
            // ORDERING: pairs with the drop of a sender.
            strong: chan.senders.load(Acquire),
            weak: chan.weak_senders.load(Relaxed),
        }
    }
}

/// Gives the permits of received messages back, also if a panic keeps the messages from their receiver.
struct GiveBack<'a, F: Flow> {
    flow: &'a F,
    count: usize,
}

impl<F: Flow> Drop for GiveBack<'_, F> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.flow.give_back(self.count);
        }
    }
}

impl<T, F: Flow> RecvHalf<T, F> {
    #[inline]
    pub(super) fn flow(&self) -> &F {
        &self.0.flow
    }

    /// Polls for the next message; `None` when the channel is over.
    #[inline]
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let proceed = ready!(coop::poll_proceed(cx));
        let mut pause = Pause::new();
        loop {
            // SAFETY: this is the receiver (I1).
            if let Some(message) = unsafe { self.0.queue.pop() } {
                proceed.made_progress();
                self.0.flow.give_back(1);
                return Poll::Ready(Some(message));
            }
            match self.park(cx, &mut pause) {
                Wait::Again => {}
                Wait::Pending => {
                    waiting::on("a message");
                    return Poll::Pending;
                }
                Wait::Over => {
                    proceed.made_progress();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Polls for up to `limit` messages, which are pushed to `buffer`; 0 when the channel is over.
    pub(super) fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        let proceed = ready!(coop::poll_proceed(cx));
        let mut pause = Pause::new();
        loop {
            let received = self.take_ready(buffer, limit);
            if received > 0 || limit == 0 {
                proceed.made_progress();
                return Poll::Ready(received);
            }
            match self.park(cx, &mut pause) {
                Wait::Again => {}
                Wait::Pending => {
                    waiting::on("a message");
                    return Poll::Pending;
                }
                Wait::Over => {
                    proceed.made_progress();
                    return Poll::Ready(0);
                }
            }
        }
    }

    fn take_ready(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let mut taken = GiveBack {
            flow: &self.0.flow,
            count: 0,
        };
        while taken.count < limit {
            // SAFETY: this is the receiver (I1).
            let Some(message) = (unsafe { self.0.queue.pop() }) else {
                break;
            };
            taken.count += 1;
            buffer.push(message);
        }
        taken.count
    }

    /// Parks on an empty queue.
    fn park(&mut self, cx: &Context<'_>, pause: &mut Pause) -> Wait {
        // SAFETY: this is the receiver (I1).
        match unsafe { self.0.queue.park(cx) } {
            // Looked at after parking (I3).
            Park::Parked if self.0.flow.is_over() => Wait::Over,
            Park::Parked => Wait::Pending,
            Park::Over => Wait::Over,
            Park::InFlight if pause.spin() => Wait::Again,
            Park::InFlight => {
                // The sender was stopped in the middle of a push; let other tasks run meanwhile.
                cx.waker().wake_by_ref();
                Wait::Pending
            }
        }
    }

    /// Takes the next message, if there is one. Waits for a push that is under way.
    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut pause = Pause::new();
        loop {
            // SAFETY: this is the receiver (I1).
            if let Some(message) = unsafe { self.0.queue.pop() } {
                self.0.flow.give_back(1);
                return Ok(message);
            }
            // SAFETY: as above.
            match unsafe { self.0.queue.empty_for_good() } {
                Some(true) => return Err(TryRecvError::Disconnected),
                Some(false) if self.0.flow.is_over() => return Err(TryRecvError::Disconnected),
                Some(false) => return Err(TryRecvError::Empty),
                None => pause.wait(),
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.0.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.flow.is_closed(&self.0.queue) || self.counts().strong == 0
    }

    pub(super) fn len(&self) -> usize {
        // SAFETY: this is the receiver (I1); nobody receives while it is borrowed.
        unsafe { self.0.queue.len() }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts::of(&self.0)
    }
}

/// What the receiver does on an empty queue.
enum Wait {
    Again,
    Pending,
    Over,
}

impl<T, F: Flow> Drop for RecvHalf<T, F> {
    fn drop(&mut self) {
        /// Empties the queue, also if a waker panics while the channel closes.
        struct Drain<'a, T, F: Flow>(&'a Chan<T, F>);

        impl<T, F: Flow> Drop for Drain<'_, T, F> {
            fn drop(&mut self) {
                // SAFETY: this is the receiver (I1).
                let waker = unsafe { self.0.queue.unpark() };
                // SAFETY: as above.
                unsafe { self.0.queue.drain(|| self.0.flow.give_back(1)) };
                drop(waker);
            }
        }

        let _drain = Drain(&self.0);
        self.0.close();
    }
}

impl<T, F> fmt::Debug for SendHalf<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chan")
    }
}

impl<T, F: Flow> fmt::Debug for RecvHalf<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chan")
    }
}
