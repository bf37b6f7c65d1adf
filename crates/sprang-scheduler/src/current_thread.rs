//! The scheduler that runs on the thread that blocks on it.
//!
//! Purpose: run tasks without any thread of its own, in the order in which they were woken.
//!
//! Data flow: [`Scheduler::block_on`] → the root future, then up to `event_interval` tasks, then the driver; a wake on
//! that thread → its queue; a wake from any other → the injector, and an unpark of the driver.
//!
//! Invariants: I4 and I5 of `task`. Besides:
//! - I1: the core (queue, driver) is held by one thread at a time: the one in `block_on`, or the one that ends the
//!   scheduler.
//! - I2: the thread-local pointer to a core is set only while `with_core` is on the stack.
//! - I3: other threads push to the injector and never take from it, and they push bound tasks only: what they spawn is
//!   bound before. So tasks are run and dropped by the thread that has the core, and the shard of a closed scheduler
//!   is empty only when nothing is, or will be, injected.
//!
//! Models: `models::*`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::num::NonZeroU32;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crossbeam_utils::CachePadded;
use sprang_core::coop;
use sprang_core::park::{Driver, DriverHandle, Wait};
use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use sprang_core::rng::{self, Rng};

use crate::dump::{Listing, TaskListing};
use crate::histogram::{Histogram, HistogramConfiguration};
use crate::hooks::{self, Hooks, Observer, TaskHook};
use crate::metrics::{self, Counter, Totals, WorkerMetrics, WorkerSnapshot};
use crate::panics::survive;
use crate::park_thread;
use crate::queue::Injector;
use crate::seat::Seat;
use crate::task::{self, Anchored, Header, JoinHandle, Notified, Schedule, Shard};
use crate::yielding::Yielding;

/// The settings of a current-thread scheduler.
#[derive(Debug, Clone)]
pub struct Config {
    /// Polls after which the driver, and the root future, are looked at.
    pub event_interval: NonZeroU32,
    /// Polls after which a task from another thread comes before the queue.
    pub global_queue_interval: NonZeroU32,
    /// What the thread that runs the scheduler draws random choices from.
    pub seed: Option<u64>,
    /// What is called.
    pub hooks: Hooks,
    /// The histogram of how long polls last, if it is wanted.
    pub poll_times: Option<HistogramConfiguration>,
    /// Whether a task that panics ends the scheduler.
    pub end_on_panic: bool,
}

/// The owner of a current-thread scheduler. Dropping it drops all tasks.
#[derive(Debug)]
pub struct Scheduler {
    handle: Handle,
    core: Mutex<Option<Box<Core>>>,
    /// Threads in `block_on` that wait for the core.
    waiting: Mutex<Vec<Waker>>,
}

/// A handle of a current-thread scheduler.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Anchored<Shared>>,
}

#[derive(Debug)]
struct Shared {
    injector: Injector<Notified>,
    shard: Shard,
    driver_handle: Arc<dyn DriverHandle>,
    config: Config,
    root: Arc<Root>,
    /// Those three are written by the thread that has the core.
    metrics: CachePadded<WorkerMetrics>,
    queued: Counter,
    poll_times: Option<Arc<Histogram>>,
    outside: metrics::Remote,
    /// Whether a task has panicked that was not to. Relaxed: it is set and read by the thread that has the core.
    has_panicked: AtomicBool,
}

/// The waker of the root future.
#[derive(Debug)]
struct Root {
    woken: AtomicBool,
    driver_handle: Arc<dyn DriverHandle>,
}

/// What the thread has that runs the scheduler.
#[derive(Debug)]
struct Core {
    shared: Arc<Anchored<Shared>>,
    queue: RefCell<VecDeque<Notified>>,
    yielding: Yielding,
    driver: RefCell<Seat>,
    /// Polls begun, wrapping.
    tick: Cell<u32>,
    /// Whether all tasks are being dropped, or were.
    closed: Cell<bool>,
    /// What is done around each poll, if anything.
    observer: Option<Box<Observer>>,
}

thread_local! {
    /// The core that this thread runs.
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// The defer hook of threads that run a core.
fn defer(waker: &Waker) {
    // SAFETY: the pointer is null or that of a core that this thread runs (I2).
    match unsafe { CURRENT.get().as_ref() } {
        Some(core) => core.yielding.defer(waker),
        None => waker.wake_by_ref(),
    }
}

/// Whether this thread runs a current-thread scheduler.
pub fn is_running() -> bool {
    !CURRENT.get().is_null()
}

/// What threads that run a core do when a task's budget is used up.
fn count_forced_yield() {
    // SAFETY: as in `defer`.
    if let Some(core) = unsafe { CURRENT.get().as_ref() } {
        core.shared.metrics.forced_yields.add(1);
    }
}

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: pairs with `take_woken`: releases what the waker did.
        self.woken.store(true, Release);
        self.driver_handle.unpark();
    }
}

impl Root {
    fn take_woken(&self) -> bool {
        // ORDERING: pairs with `wake_by_ref`: acquires what the waker did.
        self.woken.load(Relaxed) && self.woken.swap(false, AcqRel)
    }
}

impl Handle {
    /// Spawns a task. On a scheduler that has ended the task is cancelled at once.
    pub fn spawn<F>(&self, future: F, spawned_at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: the future and its output are `Send`.
        let (task, handle) = unsafe { task::new(future, &self.shared, spawned_at) };
        self.shared.config.hooks.spawned(&task);
        Shared::admit(&self.shared, task);
        handle
    }

    /// Spawns a task that need not be `Send`.
    ///
    /// # Safety
    ///
    /// The scheduler is run and ended by the calling thread only.
    pub unsafe fn spawn_local<F>(&self, future: F, spawned_at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: the task is polled and dropped by whoever runs or ends the scheduler (I3): this thread.
        let (task, handle) = unsafe { task::new(future, &self.shared, spawned_at) };
        self.shared.config.hooks.spawned(&task);
        Shared::admit(&self.shared, task);
        handle
    }

    /// What is counted of the scheduler as a whole.
    pub fn totals(&self) -> Totals {
        let shared = &self.shared;
        Totals::new(
            std::iter::once(&*shared.metrics),
            &shared.outside,
            shared.injector.len(),
        )
    }

    /// What is counted of the one worker, which is the thread that runs the scheduler.
    pub fn worker(&self) -> WorkerSnapshot {
        let shared = &self.shared;
        shared.metrics.snapshot(shared.queued.get() as usize)
    }

    /// How many polls lasted for as long as the bucket says; `None` if that is not measured, or if there is no such
    /// bucket.
    pub fn poll_times(&self, bucket: usize) -> Option<u64> {
        self.shared.poll_times.as_ref()?.count(bucket)
    }

    /// The tasks, as they are at the moment.
    pub fn dump(&self) -> TaskListing {
        let mut listing = Listing::default();
        listing.add_shard(&self.shared.shard);
        listing.add_running(0, self.shared.metrics.progress.running());
        listing.finish(self.totals().alive, self.shared.config.hooks.tracking.as_deref())
    }
}

impl Scheduler {
    /// A scheduler that parks in `driver`.
    pub fn new(config: Config, driver: Box<dyn Driver>, driver_handle: Arc<dyn DriverHandle>) -> Self {
        let poll_times = hooks::histogram(config.poll_times.as_ref());
        let observer = Observer::new(&config.hooks, poll_times.as_ref());
        let shared = Anchored::new(Shared {
            injector: Injector::new(),
            shard: Shard::new(),
            metrics: CachePadded::new(WorkerMetrics::new()),
            queued: Counter::default(),
            poll_times,
            outside: metrics::Remote::default(),
            has_panicked: AtomicBool::new(false),
            driver_handle: Arc::clone(&driver_handle),
            config,
            root: Arc::new(Root {
                woken: AtomicBool::new(false),
                driver_handle,
            }),
        });
        let core = Core {
            shared: Arc::clone(&shared),
            queue: RefCell::new(VecDeque::new()),
            yielding: Yielding::new(),
            driver: RefCell::new(Seat::new(driver)),
            tick: Cell::new(0),
            closed: Cell::new(false),
            observer,
        };
        Self {
            handle: Handle { shared },
            core: Mutex::new(Some(Box::new(core))),
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// A handle.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs the future, and all tasks beside it, until the future is ready.
    ///
    /// If another thread does that already, this one only polls its own future, and takes over when the other is
    /// done.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Some(core) = self.take_core() {
                return core.run(future);
            }
            let core_or_output = poll_fn(|cx| {
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(Some(output));
                }
                if self.poll_core(cx) {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                }
            });
            if let Some(output) = park_thread::block_on(core_or_output) {
                // The core may have become free meanwhile: somebody else must not miss that.
                self.wake_waiting();
                return output;
            }
        }
    }

    /// Drops all tasks, on this thread, and ends the driver. Every later spawn is cancelled at once.
    pub fn shutdown(&mut self) {
        if let Some(core) = self.core.get_mut().take() {
            core.enter(|| core.shutdown());
        }
    }

    fn take_core(&self) -> Option<HeldCore<'_>> {
        let core = self.core.lock().take()?;
        Some(HeldCore {
            scheduler: self,
            core: Some(core),
        })
    }

    /// Whether the core may be free; otherwise the thread is woken when it is.
    fn poll_core(&self, cx: &mut Context<'_>) -> bool {
        let mut waiting = self.waiting.lock();
        // Under the lock: who gives the core back looks at `waiting` afterwards.
        if self.core.lock().is_some() {
            return true;
        }
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        false
    }

    fn wake_waiting(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// The core, given back when dropped.
struct HeldCore<'a> {
    scheduler: &'a Scheduler,
    core: Option<Box<Core>>,
}

impl Drop for HeldCore<'_> {
    fn drop(&mut self) {
        *self.scheduler.core.lock() = self.core.take();
        self.scheduler.wake_waiting();
    }
}

impl HeldCore<'_> {
    fn run<F: Future>(self, future: Pin<&mut F>) -> F::Output {
        let core = self.core.as_deref().expect("it is there until the drop");
        core.enter(|| core.block_on(future))
    }
}

impl Core {
    /// Makes this core the thread's for the time of `f`.
    fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Restore<'a> {
            core: *const Core,
            defer: Option<fn(&Waker)>,
            on_exhausted: Option<fn()>,
            rng: Option<Rng>,
            metrics: &'a WorkerMetrics,
        }
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                CURRENT.set(self.core);
                coop::set_defer(self.defer);
                coop::set_on_exhausted(self.on_exhausted);
                rng::replace_thread(self.rng.take());
                self.metrics.stop();
            }
        }
        let shared = &self.shared;
        shared.metrics.start();
        let _restore = Restore {
            core: CURRENT.replace(self),
            defer: coop::set_defer(Some(defer)),
            on_exhausted: coop::set_on_exhausted(Some(count_forced_yield)),
            rng: rng::replace_thread(shared.config.seed.map(Rng::new)),
            metrics: &shared.metrics,
        };
        f()
    }

    fn block_on<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        let root = &self.shared.root;
        let waker = Waker::from(Arc::clone(root));
        // The future before may have left anything behind; a first poll is due anyway.
        root.woken.store(true, Relaxed);
        loop {
            if root.take_woken() {
                self.yielding.reset();
                let mut cx = Context::from_waker(&waker);
                if let Poll::Ready(output) = coop::budget(|| future.as_mut().poll(&mut cx)) {
                    return output;
                }
            }
            let ran_dry = self.run_some();
            if self.shared.has_panicked.load(Relaxed) {
                self.drop_tasks();
                panic!("a spawned task panicked and the runtime is configured to shut down on unhandled panic");
            }
            if ran_dry && self.is_waiting() {
                self.park();
            } else {
                self.drive(|seat| seat.park(Wait::Poll));
            }
        }
    }

    /// Whether nothing has yielded, and the root future was not woken.
    fn is_waiting(&self) -> bool {
        self.yielding.is_empty() && !self.shared.root.woken.load(Relaxed)
    }

    fn park(&self) {
        let shared = &self.shared;
        shared.config.hooks.park();
        shared.metrics.park();
        let has_work = || !self.is_waiting() || !self.queue.borrow().is_empty();
        self.drive(|seat| {
            if has_work() {
                // The hook has spawned or woken a task.
                seat.park(Wait::Poll);
            } else if !seat.wait_a_moment(|| has_work() || !shared.injector.is_empty()) {
                seat.park(Wait::Forever);
            }
        });
        shared.metrics.unpark();
        shared.config.hooks.unpark();
    }

    /// Runs up to `event_interval` tasks; returns whether there are no more.
    fn run_some(&self) -> bool {
        let shared = &self.shared;
        for _ in 0..shared.config.event_interval.get() {
            let Some(task) = self.next() else { return true };
            self.yielding.reset();
            shared.metrics.progress.begin(task.id(), task.spawned_at());
            let ended = match &self.observer {
                None => coop::budget(|| task.turn()),
                Some(observer) => observer.run(task),
            };
            shared.metrics.progress.end();
            shared.metrics.ended.add(u64::from(ended));
            if ended && shared.has_panicked.load(Relaxed) {
                break;
            }
        }
        false
    }

    fn next(&self) -> Option<Notified> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        let queued = || {
            let mut queue = self.queue.borrow_mut();
            let task = queue.pop_front();
            self.shared.queued.set(queue.len() as u64);
            task
        };
        let injected = || self.shared.injector.pop();
        if tick % self.shared.config.global_queue_interval == 0 {
            injected().or_else(queued)
        } else {
            queued().or_else(injected)
        }
    }

    /// Has `f` park in the driver, then queues what yielded.
    fn drive(&self, f: impl FnOnce(&mut Seat)) {
        survive(|| f(&mut self.driver.borrow_mut()));
        self.yielding.drain(|task| self.push(task));
    }

    fn push(&self, task: Notified) {
        let mut queue = self.queue.borrow_mut();
        queue.push_back(task);
        self.shared.queued.set(queue.len() as u64);
    }

    /// Drops all tasks, then ends the driver.
    fn shutdown(&self) {
        self.drop_tasks();
        survive(|| self.driver.borrow_mut().shutdown());
    }

    /// Drops all tasks. Every later spawn is cancelled at once.
    fn drop_tasks(&self) {
        let shared = &self.shared;
        self.closed.set(true);
        shared.metrics.ended.add(shared.shard.close() as u64);
        loop {
            self.yielding.drain(|task| self.push(task));
            if let Some(task) = self.next() {
                drop(task);
                shared.metrics.ended.add(1);
            } else if shared.shard.is_empty() {
                break;
            } else {
                // Another thread has woken a task and is about to inject it.
                self.drive(|seat| seat.park(Wait::Forever));
            }
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Shared {
    /// Queues a new task, or, if the scheduler has ended, cancels it.
    fn admit(this: &Arc<Anchored<Self>>, task: Notified) {
        if Self::with_core(this, |core| core.closed.get()) == Some(true) {
            return drop(task);
        }
        let Some(task) = Self::push(this, task) else {
            this.metrics.spawned.add(1);
            return;
        };
        let task = task.into_header();
        // SAFETY: the custody of the task is ours, and it is in no shard yet.
        let bound = unsafe { this.shard.bind(task, 0) };
        // SAFETY: the pointer is that of the `Notified` above, and only this makes one of it again.
        let task = unsafe { Notified::from_header(task) };
        if bound {
            this.outside.spawned();
            Self::inject(this, task);
        } else {
            drop(task);
        }
    }

    /// Queues a task on the thread that has the core; gives it back on any other.
    fn push(this: &Arc<Anchored<Self>>, task: Notified) -> Option<Notified> {
        let mut task = Some(task);
        Self::with_core(this, |core| {
            this.metrics.local_schedules.add(1);
            core.push(task.take().expect("called once"));
        });
        task
    }

    /// Hands a bound task to the thread that has the core (I3).
    fn inject(this: &Arc<Anchored<Self>>, task: Notified) {
        // As soon as the task is pushed it may complete, and the scheduler end.
        let this = Arc::clone(this);
        this.injector.push(task);
        this.driver_handle.unpark();
    }

    /// Calls `f` with this thread's core, if it is this scheduler's.
    fn with_core<R>(this: &Arc<Anchored<Self>>, f: impl FnOnce(&Core) -> R) -> Option<R> {
        // SAFETY: the pointer is null or that of a core that this thread runs (I2).
        let core = unsafe { CURRENT.get().as_ref() }?;
        Arc::ptr_eq(&core.shared, this).then(|| f(core))
    }
}

impl Schedule for Shared {
    fn on_terminate(&self) -> Option<TaskHook> {
        self.config.hooks.task_terminate.clone()
    }

    fn panicked(this: &Arc<Anchored<Self>>) {
        if this.config.end_on_panic {
            this.has_panicked.store(true, Relaxed);
        }
    }

    fn schedule(this: &Arc<Anchored<Self>>, task: Notified) {
        if let Some(task) = Self::push(this, task) {
            this.outside.scheduled();
            // It was idle, hence bound.
            Self::inject(this, task);
        }
    }

    fn reschedule(this: &Arc<Anchored<Self>>, task: Notified) {
        let mut task = Some(task);
        Self::with_core(this, |core| {
            let task = task.take().expect("called once");
            this.metrics.local_schedules.add(1);
            if core.yielding.take_yielded() {
                core.yielding.push(task);
            } else {
                core.push(task);
            }
        });
        if let Some(task) = task {
            Self::schedule(this, task);
        }
    }

    fn bind(this: &Arc<Anchored<Self>>, task: NonNull<Header>) -> bool {
        // SAFETY: the caller runs the task, which is in no shard yet.
        unsafe { this.shard.bind(task, 0) }
    }

    fn release(this: &Arc<Anchored<Self>>, task: NonNull<Header>) {
        // SAFETY: the caller runs the task, which is in this shard.
        let emptied = unsafe { this.shard.release(task) };
        if emptied {
            // The thread that waits for the end may be parked.
            this.driver_handle.unpark();
        }
    }
}

#[cfg(test)]
mod models {
    //! The models use a [`Core`] without entering it: loom's threads share the thread-locals of one real thread.

    use super::*;
    use crate::task::models::{Counted, message};
    use sprang_core::park::{ThreadDriver, Untimed};
    use sprang_core::primitive::{model, thread};
    use std::sync::atomic::AtomicUsize;

    fn scheduler() -> Scheduler {
        let driver = ThreadDriver::new();
        let unparker = Arc::new(Untimed(driver.unparker()));
        let config = Config {
            event_interval: NonZeroU32::MIN,
            global_queue_interval: NonZeroU32::MAX,
            seed: None,
            hooks: Hooks::default(),
            poll_times: None,
            end_on_panic: false,
        };
        Scheduler::new(config, Box::new(driver), unparker)
    }

    fn end(mut scheduler: Scheduler) {
        let core = scheduler.core.get_mut().take().expect("nobody runs it");
        core.shutdown();
    }

    #[test]
    fn a_task_spawned_from_outside_during_the_end_is_dropped_once() {
        model(|| {
            let scheduler = scheduler();
            let handle = scheduler.handle().clone();
            let drops = Arc::new(AtomicUsize::new(0));
            let counted = Counted(Arc::clone(&drops));
            let spawning = thread::spawn(move || {
                let future = async move { drop(counted) };
                handle.spawn(future, Location::caller())
            });
            end(scheduler);
            let task = spawning.join().unwrap();
            assert!(task.is_finished());
            assert_eq!(drops.load(Relaxed), 1);
        });
    }

    #[test]
    fn the_end_waits_for_a_task_that_is_being_woken() {
        model(|| {
            let scheduler = scheduler();
            let (slot, sent) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
            let drops = Arc::new(AtomicUsize::new(0));
            let task = scheduler
                .handle()
                .spawn(message(Arc::clone(&slot), sent, Arc::clone(&drops)), Location::caller());
            scheduler.core.lock().as_ref().expect("nobody runs it").run_some();
            let waker: Waker = slot.lock().take().expect("the poll gave it away");
            let waking = thread::spawn(move || waker.wake());
            end(scheduler);
            assert!(task.is_finished());
            assert_eq!(drops.load(Relaxed), 1);
            waking.join().unwrap();
        });
    }
}
