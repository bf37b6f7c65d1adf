//! Who is awake: permits, searchers and sleepers.
//!
//! Purpose: decide when a push wakes a parked worker. A worker runs tasks only while it holds one of the scheduler's
//! permits; it gives its permit back when it parks, and whoever wakes it takes one on its behalf. The permit of a worker
//! that is stuck in a poll can be taken away, for another thread to go on with; the worker notices at the end of its
//! poll, and goes on only if there is a permit to be had.
//!
//! Called by: `pool`, which couples it with the queues.
//!
//! Invariants:
//! - I1: `active` counts the permits in use; a worker in `sleepers` uses none; `searching` counts active workers that
//!   look for work outside of their own queue.
//! - I2: the lists and `state` change together under the lock; `state` alone may be read, and `searching` raised and
//!   lowered, without it.
//! - I3: a worker that is popped from `sleepers` is unparked by whoever popped it, and wakes as a searcher.
//! - I4: `active` never exceeds the number of permits. A worker whose permit was taken is not counted, whether it runs
//!   or not, until it has taken one again. Its flag changes under the lock, and is otherwise only read by the worker
//!   itself, as a hint.
//! - I5: the monitor goes on while a permit is in use, or a worker is stuck whose permit was taken: what that worker is
//!   then given has nobody else to notice it. A worker that blocks on purpose is given nothing, until it goes on.
//!
//! Memory ordering: the store buffering pattern, with explicit SeqCst fences, since accesses to the queues and to
//! `state` are to different locations. Pusher: push, fence, read `state` ([`Idle::wake_one`]). Parker: change
//! `state`, fence, read the queues ([`Idle::park`], [`Idle::end_search`]). Whatever the interleaving, the pusher sees
//! the sleeper or the parker sees the item. A weaker pair would let both read the old value: a lost wake-up.
//!
//! Models: `pool::models`.

use std::sync::OnceLock;

use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::Ordering::{Relaxed, SeqCst};
use sprang_core::primitive::sync::atomic::{AtomicBool, AtomicUsize, fence};

use crate::monitor::{Activity, Alarm};

const SEARCHING_ONE: usize = 1;
const SEARCHING_MASK: usize = (1 << 16) - 1;
const ACTIVE_ONE: usize = 1 << 16;

/// The idle workers of a scheduler.
#[derive(Debug)]
pub(super) struct Idle {
    /// `active << 16 | searching`.
    state: AtomicUsize,
    /// The workers that are parked, the last one to park last.
    sleepers: Mutex<Vec<usize>>,
    permits: usize,
    /// What is told when the first permit comes into use, and when the last one is given back.
    activity: OnceLock<&'static Activity<Alarm>>,
}

/// How a worker comes back from being parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// Somebody took it out of the sleepers, as a searcher, with a permit.
    AsSearcher,
    /// It took a permit by itself.
    ByItself,
    /// It is still one of the sleepers.
    Not,
}

/// Whether a worker's permit was taken away: part of what others see of the worker.
#[derive(Debug, Default)]
pub(super) struct Taken(AtomicBool);

impl Taken {
    /// A hint: see [`Idle::reclaim`].
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Clears the flag, under the lock or after the last worker has left; returns whether it was set.
    fn clear(&self) -> bool {
        let was_set = self.0.load(Relaxed);
        self.0.store(false, Relaxed);
        was_set
    }
}

impl Idle {
    /// All `permits` in use, nobody parked.
    pub(super) fn new(permits: usize) -> Self {
        assert!((1..=SEARCHING_MASK).contains(&permits));
        Self {
            state: AtomicUsize::new(permits * ACTIVE_ONE),
            sleepers: Mutex::new(Vec::with_capacity(permits)),
            permits,
            activity: OnceLock::new(),
        }
    }

    /// Has the monitor told whether any permit is in use. To be called before any worker runs.
    pub(super) fn report_to(&self, activity: &'static Activity<Alarm>) {
        if self.activity.set(activity).is_ok() && self.is_active() {
            activity.became_active();
        }
    }

    /// Takes a permit, under the lock; returns whether it is the only one in use.
    fn take_permit(&self, searching: usize) -> bool {
        self.state.fetch_add(ACTIVE_ONE + searching, Relaxed) < ACTIVE_ONE
    }

    /// Gives a permit back, under the lock; returns whether it was the last one in use.
    fn give_permit_back(&self) -> bool {
        self.state.fetch_sub(ACTIVE_ONE, Relaxed) / ACTIVE_ONE == 1
    }

    /// To be called without the lock, after `take_permit`.
    fn took_permit(&self, only: bool) {
        if only && let Some(activity) = self.activity.get() {
            activity.became_active();
        }
    }

    /// To be called without the lock, after `give_permit_back`.
    fn gave_permit_back(&self, last: bool) {
        if last && let Some(activity) = self.activity.get() {
            activity.became_idle();
        }
    }

    /// A worker without a permit is in a poll (I5).
    pub(super) fn watch(&self) {
        if let Some(activity) = self.activity.get() {
            activity.became_active();
        }
    }

    /// To be called without the lock, when a worker's permit is no longer taken away.
    fn unwatch(&self, was_taken: bool) {
        if was_taken && let Some(activity) = self.activity.get() {
            activity.became_idle();
        }
    }

    /// All workers have left: nobody uses a permit any more, or is stuck.
    pub(super) fn end<'a>(&self, taken: impl Iterator<Item = &'a Taken>) {
        taken.for_each(|taken| self.unwatch(taken.clear()));
        self.gave_permit_back(self.is_active());
    }

    /// After a push: the worker to unpark for it, unless somebody searches already or nobody is parked.
    pub(super) fn wake_one(&self) -> Option<usize> {
        // ORDERING: pairs with the fences of `park` and `end_search` (header).
        fence(SeqCst);
        if !self.should_wake(self.state.load(Relaxed)) {
            return None;
        }
        let mut sleepers = self.sleepers.lock();
        if !self.should_wake(self.state.load(Relaxed)) {
            return None;
        }
        let worker = sleepers.pop()?;
        let only = self.take_permit(SEARCHING_ONE);
        drop(sleepers);
        self.took_permit(only);
        Some(worker)
    }

    fn should_wake(&self, state: usize) -> bool {
        state & SEARCHING_MASK == 0 && state / ACTIVE_ONE < self.permits
    }

    /// An active worker wants to search: at most half of the permits may.
    pub(super) fn begin_search(&self) -> bool {
        let searching = self.state.load(Relaxed) & SEARCHING_MASK;
        if 2 * searching >= self.permits {
            return false;
        }
        // Two that get past the check at once make one searcher too many; that does no harm.
        self.state.fetch_add(SEARCHING_ONE, Relaxed);
        true
    }

    /// A searcher found work. Returns whether it was the last one, which must then look at the queues for more: who
    /// pushed meanwhile relied on it.
    #[must_use]
    pub(super) fn end_search(&self) -> bool {
        let before = self.state.fetch_sub(SEARCHING_ONE, Relaxed);
        let last = before & SEARCHING_MASK == SEARCHING_ONE;
        if last {
            // ORDERING: pairs with the fence of `wake_one` (header).
            fence(SeqCst);
        }
        last
    }

    /// Gives a worker's permit back, unless it was taken already, and enters it among the sleepers. Returns whether it
    /// was the last searcher, which must then look at the queues once more.
    #[must_use]
    pub(super) fn park(&self, worker: usize, searching: bool, taken: &Taken) -> bool {
        let mut sleepers = self.sleepers.lock();
        let was_taken = taken.clear();
        let was_last_searcher = searching && self.state.fetch_sub(SEARCHING_ONE, Relaxed) & SEARCHING_MASK == 1;
        let was_last_active = !was_taken && self.give_permit_back();
        sleepers.push(worker);
        drop(sleepers);
        self.gave_permit_back(was_last_active);
        self.unwatch(was_taken);
        // ORDERING: pairs with the fence of `wake_one` (header).
        fence(SeqCst);
        was_last_searcher
    }

    /// Whether a parked worker was woken by somebody.
    pub(super) fn woken(&self, worker: usize) -> Woken {
        if self.sleepers.lock().contains(&worker) {
            Woken::Not
        } else {
            Woken::AsSearcher
        }
    }

    /// A parked worker that has work takes a permit by itself, if there is one, and is no searcher then.
    ///
    /// `anyway`: if there is none it goes on without, and is counted all the same; that is for the end of the runtime.
    pub(super) fn leave(&self, worker: usize, anyway: bool) -> Woken {
        let mut sleepers = self.sleepers.lock();
        let Some(position) = sleepers.iter().position(|sleeper| *sleeper == worker) else {
            return Woken::AsSearcher;
        };
        if self.is_exhausted() && !anyway {
            return Woken::Not;
        }
        sleepers.remove(position);
        let only = self.take_permit(0);
        drop(sleepers);
        self.took_permit(only);
        Woken::ByItself
    }

    /// Whether all permits are in use. Under the lock this is exact, for it is under the lock that permits are taken.
    fn is_exhausted(&self) -> bool {
        self.state.load(Relaxed) / ACTIVE_ONE >= self.permits
    }

    /// Takes the permit of a worker that is in a poll; `false` if it has none. `watched`: the monitor is to go on (I5).
    pub(super) fn confiscate(&self, worker: usize, taken: &Taken, watched: bool) -> bool {
        let sleepers = self.sleepers.lock();
        if taken.0.load(Relaxed) || sleepers.contains(&worker) {
            return false;
        }
        taken.0.store(true, Relaxed);
        let last = self.give_permit_back();
        if watched && !last {
            // Under the lock, before the worker can undo it; others are active, so that it is no system call.
            self.watch();
        }
        drop(sleepers);
        // If it was the last one, the worker is what keeps the monitor going from now on.
        self.gave_permit_back(last && !watched);
        true
    }

    /// A worker whose permit was taken takes one again, if there is one. If there is none, others are at work with all
    /// of them: the worker becomes a sleeper, and gives its items away. `anyway`: as for
    /// [`leave`](Self::leave).
    #[must_use]
    pub(super) fn reclaim(&self, worker: usize, taken: &Taken, anyway: bool) -> bool {
        let mut sleepers = self.sleepers.lock();
        let was_taken = taken.clear();
        let goes_on = anyway || !self.is_exhausted();
        let only = goes_on && self.take_permit(0);
        if !goes_on {
            sleepers.push(worker);
        }
        drop(sleepers);
        self.took_permit(only);
        self.unwatch(was_taken);
        goes_on
    }

    /// Takes a permit for a worker that is about to be started; `false` if all are in use, or if somebody sleeps that
    /// could be woken in its place.
    #[must_use]
    pub(super) fn admit(&self) -> bool {
        let sleepers = self.sleepers.lock();
        if !sleepers.is_empty() || self.is_exhausted() {
            return false;
        }
        let only = self.take_permit(0);
        drop(sleepers);
        self.took_permit(only);
        true
    }

    /// Gives the permit back of a worker that could not be started.
    pub(super) fn dismiss(&self) {
        let sleepers = self.sleepers.lock();
        let last = self.give_permit_back();
        drop(sleepers);
        self.gave_permit_back(last);
    }

    /// Whether a permit is in use at all.
    pub(super) fn is_active(&self) -> bool {
        self.state.load(Relaxed) >= ACTIVE_ONE
    }

    /// Whether no more than one permit is in use.
    pub(super) fn is_last_active(&self) -> bool {
        self.state.load(Relaxed) < 2 * ACTIVE_ONE
    }

    /// Whether somebody looks for work.
    pub(super) fn is_searched(&self) -> bool {
        self.state.load(Relaxed) & SEARCHING_MASK != 0
    }
}
