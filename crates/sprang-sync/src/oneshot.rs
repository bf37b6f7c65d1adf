//! A channel for one value.
//!
//! Purpose: the answer to one question. One allocation holds the value, the state word and a waker for either side;
//! there is no reference count: the word tells who is the last to leave and frees.
//!
//! Data flow: [`Sender::send`] → value, then state word → the receiver's waker; [`Receiver::close`] or drop → state
//! word → the sender's waker ([`Sender::closed`]).
//!
//! Cost, in atomic read-modify-writes: making a channel 0; sending 1, or 2 if the receiver is parked; receiving a value
//! that is there 0; parking 1; being polled again by the same task 0; dropping the receiver of a sent value 0, of an
//! unsent one 1.
//!
//! Invariants:
//! - I1: the sender sets `DONE` once, when it has written the value (`VALUE`) or never will. After that it touches the
//!   allocation only if `RX_WAKER` was set then, until it clears that.
//! - I2: `CLOSED` is set by the receiver once; after that no value is sent. It touches the sender's slot after that
//!   only if `TX_WAKER` was set then, until it clears that.
//! - I3: the value belongs to the sender until `DONE`, then to the receiver.
//! - I4: the receiver's slot is written by the receiver only, while neither `RX_WAKER` nor `DONE` is set. The waker in
//!   it belongs to whoever clears `RX_WAKER` or, if that was set together with `DONE`, to the sender. The sender's slot
//!   likewise, with `TX_WAKER` and `CLOSED`.
//! - I5: the sender is gone when `DONE` is set and `RX_WAKER` is not; the receiver is gone when `RX_GONE` is set. The
//!   side that makes both true, or finds the other gone when it leaves, frees.
//!
//! Memory ordering: every change of `state` that hands something over is AcqRel, every look at it Acquire: value and
//! wakers travel from the side that sets a bit to the side that sees it. A Relaxed `DONE` would show the receiver a
//! value that is not written yet; a Relaxed `RX_WAKER` would show the sender a slot that is not.
//!
//! Models: `a_value_sent_is_received_or_given_back`, `a_parked_receiver_is_woken`, `closing_wakes_the_sender`,
//! `the_last_to_leave_frees_once`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

use sprang_core::coop;
use sprang_core::primitive::cell::UnsafeCell;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use sprang_core::waiting;

use self::error::{RecvError, TryRecvError};
use crate::blocking::block_on;
use crate::waker_slot::WakerSlot;

/// The sender has finished (I1).
const DONE: usize = 1;
/// There was a value when it did.
const VALUE: usize = 1 << 1;
/// The receiver's slot holds a waker (I4).
const RX_WAKER: usize = 1 << 2;
/// The receiver wants no value any more (I2).
const CLOSED: usize = 1 << 3;
/// The receiver has left (I5).
const RX_GONE: usize = 1 << 4;
/// The sender's slot holds a waker (I4).
const TX_WAKER: usize = 1 << 5;

/// Why nothing came through the channel.
pub mod error {
    use std::fmt;

    /// The sender was dropped without sending.
    #[derive(Debug, Eq, PartialEq, Clone)]
    pub struct RecvError(pub(super) ());

    impl fmt::Display for RecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("channel closed")
        }
    }

    impl std::error::Error for RecvError {}

    /// Why there is no value yet.
    #[derive(Debug, Eq, PartialEq, Clone)]
    pub enum TryRecvError {
        /// The sender has not sent yet.
        Empty,
        /// No value will come: the sender was dropped, the receiver closed, or the value received already.
        Closed,
    }

    impl fmt::Display for TryRecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(match self {
                Self::Empty => "channel empty",
                Self::Closed => "channel closed",
            })
        }
    }

    impl std::error::Error for TryRecvError {}
}

struct Inner<T> {
    state: AtomicUsize,
    rx: WakerSlot,
    tx: WakerSlot,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// Sends the value.
pub struct Sender<T> {
    inner: NonNull<Inner<T>>,
}

/// Receives the value: a future.
#[must_use = "futures do nothing unless polled"]
pub struct Receiver<T> {
    /// `None` once the outcome was taken.
    inner: Option<NonNull<Inner<T>>>,
}

// SAFETY: the value goes from one thread to another; everything else is shared by the rules above.
unsafe impl<T: Send> Send for Sender<T> {}
// SAFETY: a shared sender can only ask whether the channel is closed.
unsafe impl<T: Send> Sync for Sender<T> {}
// SAFETY: as for the sender.
unsafe impl<T: Send> Send for Receiver<T> {}
// SAFETY: a shared receiver can only look at the state.
unsafe impl<T: Send> Sync for Receiver<T> {}

impl<T> Unpin for Receiver<T> {}
impl<T> Unpin for Sender<T> {}

/// Makes a channel for one value.
///
/// ```
/// use sprang_sync::oneshot;
///
/// let (sender, receiver) = oneshot::channel();
/// std::thread::spawn(move || sender.send(6 * 7));
/// assert_eq!(futures::executor::block_on(receiver), Ok(42));
/// ```
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let inner = NonNull::from(Box::leak(Box::new(Inner {
        state: AtomicUsize::new(0),
        rx: WakerSlot::new(),
        tx: WakerSlot::new(),
        value: UnsafeCell::new(MaybeUninit::uninit()),
    })));
    (Sender { inner }, Receiver { inner: Some(inner) })
}

/// Frees the channel's memory. It holds neither a value nor a waker any more.
///
/// # Safety
///
/// The caller is the last side (I5).
unsafe fn free<T>(inner: NonNull<Inner<T>>) {
    // SAFETY: leaked by `channel`, and nobody else is left to use it.
    drop(unsafe { Box::from_raw(inner.as_ptr()) });
}

impl<T> Sender<T> {
    #[inline]
    fn inner(&self) -> &Inner<T> {
        // SAFETY: the sender has not left, so the channel is there (I5).
        unsafe { self.inner.as_ref() }
    }

    /// Sends the value. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver was closed or dropped. `Ok` says that the value was put in, not that it
    /// will be received.
    ///
    /// ```
    /// let (sender, receiver) = sprang_sync::oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send(1), Err(1));
    /// ```
    #[inline]
    pub fn send(self, value: T) -> Result<(), T> {
        let this = ManuallyDrop::new(self);
        let inner = this.inner();
        // ORDERING: pairs with `close`; also checked when the value is handed over.
        if inner.state.load(Acquire) & CLOSED == 0 {
            inner.value.with_mut(|slot| {
                // SAFETY: the value is the sender's until it is DONE (I3).
                unsafe { (*slot).write(value) };
            });
            // SAFETY: this sender is not used again.
            if unsafe { finish(this.inner, VALUE) } {
                return Ok(());
            }
            let value = inner.value.with(|slot| {
                // SAFETY: written above and not handed over.
                unsafe { (*slot).assume_init_read() }
            });
            // SAFETY: as above.
            unsafe { finish(this.inner, 0) };
            return Err(value);
        }
        // SAFETY: as above.
        unsafe { finish(this.inner, 0) };
        Err(value)
    }

    /// Whether the receiver was closed or dropped.
    ///
    /// ```
    /// let (sender, receiver) = sprang_sync::oneshot::channel::<()>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        // ORDERING: pairs with `close`.
        self.inner().state.load(Acquire) & CLOSED != 0
    }

    /// Waits until the receiver is closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let (mut sender, receiver) = sprang_sync::oneshot::channel::<()>();
    /// drop(receiver);
    /// sender.closed().await;
    /// # });
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// Polls for the receiver to be closed or dropped. The task polled last is the one woken.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let proceed = ready!(coop::poll_proceed(cx));
        let inner = self.inner();
        // SAFETY: this is the sender, and with `&mut` the only access to its side.
        let pending = unsafe { park(&inner.state, &inner.tx, TX_WAKER, CLOSED, cx) };
        if pending {
            return Poll::Pending;
        }
        proceed.made_progress();
        Poll::Ready(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // SAFETY: the sender is not used again.
        unsafe { finish(self.inner, 0) };
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish()
    }
}

/// Ends the sender's part. With `VALUE`, `false` says that the channel is closed and the sender still has its part.
///
/// # Safety
///
/// Called by the sender, which is not used again if this returns `true`. `VALUE` says that the value is written.
#[inline]
unsafe fn finish<T>(inner: NonNull<Inner<T>>, value: usize) -> bool {
    // SAFETY: the sender has not left (I5).
    let channel = unsafe { inner.as_ref() };
    let mut state = channel.state.load(Relaxed);
    let _own = if state & TX_WAKER != 0 {
        // SAFETY: called by the sender.
        let own = unsafe { reclaim(&channel.state, &channel.tx, TX_WAKER, CLOSED) };
        state &= !TX_WAKER;
        own
    } else {
        None
    };
    loop {
        if value != 0 && state & CLOSED != 0 {
            return false;
        }
        // ORDERING: release hands the value over (I3), acquire sees the receiver's waker (I4), or its end (I5).
        match channel
            .state
            .compare_exchange_weak(state, state | DONE | value, AcqRel, Acquire)
        {
            Ok(_) => break,
            Err(now) => state = now,
        }
    }
    if state & RX_WAKER != 0 {
        // SAFETY: RX_WAKER was set when DONE was.
        unsafe { wake_receiver(inner) };
    } else if state & RX_GONE != 0 {
        // SAFETY: the receiver has left before us (I5).
        unsafe { free(inner) };
    }
    true
}

/// The end of [`finish`] with a parked receiver.
///
/// # Safety
///
/// Called by the sender, which has just set DONE and found RX_WAKER set.
#[cold]
unsafe fn wake_receiver<T>(inner: NonNull<Inner<T>>) {
    // SAFETY: while RX_WAKER is set with DONE, the sender has not left (I5).
    let channel = unsafe { inner.as_ref() };
    // SAFETY: set when DONE was: the waker is ours (I4).
    let waker = unsafe { channel.rx.take() };
    // ORDERING: release: the slot was read; acquire: the receiver may have left meanwhile (I5).
    if channel.state.fetch_and(!RX_WAKER, AcqRel) & RX_GONE != 0 {
        // SAFETY: the receiver has left before us (I5).
        unsafe { free(inner) };
    }
    waker.wake();
}

/// Takes one's own waker back out of `slot`, unless the other side has set `end`, which makes the waker its own.
///
/// # Safety
///
/// Called by the side whose waker bit is `bit`.
#[cold]
unsafe fn reclaim(state: &AtomicUsize, slot: &WakerSlot, bit: usize, end: usize) -> Option<Waker> {
    let mut now = state.load(Relaxed);
    while now & (bit | end) == bit {
        // ORDERING: none: the slot was written by this thread or one it has synchronised with.
        match state.compare_exchange_weak(now, now & !bit, Relaxed, Relaxed) {
            // SAFETY: cleared by us (I4).
            Ok(_) => return Some(unsafe { slot.take() }),
            Err(seen) => now = seen,
        }
    }
    None
}

/// Leaves the task's waker in `slot` and sets `bit`; `false` if the other side has set `end`, and nothing is left.
///
/// # Safety
///
/// Called by the side whose waker bit is `bit`, from one place at a time.
unsafe fn park(state: &AtomicUsize, slot: &WakerSlot, bit: usize, end: usize, cx: &Context<'_>) -> bool {
    // ORDERING: pairs with the RMW that sets `end`.
    let mut now = state.load(Acquire);
    if now & end != 0 {
        return false;
    }
    if now & bit != 0 {
        // SAFETY: only this side writes to the slot (I4).
        if unsafe { slot.will_wake(cx.waker()) } {
            return true;
        }
        // SAFETY: passed on.
        drop(unsafe { reclaim(state, slot, bit, end) });
        // ORDERING: as above: the other side may have come first, and kept the waker.
        now = state.load(Acquire);
        if now & end != 0 {
            return false;
        }
    }
    // SAFETY: neither bit is set, or `end` was set after we looked, which gives the other side no claim (I4).
    unsafe { slot.put(cx.waker().clone()) };
    while now & end == 0 {
        // ORDERING: release hands the waker over (I4); acquire sees what `end` stands for.
        match state.compare_exchange_weak(now, now | bit, AcqRel, Acquire) {
            Ok(_) => return true,
            Err(seen) => now = seen,
        }
    }
    // SAFETY: `bit` was not set, so the waker is still ours.
    drop(unsafe { slot.take() });
    false
}

impl<T> Receiver<T> {
    #[inline]
    fn channel(&self) -> Option<&Inner<T>> {
        // SAFETY: the receiver has not left, so the channel is there (I5).
        self.inner.as_ref().map(|inner| unsafe { inner.as_ref() })
    }

    /// Tells the sender that no value is wanted any more. One that was sent before can still be received.
    ///
    /// ```
    /// let (sender, mut receiver) = sprang_sync::oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send(1), Err(1));
    /// assert!(futures::executor::block_on(receiver).is_err());
    /// ```
    pub fn close(&mut self) {
        let Some(channel) = self.channel() else { return };
        // SAFETY: this is the receiver.
        let own = unsafe { reclaim(&channel.state, &channel.rx, RX_WAKER, DONE) };
        // ORDERING: release: what was done before the end is seen by the sender; acquire: its waker (I4).
        let before = channel.state.fetch_or(CLOSED, AcqRel);
        if before & (CLOSED | DONE | TX_WAKER) == TX_WAKER {
            // SAFETY: set when CLOSED was: the waker is ours (I4).
            let waker = unsafe { channel.tx.take() };
            // ORDERING: release: the slot was read.
            channel.state.fetch_and(!TX_WAKER, AcqRel);
            waker.wake();
        }
        drop(own);
    }

    /// Whether the outcome was taken already; a poll after that panics.
    ///
    /// ```
    /// let (sender, mut receiver) = sprang_sync::oneshot::channel();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert!(receiver.is_terminated());
    /// ```
    pub fn is_terminated(&self) -> bool {
        self.inner.is_none()
    }

    /// Whether there is no value to be received now.
    ///
    /// ```
    /// let (sender, receiver) = sprang_sync::oneshot::channel();
    /// assert!(receiver.is_empty());
    /// sender.send(1).unwrap();
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.channel()
            // ORDERING: pairs with `finish`, for a caller that goes on to receive.
            .is_none_or(|channel| channel.state.load(Acquire) & VALUE == 0)
    }

    /// Takes the value if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] while the sender may still send; [`TryRecvError::Closed`] if no value will come.
    ///
    /// ```
    /// use sprang_sync::oneshot::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let Some(channel) = self.channel() else {
            return Err(TryRecvError::Closed);
        };
        // ORDERING: pairs with `finish` (I3).
        let state = channel.state.load(Acquire);
        if state & (DONE | CLOSED) == 0 {
            return Err(TryRecvError::Empty);
        }
        self.leave().ok_or(TryRecvError::Closed)
    }

    /// Waits for the value on this thread.
    ///
    /// Not for use in async code: it would keep the thread from its other tasks.
    ///
    /// # Errors
    ///
    /// If the sender was dropped without sending.
    ///
    /// ```
    /// let (sender, receiver) = sprang_sync::oneshot::channel();
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(1).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(1));
    /// ```
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        block_on(self)
    }

    /// Ends the receiver's part; the value, if there is one.
    #[inline]
    fn leave(&mut self) -> Option<T> {
        let inner = self.inner.take()?;
        // SAFETY: the receiver has not left (I5).
        let channel = unsafe { inner.as_ref() };
        // ORDERING: pairs with `finish` (I3, I5).
        let state = channel.state.load(Acquire);
        if state & DONE == 0 {
            // SAFETY: this receiver is not used again: `self.inner` is `None`.
            return unsafe { leave_unsent(inner) };
        }
        // SAFETY: as above, and `state` is DONE.
        unsafe { leave_done(inner, state) }
    }
}

/// Ends the receiver's part after the sender's; the value, if there is one.
///
/// # Safety
///
/// Called by the receiver, which is not used again, with a `state` that is DONE.
#[inline]
unsafe fn leave_done<T>(inner: NonNull<Inner<T>>, state: usize) -> Option<T> {
    // SAFETY: the receiver has not left (I5).
    let channel = unsafe { inner.as_ref() };
    let value = if state & VALUE != 0 {
        Some(channel.value.with(|slot| {
            // SAFETY: written before DONE, and read once, as the receiver leaves (I3).
            unsafe { (*slot).assume_init_read() }
        }))
    } else {
        None
    };
    // ORDERING: release: the value was read; acquire: the sender may have left meanwhile (I5).
    if state & RX_WAKER == 0 || channel.state.fetch_or(RX_GONE, AcqRel) & RX_WAKER == 0 {
        // SAFETY: the sender has left before us (I5).
        unsafe { free(inner) };
    }
    value
}

/// Ends the receiver's part while the sender may still send.
///
/// # Safety
///
/// Called by the receiver, which is not used again.
#[cold]
unsafe fn leave_unsent<T>(inner: NonNull<Inner<T>>) -> Option<T> {
    // SAFETY: the receiver has not left (I5).
    let channel = unsafe { inner.as_ref() };
    // SAFETY: called by the receiver.
    let _own = unsafe { reclaim(&channel.state, &channel.rx, RX_WAKER, DONE) };
    let mut woken = None;
    // ORDERING: pairs with `finish` (I3, I5).
    let mut state = channel.state.load(Acquire);
    let value = loop {
        if state & DONE != 0 {
            // SAFETY: passed on.
            break unsafe { leave_done(inner, state) };
        }
        let takes_waker = state & (CLOSED | TX_WAKER) == TX_WAKER;
        let next = state | CLOSED | if takes_waker { 0 } else { RX_GONE };
        // ORDERING: as in `close`, and release lets the sender free (I5).
        match channel.state.compare_exchange_weak(state, next, AcqRel, Acquire) {
            Ok(_) if takes_waker => {
                // SAFETY: set when CLOSED was: the waker is ours (I4).
                woken = Some(unsafe { channel.tx.take() });
                // ORDERING: release: the slot was read; acquire: pairs with `finish`.
                state = channel.state.fetch_and(!TX_WAKER, AcqRel) & !TX_WAKER;
            }
            // The sender frees.
            Ok(_) => break None,
            Err(now) => state = now,
        }
    };
    woken.into_iter().for_each(Waker::wake);
    value
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    /// # Panics
    ///
    /// If the outcome was taken already.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let channel = self
            .channel()
            .expect("a oneshot receiver polled after its outcome was taken");
        let proceed = ready!(coop::poll_proceed(cx));
        // ORDERING: pairs with `finish` (I3).
        if channel.state.load(Acquire) & (DONE | CLOSED) == 0 {
            // SAFETY: this is the receiver, and with `&mut` the only access to its side.
            let pending = unsafe { park(&channel.state, &channel.rx, RX_WAKER, DONE, cx) };
            if pending {
                waiting::on("a oneshot");
                return Poll::Pending;
            }
        }
        proceed.made_progress();
        Poll::Ready(self.leave().ok_or(RecvError(())))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("terminated", &self.is_terminated())
            .field("empty", &self.is_empty())
            .finish()
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::{model, sync, thread};

    #[test]
    fn a_value_sent_is_received_or_given_back() {
        model(|| {
            let (sender, mut receiver) = channel();
            let value = sync::Arc::new(());
            let sent = sync::Arc::clone(&value);
            let sending = thread::spawn(move || sender.send(sent).is_ok());
            receiver.close();
            let received = receiver.try_recv().is_ok();
            assert_eq!(sending.join().unwrap(), received);
            assert_eq!(sync::Arc::strong_count(&value), 1);
        });
    }

    #[test]
    fn a_parked_receiver_is_woken() {
        model(|| {
            let (sender, mut receiver) = channel();
            let sending = thread::spawn(move || sender.send(Box::new(7)).unwrap());
            // Polled with another waker first, which has to be replaced.
            let first = Pin::new(&mut receiver).poll(&mut Context::from_waker(Waker::noop()));
            let value = match first {
                Poll::Ready(value) => value,
                Poll::Pending => block_on(receiver),
            };
            assert_eq!(value, Ok(Box::new(7)));
            sending.join().unwrap();
        });
    }

    #[test]
    fn closing_wakes_the_sender() {
        model(|| {
            let (mut sender, receiver) = channel::<Box<u32>>();
            let dropping = thread::spawn(move || drop(receiver));
            block_on(sender.closed());
            assert!(sender.send(Box::new(1)).is_err());
            dropping.join().unwrap();
        });
    }

    #[test]
    fn the_last_to_leave_frees_once() {
        model(|| {
            let (mut sender, mut receiver) = channel();
            let value = sync::Arc::new(());
            let sent = sync::Arc::clone(&value);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(sender.poll_closed(&mut cx).is_pending());
            assert!(Pin::new(&mut receiver).poll(&mut cx).is_pending());
            let sending = thread::spawn(move || drop(sender.send(sent)));
            drop(receiver);
            sending.join().unwrap();
            assert_eq!(sync::Arc::strong_count(&value), 1);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::Wake;

    struct Target;
    impl Wake for Target {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn wakers_are_dropped_with_the_channel() {
        for sender_first in [true, false] {
            let target = Arc::new(Target);
            let waker = Waker::from(Arc::clone(&target));
            let mut cx = Context::from_waker(&waker);
            let (mut sender, mut receiver) = channel::<String>();
            assert!(sender.poll_closed(&mut cx).is_pending());
            assert!(Pin::new(&mut receiver).poll(&mut cx).is_pending());
            assert_eq!(Arc::strong_count(&target), 4);
            if sender_first {
                drop(sender);
                assert_eq!(Arc::strong_count(&target), 2);
            } else {
                drop(receiver);
                assert_eq!(Arc::strong_count(&target), 2);
            }
        }
    }

    #[test]
    fn a_value_sent_before_close_can_be_received() {
        let (sender, mut receiver) = channel();
        sender.send("kept").unwrap();
        receiver.close();
        assert_eq!(receiver.try_recv(), Ok("kept"));
    }

    #[test]
    fn a_dropped_sender_is_an_error() {
        let (sender, receiver) = channel::<()>();
        drop(sender);
        assert_eq!(block_on(receiver), Err(RecvError(())));
    }

    #[test]
    fn the_budget_is_spent_by_values_received() {
        let mut cx = Context::from_waker(Waker::noop());
        coop::budget(|| {
            for _ in 0..coop::BUDGET {
                let (sender, mut receiver) = channel();
                sender.send(()).unwrap();
                assert!(Pin::new(&mut receiver).poll(&mut cx).is_ready());
            }
            let (sender, mut receiver) = channel();
            sender.send(()).unwrap();
            assert!(Pin::new(&mut receiver).poll(&mut cx).is_pending());
        });
    }

    #[test]
    #[should_panic(expected = "after its outcome was taken")]
    fn polling_after_the_outcome_panics() {
        let (sender, mut receiver) = channel();
        sender.send(()).unwrap();
        receiver.try_recv().unwrap();
        let _ = Pin::new(&mut receiver).poll(&mut Context::from_waker(Waker::noop()));
    }
}
