//! One timer: a deadline, a waker, and the links by which a wheel files it.
//!
//! Purpose: the engine under `sprang::time::Sleep`. A [`Timer`] lives pinned inside its future; arming and cancelling
//! it allocate nothing.
//!
//! Data flow: called by the facade's `Sleep`; calls `handle` for this thread's lane, and that lane to arm, reset and
//! cancel. `lane::fire` calls back [`Entry::fire`].
//!
//! States: *idle* → *armed* (first poll) → *fired* (deadline) or *closed* (shutdown of the driver). The word holds the
//! deadline's tick while the entry is armed. A first poll after the deadline, or after the end of the runtime, goes to
//! one of the last two at once.
//!
//! Invariants:
//! - I1: an entry is armed if and only if it is filed in the wheel of its timer's lane, whenever that lane's lock is
//!   free. It stops being armed only under that lock.
//! - I2: only the owner of the `Timer` arms it. While it is armed, only the owner changes the tick: to an earlier one
//!   under the lock (unfiled meanwhile), to a later one by a compare-exchange without it, which the wheel follows when
//!   the old slot comes (wheel I4).
//! - I3: only the owner writes the waker slot: under the lane's lock, or while the entry is not armed. What is in it
//!   counts while the entry is armed. Who fires or closes the entry takes a copy, under the lock, and leaves the slot
//!   as it is; so the owner may compare it with another waker at any time.
//! - I4: whoever fires or closes an entry touches it no more after the store that says so.
//! - I5: an armed entry is neither moved nor freed: it is pinned, and dropping it cancels it.
//!
//! Memory ordering: the Release of `fire` and `close` pairs with the Acquire in `state`: an owner that sees the entry
//! not armed comes after the unlinking and the copy of the waker, and may reuse or free both without the lock (I3, I4).
//! A Relaxed store there lets the owner's next access race with the wheel's last one.
//!
//! Costs in read-modify-writes, all on lines that this thread's worker nearly always owns: create + drop 0; arm 2 (lock),
//! 1 (the lane's reference count) and 1 (the waker's clone); cancel the same; poll again by the same task 0, by another
//! task 4; reset forward 1, backward 2. The first poll reads the clock, except as [`Timer::in_current`] says. A timer
//! that was never armed refers to its runtime by a number (`runtimes`).
//!
//! Models: `models::firing_*`, `models::closing_*`.

use std::marker::PhantomPinned;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use sprang_core::list::{Linked, Links};
use sprang_core::primitive::cell::UnsafeCell;
use sprang_core::primitive::sync::Arc;
use sprang_core::primitive::sync::atomic::AtomicU64;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use sprang_core::waiting;

use crate::handle::{Handle, current_runtime, lane_of};
use crate::lane::{Lane, NotArmed};
use crate::wheel::{Filed, Place};

/// A timer: ready once its deadline has passed.
///
/// Dropping it cancels it. It may outlive its driver, and then pends for good.
#[derive(Debug)]
pub struct Timer {
    deadline: Instant,
    /// The number of its runtime.
    runtime: u64,
    /// Where the entry is filed while it is armed; `None` before it ever was.
    lane: Option<Arc<Lane>>,
    entry: Entry,
}

impl Timer {
    /// A timer of `handle`'s runtime that is not armed before it is polled.
    pub fn new(handle: &Handle, deadline: Instant) -> Self {
        Self::in_runtime(handle.number(), Duration::ZERO, deadline)
    }

    /// A timer of this thread's current runtime; `None` if there is none.
    ///
    /// A caller that has just read the clock says how far it found the deadline to be `ahead`, any other says zero. If
    /// that is five seconds or more, the first poll takes the deadline to be still to come, and does not read the clock
    /// again, unless the clock was ever paused.
    #[inline]
    pub fn in_current(ahead: Duration, deadline: Instant) -> Option<Self> {
        let runtime = current_runtime();
        (runtime != 0).then(|| Self::in_runtime(runtime, ahead, deadline))
    }

    #[inline]
    fn in_runtime(runtime: u64, ahead: Duration, deadline: Instant) -> Self {
        Self {
            deadline,
            runtime,
            lane: None,
            entry: Entry::new(if ahead < FAR { IDLE } else { IDLE_FAR }),
        }
    }

    /// When the timer is due.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the timer has been seen to be due: it fired, or was polled after its deadline.
    pub fn is_elapsed(&self) -> bool {
        self.entry.state() == State::Fired
    }

    /// Ready once the deadline has passed, never before; at once if it has passed at the first poll, except as
    /// [`in_current`](Self::in_current) says. Until then `cx`'s waker is the one that is woken.
    ///
    /// After the driver's shutdown a timer that is not yet due pends for good.
    #[inline]
    pub fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        match this.entry.state() {
            State::Fired => Poll::Ready(()),
            State::Closed => pending(),
            // SAFETY: we own the entry, which was armed when we looked.
            State::Armed(_) if unsafe { this.entry.wakes(cx.waker()) } => pending(),
            State::Armed(_) => this.poll_with_another_waker(cx.waker()),
            State::Idle { far } => {
                this.start(Some(cx.waker()), far);
                this.look()
            }
        }
    }

    /// Sets a new deadline and arms the timer, whatever its state. A waker from a poll that was pending stays.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        this.deadline = deadline;
        match this.rearm() {
            Ok(waker) => waker.into_iter().for_each(Waker::wake),
            Err(NotArmed) => this.start(None, false),
        }
    }

    /// Sets a new deadline and leaves the timer unarmed until it is polled.
    pub fn disarm(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        this.unfile();
        this.entry.state.store(IDLE, Relaxed);
        this.deadline = deadline;
    }

    /// The entry, for models to look at.
    #[cfg(test)]
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    fn project(self: Pin<&mut Self>) -> &mut Self {
        // SAFETY: only `entry` needs to stay in place, and nothing moves it out of the reference (I5).
        unsafe { self.get_unchecked_mut() }
    }

    /// Moves an armed entry to its new deadline. Returns a waker that the caller is to wake.
    fn rearm(&mut self) -> Result<Option<Waker>, NotArmed> {
        let lane = self.lane.as_ref().ok_or(NotArmed)?;
        let common = lane.common();
        let tick = common.deadline_tick(self.deadline);
        if self.entry.postpone(tick) {
            return Ok(None);
        }
        let State::Armed(_) = self.entry.state() else {
            return Err(NotArmed);
        };
        let now = common.clock().now();
        let tick = (self.deadline > now).then_some(tick);
        // SAFETY: we own the entry; if it is armed, it is in this lane (I1).
        unsafe { lane.rearm(&self.entry, tick, common.now_tick(now)) }
    }

    /// Arms the entry, which is not armed and so is ours alone, in the lane of the thread that we are on. Fires it
    /// instead if its deadline has passed, and closes it if its runtime is gone.
    fn start(&mut self, waker: Option<&Waker>, far: bool) {
        if !self.lane.as_ref().is_some_and(|lane| lane.is_own()) {
            self.lane = lane_of(self.runtime).or(self.lane.take());
        }
        let Some(lane) = &self.lane else {
            return self.start_without_runtime();
        };
        let common = lane.common();
        // Any earlier tick will do to file a far deadline.
        let mut now = 0;
        if !far || !common.clock().was_never_paused() {
            let shown = common.clock().now();
            now = common.now_tick(shown);
            // A clock that was paused within a tick may stand right at a deadline whose tick has not come. Timers that are
            // filed already are still to fire then, and this one is not to be ahead of them.
            let passed = if common.clock().was_never_paused() {
                self.deadline <= shown
            } else {
                common.deadline_tick(self.deadline) <= now
            };
            if passed {
                return self.entry.state.store(FIRED, Relaxed);
            }
        }
        let tick = common.deadline_tick(self.deadline);
        // SAFETY: we own the entry, and it is not armed.
        unsafe { self.entry.set_waker(waker.cloned()) };
        // SAFETY: we own the entry, it is not armed, and it stays where it is until it is cancelled (I5).
        drop(unsafe { lane.arm(&self.entry, tick, now) });
    }

    #[cold]
    fn start_without_runtime(&mut self) {
        let passed = self.deadline <= Instant::now();
        self.entry.state.store(if passed { FIRED } else { CLOSED }, Relaxed);
    }

    #[cold]
    fn poll_with_another_waker(&mut self, waker: &Waker) -> Poll<()> {
        let new = waker.clone();
        // SAFETY: we own the entry; if it is armed, it is in this lane (I1).
        drop(
            self.lane
                .as_ref()
                .and_then(|lane| unsafe { lane.set_waker(&self.entry, new) }),
        );
        self.look()
    }

    fn look(&self) -> Poll<()> {
        match self.entry.state() {
            State::Fired => Poll::Ready(()),
            _ => pending(),
        }
    }

    /// Unfiles the entry if it is armed. It is ours alone then.
    #[inline]
    fn unfile(&mut self) {
        if let State::Armed(_) = self.entry.state() {
            // SAFETY: we own the entry; if it is armed, it is in this lane (I1).
            drop(self.lane.as_ref().and_then(|lane| unsafe { lane.cancel(&self.entry) }));
        }
    }
}

impl Drop for Timer {
    #[inline]
    fn drop(&mut self) {
        self.unfile();
    }
}

/// Pending, for whoever asks what the task waits for.
#[inline]
fn pending() -> Poll<()> {
    waiting::on("a timer");
    Poll::Pending
}

const IDLE: u64 = u64::MAX;
const FIRED: u64 = u64::MAX - 1;
const CLOSED: u64 = u64::MAX - 2;
/// Idle, and seen to be [`FAR`] from its deadline.
const IDLE_FAR: u64 = u64::MAX - 3;

/// The last tick that an armed entry may have.
pub(crate) const MAX_TICK: u64 = u64::MAX - 4;

/// How far ahead a deadline must have been when its timer was created for the first poll to take it to be still ahead.
/// If it is not, the timer fires when its lane is next looked at.
const FAR: Duration = Duration::from_secs(5);

/// What the state word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Idle {
        far: bool,
    },
    /// Filed, or about to be filed anew, under this tick.
    Armed(u64),
    Fired,
    Closed,
}

/// The part of a timer that the wheel points to.
#[derive(Debug)]
pub(crate) struct Entry {
    links: Links<Entry>,
    state: AtomicU64,
    waker: UnsafeCell<ManuallyDrop<Option<Waker>>>,
    place: Place,
    _pinned: PhantomPinned,
}

// SAFETY: all fields are `Send`; the links lead only to where the lane's lock lets one go.
unsafe impl Send for Entry {}
// SAFETY: the waker slot, the only field that is not `Sync`, is written by its owner alone, when nobody reads it (I3).
unsafe impl Sync for Entry {}

/// The entry's deadline was moved: it is to be filed anew.
#[derive(Debug)]
pub(crate) struct Postponed;

impl Entry {
    fn new(state: u64) -> Self {
        Self {
            links: Links::new(),
            state: AtomicU64::new(state),
            waker: UnsafeCell::new(ManuallyDrop::new(None)),
            place: Place::new(),
            _pinned: PhantomPinned,
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        // ORDERING: pairs with `fire` and `close` (I4).
        match self.state.load(Acquire) {
            IDLE => State::Idle { far: false },
            IDLE_FAR => State::Idle { far: true },
            FIRED => State::Fired,
            CLOSED => State::Closed,
            tick => State::Armed(tick),
        }
    }

    /// Makes the deadline of an armed entry later, without the lock. False if it is not armed or the tick is earlier.
    fn postpone(&self, tick: u64) -> bool {
        match self.state() {
            // Only a firing or a closing thread can come in between, and then the state is looked at anew (I2).
            State::Armed(old) if tick >= old => self.state.compare_exchange(old, tick, Relaxed, Relaxed).is_ok(),
            _ => false,
        }
    }

    /// Marks the entry armed under `tick`.
    pub(crate) fn set_armed(&self, tick: u64) {
        self.state.store(tick, Relaxed);
    }

    /// Overwrites the waker slot.
    ///
    /// # Safety
    ///
    /// The caller owns the entry, and holds the lane's lock if it is armed (I3).
    pub(crate) unsafe fn set_waker(&self, waker: Option<Waker>) {
        self.waker.with_mut(|slot| {
            // SAFETY: passed on.
            unsafe { *slot = ManuallyDrop::new(waker) }
        });
    }

    /// A copy of the waker of an armed entry: the waker itself, if the caller overwrites the slot or has the entry not
    /// armed any more.
    ///
    /// # Safety
    ///
    /// The caller holds the lane's lock, and the entry is armed (I3).
    pub(crate) unsafe fn waker(&self) -> ManuallyDrop<Option<Waker>> {
        self.waker.with(|slot| {
            // SAFETY: passed on: it is not written meanwhile, and was written when the entry was armed.
            unsafe { slot.read() }
        })
    }

    /// Whether the waker in the slot is as good as `waker`.
    ///
    /// # Safety
    ///
    /// The caller owns the entry, and has seen it armed since it last wrote the slot.
    #[inline]
    unsafe fn wakes(&self, waker: &Waker) -> bool {
        self.waker.with(|slot| {
            // SAFETY: nobody else writes it (I3). The waker may be gone, but to compare it takes only its address.
            unsafe { &**slot }.as_ref().is_some_and(|own| own.will_wake(waker))
        })
    }

    /// Fires the entry, just unfiled, and returns its waker, unless its deadline is after `now` by now.
    ///
    /// # Safety
    ///
    /// The caller holds the lane's lock, and touches the entry no more after an `Ok`.
    pub(crate) unsafe fn fire(&self, now: u64) -> Result<Option<Waker>, Postponed> {
        let tick = self.state.load(Relaxed);
        if tick > now {
            return Err(Postponed);
        }
        // Once the owner can see the entry fired, it may overwrite the slot.
        // SAFETY: passed on.
        let waker = unsafe { self.waker() };
        // ORDERING: pairs with `state` (I4).
        match self.state.compare_exchange(tick, FIRED, Release, Relaxed) {
            Ok(_) => Ok(ManuallyDrop::into_inner(waker)),
            Err(_) => Err(Postponed),
        }
    }

    /// Closes the entry, just unfiled, and returns its waker.
    ///
    /// # Safety
    ///
    /// As for [`fire`](Self::fire).
    pub(crate) unsafe fn close(&self) -> Option<Waker> {
        // SAFETY: passed on.
        let waker = unsafe { self.waker() };
        // ORDERING: pairs with `state` (I4). A `postpone` that comes before is overwritten, one that comes after fails. A
        // store would do, but loom does not order it after a compare-exchange of another thread.
        self.state.swap(CLOSED, Release);
        ManuallyDrop::into_inner(waker)
    }
}

// SAFETY: the links are one field, reached through a raw pointer; an armed entry does not move (I5).
unsafe impl Linked for Entry {
    type Node = Entry;

    unsafe fn links(node: NonNull<Entry>) -> NonNull<Links<Entry>> {
        // SAFETY: the node is live, so its field is in bounds and not null.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).links) }
    }
}

// SAFETY: the place is one field, reached through a raw pointer; an armed tick only grows while it is filed (I2).
unsafe impl Filed for Entry {
    unsafe fn deadline(node: NonNull<Entry>) -> u64 {
        // SAFETY: the node is live.
        unsafe { node.as_ref() }.state.load(Relaxed)
    }

    unsafe fn place(node: NonNull<Entry>) -> NonNull<Place> {
        // SAFETY: the node is live, so its field is in bounds and not null.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).place) }
    }
}
