//! The numbers of a runtime.
//!
//! Purpose: [`RuntimeMetrics`], which has Tokio's names, also those that Tokio keeps behind a `cfg`, and a few more.
//!
//! Called by: users, by way of [`Handle::metrics`]. Calls: the scheduler's handle, `blocking`, `driver`.

use std::ops::Range;
use std::thread::ThreadId;
use std::time::Duration;

use sprang_scheduler::histogram::HistogramConfiguration;
use sprang_scheduler::metrics::{Totals, WorkerSnapshot};
use sprang_scheduler::{current_thread, multi_thread};

use super::driver;
use super::handle::{Handle, Scheduler};

/// The numbers of a runtime: from [`Handle::metrics`].
///
/// They are always counted; each worker counts for itself, so that this costs next to nothing. What is read while
/// workers run is a little older than now, and not all of the same moment. Counts begin at 0 with the runtime, and only
/// grow; depths and numbers of threads and tasks rise and fall.
///
/// Workers have numbers from 0. A current-thread runtime has one, which is whichever thread is in
/// [`Runtime::block_on`](super::Runtime::block_on). A multi-thread runtime has [`num_workers`](Self::num_workers), and
/// after those [`num_spare_workers`](Self::num_spare_workers) more, which take the place of workers that block. The
/// methods that take such a number panic if there is no such worker.
///
/// ```
/// let runtime = sprang::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
/// runtime.block_on(async { sprang::spawn(async {}).await }).unwrap();
///
/// let metrics = runtime.handle().metrics();
/// assert_eq!(metrics.num_workers(), 2);
/// assert_eq!(metrics.spawned_tasks_count(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RuntimeMetrics {
    handle: Handle,
}

impl Handle {
    /// The numbers of the runtime.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics { handle: self.clone() }
    }
}

/// The number of the worker that this thread is, as the methods of [`RuntimeMetrics`] take it.
///
/// `None` on threads that are no workers; the one that is in `block_on` of a multi-thread runtime is none. On a
/// current-thread runtime, 0 on the thread that runs its tasks. A task may go on on another worker after each `.await`.
///
/// ```
/// use sprang::runtime::{Builder, worker_index};
///
/// let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
/// let task = runtime.spawn(async { worker_index() });
/// assert_eq!(runtime.block_on(task).unwrap(), Some(0));
/// assert_eq!(worker_index(), None);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn worker_index() -> Option<usize> {
    // A worker that blocks in place may run a current-thread runtime.
    current_thread::is_running()
        .then_some(0)
        .or_else(multi_thread::worker_index)
}

/// The runtime as a whole.
impl RuntimeMetrics {
    fn totals(&self) -> Totals {
        match self.handle.scheduler() {
            Scheduler::CurrentThread(scheduler) => scheduler.totals(),
            Scheduler::MultiThread(scheduler) => scheduler.totals(),
        }
    }

    /// The workers that run tasks at a time: see [`Builder::worker_threads`](super::Builder::worker_threads).
    pub fn num_workers(&self) -> usize {
        match self.handle.scheduler() {
            Scheduler::CurrentThread(_) => 1,
            Scheduler::MultiThread(scheduler) => scheduler.permits(),
        }
    }

    /// The workers that were started besides, to go on in the place of such as block. (Not in Tokio.)
    pub fn num_spare_workers(&self) -> usize {
        match self.handle.scheduler() {
            Scheduler::CurrentThread(_) => 0,
            Scheduler::MultiThread(scheduler) => scheduler.workers() - scheduler.permits(),
        }
    }

    /// The tasks that were spawned and have not ended. A task may be counted for a moment after its join handle is ready.
    pub fn num_alive_tasks(&self) -> usize {
        self.totals().alive
    }

    /// The tasks spawned so far.
    pub fn spawned_tasks_count(&self) -> u64 {
        self.totals().spawned
    }

    /// The tasks in the queue for what is spawned or woken by threads that are no workers.
    pub fn global_queue_depth(&self) -> usize {
        self.totals().injected
    }

    /// How many tasks were spawned or woken by threads that are no workers.
    pub fn remote_schedule_count(&self) -> u64 {
        self.totals().remote_schedules
    }

    /// How often a task was made to yield because it had used up its budget: see [`task::coop`](crate::task::coop).
    pub fn budget_forced_yield_count(&self) -> u64 {
        self.totals().forced_yields
    }

    /// The polls that lasted longer than [`Builder::blocked_threshold`](super::Builder::blocked_threshold). 0 where
    /// nobody looks: on current-thread runtimes, and with [`BlockedPolicy::Off`](super::BlockedPolicy::Off). (Not in
    /// Tokio.)
    pub fn blocked_polls_count(&self) -> u64 {
        match self.handle.scheduler() {
            Scheduler::CurrentThread(_) => 0,
            Scheduler::MultiThread(scheduler) => scheduler.watch_totals().blocked,
        }
    }

    /// How often another worker was put to work in the place of one that was blocked: see
    /// [`BlockedPolicy::Rescue`](super::BlockedPolicy::Rescue). (Not in Tokio.)
    pub fn rescues_count(&self) -> u64 {
        match self.handle.scheduler() {
            Scheduler::CurrentThread(_) => 0,
            Scheduler::MultiThread(scheduler) => scheduler.watch_totals().rescues,
        }
    }

    /// The threads of the blocking pool, idle ones included.
    pub fn num_blocking_threads(&self) -> usize {
        self.handle.blocking().load().threads
    }

    /// The threads of the blocking pool that wait for a closure.
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.handle.blocking().load().idle
    }

    /// The closures that wait for a thread of the blocking pool.
    pub fn blocking_queue_depth(&self) -> usize {
        self.handle.blocking().load().queued
    }

    /// How many sockets and pipes were registered with the I/O driver; 0 without one.
    pub fn io_driver_fd_registered_count(&self) -> u64 {
        driver::io_counts(self.handle.io()).registered
    }

    /// How many sockets and pipes were registered with the I/O driver and are so no longer; 0 without one.
    pub fn io_driver_fd_deregistered_count(&self) -> u64 {
        driver::io_counts(self.handle.io()).deregistered
    }

    /// How many events the I/O driver has delivered; 0 without one.
    pub fn io_driver_ready_count(&self) -> u64 {
        driver::io_counts(self.handle.io()).ready
    }
}

/// One worker.
impl RuntimeMetrics {
    #[track_caller]
    fn worker(&self, worker: usize) -> WorkerSnapshot {
        let snapshot = match self.handle.scheduler() {
            Scheduler::CurrentThread(scheduler) => (worker == 0).then(|| scheduler.worker()),
            Scheduler::MultiThread(scheduler) => scheduler.worker(worker),
        };
        match snapshot {
            Some(snapshot) => snapshot,
            None => panic!("there is no worker {worker}"),
        }
    }

    /// For how long the worker was not parked.
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        self.worker(worker).busy
    }

    /// How often the worker parked.
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.worker(worker).parks
    }

    /// How often the worker parked or came back from that: odd while it is parked.
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        self.worker(worker).park_unparks
    }

    /// How often the worker parked without having polled a task since it parked before.
    #[track_caller]
    pub fn worker_noop_count(&self, worker: usize) -> u64 {
        self.worker(worker).noops
    }

    /// How many tasks the worker took from others.
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.worker(worker).steals
    }

    /// How often the worker took tasks from others: one or more at a time.
    #[track_caller]
    pub fn worker_steal_operations(&self, worker: usize) -> u64 {
        self.worker(worker).steal_operations
    }

    /// How many polls of tasks the worker has begun.
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.worker(worker).polls
    }

    /// How many tasks were queued with the worker from its own thread: spawned or woken by the task that it ran, or woken
    /// by the driver.
    #[track_caller]
    pub fn worker_local_schedule_count(&self, worker: usize) -> u64 {
        self.worker(worker).local_schedules
    }

    /// How often the worker's queue was full: never, for it grows. It is here for programs that ask.
    #[track_caller]
    pub fn worker_overflow_count(&self, worker: usize) -> u64 {
        let _there_is_one = self.worker(worker);
        0
    }

    /// The tasks that the worker is to run next: those in its queue and its LIFO slot. Tasks that yielded and wait for the
    /// next look at the driver are not among them.
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.worker(worker).queued
    }

    /// How long a poll of a task lasts on the worker: a moving average, where the last poll counts for a tenth, and those
    /// since the worker last parked are taken to be of the same length. 0 before the first poll.
    #[track_caller]
    pub fn worker_mean_poll_time(&self, worker: usize) -> Duration {
        self.worker(worker).mean_poll_time
    }

    /// The thread that runs the worker; `None` before it has started, after it has ended, and, on a current-thread
    /// runtime, while nobody is in [`Runtime::block_on`](super::Runtime::block_on).
    #[track_caller]
    pub fn worker_thread_id(&self, worker: usize) -> Option<ThreadId> {
        self.worker(worker).thread
    }
}

/// How long polls last, where
/// [`enable_metrics_poll_time_histogram`](super::Builder::enable_metrics_poll_time_histogram) asked for it.
impl RuntimeMetrics {
    fn histogram(&self) -> Option<&HistogramConfiguration> {
        self.handle.poll_times()
    }

    /// Whether it is measured how long polls last.
    pub fn poll_time_histogram_enabled(&self) -> bool {
        self.histogram().is_some()
    }

    /// The number of buckets: 0 where nothing is measured.
    pub fn poll_time_histogram_num_buckets(&self) -> usize {
        self.histogram().map_or(0, HistogramConfiguration::num_buckets)
    }

    /// How long the polls last that are counted in a bucket.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn poll_time_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        match self.histogram() {
            Some(histogram) => histogram.bucket_range(bucket),
            None => panic!("there is no bucket {bucket}: nothing is measured"),
        }
    }

    /// How many polls on a worker lasted as long as the bucket says; 0 where nothing is measured.
    ///
    /// ```
    /// let runtime = sprang::runtime::Builder::new_current_thread()
    ///     .enable_metrics_poll_time_histogram()
    ///     .build()?;
    /// runtime.block_on(async { sprang::spawn(async {}).await }).unwrap();
    ///
    /// let metrics = runtime.handle().metrics();
    /// let buckets = 0..metrics.poll_time_histogram_num_buckets();
    /// let polls: u64 = buckets.map(|bucket| metrics.poll_time_histogram_bucket_count(0, bucket)).sum();
    /// assert_eq!(polls, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If polls are measured and there is no such worker, or no such bucket.
    #[track_caller]
    pub fn poll_time_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        if self.histogram().is_none() {
            return 0;
        }
        let count = match self.handle.scheduler() {
            Scheduler::CurrentThread(scheduler) if worker == 0 => scheduler.poll_times(bucket),
            Scheduler::CurrentThread(_) => None,
            Scheduler::MultiThread(scheduler) => scheduler.poll_times(worker, bucket),
        };
        match count {
            Some(count) => count,
            None => panic!("there is no worker {worker}, or no bucket {bucket}"),
        }
    }
}
