//! What can be seen of a multi-thread scheduler from outside.
//!
//! Purpose: the numbers and the tasks of all workers, put together on demand.
//!
//! Called by: the facade's `runtime::metrics` and `runtime::dump`. Calls: `pool`, `progress`, the shards.

use super::handle::Handle;
use crate::dump::{Listing, TaskListing};
use crate::metrics::{Totals, WorkerSnapshot};

/// What the monitor has done so far.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct WatchTotals {
    /// Polls that lasted longer than the threshold.
    pub blocked: u64,
    /// How often another thread was put to work for that.
    pub rescues: u64,
}

impl Handle {
    /// What is counted of the scheduler as a whole.
    pub fn totals(&self) -> Totals {
        let shared = &self.shared;
        Totals::new(shared.pool.all_metrics(), &shared.outside, shared.pool.injected())
    }

    /// What the monitor has done so far.
    pub fn watch_totals(&self) -> WatchTotals {
        WatchTotals {
            blocked: self.shared.blocked.get(),
            rescues: self.shared.rescues.get(),
        }
    }

    /// The number of workers that run tasks at a time: those that were asked for, without spare ones.
    pub fn permits(&self) -> usize {
        self.shared.config.workers
    }

    /// What is counted of a worker; `None` if there is none of that number. Spare ones come after the others.
    pub fn worker(&self, worker: usize) -> Option<WorkerSnapshot> {
        let pool = &self.shared.pool;
        (worker < pool.workers()).then(|| pool.metrics(worker).snapshot(pool.queued(worker)))
    }

    /// How many polls of the worker lasted for as long as the bucket says; `None` if that is not measured, or if there is
    /// no such worker or bucket.
    pub fn poll_times(&self, worker: usize, bucket: usize) -> Option<u64> {
        let remotes = &self.shared.remotes;
        (worker < remotes.len()).then(|| remotes[worker].poll_times.as_ref()?.count(bucket))?
    }

    /// The tasks, as they are at the moment.
    pub fn dump(&self) -> TaskListing {
        let mut listing = Listing::default();
        self.shared
            .remotes
            .iter()
            .for_each(|remote| listing.add_shard(&remote.shard));
        for worker in 0..self.workers() {
            listing.add_running(worker, self.shared.pool.metrics(worker).progress.running());
        }
        listing.finish(self.totals().alive, self.shared.config.hooks.tracking.as_deref())
    }
}
