//! One timer: a deadline, a waker, and the links by which a wheel files it.
//!
//! Purpose: the engine under `sprang::time::Sleep`. A [`Timer`] lives pinned inside its future; arming and cancelling
//! it allocate nothing.
//!
//! Data flow: called by the facade's `Sleep`; calls `lane` to arm, reset and cancel. `lane::fire` calls back
//! [`Entry::fire`].
//!
//! States: *idle* → *armed* (first poll) → *fired* (deadline) or *closed* (shutdown of the driver). The word holds the
//! deadline's tick while the entry is armed.
//!
//! Invariants:
//! - I1: an entry is armed if and only if it is filed in the wheel of its timer's lane, whenever that lane's lock is
//!   free. It stops being armed only under that lock.
//! - I2: only the owner of the `Timer` arms it. While it is armed, only the owner changes the tick: to an earlier one
//!   under the lock (unfiled meanwhile), to a later one by a compare-exchange without it, which the wheel follows when
//!   the old slot comes (wheel I4).
//! - I3: the waker slot is accessed under the lane's lock, or by the owner while the entry is not armed.
//! - I4: whoever fires or closes an entry touches it no more after the store that says so.
//! - I5: an armed entry is neither moved nor freed: it is pinned, and dropping it cancels it.
//!
//! Memory ordering: the Release of `fire` and `close` pairs with the Acquire in `state`: an owner that sees the entry
//! not armed sees the unlinking and the empty waker slot too, and may reuse or free both without the lock (I3, I4).
//! A Relaxed store there lets the owner's next access race with the wheel's last one.
//!
//! Costs in read-modify-writes, all on lines that this thread's worker nearly always owns: create + drop 2 (the
//! lane's reference count); arm 2 (lock) + 1 (the waker's clone); cancel 2 (lock) + 1 (the waker's drop); poll again by
//! the same task 0, by another task 4; reset forward 1, backward 2. The first poll reads the clock, except as
//! [`Timer::in_current`] says.
//!
//! Models: `models::firing_*`, `models::closing_*`.

use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use sprang_core::list::{Linked, Links};
use sprang_core::primitive::cell::UnsafeCell;
use sprang_core::primitive::sync::Arc;
use sprang_core::primitive::sync::atomic::AtomicU64;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::handle::{Handle, with_current};
use crate::lane::Lane;
use crate::wheel::{Filed, Place};

/// A timer: ready once its deadline has passed.
///
/// Dropping it cancels it. It may outlive its driver, and then pends for good.
#[derive(Debug)]
pub struct Timer {
    deadline: Instant,
    /// When the timer was created, if the creator had read the clock for the deadline's sake.
    created: Option<Instant>,
    /// Where the entry is filed while it is armed.
    lane: Arc<Lane>,
    /// Whose waker is in the slot of the armed entry.
    registered: WakerId,
    entry: Entry,
}

/// The identity of a waker, to compare with without access to the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WakerId {
    data: usize,
    vtable: usize,
}

impl WakerId {
    /// No waker: a vtable is never at address 0.
    const NONE: Self = Self { data: 0, vtable: 0 };

    fn of(waker: &Waker) -> Self {
        Self {
            data: waker.data().addr(),
            vtable: std::ptr::from_ref(waker.vtable()).addr(),
        }
    }
}

impl Timer {
    /// A timer of `handle`'s runtime that is not armed before it is polled.
    pub fn new(handle: &Handle, deadline: Instant) -> Self {
        Self::in_lane(Arc::clone(handle.lane()), None, deadline)
    }

    /// A timer of this thread's current runtime; `None` if there is none.
    ///
    /// A caller that has just read the clock passes what it showed as `now`. If the deadline is a second or more after
    /// that, the first poll arms the timer without reading the clock again, unless the clock was ever paused.
    pub fn in_current(now: Option<Instant>, deadline: Instant) -> Option<Self> {
        let lane = with_current(|handle| Arc::clone(handle.lane()))?;
        Some(Self::in_lane(lane, now, deadline))
    }

    fn in_lane(lane: Arc<Lane>, created: Option<Instant>, deadline: Instant) -> Self {
        Self {
            deadline,
            created,
            lane,
            registered: WakerId::NONE,
            entry: Entry::new(),
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

    /// Ready once the deadline has passed, never before; at once if it has passed at the first poll. Until then `cx`'s waker is the one that is woken.
    ///
    /// After the driver's shutdown a timer that is not yet due pends for good.
    #[inline]
    pub fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        match this.entry.state() {
            State::Fired => Poll::Ready(()),
            State::Closed => Poll::Pending,
            State::Armed(_) if this.registered == WakerId::of(cx.waker()) => Poll::Pending,
            State::Armed(_) => this.poll_with_another_waker(cx.waker()),
            State::Idle => this.poll_idle(cx.waker()),
        }
    }

    /// Sets a new deadline and arms the timer, whatever its state. A waker from a poll that was pending stays.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        this.deadline = deadline;
        this.created = None;
        let tick = this.lane.common().deadline_tick(deadline);
        if this.entry.postpone(tick) {
            return;
        }
        let now = this.lane.common().clock().now();
        let tick = (deadline > now).then_some(tick);
        let now = this.lane.common().now_tick(now);
        if let State::Armed(_) = this.entry.state() {
            // SAFETY: we own the entry; if it is armed, it is in this lane (I1).
            if let Ok(waker) = unsafe { this.lane.rearm(&this.entry, tick, now) } {
                return waker.into_iter().for_each(Waker::wake);
            }
        }
        // It is not armed, and so is ours alone.
        this.registered = WakerId::NONE;
        match tick {
            Some(tick) => this.arm(tick, now, None),
            None => this.entry.state.store(FIRED, Relaxed),
        }
    }

    /// Sets a new deadline and leaves the timer unarmed until it is polled.
    pub fn disarm(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        this.cancel();
        this.deadline = deadline;
        this.created = None;
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

    fn poll_idle(&mut self, waker: &Waker) -> Poll<()> {
        let common = self.lane.common();
        let far = |created: &Instant| {
            self.deadline.saturating_duration_since(*created) >= FAR && common.clock().was_never_paused()
        };
        let now = self.created.filter(far).unwrap_or_else(|| common.clock().now());
        if self.deadline <= now {
            self.entry.state.store(FIRED, Relaxed);
            return Poll::Ready(());
        }
        let tick = common.deadline_tick(self.deadline);
        let now = common.now_tick(now);
        self.registered = WakerId::of(waker);
        self.arm(tick, now, Some(waker.clone()));
        Poll::Pending
    }

    fn poll_with_another_waker(&mut self, waker: &Waker) -> Poll<()> {
        let new = waker.clone();
        // SAFETY: we own the entry; if it is armed, it is in this lane (I1).
        drop(unsafe { self.lane.set_waker(&self.entry, new) });
        self.registered = WakerId::of(waker);
        match self.entry.state() {
            State::Fired => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Arms the entry, which is not armed, in the lane of the thread that we are on.
    fn arm(&mut self, tick: u64, now: u64, waker: Option<Waker>) {
        if let Some(lane) = with_current(|handle| handle.lane_instead_of(&self.lane)).flatten() {
            self.lane = lane;
        }
        // SAFETY: we own the entry, it is not armed, and it stays where it is until it is cancelled (I5).
        drop(unsafe { self.lane.arm(&self.entry, tick, now, waker) });
    }

    /// Makes the timer idle.
    fn cancel(&mut self) {
        if let State::Armed(_) = self.entry.state() {
            // SAFETY: we own the entry; if it is armed, it is in this lane (I1).
            drop(unsafe { self.lane.cancel(&self.entry) });
        }
        self.entry.state.store(IDLE, Relaxed);
        self.registered = WakerId::NONE;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
    }
}

const IDLE: u64 = u64::MAX;
const FIRED: u64 = u64::MAX - 1;
const CLOSED: u64 = u64::MAX - 2;

/// The last tick that an armed entry may have.
pub(crate) const MAX_TICK: u64 = u64::MAX - 3;

/// How far a deadline must lie after the creation of its timer for the first poll to take it to be still ahead. If it is
/// not, the timer fires when its lane is next looked at.
const FAR: Duration = Duration::from_secs(1);

/// What the state word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Idle,
    /// Filed, or about to be filed anew, under this tick.
    Armed(u64),
    Fired,
    Closed,
}

/// The part of a timer that the wheel points to.
#[derive(Debug)]
pub(crate) struct Entry {
    links: Links<Entry>,
    place: Place,
    state: AtomicU64,
    waker: UnsafeCell<Option<Waker>>,
    _pinned: PhantomPinned,
}

// SAFETY: all fields are `Send`; the links lead only to where the lane's lock lets one go.
unsafe impl Send for Entry {}
// SAFETY: the waker slot, the only field that is not `Sync`, is accessed by one thread at a time (I3).
unsafe impl Sync for Entry {}

/// The entry's deadline was moved: it is to be filed anew.
#[derive(Debug)]
pub(crate) struct Postponed;

impl Entry {
    fn new() -> Self {
        Self {
            links: Links::new(),
            place: Place::new(),
            state: AtomicU64::new(IDLE),
            waker: UnsafeCell::new(None),
            _pinned: PhantomPinned,
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        // ORDERING: pairs with `fire` and `close` (I4).
        match self.state.load(Acquire) {
            IDLE => State::Idle,
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

    /// Puts `waker` into the slot and returns what was there.
    ///
    /// # Safety
    ///
    /// The caller holds the lane's lock, or owns the entry and it is not armed (I3).
    pub(crate) unsafe fn replace_waker(&self, waker: Option<Waker>) -> Option<Waker> {
        self.waker.with_mut(|slot| {
            // SAFETY: passed on.
            unsafe { std::mem::replace(&mut *slot, waker) }
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
        // The slot must be empty before the owner can see the entry fired.
        // SAFETY: passed on.
        let waker = unsafe { self.replace_waker(None) };
        // ORDERING: pairs with `state` (I4).
        match self.state.compare_exchange(tick, FIRED, Release, Relaxed) {
            Ok(_) => Ok(waker),
            Err(_) => {
                // SAFETY: passed on; the entry is armed still.
                unsafe { self.replace_waker(waker) };
                Err(Postponed)
            }
        }
    }

    /// Closes the entry, just unfiled, and returns its waker.
    ///
    /// # Safety
    ///
    /// As for [`fire`](Self::fire).
    pub(crate) unsafe fn close(&self) -> Option<Waker> {
        // SAFETY: passed on.
        let waker = unsafe { self.replace_waker(None) };
        // ORDERING: pairs with `state` (I4). A `postpone` that comes before is overwritten, one that comes after fails.
        self.state.store(CLOSED, Release);
        waker
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
