//! What a worker is doing, for others to look at.
//!
//! Purpose: the monitor, and thieves that wonder about a LIFO slot, see whether a worker is still in the same poll, and
//! of which task.
//!
//! Data flow: `worker` → [`Progress::begin`], [`Progress::end`] around each poll; `watch`, `pool` → [`Progress::poll`],
//! [`Progress::task`].
//!
//! Invariants:
//! - I1: the worker alone writes. `polls` is odd during a poll and even between two.
//! - I2: the task's fields are written while `polls` is even, so that a reader which sees the same odd number before and
//!   after has read the fields of that poll (a sequence lock).
//!
//! Cost: four plain stores to the worker's own cache line a poll.
//!
//! Models: `a_task_is_never_taken_for_another`.

use std::panic::Location;
use std::ptr;

use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use sprang_core::primitive::sync::atomic::{AtomicPtr, AtomicU64, fence};

use crate::metrics::Counter;
use crate::task::Id;

/// What a worker is doing.
#[derive(Debug)]
pub(crate) struct Progress {
    polls: AtomicU64,
    id: AtomicU64,
    spawned_at: AtomicPtr<Location<'static>>,
    resumed: Counter,
}

/// A poll that is under way: its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PollNumber(u64);

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            polls: AtomicU64::new(0),
            id: AtomicU64::new(0),
            spawned_at: AtomicPtr::new(ptr::null_mut()),
            resumed: Counter::default(),
        }
    }

    /// The worker begins to poll a task.
    #[inline]
    pub(crate) fn begin(&self, id: Id, spawned_at: &'static Location<'static>) {
        self.id.store(id.as_u64(), Relaxed);
        self.spawned_at.store(ptr::from_ref(spawned_at).cast_mut(), Relaxed);
        // ORDERING: pairs with `task`: who sees the number sees the fields (I2).
        self.polls.store(self.polls.load(Relaxed).wrapping_add(1), Release);
    }

    /// The poll is over.
    #[inline]
    pub(crate) fn end(&self) {
        self.polls.store(self.polls.load(Relaxed).wrapping_add(1), Relaxed);
        // ORDERING: pairs with the fence of `task`: who sees later fields sees that this poll is over (I2).
        fence(Release);
    }

    /// The poll that was interrupted by [`end`](Self::end) goes on.
    pub(crate) fn resume(&self) {
        self.resumed.add(1);
        // ORDERING: as in `begin`; the fields are the ones of the same task.
        self.polls.store(self.polls.load(Relaxed).wrapping_add(1), Release);
    }

    /// The poll that is under way.
    #[inline]
    pub(crate) fn poll(&self) -> Option<PollNumber> {
        // ORDERING: pairs with `begin` (I2).
        let polls = self.polls.load(Acquire);
        (polls % 2 == 1).then_some(PollNumber(polls))
    }

    /// The polls begun.
    pub(crate) fn polls(&self) -> u64 {
        let resumed = self.resumed.get();
        self.polls.load(Relaxed).div_ceil(2).saturating_sub(resumed)
    }

    /// The task that is polled.
    pub(crate) fn running(&self) -> Option<(Id, &'static Location<'static>)> {
        // A worker is between two polls for a moment only.
        const ATTEMPTS: usize = 8;
        (0..ATTEMPTS).find_map(|_| self.task(self.poll()?))
    }

    /// The task of the poll, if it is still under way.
    pub(crate) fn task(&self, poll: PollNumber) -> Option<(Id, &'static Location<'static>)> {
        let id = self.id.load(Relaxed);
        let spawned_at = self.spawned_at.load(Relaxed);
        // ORDERING: pairs with the fence of `end` (I2).
        fence(Acquire);
        if self.polls.load(Relaxed) != poll.0 {
            return None;
        }
        // SAFETY: the pointer is null, or came from a static reference (I1).
        let spawned_at: &'static Location<'static> = unsafe { spawned_at.as_ref() }?;
        Some((Id::from_u64(id)?, spawned_at))
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::{model, thread};

    #[test]
    fn a_task_is_never_taken_for_another() {
        model(|| {
            let progress = Arc::new(Progress::new());
            let here = Location::caller();
            progress.begin(Id::from_u64(1).unwrap(), here);
            let other = Arc::clone(&progress);
            let polling = thread::spawn(move || {
                other.end();
                other.begin(Id::from_u64(2).unwrap(), here);
            });
            if let Some(poll) = progress.poll()
                && let Some((id, _)) = progress.task(poll)
            {
                // The first poll has the number 1, the second 3.
                assert_eq!(id.as_u64(), poll.0 / 2 + 1);
            }
            polling.join().unwrap();
        });
    }
}
