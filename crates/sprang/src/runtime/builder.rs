//! Building a runtime.

use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use sprang_scheduler::histogram::HistogramConfiguration;
use sprang_scheduler::hooks::Hooks;
use sprang_scheduler::multi_thread::{BlockedPolicy, BlockedTask, WatchConfig};
use sprang_scheduler::{blocking, current_thread, multi_thread};

use super::blocking::Blocking;
use super::driver::{self, Settings};
use super::handle::{Handle, Scheduler};
use super::hooks::{RngSeed, UnhandledPanic};
use super::local::{LocalOptions, LocalRuntime};
use super::owner::{Kind, Runtime};
use super::threads::{ThreadSettings, Threads};

/// The environment variables that set the default number of worker threads; the first that is set counts.
const WORKER_THREADS: [&str; 2] = ["SPRANG_WORKER_THREADS", "TOKIO_WORKER_THREADS"];

/// The most worker threads that a runtime may have.
const MAX_WORKERS: usize = 32_768;

/// Polls between two looks at the driver, and at the injector, unless the builder says otherwise.
const INTERVAL: NonZeroU32 = NonZeroU32::new(61).expect("61 is not 0");

/// Of every two polls, one is for a task of the worker's own.
const SHORTEST_GLOBAL_QUEUE_INTERVAL: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");

/// The most blocking threads, unless the builder says otherwise.
const MAX_BLOCKING_THREADS: usize = 512;

/// How long a blocking thread waits for work, unless the builder says otherwise.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Makes runtimes.
///
/// ```
/// use sprang::runtime::Builder;
///
/// let runtime = Builder::new_multi_thread()
///     .worker_threads(4)
///     .thread_name("my-worker")
///     .thread_stack_size(3 * 1024 * 1024)
///     .enable_all()
///     .build()?;
/// # drop(runtime);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Builder {
    multi_thread: bool,
    workers: Option<usize>,
    io: bool,
    time: bool,
    events: usize,
    busy_events: Option<usize>,
    start_paused: bool,
    event_interval: NonZeroU32,
    global_queue_interval: NonZeroU32,
    threads: ThreadSettings,
    blocking: blocking::Config,
    max_spare_threads: usize,
    watch: WatchConfig,
    name: Option<String>,
    lifo_slot: bool,
    seed: Option<u64>,
    unhandled_panic: UnhandledPanic,
    pub(super) hooks: Hooks,
    pub(super) measures_polls: bool,
    pub(super) poll_times: HistogramConfiguration,
}

impl Builder {
    fn new(multi_thread: bool) -> Self {
        Self {
            multi_thread,
            workers: None,
            io: false,
            time: false,
            events: 1024,
            busy_events: None,
            start_paused: false,
            event_interval: INTERVAL,
            global_queue_interval: INTERVAL,
            threads: ThreadSettings {
                name: Arc::new(|| "sprang-rt-worker".to_owned()),
                stack_size: None,
                on_start: None,
                on_stop: None,
            },
            blocking: blocking::Config {
                max_threads: MAX_BLOCKING_THREADS,
                keep_alive: KEEP_ALIVE,
            },
            max_spare_threads: 512,
            watch: WatchConfig {
                policy: BlockedPolicy::default(),
                threshold: Duration::from_millis(10),
                on_blocked: None,
            },
            name: None,
            lifo_slot: true,
            seed: None,
            unhandled_panic: UnhandledPanic::Ignore,
            hooks: Hooks::default(),
            measures_polls: false,
            poll_times: HistogramConfiguration::linear(Duration::from_micros(100), 10),
        }
    }

    /// A runtime whose tasks run on worker threads.
    pub fn new_multi_thread() -> Self {
        Self::new(true)
    }

    /// A runtime whose tasks run on the thread that blocks on it.
    pub fn new_current_thread() -> Self {
        Self::new(false)
    }

    /// Enables I/O and time.
    pub fn enable_all(&mut self) -> &mut Self {
        self.enable_io().enable_time()
    }

    /// Enables I/O: sockets and signals.
    pub fn enable_io(&mut self) -> &mut Self {
        self.io = true;
        self
    }

    /// Enables timers.
    pub fn enable_time(&mut self) -> &mut Self {
        self.time = true;
        self
    }

    /// The number of worker threads. Without it: the environment variable `SPRANG_WORKER_THREADS`, or that of Tokio,
    /// `TOKIO_WORKER_THREADS`, or the number of cores that the process may use (affinity and cgroup quota count).
    ///
    /// A current-thread runtime has none, whatever this says.
    ///
    /// # Panics
    ///
    /// If `workers` is 0.
    #[track_caller]
    pub fn worker_threads(&mut self, workers: usize) -> &mut Self {
        assert!(workers > 0, "Worker threads cannot be set to 0");
        self.workers = Some(workers);
        self
    }

    /// The most threads for closures that block ([`spawn_blocking`](crate::task::spawn_blocking)): 512 unless set.
    ///
    /// They are started when there is work for them, and do not count as worker threads. When all are busy further
    /// closures wait in a queue that has no bound. Files and standard streams do not wait behind closures: they have
    /// threads of their own, which there may be as many of again.
    ///
    /// # Panics
    ///
    /// If `threads` is 0.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, threads: usize) -> &mut Self {
        assert!(threads > 0, "Max blocking threads cannot be set to 0");
        self.blocking.max_threads = threads;
        self
    }

    /// How long a blocking thread without work waits for some before it ends: 10 seconds unless set.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.blocking.keep_alive = duration;
        self
    }

    /// The name of the worker and blocking threads; without it, `sprang-rt-worker`.
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        self.thread_name_fn(move || name.clone())
    }

    /// What names each worker and blocking thread.
    pub fn thread_name_fn<F>(&mut self, name: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.threads.name = Arc::new(name);
        self
    }

    /// The stack size of the worker and blocking threads, in bytes; without it, `std`'s default.
    pub fn thread_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.threads.stack_size = Some(bytes);
        self
    }

    /// Called on each worker thread before it runs its first task, and on each blocking thread before its first
    /// closure.
    pub fn on_thread_start<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_start = Some(Arc::new(callback));
        self
    }

    /// Called on each worker and blocking thread before it ends.
    pub fn on_thread_stop<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_stop = Some(Arc::new(callback));
        self
    }

    /// The polls after which a busy thread looks at I/O and timers: 61 unless set.
    ///
    /// # Panics
    ///
    /// If `polls` is 0.
    #[track_caller]
    pub fn event_interval(&mut self, polls: u32) -> &mut Self {
        self.event_interval = NonZeroU32::new(polls).expect("event_interval must be greater than 0");
        self
    }

    /// The polls after which a task from another thread comes before a worker's own queue: 61 unless set. 1 counts as 2,
    /// so that the worker's own tasks have their turn, however many come from other threads.
    ///
    /// # Panics
    ///
    /// If `polls` is 0.
    #[track_caller]
    pub fn global_queue_interval(&mut self, polls: u32) -> &mut Self {
        let polls = NonZeroU32::new(polls).expect("global_queue_interval must be greater than 0");
        self.global_queue_interval = polls.max(SHORTEST_GLOBAL_QUEUE_INTERVAL);
        self
    }

    /// The I/O events that are taken from the OS at a time: 1,024 unless set.
    ///
    /// # Panics
    ///
    /// If `events` is 0.
    #[track_caller]
    pub fn max_io_events_per_tick(&mut self, events: usize) -> &mut Self {
        assert!(events > 0, "max_io_events_per_tick must be non-zero");
        self.events = events;
        self
    }

    /// The I/O events that are taken from the OS at a time by a thread that has tasks to run: as many as
    /// [`max_io_events_per_tick`](Self::max_io_events_per_tick) unless set.
    ///
    /// A worker that is busy takes some every [`event_interval`](Self::event_interval) polls, each of which makes a task
    /// ready; the fewer it takes, the more of a load that is too high stays with the OS.
    ///
    /// # Panics
    ///
    /// If `events` is 0.
    #[track_caller]
    pub fn max_io_events_per_busy_tick(&mut self, events: usize) -> &mut Self {
        assert!(events > 0, "max_io_events_per_busy_tick must be non-zero");
        self.busy_events = Some(events);
        self
    }

    /// What is done about a task that keeps its worker in one poll for longer than
    /// [`blocked_threshold`](Self::blocked_threshold): [`BlockedPolicy::Rescue`] unless set. On a current-thread
    /// runtime it has no effect.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sprang::runtime::{BlockedPolicy, Builder};
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .blocked_policy(BlockedPolicy::Report)
    ///     .blocked_threshold(Duration::from_millis(50))
    ///     .on_blocked_task(|task| eprintln!("{} of {} blocks worker {}", task.id, task.spawned_at, task.worker))
    ///     .build()?;
    /// # drop(runtime);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn blocked_policy(&mut self, policy: BlockedPolicy) -> &mut Self {
        self.watch.policy = policy;
        self
    }

    /// For how long a task may keep its worker in one poll before [`blocked_policy`](Self::blocked_policy) applies:
    /// 10 ms unless set. It is noticed up to half of that later, and not below 1 ms.
    pub fn blocked_threshold(&mut self, threshold: Duration) -> &mut Self {
        self.watch.threshold = threshold;
        self
    }

    /// Called, on a thread of the process's own, for each poll that lasts longer than the threshold. It should be quick:
    /// no other worker is looked at meanwhile.
    ///
    /// With the feature `tracing` there is a warning for each, too, whether or not this is set: with the fields of
    /// [`BlockedTask`].
    pub fn on_blocked_task<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn(&BlockedTask) + Send + Sync + 'static,
    {
        self.watch.on_blocked = Some(Arc::new(callback));
        self
    }

    /// The threads that may be started besides the workers, in the place of workers that block: 512 unless set. Where
    /// it is reached, tasks wait for the workers that block.
    pub fn max_spare_threads(&mut self, threads: usize) -> &mut Self {
        self.max_spare_threads = threads;
        self
    }

    /// The name of the runtime, for [`Handle::name`].
    ///
    /// # Panics
    ///
    /// If the name is blank.
    #[track_caller]
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        assert!(!name.trim().is_empty(), "runtime name shouldn't be empty");
        self.name = Some(name);
        self
    }

    /// Has a task that is woken by the one that runs wait for its turn, in the place of coming next.
    ///
    /// That costs two tasks which pass messages to and fro their cache, and is worth it only where such pairs keep
    /// others waiting for too long; see the fairness section of the [module](super).
    pub fn disable_lifo_slot(&mut self) -> &mut Self {
        self.lifo_slot = false;
        self
    }

    /// What random choices on the runtime's threads are drawn from, such as which branch `select!` polls first, or where a
    /// worker begins to look for work: on a current-thread runtime they are then the same in each run.
    pub fn rng_seed(&mut self, seed: RngSeed) -> &mut Self {
        self.seed = Some(seed.value());
        self
    }

    /// What happens when a task panics: [`UnhandledPanic::Ignore`] unless set.
    ///
    /// Every panic is reported by the panic hook, and is the error of the task's join handle, which knows where the task
    /// was [spawned](crate::task::JoinError::spawned_at). With the feature `tracing`, a panic whose join handle was
    /// dropped before is an error event, with the task's id, its name, and where it was spawned. To see all panics of a
    /// runtime's tasks, ask [`TaskMeta::has_panicked`](super::TaskMeta::has_panicked) in
    /// [`on_task_terminate`](Self::on_task_terminate).
    ///
    /// # Panics
    ///
    /// If the builder is that of a multi-thread runtime and is to have it shut down.
    #[track_caller]
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        assert!(
            !self.multi_thread || behavior == UnhandledPanic::Ignore,
            "UnhandledPanic::ShutdownRuntime is only supported in current thread runtime"
        );
        self.unhandled_panic = behavior;
        self
    }

    /// Whether the clock is paused from the start; only a current-thread runtime can be.
    #[cfg(feature = "test-util")]
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.start_paused = start_paused;
        self
    }

    /// Builds the runtime.
    ///
    /// # Errors
    ///
    /// If the OS refuses file descriptors or threads; what was started until then is ended.
    ///
    /// # Panics
    ///
    /// If the environment variable `SPRANG_WORKER_THREADS` or `TOKIO_WORKER_THREADS` is asked for and is not a number
    /// from 1 to 32,768, or if more workers are asked for than that.
    #[track_caller]
    pub fn build(&mut self) -> io::Result<Runtime> {
        if self.multi_thread {
            self.build_multi_thread()
        } else {
            self.build_current_thread()
        }
    }

    /// Builds a runtime whose tasks need not be `Send`, for this thread.
    ///
    /// # Errors
    ///
    /// If the OS refuses file descriptors.
    ///
    /// # Panics
    ///
    /// If the builder is that of a multi-thread runtime.
    #[track_caller]
    pub fn build_local(&mut self, _options: LocalOptions) -> io::Result<LocalRuntime> {
        assert!(!self.multi_thread, "multi_thread is not supported for LocalRuntime");
        self.build_current_thread().map(LocalRuntime::confine)
    }

    fn poll_times(&self) -> Option<HistogramConfiguration> {
        self.measures_polls.then(|| self.poll_times.clone())
    }

    fn settings(&self, workers: usize) -> Settings {
        Settings {
            io: self.io,
            time: self.time,
            events: self.events,
            busy_events: self.busy_events,
            lanes: workers + 1,
            pausable: !self.multi_thread,
            start_paused: self.start_paused,
        }
    }

    fn blocking_pool(&self) -> Blocking {
        Blocking::new(self.blocking.clone(), self.threads.clone())
    }

    fn build_current_thread(&self) -> io::Result<Runtime> {
        let blocking = self.blocking_pool();
        let stack = driver::stack(self.settings(0), blocking.outstanding())?;
        blocking.unpark_at_end(Arc::clone(&stack.handle));
        let config = current_thread::Config {
            event_interval: self.event_interval,
            global_queue_interval: self.global_queue_interval,
            seed: self.seed,
            hooks: self.hooks.clone(),
            poll_times: self.poll_times(),
            end_on_panic: self.unhandled_panic == UnhandledPanic::ShutdownRuntime,
        };
        let scheduler = current_thread::Scheduler::new(config, stack.driver, stack.handle);
        let handle = Handle::new(
            Scheduler::CurrentThread(scheduler.handle().clone()),
            stack.io,
            stack.time,
            blocking,
            self.name.clone(),
            self.poll_times(),
        );
        Ok(Runtime::from_parts(handle, Kind::CurrentThread(scheduler)))
    }

    #[track_caller]
    fn build_multi_thread(&self) -> io::Result<Runtime> {
        // Not `unwrap_or_else`: it would lose the caller's location.
        let workers = match self.workers {
            Some(workers) => workers,
            None => default_workers(),
        };
        assert!(
            workers <= MAX_WORKERS,
            "a runtime has at most {MAX_WORKERS} worker threads, not {workers}"
        );
        let blocking = self.blocking_pool();
        let stack = driver::stack(self.settings(workers), blocking.outstanding())?;
        blocking.unpark_at_end(Arc::clone(&stack.handle));
        let config = multi_thread::Config {
            workers,
            event_interval: self.event_interval,
            global_queue_interval: self.global_queue_interval,
            spare_threads: self.max_spare_threads,
            watch: self.watch.clone(),
            lifo_slot: self.lifo_slot,
            seed: self.seed,
            hooks: self.hooks.clone(),
            poll_times: self.poll_times(),
        };
        let (scheduler, workers) = multi_thread::Handle::new(config, stack.driver, stack.handle);
        let handle = Handle::new(
            Scheduler::MultiThread(scheduler.clone()),
            stack.io,
            stack.time,
            blocking,
            self.name.clone(),
            self.poll_times(),
        );
        let threads = Threads::start(&scheduler, workers, handle.clone(), self.threads.clone())?;
        Ok(Runtime::from_parts(handle, Kind::MultiThread(scheduler, threads)))
    }
}

#[track_caller]
fn default_workers() -> usize {
    let value_of = |name| std::env::var_os(name).map(|value| (name, value));
    let Some((name, value)) = WORKER_THREADS.into_iter().find_map(value_of) else {
        return available_parallelism().map_or(1, usize::from);
    };
    match value.to_str().map(str::parse) {
        Some(Ok(workers)) if (1..=MAX_WORKERS).contains(&workers) => workers,
        _ => panic!("{name} must be a number from 1 to {MAX_WORKERS}, not {value:?}"),
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("multi_thread", &self.multi_thread)
            .field("workers", &self.workers)
            .field("io", &self.io)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}
