//! The fair counting semaphore under [`Semaphore`](crate::Semaphore), [`Mutex`](crate::Mutex) and
//! [`mpsc`](crate::mpsc).
//!
//! Purpose: permits are taken in any number at once, in the order of asking. Permits that come back while somebody
//! waits are handed to the waiter at the front and never touch the counter: nobody can barge in, and a large request
//! is not starved by small ones.
//!
//! Data flow: [`Permits::try_acquire`] or [`Permits::acquire`] → counter, or wait list → [`Permits::release`] →
//! counter, or the waiter at the front → its waker.
//!
//! Cost: an uncontended acquire and an uncontended release are one compare-exchange each, without the lock. Acquiring
//! when there are too few permits takes the lock once and costs at most one compare-exchange; a release to a waiter
//! takes the lock once and costs one store to the waiter; a waiter finds its permits without the lock.
//!
//! Invariants:
//! - I1: `WAITERS` is set exactly while the list is not empty, seen under the lock; while it is set the counter is 0.
//! - I2: `state` is changed without the lock only while `WAITERS` is not set.
//! - I3: a waiter's data is the number of permits it still lacks; it is popped when that is 0, or by `close`.
//! - I4: permits are conserved: the counter, what waiters have been given, and what callers hold add up to what was
//!   put in. A dropped [`Acquire`] gives back what it has, to the next waiter if there is one.
//! - I5: nobody queues once `CLOSED` is set.
//!
//! Memory ordering: a release (release CAS on `state`) → an acquire (acquire CAS on `state`), a release sequence of
//! CASes in between: what the holder before did is seen by the next. With Relaxed on either side a mutex would not
//! protect its value. Handed over, the edge is `wait_list`'s.
//!
//! Models: `holders_exclude_each_other`, `a_dropped_acquire_passes_its_permit_on`, `close_wakes_whoever_waits`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use sprang_core::coop;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire as AcquireOrdering, Relaxed, Release};
use sprang_core::primitive::sync::{Mutex, MutexGuard};
use sprang_core::waiting;

use crate::wait_list::{Fill, WaitList, Waiter, wake_in_batches};

const CLOSED: usize = 0b01;
const WAITERS: usize = 0b10;
const SHIFT: u32 = 2;

/// What the task waits for that waits here.
const PERMITS: &str = "a lock, a semaphore or room in a channel";

/// Permits that one semaphore can hold.
pub(crate) const MAX_PERMITS: usize = usize::MAX >> 3;

/// The semaphore was closed, and so has no permits to give.
#[derive(Debug)]
pub struct AcquireError(());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore closed")
    }
}

impl std::error::Error for AcquireError {}

/// Why permits could not be had at once.
#[derive(Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore was [closed](crate::Semaphore::close).
    Closed,
    /// There are fewer permits than were asked for.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "semaphore closed",
            Self::NoPermits => "no permits available",
        })
    }
}

impl std::error::Error for TryAcquireError {}

/// The semaphore.
pub(crate) struct Permits {
    /// `CLOSED`, `WAITERS`, and from bit `SHIFT` on the number of permits nobody holds.
    state: AtomicUsize,
    waiters: Mutex<WaitList<usize>>,
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("available", &self.available()).finish()
    }
}

/// What [`Permits::take_or_queue`] came to.
enum Taken {
    All,
    Closed,
    /// The counter is 0 and `WAITERS` is set; this many permits are lacking.
    Lacking(usize),
}

impl Permits {
    /// A semaphore with `count` permits.
    ///
    /// # Panics
    ///
    /// If `count` is more than [`MAX_PERMITS`].
    #[track_caller]
    pub(crate) fn new(count: usize) -> Self {
        assert_count(count);
        Self {
            state: AtomicUsize::new(count << SHIFT),
            waiters: Mutex::new(WaitList::new()),
        }
    }

    /// As [`new`](Self::new), in constants.
    #[cfg(not(sprang_loom))]
    #[track_caller]
    pub(crate) const fn const_new(count: usize) -> Self {
        assert!(count <= MAX_PERMITS, "more permits than a semaphore can hold");
        Self {
            state: AtomicUsize::new(count << SHIFT),
            waiters: Mutex::new(WaitList::new()),
        }
    }

    /// A closed semaphore.
    pub(crate) fn new_closed() -> Self {
        Self {
            state: AtomicUsize::new(CLOSED),
            waiters: Mutex::new(WaitList::new()),
        }
    }

    /// As [`new_closed`](Self::new_closed), in constants.
    #[cfg(not(sprang_loom))]
    pub(crate) const fn const_new_closed() -> Self {
        Self {
            state: AtomicUsize::new(CLOSED),
            waiters: Mutex::new(WaitList::new()),
        }
    }

    /// The number of permits that nobody holds.
    #[inline]
    pub(crate) fn available(&self) -> usize {
        // ORDERING: pairs with `release` and `close`: who finds a channel idle sees what its senders did.
        self.state.load(AcquireOrdering) >> SHIFT
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: pairs with `close`: what was done before it is seen.
        self.state.load(AcquireOrdering) & CLOSED != 0
    }

    /// Whether the semaphore is closed, with `count` permits that nobody holds.
    #[inline]
    pub(crate) fn is_closed_with(&self, count: usize) -> bool {
        // ORDERING: pairs with `release` and `close`, as in `available`.
        self.state.load(AcquireOrdering) == (count << SHIFT) | CLOSED
    }

    /// Takes `wanted` permits if they are there.
    ///
    /// # Panics
    ///
    /// If `wanted` is more than [`MAX_PERMITS`].
    #[inline]
    #[track_caller]
    pub(crate) fn try_acquire(&self, wanted: usize) -> Result<(), TryAcquireError> {
        assert_count(wanted);
        // ORDERING: acquire, here and below, pairs with `release`, and with `close`: who is told that the semaphore is
        // closed sees what was done before.
        let mut state = self.state.load(AcquireOrdering);
        loop {
            if state & CLOSED != 0 {
                return Err(TryAcquireError::Closed);
            }
            // With waiters the counter is 0 (I1): nobody barges in.
            if state >> SHIFT < wanted {
                return Err(TryAcquireError::NoPermits);
            }
            let taken = state - (wanted << SHIFT);
            // ORDERING: pairs with the release of the permits, and with that of `close`, also where it fails: the caller
            // sees what was done before.
            match self
                .state
                .compare_exchange_weak(state, taken, AcquireOrdering, AcquireOrdering)
            {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
    }

    /// Waits for `wanted` permits.
    ///
    /// # Panics
    ///
    /// If `wanted` is more than [`MAX_PERMITS`].
    #[inline]
    #[track_caller]
    pub(crate) fn acquire(&self, wanted: usize) -> Acquire<'_> {
        assert_count(wanted);
        Acquire {
            permits: self,
            wanted,
            stage: Stage::Idle,
            waiter: Waiter::new(0),
        }
    }

    /// Puts `count` permits back, or in.
    ///
    /// # Panics
    ///
    /// If there would be more than [`MAX_PERMITS`].
    #[inline]
    #[track_caller]
    pub(crate) fn release(&self, count: usize) {
        if count == 0 {
            return;
        }
        let mut state = self.state.load(Relaxed);
        while state & WAITERS == 0 {
            // ORDERING: release pairs with `try_acquire` and `take_or_queue`.
            match self
                .state
                .compare_exchange_weak(state, with_added(state, count), Release, Relaxed)
            {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
        self.hand_out(count, self.waiters.lock());
    }

    /// Takes up to `count` permits away for good; returns how many.
    pub(crate) fn forget(&self, count: usize) -> usize {
        let mut state = self.state.load(Relaxed);
        loop {
            let gone = count.min(state >> SHIFT);
            if gone == 0 {
                return 0;
            }
            // ORDERING: as in `try_acquire`: the permits are taken like any others.
            match self
                .state
                .compare_exchange_weak(state, state - (gone << SHIFT), AcquireOrdering, Relaxed)
            {
                Ok(_) => return gone,
                Err(now) => state = now,
            }
        }
    }

    /// Fails all who wait and all who come.
    pub(crate) fn close(&self) {
        let mut locked = Some(self.waiters.lock());
        // ORDERING: release pairs with `is_closed`; acquire with `release`, for a caller that looks at the counter.
        self.state.fetch_or(CLOSED, AcqRel);
        wake_in_batches(|batch| {
            let mut list = locked.take().unwrap_or_else(|| self.waiters.lock());
            while batch.can_push() && !list.is_empty() {
                if let Some(waker) = list.pop_front() {
                    batch.push(waker);
                }
            }
            if list.is_empty() {
                self.settle(0);
                return Fill::Through;
            }
            Fill::More
        });
    }

    /// Gives `count` permits to waiters, and what is left to the counter. Always leaves I1 behind.
    #[cold]
    fn hand_out(&self, mut count: usize, mut list: MutexGuard<'_, WaitList<usize>>) {
        let mut first = serve(&mut list, &mut count);
        if list.is_empty() {
            self.settle(std::mem::take(&mut count));
        }
        if count == 0 {
            drop(list);
            return first.into_iter().for_each(Waker::wake);
        }
        let mut locked = Some(list);
        wake_in_batches(|batch| {
            let mut list = locked.take().unwrap_or_else(|| self.waiters.lock());
            first.take().into_iter().for_each(|waker| batch.push(waker));
            while batch.can_push() && count > 0 && !list.is_empty() {
                if let Some(waker) = serve(&mut list, &mut count) {
                    batch.push(waker);
                }
            }
            if list.is_empty() {
                self.settle(std::mem::take(&mut count));
            }
            if count == 0 { Fill::Through } else { Fill::More }
        });
    }

    /// Adds `count` permits and clears `WAITERS`. Called under the lock, with an empty list.
    fn settle(&self, count: usize) {
        let mut state = self.state.load(Relaxed);
        loop {
            // ORDERING: as in `release`.
            match self
                .state
                .compare_exchange_weak(state, with_added(state & !WAITERS, count), Release, Relaxed)
            {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
    }

    /// Takes `wanted` permits, or what there is of them, and announces a waiter for the rest. Called under the lock.
    fn take_or_queue(&self, wanted: usize) -> Taken {
        let mut state = self.state.load(Relaxed);
        loop {
            if state & CLOSED != 0 {
                return Taken::Closed;
            }
            let there = state >> SHIFT;
            let (next, taken) = if there >= wanted {
                (state - (wanted << SHIFT), Taken::All)
            } else {
                (WAITERS, Taken::Lacking(wanted - there))
            };
            // ORDERING: acquire pairs with `release`, for the permits that were there.
            match self.state.compare_exchange_weak(state, next, AcquireOrdering, Relaxed) {
                Ok(_) => return taken,
                Err(now) => state = now,
            }
        }
    }
}

/// Gives the waiter at the front what it lacks, as far as `count` goes; the waker of one that lacks nothing any more.
fn serve(list: &mut WaitList<usize>, count: &mut usize) -> Option<Waker> {
    let lacking = list.with_front(|lacking| {
        let given = (*count).min(*lacking);
        *count -= given;
        *lacking -= given;
        *lacking
    })?;
    if lacking == 0 { list.pop_front() } else { None }
}

/// `state` with `count` more permits.
#[inline]
#[track_caller]
fn with_added(state: usize, count: usize) -> usize {
    let sum = (state >> SHIFT).saturating_add(count);
    assert!(
        sum <= MAX_PERMITS,
        "adding {count} permits would exceed the {MAX_PERMITS} that a semaphore can hold"
    );
    (sum << SHIFT) | (state & (CLOSED | WAITERS))
}

#[inline]
#[track_caller]
fn assert_count(count: usize) {
    assert!(
        count <= MAX_PERMITS,
        "{count} permits are more than the {MAX_PERMITS} that a semaphore can hold"
    );
}

/// How far an [`Acquire`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Holds nothing.
    Idle,
    /// The waiter is queued, or was served or failed meanwhile.
    Queued,
    /// Holds all it wanted; the task's budget has yet to let it through.
    Held,
}

/// Waits for permits; its caller owns them once it is ready.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Acquire<'a> {
    permits: &'a Permits,
    wanted: usize,
    stage: Stage,
    waiter: Waiter<usize>,
}

impl Acquire<'_> {
    /// Queues the waiter, or finds that it need not.
    #[cold]
    fn queue(&mut self, cx: &Context<'_>) -> Poll<Result<(), AcquireError>> {
        let waker = cx.waker().clone();
        let mut list = self.permits.waiters.lock();
        match self.permits.take_or_queue(self.wanted) {
            Taken::All => {
                self.stage = Stage::Held;
                Poll::Ready(Ok(()))
            }
            Taken::Closed => Poll::Ready(Err(AcquireError(()))),
            Taken::Lacking(count) => {
                // SAFETY: ours, and not queued.
                unsafe { self.waiter.with_data(|lacking| *lacking = count) };
                self.stage = Stage::Queued;
                // SAFETY: `self` is pinned, as `poll`, the only caller, is.
                let waiter = unsafe { Pin::new_unchecked(&self.waiter) };
                // SAFETY: ours, in no list; `drop` removes it.
                let old = unsafe { list.push_back(waiter, Some(waker)) };
                drop(list);
                drop(old);
                waiting::on(PERMITS);
                Poll::Pending
            }
        }
    }

    /// Looks whether the queued waiter was served.
    #[cold]
    fn poll_queued(&mut self, cx: &Context<'_>) -> Poll<Result<(), AcquireError>> {
        if self.waiter.is_queued() {
            let waker = cx.waker().clone();
            let list = self.permits.waiters.lock();
            if self.waiter.is_queued() {
                // SAFETY: the lock is held.
                let old = unsafe { self.waiter.replace_waker(Some(waker)) };
                drop(list);
                drop(old);
                waiting::on(PERMITS);
                return Poll::Pending;
            }
            drop(list);
        }
        // SAFETY: ours, and found not queued.
        let lacking = unsafe { self.waiter.with_data(|lacking| *lacking) };
        self.stage = Stage::Held;
        self.unless_closed(lacking)
    }

    /// Keeps the permits it was given, all but `lacking`, unless the semaphore was closed meanwhile.
    fn unless_closed(&mut self, lacking: usize) -> Poll<Result<(), AcquireError>> {
        // Whoever lacks something and is not queued any more was failed (I3).
        if !self.permits.is_closed() {
            return Poll::Ready(Ok(()));
        }
        // What was given goes back (I4).
        self.stage = Stage::Idle;
        self.permits.release(self.wanted - lacking);
        Poll::Ready(Err(AcquireError(())))
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of `this`; the waiter stays where it is.
        let this = unsafe { self.get_unchecked_mut() };
        match this.stage {
            Stage::Idle => match this.permits.try_acquire(this.wanted) {
                Ok(()) => this.stage = Stage::Held,
                Err(TryAcquireError::Closed) => return Poll::Ready(Err(AcquireError(()))),
                Err(TryAcquireError::NoPermits) => ready!(this.queue(cx))?,
            },
            Stage::Queued => ready!(this.poll_queued(cx))?,
            Stage::Held => ready!(this.unless_closed(0))?,
        }
        // Without budget the permits stay held for the next poll.
        ready!(coop::poll_proceed(cx)).made_progress();
        this.stage = Stage::Idle;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Acquire<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.stage {
            Stage::Idle => {}
            Stage::Held => self.permits.release(self.wanted),
            Stage::Queued => self.unqueue(),
        }
    }
}

impl Acquire<'_> {
    #[cold]
    fn unqueue(&mut self) {
        let mut list = self.permits.waiters.lock();
        let waker = if self.waiter.is_queued() {
            // SAFETY: queued in this list, whose lock is held.
            unsafe { list.remove(&self.waiter) }
        } else {
            None
        };
        // SAFETY: ours, and not queued any more.
        let given = self.wanted - unsafe { self.waiter.with_data(|lacking| *lacking) };
        // Also with nothing to give: the list may have become empty (I1).
        self.permits.hand_out(given, list);
        drop(waker);
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::cell::UnsafeCell;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::{model, thread};

    struct Guarded {
        permits: Permits,
        value: UnsafeCell<usize>,
    }

    // SAFETY: the models access `value` with the one permit only.
    unsafe impl Sync for Guarded {}
    // SAFETY: as above.
    unsafe impl Send for Guarded {}

    fn add_one(guarded: &Guarded) {
        wait(guarded.permits.acquire(1)).unwrap();
        guarded.value.with_mut(|value| {
            // SAFETY: the one permit is held.
            unsafe { *value += 1 }
        });
        guarded.permits.release(1);
    }

    fn wait<F: Future>(future: F) -> F::Output {
        crate::blocking::block_on(future)
    }

    #[test]
    fn holders_exclude_each_other() {
        model(|| {
            let guarded = Arc::new(Guarded {
                permits: Permits::new(1),
                value: UnsafeCell::new(0),
            });
            let other = Arc::clone(&guarded);
            let adding = thread::spawn(move || add_one(&other));
            add_one(&guarded);
            adding.join().unwrap();
            add_one(&guarded);
            // SAFETY: the other thread is gone.
            assert_eq!(guarded.value.with(|value| unsafe { *value }), 3);
            assert_eq!(guarded.permits.available(), 1);
        });
    }

    #[test]
    fn a_dropped_acquire_passes_its_permit_on() {
        model(|| {
            let permits = Arc::new(Permits::new(0));
            let releasing = Arc::clone(&permits);
            let releasing = thread::spawn(move || releasing.release(2));
            let dropping = Arc::clone(&permits);
            let dropping = thread::spawn(move || {
                let mut acquire = Box::pin(dropping.acquire(2));
                if acquire
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_ready()
                {
                    dropping.release(2);
                }
            });
            wait(permits.acquire(1)).unwrap();
            releasing.join().unwrap();
            dropping.join().unwrap();
            assert_eq!(permits.available(), 1);
        });
    }

    #[test]
    fn close_wakes_whoever_waits() {
        model(|| {
            let permits = Arc::new(Permits::new(1));
            let closing = Arc::clone(&permits);
            let closing = thread::spawn(move || closing.close());
            assert!(wait(permits.acquire(2)).is_err());
            closing.join().unwrap();
            assert_eq!(permits.available(), 1);
        });
    }
}
