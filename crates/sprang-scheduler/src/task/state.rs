//! The state word of a task: its bits, its reference count, and the transitions between them.
//!
//! Purpose: each transition is a method that says by its result what the caller now owes. The rules that they keep
//! are in the header of [`super`].
//!
//! Called by: `harness`, `waker`, `join`, `owned`. Cost: one read-modify-write a transition, none where the header of
//! a method says so.

use std::fmt;

use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use sprang_core::primitive::sync::atomic::fence;

const RUNNING: usize = 1;
const COMPLETE: usize = 1 << 1;
const NOTIFIED: usize = 1 << 2;
const CANCELLED: usize = 1 << 3;
const SHUTDOWN: usize = 1 << 4;
const JOIN_INTEREST: usize = 1 << 5;
const JOIN_WAKER: usize = 1 << 6;
const REF_ONE: usize = 1 << 7;

/// Two references: the scheduler's, as a `Notified`, and the `JoinHandle`'s.
const INITIAL: usize = (2 * REF_ONE) | NOTIFIED | JOIN_INTEREST;

/// Turns RUNNING into COMPLETE by addition.
const RUNNING_TO_COMPLETE: usize = COMPLETE - RUNNING;

/// The state word.
pub(super) struct State(AtomicUsize);

/// A value of the state word.
#[derive(Clone, Copy)]
pub(super) struct Snapshot(usize);

/// What to do with a task taken from a queue.
#[must_use]
pub(super) enum ToRunning {
    /// Poll it.
    Poll,
    /// Drop its future.
    Cancel,
}

/// What to do after a poll that was pending.
#[must_use]
pub(super) enum ToIdle {
    /// Nothing: custody went to the owned set; the task must not be touched any more.
    Idle,
    /// It was woken meanwhile: custody is the caller's, which queues it.
    Notified,
}

/// What the runner owes a task that it has finished.
#[must_use]
pub(super) enum ToComplete {
    /// The reference is given back: the task must not be touched any more.
    Done,
    /// Nobody wants the output: drop it, then [`State::transition_to_complete_detached`].
    DropOutput,
    /// COMPLETE is set: wake the join waker, then drop the reference.
    WakeJoiner,
}

/// What a thread that wakes or aborts a task owes it.
#[must_use]
pub(super) enum ToNotified {
    /// Nothing.
    Done,
    /// Custody: queue it.
    Schedule,
    /// It gave back the last reference: free the cell.
    Dealloc,
}

/// What the end of the runtime owes a task of the owned set.
#[must_use]
pub(super) enum ToShutdown {
    /// RUNNING was taken: drop its future.
    Cancel,
    /// Its queue or its runner brings it back, marked as cancelled.
    Later,
}

/// What a `JoinHandle` that is dropped owes the task.
#[must_use]
pub(super) enum ToDetached {
    /// Nothing: the reference is given back.
    Done,
    /// Drop the join waker, then the reference.
    DropWaker,
    /// Drop the output, then the reference.
    DropOutput,
}

impl State {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(INITIAL))
    }

    #[inline]
    pub(super) fn load(&self) -> Snapshot {
        // ORDERING: pairs with every transition's release (header of `super`, I2).
        Snapshot(self.0.load(Acquire))
    }

    /// From a queue to the runner.
    #[inline]
    pub(super) fn transition_to_running(&self) -> ToRunning {
        // Custody is ours (I1): NOTIFIED is set, RUNNING and COMPLETE are not, and nobody else changes those three.
        // ORDERING: acquires what the wakers published, and the stage from the runner before.
        let before = Snapshot(self.0.fetch_xor(NOTIFIED | RUNNING, AcqRel));
        debug_assert!(before.is_notified() && !before.is_running() && !before.is_complete());
        if before.is_cancelled() {
            ToRunning::Cancel
        } else {
            ToRunning::Poll
        }
    }

    /// From the runner to the owned set, or, if it was woken, back to a queue.
    #[inline]
    pub(super) fn transition_to_idle(&self) -> ToIdle {
        // ORDERING: releases the stage to the next runner.
        let before = Snapshot(self.0.fetch_and(!RUNNING, AcqRel));
        debug_assert!(before.is_running());
        if before.is_notified() {
            ToIdle::Notified
        } else {
            ToIdle::Idle
        }
    }

    /// Completes a task whose output is in the stage.
    #[inline]
    pub(super) fn transition_to_complete(&self) -> ToComplete {
        let mut current = self.load();
        loop {
            debug_assert!(current.is_running() && !current.is_complete());
            if !current.is_join_interested() {
                return ToComplete::DropOutput;
            }
            let (next, result) = if current.has_join_waker() {
                (current.0 + RUNNING_TO_COMPLETE, ToComplete::WakeJoiner)
            } else {
                // The `JoinHandle` holds a reference of its own: this is not the last one.
                (current.0 + RUNNING_TO_COMPLETE - REF_ONE, ToComplete::Done)
            };
            match self.exchange(current, next) {
                Ok(()) => return result,
                Err(actual) => current = actual,
            }
        }
    }

    /// Completes a task whose output is dropped already; returns whether its cell is to be freed.
    ///
    /// No read-modify-write if nobody else holds a reference.
    #[inline]
    pub(super) fn transition_to_complete_detached(&self) -> bool {
        if self.load().ref_count() == 1 {
            return true;
        }
        // ORDERING: releases the stage to whoever frees the cell; acquires theirs if that is us.
        let before = Snapshot(self.0.fetch_sub(REF_ONE - RUNNING_TO_COMPLETE, AcqRel));
        debug_assert!(before.is_running() && !before.is_complete());
        before.ref_count() == 1
    }

    /// A wake-up that keeps its reference.
    #[inline]
    pub(super) fn transition_to_notified_by_ref(&self) -> ToNotified {
        self.notify(0, 0)
    }

    /// A wake-up that gives its reference back.
    #[inline]
    pub(super) fn transition_to_notified_by_value(&self) -> ToNotified {
        self.notify(0, REF_ONE)
    }

    /// An abort.
    pub(super) fn transition_to_aborted(&self) -> ToNotified {
        self.notify(CANCELLED, 0)
    }

    /// Sets NOTIFIED and `bits` unless COMPLETE, and takes `refs` off the count.
    #[inline]
    fn notify(&self, bits: usize, refs: usize) -> ToNotified {
        let mut current = self.load();
        loop {
            if current.is_complete() || current.0 | bits | NOTIFIED == current.0 {
                if refs == 0 && current.is_complete() {
                    return ToNotified::Done;
                }
                // Even where no bit changes this writes: its release hands the waker's message to the poll that
                // is still to come. Without it a wake-up that finds NOTIFIED would be lost.
                match self.exchange(current, current.0 - refs) {
                    // Only a complete task can lose its last reference here (I1).
                    Ok(()) if refs != 0 && current.ref_count() == 1 => return ToNotified::Dealloc,
                    Ok(()) => return ToNotified::Done,
                    Err(actual) => current = actual,
                }
                continue;
            }
            let idle = !current.is_running() && !current.is_notified();
            match self.exchange(current, (current.0 | bits | NOTIFIED) - refs) {
                // The scheduler's reference is in our custody now (I1).
                Ok(()) if idle => return ToNotified::Schedule,
                Ok(()) => return ToNotified::Done,
                Err(actual) => current = actual,
            }
        }
    }

    /// The end of the runtime, for a task of the owned set.
    pub(super) fn transition_to_shutdown(&self) -> ToShutdown {
        let mut current = self.load();
        loop {
            debug_assert!(!current.is_complete());
            let mut next = current.0 | CANCELLED;
            if !current.is_cancelled() {
                next |= SHUTDOWN;
            }
            let (next, result) = if current.is_running() {
                (next | NOTIFIED, ToShutdown::Later)
            } else if current.is_notified() {
                (next, ToShutdown::Later)
            } else {
                (next | RUNNING, ToShutdown::Cancel)
            };
            match self.exchange(current, next) {
                Ok(()) => return result,
                Err(actual) => current = actual,
            }
        }
    }

    /// Marks a task that the caller runs as cancelled by the end of the runtime.
    pub(super) fn set_shutdown(&self) {
        self.0.fetch_or(CANCELLED | SHUTDOWN, Relaxed);
    }

    /// Hands the join waker to the runner; `false` once COMPLETE.
    pub(super) fn set_join_waker(&self) -> bool {
        self.update_unless_complete(|bits| bits | JOIN_WAKER)
    }

    /// Takes the join waker back; `false` once COMPLETE.
    pub(super) fn unset_join_waker(&self) -> bool {
        self.update_unless_complete(|bits| bits & !JOIN_WAKER)
    }

    fn update_unless_complete(&self, update: impl Fn(usize) -> usize) -> bool {
        let mut current = self.load();
        while !current.is_complete() {
            match self.exchange(current, update(current.0)) {
                Ok(()) => return true,
                Err(actual) => current = actual,
            }
        }
        false
    }

    /// The `JoinHandle` goes.
    pub(super) fn transition_to_detached(&self) -> ToDetached {
        // The common case: the task has not run yet.
        let mut current = Snapshot(INITIAL);
        loop {
            if current.is_complete() {
                return ToDetached::DropOutput;
            }
            let next = current.0 & !(JOIN_INTEREST | JOIN_WAKER);
            let (next, result) = if current.has_join_waker() {
                (next, ToDetached::DropWaker)
            } else {
                // The scheduler holds a reference until COMPLETE (I1): this is not the last one.
                (next - REF_ONE, ToDetached::Done)
            };
            match self.exchange(current, next) {
                Ok(()) => return result,
                Err(actual) => current = actual,
            }
        }
    }

    #[inline]
    fn exchange(&self, current: Snapshot, next: usize) -> Result<(), Snapshot> {
        // ORDERING: the one ordering of all conditional transitions (header of `super`).
        match self.0.compare_exchange_weak(current.0, next, AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(actual) => Err(Snapshot(actual)),
        }
    }

    /// One more reference.
    #[inline]
    pub(super) fn ref_inc(&self) {
        // Relaxed: a new reference is made from one that is held, as in `Arc`.
        let before = self.0.fetch_add(REF_ONE, Relaxed);
        // A count that overflows would free a live cell; nothing that leaks so many wakers can go on.
        if before > isize::MAX as usize {
            std::process::abort();
        }
    }

    /// One reference less; returns whether the cell is to be freed.
    ///
    /// No read-modify-write for the last one.
    #[inline]
    pub(super) fn ref_dec(&self) -> bool {
        if self.load().ref_count() == 1 {
            return true;
        }
        // ORDERING: releases this thread's accesses to whoever frees the cell.
        let before = Snapshot(self.0.fetch_sub(REF_ONE, AcqRel));
        debug_assert!(before.ref_count() >= 1);
        let last = before.ref_count() == 1;
        if last {
            // ORDERING: pairs with the releases of all other references.
            fence(Acquire);
        }
        last
    }
}

impl Snapshot {
    #[inline]
    pub(super) fn is_running(self) -> bool {
        self.0 & RUNNING != 0
    }

    #[inline]
    pub(super) fn is_complete(self) -> bool {
        self.0 & COMPLETE != 0
    }

    #[inline]
    pub(super) fn is_notified(self) -> bool {
        self.0 & NOTIFIED != 0
    }

    #[inline]
    pub(super) fn is_cancelled(self) -> bool {
        self.0 & CANCELLED != 0
    }

    #[inline]
    pub(super) fn is_shutdown(self) -> bool {
        self.0 & SHUTDOWN != 0
    }

    #[inline]
    pub(super) fn is_join_interested(self) -> bool {
        self.0 & JOIN_INTEREST != 0
    }

    #[inline]
    pub(super) fn has_join_waker(self) -> bool {
        self.0 & JOIN_WAKER != 0
    }

    #[inline]
    pub(super) fn ref_count(self) -> usize {
        self.0 / REF_ONE
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("running", &self.is_running())
            .field("complete", &self.is_complete())
            .field("notified", &self.is_notified())
            .field("cancelled", &self.is_cancelled())
            .field("join_interest", &self.is_join_interested())
            .field("join_waker", &self.has_join_waker())
            .field("refs", &self.ref_count())
            .finish()
    }
}
