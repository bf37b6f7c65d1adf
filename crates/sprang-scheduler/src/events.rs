//! What is told to `tracing`, with the feature of that name; `events_off` takes its place without.
//!
//! Purpose: the two things that go wrong without anybody's being told otherwise.
//!
//! Called by: `multi_thread::watch`, `task::cell`. No lock is held: a subscriber is the user's code, and may panic.

use std::panic::Location;

use crate::multi_thread::BlockedTask;
use crate::panics::survive;
use crate::task::{Id, name_of};

/// A task keeps its worker in one poll.
pub(crate) fn blocked(task: &BlockedTask) {
    survive(|| {
        tracing::warn!(
            task.id = task.id.as_u64(),
            task.name = task.name.as_deref(),
            spawned_at = %task.spawned_at,
            worker = task.worker,
            duration = ?task.duration,
            rescued = task.rescued,
            "a task blocks its worker"
        );
    });
}

/// A task has panicked whose join handle is gone.
pub(crate) fn unhandled_panic(id: Id, spawned_at: &'static Location<'static>) {
    survive(|| {
        tracing::error!(
            task.id = id.as_u64(),
            task.name = name_of(id).as_deref(),
            %spawned_at,
            "a task panicked, and nobody waits for it"
        );
    });
}
