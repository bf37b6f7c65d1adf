//! What all threads share of a multi-thread scheduler, and how tasks get into it.
//!
//! Data flow: `spawn` or a waker → [`schedule`](Schedule::schedule) → on a worker of this scheduler: its own queue;
//! anywhere else: the injector, and a parked worker is unparked.
//!
//! Invariants: I4 and I5 of `task`; I5 of `pool`. A `Shared` is dropped after its last worker has left, hence with
//! empty queues and shards.
//!
//! Models: `worker::models::*`, of the end.

use std::fmt;
use std::future::Future;
use std::io;
use std::num::NonZeroU32;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use sprang_core::park::{Driver, DriverHandle};
use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use sprang_core::primitive::sync::atomic::{AtomicBool, AtomicUsize};

use super::parker::{Parker, SharedDriver};
use super::pool::Pool;
use super::slots::Slots;
use super::watch::{BlockedPolicy, Seen, WatchConfig};
use super::worker::{self, Worker};
use crate::histogram::{Histogram, HistogramConfiguration};
use crate::hooks::{self, Hooks, TaskHook};
use crate::metrics::{self, Counter};
use crate::monitor;
use crate::panics::survive;
use crate::queue::Local;
use crate::seat::Seat;
use crate::task::{self, Anchored, Header, JoinHandle, Notified, Schedule, Shard};

/// The settings of a multi-thread scheduler.
#[derive(Debug, Clone)]
pub struct Config {
    /// Worker threads: at least 1, at most 65,535.
    pub workers: usize,
    /// Polls after which a busy worker looks at the driver.
    pub event_interval: NonZeroU32,
    /// Polls after which a worker looks at the injector before its own queue.
    pub global_queue_interval: NonZeroU32,
    /// Threads that may be started besides, in the place of workers that block.
    pub spare_threads: usize,
    /// What is done about workers that block.
    pub watch: WatchConfig,
    /// Whether a task that is woken by the one that runs comes next, before the queue.
    pub lifo_slot: bool,
    /// What the workers' choices are drawn from; without it, they differ from run to run.
    pub seed: Option<u64>,
    /// What is called.
    pub hooks: Hooks,
    /// The histograms of how long polls last, if they are wanted.
    pub poll_times: Option<HistogramConfiguration>,
}

/// What starts the thread of a spare worker.
pub type Starter = Arc<dyn Fn(Worker) -> io::Result<()> + Send + Sync>;

/// What others need of a worker besides its queues.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) shard: Shard,
    pub(super) parker: Parker,
    pub(super) poll_times: Option<Arc<Histogram>>,
    look_around: AtomicBool,
}

impl Remote {
    fn new(config: &Config) -> Self {
        Self {
            shard: Shard::new(),
            parker: Parker::new(),
            poll_times: hooks::histogram(config.poll_times.as_ref()),
            look_around: AtomicBool::new(false),
        }
    }

    /// Asks the worker to look at the driver as soon as it is awake. To be followed by an unpark.
    pub(super) fn look_around(&self) {
        self.look_around.store(true, Relaxed);
    }

    /// Whether the worker was asked to look at the driver.
    pub(super) fn take_look_around(&self) -> bool {
        self.look_around.load(Relaxed) && self.look_around.swap(false, Relaxed)
    }
}

/// What the workers and all handles share.
pub(super) struct Shared {
    pub(super) pool: Pool<Notified>,
    pub(super) remotes: Slots<Remote>,
    pub(super) driver: SharedDriver,
    pub(super) driver_handle: Arc<dyn DriverHandle>,
    pub(super) config: Config,
    pub(super) outside: metrics::Remote,
    pub(super) blocked: Counter,
    pub(super) rescues: Counter,
    /// Workers that have not left yet.
    remaining: AtomicUsize,
    /// Starts spare workers; gone with the last worker, because it holds on to the runtime.
    starter: Mutex<Option<Starter>>,
    /// The places of workers that no thread could be started for.
    vacant: Mutex<Vec<(usize, Local<Notified>)>>,
    /// What the monitor saw at its last look.
    pub(super) seen: Mutex<Vec<Option<Seen>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("pool", &self.pool)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A handle of a multi-thread scheduler.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) shared: Arc<Anchored<Shared>>,
}

impl Handle {
    /// A scheduler, and its workers, each of which is to be [run](Worker::run) on a thread of its own, or dropped if
    /// there is no thread to be had; in that case, [shut down](Self::shutdown) the scheduler.
    ///
    /// # Panics
    ///
    /// If the number of workers is out of its bounds.
    pub fn new(config: Config, driver: Box<dyn Driver>, driver_handle: Arc<dyn DriverHandle>) -> (Self, Vec<Worker>) {
        let (pool, locals) = Pool::new(config.workers, config.spare_threads);
        let remotes = Slots::with_capacity(config.workers + config.spare_threads);
        locals.iter().for_each(|_| remotes.push(Remote::new(&config)));
        let shared = Anchored::new(Shared {
            remotes,
            driver: Mutex::new(Seat::new(driver)),
            driver_handle,
            remaining: AtomicUsize::new(config.workers),
            pool,
            config,
            outside: metrics::Remote::default(),
            blocked: Counter::default(),
            rescues: Counter::default(),
            starter: Mutex::new(None),
            vacant: Mutex::new(Vec::new()),
            seen: Mutex::new(Vec::new()),
        });
        let worker = |(index, local)| Worker::new(Arc::clone(&shared), index, local);
        let workers = locals.into_iter().enumerate().map(worker).collect();
        (Self { shared }, workers)
    }

    /// Has the scheduler watched by the monitor, if its settings ask for that, and lets it start spare workers. To be
    /// called before any worker runs.
    ///
    /// # Errors
    ///
    /// If the OS refuses the monitor's thread or timer.
    pub fn watch(&self, starter: Starter) -> io::Result<()> {
        *self.shared.starter.lock() = Some(starter);
        let config = &self.shared.config.watch;
        if config.policy != BlockedPolicy::Off {
            self.shared.pool.report_to(monitor::start(config.threshold)?);
            let shared = Arc::downgrade(&self.shared);
            monitor::register(shared);
        }
        Ok(())
    }

    /// Spawns a task. On a scheduler that is shut down the task is cancelled at once.
    #[inline]
    pub fn spawn<F>(&self, future: F, spawned_at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: the future and its output are `Send`.
        let (task, handle) = unsafe { task::new(future, &self.shared, spawned_at) };
        self.shared.config.hooks.spawned(&task);
        if self.shared.pool.is_closed() {
            drop(task);
        } else {
            Shared::admit(&self.shared, task);
        }
        handle
    }

    /// The number of workers, spare ones included.
    pub fn workers(&self) -> usize {
        self.shared.pool.workers()
    }

    /// Begins the end: see the header of the module. Returns at once; the workers leave their run loops.
    pub fn shutdown(&self) {
        self.shared.pool.close();
        self.shared.unpark_all();
    }

    /// Whether all workers have left, spare ones included. Final: none is added after the last one.
    pub fn has_ended(&self) -> bool {
        // ORDERING: pairs with `Shared::leave`: who sees the end sees what the workers did.
        self.shared.remaining.load(Acquire) == 0
    }
}

impl Shared {
    /// Queues a new task.
    #[inline]
    fn admit(this: &Arc<Anchored<Self>>, task: Notified) {
        let mut task = Some(task);
        worker::with_current(this, |worker| worker.push_spawned(task.take().expect("called once")));
        if let Some(task) = task {
            this.outside.spawned();
            Self::inject(this, task);
            if this.pool.is_closed() {
                this.drain_injector();
            }
        }
    }

    /// Queues a task from outside of the workers.
    #[inline]
    fn inject(this: &Arc<Anchored<Self>>, task: Notified) {
        // As soon as the task is pushed it may complete, and the scheduler end.
        let this = Arc::clone(this);
        let woken = this.pool.inject(task);
        this.unpark(woken);
    }

    pub(super) fn unpark(&self, worker: Option<usize>) {
        if let Some(worker) = worker {
            self.remotes[worker].parker.unpark(&*self.driver_handle);
        }
    }

    pub(super) fn unpark_all(&self) {
        (0..self.remotes.len()).for_each(|worker| self.unpark(Some(worker)));
    }

    /// A worker leaves; the last one ends the driver.
    pub(super) fn leave(&self) {
        // ORDERING: the last worker sees what the others did.
        if self.remaining.fetch_sub(1, AcqRel) == 1 {
            self.drain_injector();
            survive(|| self.driver.lock().shutdown());
            self.pool.end();
            // Not under the lock: it may hold the last handle of the runtime.
            let starter = self.starter.lock().take();
            drop(starter);
        }
    }

    /// Starts a spare worker for a permit that nobody uses; returns `false` if there is none, or no room, or no thread.
    pub(super) fn start_spare(this: &Arc<Anchored<Self>>) -> bool {
        let (starter, worker) = {
            // One thread at a time adds workers.
            let starter = this.starter.lock();
            let Some(starter) = &*starter else { return false };
            let Some((index, local)) = Self::spare_place(this) else {
                return false;
            };
            // The stuck worker may have been the last to leave meanwhile; then this is the end.
            let one_more = |remaining| (remaining > 0).then_some(remaining + 1);
            if this.remaining.fetch_update(Relaxed, Relaxed, one_more).is_err() {
                this.pool.dismiss_spare();
                return false;
            }
            let worker = Worker::new(Arc::clone(this), index, local);
            (Arc::clone(starter), worker)
        };
        worker.look_around_first();
        // What names the user's threads may panic.
        let mut started = false;
        survive(|| started = starter(worker).is_ok());
        if !started {
            // The next look tries again.
            this.pool.dismiss_spare();
            // The stuck worker may have come back meanwhile, and gone to sleep for want of a permit.
            this.unpark(this.pool.wake_one());
        }
        started
    }

    /// A place for a spare worker, with a permit. One thread at a time may call this.
    fn spare_place(&self) -> Option<(usize, Local<Notified>)> {
        let vacant = self.vacant.lock().pop();
        let Some(place) = vacant else {
            let local = self.pool.add_spare()?;
            self.remotes.push(Remote::new(&self.config));
            return Some((self.remotes.len() - 1, local));
        };
        if self.pool.admit_spare() {
            return Some(place);
        }
        self.vacant.lock().push(place);
        None
    }

    /// Keeps the place of a worker that was not run, for the next spare one.
    pub(super) fn vacate(&self, index: usize, local: Local<Notified>) {
        self.vacant.lock().push((index, local));
    }

    /// Drops what was spawned too late.
    fn drain_injector(&self) {
        while let Some(task) = self.pool.pop_injected() {
            drop(task);
            self.outside.ended();
        }
    }

    /// Whether no task is left anywhere but in queues.
    pub(super) fn is_drained(&self) -> bool {
        self.remotes.iter().all(|remote| remote.shard.is_empty())
    }
}

impl Schedule for Shared {
    fn on_terminate(&self) -> Option<TaskHook> {
        self.config.hooks.task_terminate.clone()
    }

    #[inline]
    fn schedule(this: &Arc<Anchored<Self>>, task: Notified) {
        let mut task = Some(task);
        worker::with_current(this, |worker| worker.push_woken(task.take().expect("called once")));
        if let Some(task) = task {
            this.outside.scheduled();
            // No draining here, even if the pool is closed: who calls a waker may hold a lock that the drop of a future
            // needs. The workers stay until they have had this task, since a task that is woken is bound (I4 of `task`).
            Self::inject(this, task);
        }
    }

    fn reschedule(this: &Arc<Anchored<Self>>, task: Notified) {
        let mut task = Some(task);
        worker::with_current(this, |worker| {
            worker.push_rescheduled(task.take().expect("called once"))
        });
        if let Some(task) = task {
            Self::schedule(this, task);
        }
    }

    fn bind(this: &Arc<Anchored<Self>>, task: NonNull<Header>) -> bool {
        worker::with_current(this, |worker| {
            let index = worker.index();
            // SAFETY: the caller runs the task, which is in no shard yet.
            unsafe { this.remotes[index].shard.bind(task, index) }
        })
        .unwrap_or(false)
    }

    fn release(this: &Arc<Anchored<Self>>, task: NonNull<Header>) {
        // SAFETY: the caller runs the task, which is bound.
        let index = unsafe { Shard::index_of(task) };
        // SAFETY: the caller runs the task, which is in this shard.
        let emptied = unsafe { this.remotes[index].shard.release(task) };
        if emptied {
            // Workers that wait for the end may be parked.
            this.unpark_all();
        }
    }
}
