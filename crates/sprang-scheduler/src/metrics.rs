//! What schedulers count.
//!
//! Purpose: numbers for whoever wonders how a runtime does, at next to no cost where tasks run: a worker counts in its
//! own cache lines, by plain stores.
//!
//! Data flow: `multi_thread`, `current_thread` → `WorkerMetrics`, `Remote` → [`WorkerSnapshot`], [`Totals`].
//!
//! Invariants:
//! - I1: a `Counter` has one writer at a time: the thread that runs the worker, or the monitor's. What other threads
//!   count goes to `Remote`, by read-modify-writes.
//! - I2: nothing is decided by what is counted; so it is all Relaxed, and of the standard library: under a model checker
//!   it would only multiply the interleavings.
//!
//! Cost: an increment a task spawned and one a task queued; besides that, two looks at the clock a park.

use std::sync::atomic::AtomicU64; // tidy: allow(shim): counters that guard nothing (I2)
use std::sync::atomic::Ordering::Relaxed;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use sprang_core::primitive::sync::Mutex;

use crate::multi_thread::progress::Progress;

/// A number that one thread at a time writes (I1).
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, number: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(number), Relaxed);
    }

    #[inline]
    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How long a worker was busy and how long it was parked, in one word, so that both are seen as of the same moment:
/// while it is busy, for how long it was parked before; while it is parked, for how long it was busy. The lowest bit says
/// which.
#[derive(Debug)]
struct Busy {
    origin: Instant,
    word: Counter,
}

impl Busy {
    fn new() -> Self {
        let parked = Counter::default();
        parked.set(1);
        Self {
            origin: Instant::now(),
            word: parked,
        }
    }

    fn now_ns(&self) -> u64 {
        // 2^63 ns are 292 years.
        self.origin.elapsed().as_nanos() as u64
    }

    /// From busy to parked or back, with the clock between the two.
    fn turn(&self, parked: bool) {
        let before = self.word.get();
        debug_assert_ne!(before & 1, u64::from(parked));
        let other = self.now_ns().saturating_sub(before >> 1);
        self.word.set(other << 1 | u64::from(parked));
    }

    fn total_ns(&self) -> u64 {
        let word = self.word.get();
        if word & 1 == 1 {
            word >> 1
        } else {
            self.now_ns().saturating_sub(word >> 1)
        }
    }
}

/// What a worker counts.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    pub(crate) progress: Progress,
    /// Tasks that were queued on the worker, by itself.
    pub(crate) local_schedules: Counter,
    /// Tasks that were spawned on the worker.
    pub(crate) spawned: Counter,
    /// Tasks that ended on the worker.
    pub(crate) ended: Counter,
    pub(crate) forced_yields: Counter,
    steals: Counter,
    steal_operations: Counter,
    /// Odd while it is parked.
    park_unparks: Counter,
    noops: Counter,
    busy: Busy,
    /// As of the last unpark.
    polls_before: Counter,
    busy_before_ns: Counter,
    mean_poll_ns: Counter,
    thread: Mutex<Option<ThreadId>>,
}

impl WorkerMetrics {
    pub(crate) fn new() -> Self {
        Self {
            progress: Progress::new(),
            local_schedules: Counter::default(),
            spawned: Counter::default(),
            ended: Counter::default(),
            forced_yields: Counter::default(),
            steals: Counter::default(),
            steal_operations: Counter::default(),
            park_unparks: Counter::default(),
            noops: Counter::default(),
            busy: Busy::new(),
            polls_before: Counter::default(),
            busy_before_ns: Counter::default(),
            mean_poll_ns: Counter::default(),
            thread: Mutex::new(None),
        }
    }

    /// The calling thread runs the worker from now on.
    pub(crate) fn start(&self) {
        *self.thread.lock() = Some(std::thread::current().id());
        self.busy.turn(false);
    }

    /// The calling thread runs the worker no more.
    pub(crate) fn stop(&self) {
        self.busy.turn(true);
        *self.thread.lock() = None;
    }

    /// The worker is about to park.
    pub(crate) fn park(&self) {
        self.busy.turn(true);
        let polls = self.progress.polls();
        let busy_ns = self.busy.total_ns();
        match polls.wrapping_sub(self.polls_before.get()) {
            0 => self.noops.add(1),
            new => self.update_mean(busy_ns.saturating_sub(self.busy_before_ns.get()) / new),
        }
        self.polls_before.set(polls);
        self.busy_before_ns.set(busy_ns);
        self.park_unparks.add(1);
    }

    /// The worker is awake again.
    pub(crate) fn unpark(&self) {
        self.busy.turn(false);
        self.park_unparks.add(1);
    }

    /// An exponentially weighted moving average, where the last stretch of work weighs a tenth.
    fn update_mean(&self, poll_ns: u64) {
        let mean = match self.mean_poll_ns.get() {
            0 => poll_ns,
            mean => mean - mean / 10 + poll_ns / 10,
        };
        self.mean_poll_ns.set(mean);
    }

    /// The worker took `tasks` tasks from another one.
    pub(crate) fn stole(&self, tasks: usize) {
        self.steals.add(tasks as u64);
        self.steal_operations.add(1);
    }

    pub(crate) fn snapshot(&self, queued: usize) -> WorkerSnapshot {
        let park_unparks = self.park_unparks.get();
        WorkerSnapshot {
            thread: *self.thread.lock(),
            polls: self.progress.polls(),
            queued,
            busy: Duration::from_nanos(self.busy.total_ns()),
            mean_poll_time: Duration::from_nanos(self.mean_poll_ns.get()),
            parks: park_unparks.div_ceil(2),
            park_unparks,
            noops: self.noops.get(),
            steals: self.steals.get(),
            steal_operations: self.steal_operations.get(),
            local_schedules: self.local_schedules.get(),
        }
    }
}

/// What threads count that are no workers.
#[derive(Debug, Default)]
pub(crate) struct Remote(CachePadded<RemoteCounts>);

#[derive(Debug, Default)]
struct RemoteCounts {
    spawned: AtomicU64,
    scheduled: AtomicU64,
    ended: AtomicU64,
}

impl Remote {
    /// A task was spawned, and hence queued.
    #[inline]
    pub(crate) fn spawned(&self) {
        self.0.spawned.fetch_add(1, Relaxed);
    }

    /// A task was woken, and hence queued.
    #[inline]
    pub(crate) fn scheduled(&self) {
        self.0.scheduled.fetch_add(1, Relaxed);
    }

    /// A task was dropped.
    pub(crate) fn ended(&self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}

/// What there is to know of a worker.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// The thread that runs it.
    pub thread: Option<ThreadId>,
    /// Polls begun.
    pub polls: u64,
    /// Tasks in its queue and its LIFO slot.
    pub queued: usize,
    /// How long it was not parked.
    pub busy: Duration,
    /// How long a poll lasts: a moving average over the times between two parks.
    pub mean_poll_time: Duration,
    /// How often it parked.
    pub parks: u64,
    /// How often it parked or came back from that: odd while it is parked.
    pub park_unparks: u64,
    /// How often it parked again without having polled a task.
    pub noops: u64,
    /// Tasks taken from other workers.
    pub steals: u64,
    /// How often tasks were taken from other workers.
    pub steal_operations: u64,
    /// Tasks that it queued with itself.
    pub local_schedules: u64,
}

/// What there is to know of a scheduler as a whole.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Totals {
    /// Tasks spawned so far.
    pub spawned: u64,
    /// Tasks that have not ended.
    pub alive: usize,
    /// Tasks queued by threads that are no workers.
    pub remote_schedules: u64,
    /// Tasks in the queue for those.
    pub injected: usize,
    /// How often a task was made to yield by its budget.
    pub forced_yields: u64,
}

impl Totals {
    /// Sums up the workers' counts and the others'.
    pub(crate) fn new<'a>(
        workers: impl Iterator<Item = &'a WorkerMetrics> + Clone,
        remote: &Remote,
        injected: usize,
    ) -> Self {
        let sum = |of: fn(&WorkerMetrics) -> &Counter| workers.clone().map(|worker| of(worker).get()).sum::<u64>();
        // What has ended is looked at first: no task must be seen to end that was not seen to be spawned.
        let ended = sum(|worker| &worker.ended) + remote.0.ended.load(Relaxed);
        let spawned_elsewhere = remote.0.spawned.load(Relaxed);
        let spawned = sum(|worker| &worker.spawned) + spawned_elsewhere;
        Self {
            spawned,
            alive: spawned.saturating_sub(ended) as usize,
            remote_schedules: spawned_elsewhere + remote.0.scheduled.load(Relaxed),
            injected,
            forced_yields: sum(|worker| &worker.forced_yields),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::task::Id;

    #[test]
    fn time_is_either_busy_or_parked() {
        let busy = Busy::new();
        assert_eq!(busy.total_ns(), 0);
        busy.turn(false);
        while busy.total_ns() == 0 {
            std::hint::spin_loop();
        }
        busy.turn(true);
        let total = busy.total_ns();
        assert!(total > 0);
        let parked_at = busy.now_ns();
        while busy.now_ns() == parked_at {
            std::hint::spin_loop();
        }
        assert_eq!(busy.total_ns(), total, "a parked worker is not busy");
        busy.turn(false);
        assert!(busy.total_ns() >= total && busy.total_ns() < busy.now_ns());
    }

    #[test]
    fn a_park_after_no_poll_is_a_noop() {
        let metrics = WorkerMetrics::new();
        metrics.start();
        for polls in [1, 0, 2] {
            for _ in 0..polls {
                metrics.progress.begin(Id::from_u64(1).unwrap(), Location::caller());
                metrics.progress.end();
            }
            metrics.park();
            assert_eq!(metrics.snapshot(0).park_unparks % 2, 1);
            metrics.unpark();
        }
        let snapshot = metrics.snapshot(0);
        assert_eq!((snapshot.parks, snapshot.park_unparks, snapshot.noops), (3, 6, 1));
        assert_eq!(snapshot.polls, 3);
        assert_eq!(snapshot.thread, Some(std::thread::current().id()));
        metrics.stop();
        assert_eq!(metrics.snapshot(0).thread, None);
    }
}
