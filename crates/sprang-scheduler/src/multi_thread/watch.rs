//! What is done about a worker that is stuck in a poll.
//!
//! Purpose: a task that blocks, or computes for long, must not strand what else its worker was to do: the tasks in its
//! queue and its LIFO slot, the timers in its wheel, the events of the driver.
//!
//! Data flow: the monitor's thread → [`Shared::look`] → the pool (what is stranded), the driver's handle (timers), the
//! callback → [`Shared::hand_over`] → a sleeper or a spare thread, with the stuck worker's permit.
//!
//! Stuck is who has been in the same poll for as long as the threshold, seen at two looks. A stuck worker is reported
//! once a poll. With the policy [`Rescue`](BlockedPolicy::Rescue):
//! - if timers become due earlier than the thread in the driver knows, that thread is unparked;
//! - if there is something to run, or nobody is in the driver, another worker gets to work: a sleeper, if a permit is
//!   free, else a sleeper or a new spare thread with the stuck worker's permit. It looks at the driver first;
//! - if there is no other worker to be had, because all permits are in use or the bound of spare threads is reached, what
//!   the stuck worker strands goes to the injector, where also busy workers look.
//!
//! Cost: nothing but [`progress`](super::progress) for a worker that is not stuck.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handle::Shared;
use super::progress::PollNumber;
use crate::events;
use crate::monitor::Watched;
use crate::panics::survive;
use crate::task::{Anchored, Id, name_of};

/// What a runtime does about a task that keeps its worker in one poll for longer than the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BlockedPolicy {
    /// Nothing; nobody looks.
    Off,
    /// Count it, and report it: to the callback, and to `tracing` with the feature of that name.
    Report,
    /// Report it, and let another thread go on with the worker's other tasks, timers and I/O.
    #[default]
    Rescue,
}

/// A task that keeps its worker in one poll for longer than the threshold.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BlockedTask {
    /// The task's id.
    pub id: Id,
    /// The name that its `Builder` gave it.
    pub name: Option<Arc<str>>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// The number of its worker, from 0.
    pub worker: usize,
    /// How long the poll has lasted so far, at least.
    pub duration: Duration,
    /// Whether another worker was put to work in the place of its own. If nothing waited for that worker, it may still
    /// be when something does.
    pub rescued: bool,
}

/// The settings of the watch over a scheduler.
#[derive(Clone)]
pub struct WatchConfig {
    /// What to do.
    pub policy: BlockedPolicy,
    /// For how long a poll may last.
    pub threshold: Duration,
    /// Called on the monitor's thread for each report.
    pub on_blocked: Option<OnBlocked>,
}

/// What is told of blocked tasks.
pub type OnBlocked = Arc<dyn Fn(&BlockedTask) + Send + Sync>;

impl fmt::Debug for WatchConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchConfig")
            .field("policy", &self.policy)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

/// What the monitor saw of a worker at its last look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    poll: PollNumber,
    since: Instant,
    reported: bool,
}

/// A worker that is stuck in a poll, and what is to be reported of it, unless that was done.
struct Stuck {
    worker: usize,
    poll: PollNumber,
    report: Option<BlockedTask>,
}

impl Watched for Anchored<Shared> {
    fn look(self: Arc<Self>, now: Instant) {
        let mut stuck = self.stuck(now);
        if self.config.watch.policy == BlockedPolicy::Rescue {
            for stuck in &mut stuck {
                let rescued = self.is_in(stuck.worker, stuck.poll) && Shared::rescue(&self, stuck.worker);
                if let Some(report) = &mut stuck.report {
                    report.rescued = rescued;
                }
            }
        }
        // Reports come last: a callback may take its time.
        stuck.into_iter().filter_map(|stuck| stuck.report).for_each(|report| {
            events::blocked(&report);
            if let Some(on_blocked) = &self.config.watch.on_blocked {
                survive(|| on_blocked(&report));
            }
        });
    }
}

impl Shared {
    /// Whether the worker is in this poll.
    fn is_in(&self, worker: usize, poll: PollNumber) -> bool {
        self.pool.metrics(worker).progress.poll() == Some(poll)
    }

    /// The workers that are stuck; counts their reports.
    fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let watch = &self.config.watch;
        let mut seen = self.seen.lock();
        let mut stuck = Vec::new();
        seen.resize(self.pool.workers(), None);
        for (worker, seen) in seen.iter_mut().enumerate() {
            let Some(poll) = self.pool.metrics(worker).progress.poll() else {
                *seen = None;
                continue;
            };
            let seen = match seen {
                Some(seen) if seen.poll == poll => seen,
                new => {
                    *new = Some(Seen {
                        poll,
                        since: now,
                        reported: false,
                    });
                    continue;
                }
            };
            let duration = now.saturating_duration_since(seen.since);
            if duration < watch.threshold {
                continue;
            }
            let is_new = !std::mem::replace(&mut seen.reported, true);
            let task = is_new.then(|| self.pool.metrics(worker).progress.task(poll)).flatten();
            let report = task.map(|(id, spawned_at)| BlockedTask {
                id,
                name: name_of(id),
                spawned_at,
                worker,
                duration,
                rescued: false,
            });
            self.blocked.add(u64::from(report.is_some()));
            stuck.push(Stuck { worker, poll, report });
        }
        stuck
    }

    /// Sees to what a stuck worker strands; returns whether another one was put to work.
    fn rescue(this: &Arc<Anchored<Self>>, worker: usize) -> bool {
        let in_need = this.pool.strands(worker) || !Self::is_driver_served(this);
        let woken = this.pool.unstrand_yielded(worker);
        if woken.is_none() && (!in_need || this.pool.is_searched()) {
            return false;
        }
        let rescued = Self::hand_over(this, worker, woken);
        if rescued {
            this.rescues.add(1);
        } else {
            this.unpark(this.pool.unstrand(worker));
        }
        rescued
    }

    /// Whether somebody is in the driver. If so, sees to it that it knows of all timers.
    fn is_driver_served(this: &Arc<Anchored<Self>>) -> bool {
        let served = this.driver.try_lock().is_none();
        if served && this.driver_handle.unserved_deadline().is_some() {
            this.driver_handle.unpark();
        }
        served
    }

    /// Gets another worker to work: `woken`, if that is one, or one with a permit that nobody uses, or else with the one
    /// of `worker`, which is stuck. Returns `false` if there is neither.
    fn hand_over(this: &Arc<Anchored<Self>>, worker: usize, woken: Option<usize>) -> bool {
        let mut woken = woken.or_else(|| this.pool.wake_one());
        if woken.is_none() && this.pool.confiscate(worker) {
            woken = this.pool.wake_one();
        }
        Self::put_to_work(this, woken)
    }

    /// Gets another worker to work in the place of one that has given up its permit, if there is something to do.
    pub(super) fn replace(this: &Arc<Anchored<Self>>) {
        let served = Self::is_driver_served(this);
        if this.pool.has_shared() || !served {
            Self::put_to_work(this, this.pool.wake_one());
        }
    }

    fn put_to_work(this: &Arc<Anchored<Self>>, woken: Option<usize>) -> bool {
        let Some(woken) = woken else {
            return Self::start_spare(this);
        };
        this.remotes[woken].look_around();
        this.unpark(Some(woken));
        true
    }
}
