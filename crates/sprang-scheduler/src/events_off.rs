//! What would be told to `tracing`: nothing, without the feature of that name.

use std::panic::Location;

use crate::multi_thread::BlockedTask;
use crate::task::Id;

/// A task keeps its worker in one poll.
pub(crate) fn blocked(_task: &BlockedTask) {}

/// A task has panicked whose join handle is gone.
pub(crate) fn unhandled_panic(_id: Id, _spawned_at: &'static Location<'static>) {}
