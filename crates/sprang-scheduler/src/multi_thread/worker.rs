//! The run loop of one worker.
//!
//! Purpose: take the next task, run it, and look at the driver, the injector and the other workers as often as
//! fairness asks.
//!
//! Data flow: [`Worker::run`] → [`Worker::next`] (LIFO slot, own queue, every so often the injector and the driver) →
//! [`Worker::search`] (injector, other workers) → [`Worker::park`].
//!
//! Fairness: at most [`LIFO_POLLS`] tasks in a row come from the LIFO slot while others wait in the queue; every
//! `global_queue_interval` polls the injector comes first; every `event_interval` polls the driver is polled, or, if
//! another thread is parked in it, due timers are fired.
//!
//! Invariants:
//! - I1: a worker that is parked holds no item, in its queue, its LIFO slot, or among what yielded.
//! - I2: the thread-local pointer to a worker is set only while its `run` is on the stack.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::ptr;
use std::sync::Arc;
use std::task::Waker;

use crossbeam_utils::CachePadded;
use sprang_core::park::Wait;
use sprang_core::rng::{self, Rng};
use sprang_core::{coop, slot};

use super::handle::{Remote, Shared};
use super::idle::Woken;
use crate::hooks::Observer;
use crate::metrics::WorkerMetrics;
use crate::panics::survive;
use crate::queue::Local;
use crate::spin::Spin;
use crate::task::{Anchored, Notified};
use crate::yielding::Yielding;

/// Tasks in a row that may come from the LIFO slot while the queue holds others.
const LIFO_POLLS: u32 = 3;

/// Polls after which a worker whose tasks have all yielded looks at the other workers.
const SEARCH_INTERVAL: u32 = 16;

/// A worker: to be run on a thread of its own.
pub struct Worker {
    shared: Arc<Anchored<Shared>>,
    index: usize,
    local: Local<Notified>,
    /// As in the pool, where others see it.
    metrics: Arc<CachePadded<WorkerMetrics>>,
    yielding: Yielding,
    /// Whether a task yielded since the worker last looked at the driver. It is in the pool then, unless the worker was
    /// found to be stuck.
    has_yielded: Cell<bool>,
    spin: Spin,
    rng: RefCell<Rng>,
    /// Polls begun, wrapping.
    tick: Cell<u32>,
    /// The tick of the last search.
    searched: Cell<u32>,
    /// Whether the LIFO slot is used at all.
    lifo_slot: bool,
    /// Tasks in a row that came from the LIFO slot.
    lifo_polls: Cell<u32>,
    /// Whether a task runs; otherwise what is pushed is pushed by the driver.
    polling: Cell<bool>,
    searching: Cell<bool>,
    /// Whether the task that runs blocks on purpose: the thread is a stranger to its own queues meanwhile.
    blocking: Cell<bool>,
    /// Whether this worker has seen the end of the runtime.
    closing: Cell<bool>,
    /// What is done around each poll, if anything.
    observer: Option<Box<Observer>>,
}

thread_local! {
    /// The worker whose loop runs on this thread.
    static CURRENT: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

/// Calls `f` with this thread's worker, if it is one of `shared`'s.
#[inline]
pub(super) fn with_current<R>(shared: &Arc<Anchored<Shared>>, f: impl FnOnce(&Worker) -> R) -> Option<R> {
    // A pointer without a destructor is there until the thread is gone.
    let worker = CURRENT.get();
    // SAFETY: the pointer is null or that of a worker whose `run` is on this thread's stack (I2).
    let worker = unsafe { worker.as_ref() }?;
    let is_own = Arc::ptr_eq(&worker.shared, shared) && !worker.blocking.get();
    is_own.then(|| f(worker))
}

/// The defer hook of worker threads.
fn defer(waker: &Waker) {
    // SAFETY: as in `with_current`.
    match unsafe { CURRENT.get().as_ref() } {
        Some(worker) if !worker.blocking.get() => worker.yielding.defer(waker),
        _ => waker.wake_by_ref(),
    }
}

/// The number of the worker that this thread runs.
pub fn worker_index() -> Option<usize> {
    // SAFETY: as in `with_current`.
    unsafe { CURRENT.get().as_ref() }.map(Worker::index)
}

/// What worker threads do when a task's budget is used up.
fn count_forced_yield() {
    // SAFETY: as in `with_current`.
    if let Some(worker) = unsafe { CURRENT.get().as_ref() } {
        worker.metrics.forced_yields.add(1);
    }
}

/// Calls `f`, which may block, on this thread, without a cooperative budget. If the thread is a worker that runs a task,
/// its permit goes to another thread first, along with its other tasks, timers and I/O.
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: as in `with_current`.
    match unsafe { CURRENT.get().as_ref() } {
        Some(worker) if worker.polling.get() && !worker.blocking.get() => {
            let _blocking = Blocking::begin(worker);
            coop::unconstrained(f)
        }
        _ => coop::unconstrained(f),
    }
}

/// A worker whose task blocks on purpose, until it is dropped; and whether it gave up its permit for that.
struct Blocking<'a>(&'a Worker, bool);

impl<'a> Blocking<'a> {
    fn begin(worker: &'a Worker) -> Self {
        let shared = &worker.shared;
        // It is no stuck worker, and its thread no longer sees to its lane's timers.
        worker.metrics.progress.end();
        slot::set_lane(0);
        worker.queue_yielded();
        shared.pool.offer_next(worker.index, &worker.local);
        worker.blocking.set(true);
        let gave_up = shared.pool.give_up(worker.index);
        Shared::replace(shared);
        Self(worker, gave_up)
    }
}

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        let Self(worker, gave_up) = self;
        worker.blocking.set(false);
        if *gave_up {
            worker.shared.pool.watch();
        }
        slot::set_lane(worker.index + 1);
        worker.metrics.progress.resume();
        // Whether there is still a permit for the worker is asked at the end of the poll.
    }
}

/// Undoes what [`Worker::run`] set up on its thread.
struct Leave<'a>(&'a WorkerMetrics);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        CURRENT.set(ptr::null());
        coop::set_defer(None);
        coop::set_on_exhausted(None);
        self.0.stop();
    }
}

/// Run or not, the worker has left.
impl Drop for Worker {
    fn drop(&mut self) {
        if !self.remote().parker.is_adopted() {
            let local = mem::replace(&mut self.local, Local::new());
            self.shared.vacate(self.index, local);
        }
        self.shared.leave();
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Anchored<Shared>>, index: usize, local: Local<Notified>) -> Self {
        let seed = shared.config.seed;
        // A seed of its own for each worker.
        let rng = seed.map_or_else(Rng::from_entropy, |seed| Rng::new(seed.wrapping_add(index as u64)));
        let observer = Observer::new(&shared.config.hooks, shared.remotes[index].poll_times.as_ref());
        Self {
            metrics: Arc::clone(shared.pool.metrics(index)),
            lifo_slot: shared.config.lifo_slot,
            shared,
            index,
            local,
            yielding: Yielding::new(),
            has_yielded: Cell::new(false),
            spin: Spin::default(),
            rng: RefCell::new(rng),
            tick: Cell::new(0),
            searched: Cell::new(0),
            lifo_polls: Cell::new(0),
            polling: Cell::new(false),
            searching: Cell::new(false),
            blocking: Cell::new(false),
            closing: Cell::new(false),
            observer,
        }
    }

    /// The number of the worker, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Runs tasks until the scheduler is shut down and all its tasks are dropped.
    pub fn run(self) {
        slot::set_lane(self.index + 1);
        self.remote().parker.adopt();
        CURRENT.set(&raw const self);
        coop::set_defer(Some(defer));
        coop::set_on_exhausted(Some(count_forced_yield));
        rng::replace_thread(self.shared.config.seed.map(|_| self.rng.borrow().clone()));
        let _leave = Leave(&self.metrics);
        self.metrics.start();
        if self.remote().take_look_around() {
            self.poll_driver();
        }
        while let Some(task) = self.next_or_wait() {
            self.run_task(task);
        }
    }

    #[inline]
    fn run_task(&self, task: Notified) {
        if self.searching.replace(false) {
            self.shared.unpark(self.shared.pool.end_search());
        }
        let progress = &self.metrics.progress;
        progress.begin(task.id(), task.spawned_at());
        self.yielding.reset();
        self.polling.set(true);
        let ended = if self.closing.get() {
            drop(task);
            true
        } else if let Some(observer) = &self.observer {
            observer.run(task)
        } else {
            coop::budget(|| task.turn())
        };
        self.metrics.ended.add(u64::from(ended));
        self.polling.set(false);
        progress.end();
        if self.shared.pool.was_taken(self.index) {
            self.give_way();
        }
    }

    /// The poll was long, and another thread has gone on with this worker's permit: without a free one, this worker
    /// gives its tasks away and sleeps.
    #[cold]
    fn give_way(&self) {
        self.queue_yielded();
        if !self.shared.pool.reclaim(self.index, &self.local) {
            self.give_away();
            self.sleep_until_needed();
        }
    }

    /// Leaves its tasks to those who have the permits: in the injector, where also workers look that are never idle and
    /// so never steal.
    #[cold]
    fn give_away(&self) {
        self.queue_yielded();
        while let Some(task) = self.local.pop() {
            self.shared.unpark(self.shared.pool.inject(task));
        }
    }

    fn remote(&self) -> &Remote {
        &self.shared.remotes[self.index]
    }

    /// Has the worker look at the driver before anything else.
    pub(super) fn look_around_first(&self) {
        self.remote().look_around();
    }

    /// The next task, or `None` when this is the end.
    #[inline]
    fn next_or_wait(&self) -> Option<Notified> {
        loop {
            if let Some(task) = self.next().or_else(|| self.find()) {
                return Some(task);
            }
            if self.has_yielded() {
                self.poll_driver();
            } else if self.shared.pool.is_closed() {
                if self.close() {
                    return None;
                }
            } else if !self.linger() {
                self.park();
            }
        }
    }

    /// Before it sleeps, the only active worker waits a moment for a task from outside, if that has paid off. As a
    /// searcher it need not be woken for it.
    fn linger(&self) -> bool {
        let pool = &self.shared.pool;
        let came = self.searching.get() && self.spin.wait_for(|| pool.look_outside());
        if came {
            // Nobody may have been in the driver meanwhile.
            self.poll_driver();
        }
        came
    }

    #[inline]
    fn next(&self) -> Option<Notified> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        let config = &self.shared.config;
        if tick % config.event_interval == 0 {
            self.maintain();
        }
        if tick % config.global_queue_interval == 0
            && let Some(task) = self.shared.pool.take_injected(&self.local)
        {
            return Some(task);
        }
        if self.lifo_polls.get() < LIFO_POLLS
            && let Some(task) = self.shared.pool.take_next(self.index)
        {
            self.lifo_polls.set(self.lifo_polls.get() + 1);
            return Some(task);
        }
        self.lifo_polls.set(0);
        self.local.pop().or_else(|| self.shared.pool.take_next(self.index))
    }

    /// A busy worker's look around.
    #[cold]
    fn maintain(&self) {
        self.poll_driver();
        if self.shared.pool.is_closed() {
            self.close_shard();
        }
    }

    fn sleep(&self) {
        let shared = &self.shared;
        let hooks = &shared.config.hooks;
        self.as_stranger(|| hooks.park());
        self.metrics.park();
        let has_work = || shared.pool.has_own(self.index, &self.local) || self.has_yielded();
        survive(|| {
            let parker = &self.remote().parker;
            parker.park(&shared.driver, &*shared.driver_handle, has_work);
        });
        self.metrics.unpark();
        self.as_stranger(|| hooks.unpark());
    }

    /// Calls `f`, which may spawn and wake, without its having anything pushed to this worker, which is among the
    /// sleepers: what it makes ready goes the way of all that comes from outside.
    fn as_stranger(&self, f: impl FnOnce()) {
        self.blocking.set(true);
        f();
        self.blocking.set(false);
    }

    /// Drops the idle tasks of this worker's shard; returns whether that was still to be done.
    fn close_shard(&self) -> bool {
        let first = !self.closing.replace(true);
        if first {
            let dropped = self.remote().shard.close();
            self.metrics.ended.add(dropped as u64);
            // Workers that wait for the end may be parked.
            self.shared.unpark_all();
        }
        first
    }

    /// Delivers events and fires timers without sleeping, then queues what yielded.
    fn poll_driver(&self) {
        survive(|| match self.shared.driver.try_lock() {
            Some(mut driver) => driver.park(Wait::Poll),
            None => self.shared.driver_handle.glance(),
        });
        self.queue_yielded();
        self.shared.unpark(self.shared.pool.share(self.index, &self.local));
    }

    /// A task from elsewhere. While the worker has tasks that have yielded, it looks at the other workers only every
    /// so often: to search is to write to what all workers share.
    fn find(&self) -> Option<Notified> {
        let tick = self.tick.get();
        if tick.wrapping_sub(self.searched.get()) < SEARCH_INTERVAL && self.has_yielded() {
            return self.shared.pool.take_injected(&self.local);
        }
        self.searched.set(tick);
        self.search()
    }

    fn search(&self) -> Option<Notified> {
        if !self.searching.get() && !self.shared.pool.begin_search() {
            // Half of the workers search already; but what is injected must not wait for them.
            return self.shared.pool.take_injected(&self.local);
        }
        self.searching.set(true);
        self.shared
            .pool
            .search(self.index, &self.local, &mut self.rng.borrow_mut())
    }

    /// Sleeps until there may be something to do.
    fn park(&self) {
        let shared = &self.shared;
        let searching = self.searching.replace(false);
        shared.unpark(shared.pool.park(self.index, searching));
        self.sleep_until_needed();
    }

    /// Sleeps, as one of the sleepers, until it has a permit and a reason to be awake.
    fn sleep_until_needed(&self) {
        let pool = &self.shared.pool;
        loop {
            self.sleep();
            let mut woken = pool.woken(self.index);
            let has_work = pool.has_own(self.index, &self.local) || self.has_yielded();
            if woken == Woken::Not && (has_work || pool.is_closed()) {
                woken = pool.leave(self.index);
                if woken == Woken::Not {
                    self.give_away();
                }
            }
            if woken != Woken::Not {
                self.searching.set(woken == Woken::AsSearcher);
                self.shared.unpark(pool.share(self.index, &self.local));
                if self.remote().take_look_around() {
                    self.poll_driver();
                }
                return;
            }
        }
    }

    /// Called with empty queues: works towards the end, and returns whether it has come.
    fn close(&self) -> bool {
        // Dropping tasks may have woken others.
        if self.close_shard() {
            return false;
        }
        if self.shared.is_drained() {
            return true;
        }
        self.park_closing();
        false
    }

    /// Sleeps until a task that somebody else holds comes back, or is gone.
    fn park_closing(&self) {
        let shared = &self.shared;
        let searching = self.searching.replace(false);
        shared.unpark(shared.pool.park(self.index, searching));
        if !shared.is_drained() {
            self.sleep();
        }
        self.searching.set(shared.pool.leave(self.index) == Woken::AsSearcher);
    }

    /// Queues a task that was spawned on this thread.
    #[inline]
    pub(super) fn push_spawned(&self, task: Notified) {
        self.metrics.spawned.add(1);
        self.push_woken(task);
    }

    /// Whether a task or a waker waits for this worker to look at the driver.
    fn has_yielded(&self) -> bool {
        self.has_yielded.get() || !self.yielding.is_empty()
    }

    /// Queues the tasks that yielded, and wakes the wakers.
    fn queue_yielded(&self) {
        if self.has_yielded.replace(false) {
            self.shared.pool.queue_yielded(self.index, &self.local);
        }
        self.yielding.drain(|task| self.local.push(task));
    }

    /// Queues a task that was woken on this thread.
    #[inline]
    pub(super) fn push_woken(&self, task: Notified) {
        self.metrics.local_schedules.add(1);
        if !self.polling.get() {
            // By the driver, in the order of its events. Whoever let the driver run looks at the queue next.
            return self.local.push(task);
        }
        let pool = &self.shared.pool;
        self.shared.unpark(if self.lifo_slot {
            pool.push_next(self.index, &self.local, task)
        } else {
            pool.push(&self.local, task)
        });
    }

    /// Queues a task that was woken during its own poll.
    #[inline]
    pub(super) fn push_rescheduled(&self, task: Notified) {
        self.metrics.local_schedules.add(1);
        if self.yielding.take_yielded() {
            self.has_yielded.set(true);
            self.shared.pool.push_yielded(self.index, task);
        } else {
            self.shared.unpark(self.shared.pool.push(&self.local, task));
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod models;
