//! What the tasks of a scheduler are doing, as seen from outside.
//!
//! Purpose: to see what a runtime is at, also one that is stuck.
//!
//! Data flow: `multi_thread::Handle::dump`, `current_thread::Handle::dump` → `task::Shard::list` (idle and queued
//! tasks), `progress` (running ones) → `Listing` → [`TaskRecord`]s.
//!
//! A task that was never polled is in a queue and in no list (ADR 2), and so is only counted.
//!
//! Invariants:
//! - I1: a dump waits for no worker: a shard's lock is held while a task enters or leaves it, never during user code.

use std::collections::HashMap;
use std::panic::Location;

use crate::task::{Id, Shard};
use crate::tracking::{Track, Tracking};

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It is being polled.
    Running {
        /// The number of its worker, from 0; `None` if it has only just been taken up or put down, or if it is in
        /// `block_in_place`.
        worker: Option<usize>,
    },
    /// It is to be polled.
    Queued,
    /// It waits to be woken.
    Idle,
}

/// A task.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TaskRecord {
    /// Its id.
    pub id: Id,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What it is doing.
    pub state: TaskState,
    /// What else is known of it, if its scheduler keeps [track](crate::tracking).
    pub track: Option<Track>,
}

/// The tasks of a scheduler.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TaskListing {
    /// The tasks that have been polled, by their ids.
    pub tasks: Vec<TaskRecord>,
    /// About how many there are besides, which were never polled.
    pub unpolled: usize,
}

/// A [`TaskListing`] in the making.
#[derive(Default)]
pub(crate) struct Listing(HashMap<Id, TaskRecord>);

impl Listing {
    /// Enters the tasks of a shard.
    pub(crate) fn add_shard(&mut self, shard: &Shard) {
        self.0.extend(shard.list().into_iter().map(|task| (task.id, task)));
    }

    /// Enters what a worker runs. To be called after the shards were entered: the workers know better.
    pub(crate) fn add_running(&mut self, worker: usize, running: Option<(Id, &'static Location<'static>)>) {
        let Some((id, spawned_at)) = running else { return };
        let state = TaskState::Running { worker: Some(worker) };
        let task = TaskRecord {
            id,
            spawned_at,
            state,
            track: None,
        };
        self.0.insert(id, task);
    }

    /// The tasks, where `alive` are there in all.
    pub(crate) fn finish(self, alive: usize, tracking: Option<&Tracking>) -> TaskListing {
        let mut tasks: Vec<_> = self.0.into_values().collect();
        tasks.sort_unstable_by_key(|task| task.id);
        if let Some(tracking) = tracking {
            tasks.iter_mut().for_each(|task| task.track = tracking.look_up(task.id));
        }
        let unpolled = alive.saturating_sub(tasks.len());
        TaskListing { tasks, unpolled }
    }
}
