//! What is known of each task where that is asked for: how often it was polled, when last, and what it waits for.
//!
//! Purpose: dumps that tell a task that waits from one that is stuck. A cell has no room for it, and a clock read for
//! each poll is not for everybody; so it is a table beside, which a runtime has if its builder says so.
//!
//! Data flow: `hooks::Observer` → [`Tracking::record`] after each poll; `dump` → [`Tracking::look_up`].
//!
//! Invariants:
//! - I1: no user code runs under a lock, so a stuck worker holds none.
//! - I2: a task is in the table from the end of its first poll to that of its last one; what an ended scheduler drops
//!   goes with the table.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError}; // tidy: allow(shim): no protocol, and in no model
use std::time::Instant;

use crossbeam_utils::CachePadded;

use crate::task::Id;

/// Tables, so that workers rarely meet.
const SHARDS: usize = 16;

/// What is known of a task.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Track {
    /// Polls that have ended.
    pub polls: u64,
    /// When the last of them ended.
    pub last_poll: Instant,
    /// What a future of ours said then that it waits for.
    pub waits_for: Option<&'static str>,
}

/// What is known of a scheduler's tasks.
#[derive(Debug, Default)]
pub struct Tracking([CachePadded<Mutex<HashMap<Id, Track>>>; SHARDS]);

impl Tracking {
    fn shard(&self, task: Id) -> MutexGuard<'_, HashMap<Id, Track>> {
        let shard = &self.0[task.as_u64() as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poll has ended, and with it maybe the task.
    pub(crate) fn record(&self, task: Id, ended: bool, waits_for: Option<&'static str>) {
        let mut shard = self.shard(task);
        if ended {
            shard.remove(&task);
            return;
        }
        let polls = shard.get(&task).map_or(0, |track| track.polls);
        let track = Track {
            polls: polls + 1,
            last_poll: Instant::now(),
            waits_for,
        };
        shard.insert(task, track);
    }

    /// What is known of a task, if it was polled and has not ended.
    pub(crate) fn look_up(&self, task: Id) -> Option<Track> {
        self.shard(task).get(&task).copied()
    }
}
