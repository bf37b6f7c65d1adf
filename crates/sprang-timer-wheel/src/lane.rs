//! One wheel behind its lock, with its next deadline published.
//!
//! Purpose: a thread arms and cancels timers in the wheel of its own lane, so the lock is nearly always free; any
//! other thread may fire what is due in it.
//!
//! Data flow: called by `entry` (arm, rearm, cancel) and `handle` (fire, close). Calls `wheel`, `entry::fire`, and
//! [`Common::deadline_lowered`] when the lane's next deadline became earlier.
//!
//! Invariants:
//! - I1: `next` is never later than the wheel's next deadline, whenever the lock is free. It may be earlier (a
//!   cancelled timer leaves it be); whoever finds it passed takes the lock and sets it right.
//! - I2: no waker is cloned, woken or dropped under the lock.
//! - I3: once `closed`, nothing is filed.
//! - I4: a timer keeps the lane alive that it is filed in, so a lane is dropped with an empty wheel.
//!
//! Memory ordering: `next` is Relaxed. The threads that must not miss it (handle I1) put fences around it.
//!
//! Models: `models::firing_*`, `models::closing_*`.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::Waker;

use crossbeam_utils::CachePadded;
use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::AtomicU64;
use sprang_core::primitive::sync::atomic::Ordering::Relaxed;
use sprang_core::slot;
use sprang_core::wake_batch::WakeBatch;

use crate::entry::{Entry, State};
use crate::handle::Common;
use crate::wheel::Wheel;

/// A published deadline that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// A wheel, its lock, and what its timers need to know of their runtime.
pub(crate) struct Lane(CachePadded<Inner>);

struct Inner {
    locked: Mutex<Locked>,
    next: AtomicU64,
    common: std::sync::Arc<Common>,
    /// Its number, by which threads know theirs.
    index: usize,
}

struct Locked {
    wheel: Wheel<Entry>,
    closed: bool,
}

/// The entry was not armed (any more).
#[derive(Debug)]
pub(crate) struct NotArmed;

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("next", &self.next())
            .finish_non_exhaustive()
    }
}

impl Lane {
    pub(crate) fn new(common: std::sync::Arc<Common>, index: usize) -> Self {
        Self(CachePadded::new(Inner {
            locked: Mutex::new(Locked {
                wheel: Wheel::new(),
                closed: false,
            }),
            next: AtomicU64::new(NEVER),
            common,
            index,
        }))
    }

    /// Whether this is the lane of a thread of this thread's number. If not, there may be one that is closer.
    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        self.0.index == slot::lane()
    }

    pub(crate) fn common(&self) -> &std::sync::Arc<Common> {
        &self.0.common
    }

    /// A tick at or before the earliest deadline, or [`NEVER`].
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.0.next.load(Relaxed)
    }

    /// Arms `entry` under `tick`, with the waker in its slot. If the lane is closed, closes the entry instead and returns
    /// the waker.
    ///
    /// # Safety
    ///
    /// The caller owns the entry, which is not armed, and cancels it before it moves or frees it.
    pub(crate) unsafe fn arm(&self, entry: &Entry, tick: u64, now: u64) -> Option<Waker> {
        let mut locked = self.0.locked.lock();
        if locked.closed {
            // SAFETY: under the lock, and unfiled. The caller has put a waker into the slot, as for an armed entry.
            return unsafe { entry.close() };
        }
        // SAFETY: passed on.
        let lowered = unsafe { self.file(&mut locked, entry, tick, now) };
        drop(locked);
        if let Some(due) = lowered {
            self.0.common.deadline_lowered(due);
        }
        None
    }

    /// Moves an armed entry to `tick`, or fires it if there is none. Returns a waker that the caller is to wake.
    ///
    /// # Safety
    ///
    /// The caller owns the entry, which is in this lane if it is armed.
    pub(crate) unsafe fn rearm(&self, entry: &Entry, tick: Option<u64>, now: u64) -> Result<Option<Waker>, NotArmed> {
        let mut locked = self.0.locked.lock();
        let State::Armed(_) = entry.state() else {
            return Err(NotArmed);
        };
        // SAFETY: armed under the lock means filed here (entry I1).
        unsafe { locked.wheel.remove(NonNull::from(entry)) };
        let Some(tick) = tick else {
            entry.set_armed(0);
            // SAFETY: under the lock, and unfiled.
            return Ok(unsafe { entry.fire(now) }.unwrap_or(None));
        };
        // SAFETY: unfiled just now, and as live as before.
        let lowered = unsafe { self.file(&mut locked, entry, tick, now) };
        drop(locked);
        if let Some(due) = lowered {
            self.0.common.deadline_lowered(due);
        }
        Ok(None)
    }

    /// Gives an armed entry another waker. Returns the one to drop.
    ///
    /// # Safety
    ///
    /// As for [`rearm`](Self::rearm).
    pub(crate) unsafe fn set_waker(&self, entry: &Entry, waker: Waker) -> Option<Waker> {
        let _locked = self.0.locked.lock();
        match entry.state() {
            State::Armed(_) => {
                // SAFETY: under the lock, and armed.
                let old = unsafe { entry.waker() };
                // SAFETY: under the lock, for the owner.
                unsafe { entry.set_waker(Some(waker)) };
                ManuallyDrop::into_inner(old)
            }
            _ => Some(waker),
        }
    }

    /// Unfiles the entry if it is armed and returns its waker, for the caller to drop. The caller owns the entry then,
    /// and sets its state.
    ///
    /// # Safety
    ///
    /// As for [`rearm`](Self::rearm).
    pub(crate) unsafe fn cancel(&self, entry: &Entry) -> Option<Waker> {
        let mut locked = self.0.locked.lock();
        let State::Armed(_) = entry.state() else {
            return None;
        };
        // SAFETY: armed under the lock means filed here (entry I1).
        unsafe { locked.wheel.remove(NonNull::from(entry)) };
        // SAFETY: under the lock. The owner, who alone may arm the entry again, overwrites the slot then.
        ManuallyDrop::into_inner(unsafe { entry.waker() })
    }

    /// Fires what is due at the tick `now`.
    pub(crate) fn fire(&self, now: u64) {
        let mut batch = WakeBatch::new();
        loop {
            let done = self.collect_due(now, &mut batch);
            // A waker that panics leaves the rest filed, with `next` passed: the next look fires them.
            batch.wake_all();
            if done {
                return;
            }
        }
    }

    /// Fires into the batch; true if nothing due is left.
    fn collect_due(&self, now: u64, batch: &mut WakeBatch) -> bool {
        let mut locked = self.0.locked.lock();
        // Another thread may have fired with a later look at the clock: for the wheel that is the time, and so it must
        // be here, or what is due by it would be filed and taken out again without end.
        let now = now.max(locked.wheel.elapsed());
        let done = loop {
            if !batch.can_push() {
                break false;
            }
            let Some(entry) = locked.wheel.poll(now) else {
                break true;
            };
            // SAFETY: filed until just now, so live until it is seen to be fired (entry I4, I5).
            let fired = unsafe { entry.as_ref() };
            // SAFETY: under the lock, and unfiled.
            match unsafe { fired.fire(now) } {
                Ok(waker) => waker.into_iter().for_each(|waker| batch.push(waker)),
                Err(_) => {
                    // SAFETY: still armed, and in no list.
                    unsafe { locked.wheel.insert(entry) };
                }
            }
        };
        self.publish(&locked);
        done
    }

    /// Sets `next` right and returns it.
    pub(crate) fn next_exactly(&self) -> u64 {
        self.publish(&self.0.locked.lock());
        self.next()
    }

    /// Closes the lane and its entries, as many as fit into the batch; true if none is left.
    pub(crate) fn close(&self, batch: &mut WakeBatch) -> bool {
        let mut locked = self.0.locked.lock();
        locked.closed = true;
        while batch.can_push() {
            let Some(entry) = locked.wheel.pop() else {
                self.publish(&locked);
                return true;
            };
            // SAFETY: filed until just now, so live until it is seen to be closed (entry I4, I5).
            let closed = unsafe { entry.as_ref() };
            // SAFETY: under the lock, and unfiled.
            unsafe { closed.close() }
                .into_iter()
                .for_each(|waker| batch.push(waker));
        }
        false
    }

    /// Files an entry that is in no list. Returns the tick to poll at if that became the lane's next one.
    ///
    /// # Safety
    ///
    /// As for [`Wheel::insert`].
    unsafe fn file(&self, locked: &mut Locked, entry: &Entry, tick: u64, now: u64) -> Option<u64> {
        entry.set_armed(tick);
        locked.wheel.catch_up(now);
        // SAFETY: passed on.
        let due = unsafe { locked.wheel.insert(NonNull::from(entry)) };
        let lowered = due < self.next();
        if lowered {
            self.0.next.store(due, Relaxed);
        }
        lowered.then_some(due)
    }

    fn publish(&self, locked: &Locked) {
        self.0
            .next
            .store(locked.wheel.next_deadline().unwrap_or(NEVER), Relaxed);
    }
}
