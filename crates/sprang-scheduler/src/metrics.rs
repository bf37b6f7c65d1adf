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
//! - I3: what the mean of polls is reckoned from changes while the worker is seen to be parked, or, to who has seen the
//!   change, to have parked since.
//!
//! Cost: an increment a task spawned and one a task queued; besides that, two looks at the clock a park.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence}; // tidy: allow(shim): counters that guard nothing (I2)
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

    fn is_parked(&self) -> bool {
        self.word.get() & 1 == 1
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
        // ORDERING: pairs with the second fence of `mean_poll_time` (I3).
        fence(Release);
        let polls = self.progress.polls();
        let busy_ns = self.busy.total_ns();
        if polls == self.polls_before.get() {
            self.noops.add(1);
        }
        self.mean_poll_ns.set(self.mean_poll_ns(polls, busy_ns));
        self.polls_before.set(polls);
        self.busy_before_ns.set(busy_ns);
        // ORDERING: pairs with the first fence of `mean_poll_time` (I3).
        fence(Release);
        self.park_unparks.add(1);
    }

    /// The worker is awake again.
    pub(crate) fn unpark(&self) {
        self.busy.turn(false);
        self.park_unparks.add(1);
    }

    /// An exponentially weighted moving average over polls, where each weighs a tenth; those since the last park are
    /// taken to be of the same length.
    fn mean_poll_ns(&self, polls: u64, busy_ns: u64) -> u64 {
        let mean = self.mean_poll_ns.get();
        let polls = polls.saturating_sub(self.polls_before.get());
        if polls == 0 {
            return mean;
        }
        let recent = busy_ns.saturating_sub(self.busy_before_ns.get()) as f64 / polls as f64;
        let weight_before = match mean {
            0 => 0.0,
            _ => 0.9_f64.powi(i32::try_from(polls).unwrap_or(i32::MAX)),
        };
        (mean as f64 * weight_before + recent * (1.0 - weight_before)) as u64
    }

    /// The average as of now, also if the worker has not parked for long.
    fn mean_poll_time(&self) -> Duration {
        let park_unparks = self.park_unparks.get();
        // ORDERING: pairs with the second fence of `park` (I3).
        fence(Acquire);
        let mean_ns = self.mean_poll_ns(self.progress.polls(), self.busy.total_ns());
        // ORDERING: pairs with the first fence of `park` (I3).
        fence(Acquire);
        let is_of_one_stretch = !self.busy.is_parked() && self.park_unparks.get() == park_unparks;
        Duration::from_nanos(if is_of_one_stretch {
            mean_ns
        } else {
            // Up to date: it was set by the park.
            self.mean_poll_ns.get()
        })
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
            mean_poll_time: self.mean_poll_time(),
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
    /// How long a poll lasts: a moving average.
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

    /// As many polls as are said, each of which lasts for some time.
    fn poll(metrics: &WorkerMetrics, polls: usize, time: Duration) {
        for _ in 0..polls {
            metrics.progress.begin(Id::from_u64(1).unwrap(), Location::caller());
            let begun = Instant::now();
            while begun.elapsed() < time {
                std::hint::spin_loop();
            }
            metrics.progress.end();
        }
    }

    #[test]
    fn the_mean_of_polls_follows_a_worker_that_does_not_park() {
        let metrics = WorkerMetrics::new();
        let mean = || metrics.snapshot(0).mean_poll_time;
        metrics.start();
        assert_eq!(mean(), Duration::ZERO);
        poll(&metrics, 100, Duration::from_micros(10));
        metrics.park();
        let of_short_ones = mean();
        assert!(of_short_ones >= Duration::from_micros(10));
        metrics.unpark();
        let long = of_short_ones * 20;
        poll(&metrics, 1, long);
        let with_a_long_one = mean();
        assert!(with_a_long_one >= of_short_ones + long / 20, "it weighs a tenth");
        // 0.9^30 is less than a twentieth.
        poll(&metrics, 30, long);
        assert!(mean() >= long / 10 * 9, "the older ones fade");
        metrics.stop();
    }

    #[test]
    fn a_park_after_no_poll_is_a_noop() {
        let metrics = WorkerMetrics::new();
        metrics.start();
        for polls in [1, 0, 2] {
            poll(&metrics, polls, Duration::ZERO);
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
