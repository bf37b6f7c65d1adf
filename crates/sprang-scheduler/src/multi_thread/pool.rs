//! The queues of all workers together with the idle protocol: push, search, park.
//!
//! Purpose: everything that must hold between a push and a worker that goes to sleep, in one place that knows
//! neither threads nor drivers, and that loom can run.
//!
//! Data flow: `worker`/`handle` → [`Pool::push`], [`Pool::inject`] → `idle` → the worker to unpark; `worker` →
//! [`Pool::next`], [`Pool::search`], [`Pool::park`].
//!
//! Invariants:
//! - I1: no item is lost or taken twice (`queue`, I1).
//! - I2 (no lost wake-up): when all workers are parked, the injector and all local queues are empty.
//! - I3: a push to a non-empty local queue needs no look at the sleepers. The item before it was pushed with one:
//!   either a searcher was at work or woken, which does not stop before it has seen all queues empty, or nobody was
//!   parked. If that first item is gone by then, its taker's read-modify-write came after the second push in the
//!   owner's program order, or published it (`queue`, I2), so whoever sees the one gone sees the other.
//! - I4: an item in a LIFO slot is its owner's next; nobody is woken for it. A thief takes it only when it found
//!   nothing else and the owner has stayed in one poll all the while.
//! - I5: an item that is injected while the pool is closed is seen by the closer, or by its pusher, who then finds the
//!   pool closed and takes it back.
//!
//! Cost: a push to a local queue is a few loads and stores, plus a fence and a load when the queue was empty; a push
//! to the injector is two read-modify-writes, a fence and a load.
//!
//! Models: `models::*` below.

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use sprang_core::primitive::hint::spin_loop;
use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::Ordering::{Relaxed, SeqCst};
use sprang_core::primitive::sync::atomic::{AtomicBool, fence};
use sprang_core::rng::Rng;

use super::idle::{Idle, Taken, Woken};
use super::slots::Slots;
use crate::metrics::WorkerMetrics;
use crate::monitor::{Activity, Alarm};
use crate::queue::{Injector, Item, LifoSlot, Local, Stealer};
use crate::spin::Look;

/// Rounds of [`spin_loop`] that a thief gives the owner of a LIFO slot to take the item itself: about 2 µs.
#[cfg(not(sprang_loom))]
const LIFO_PATIENCE: usize = 48;
#[cfg(sprang_loom)]
const LIFO_PATIENCE: usize = 0;

/// Items that are moved away from a stuck worker at a time.
const UNSTRAND_LIMIT: usize = 256;

/// The run queues and the idle workers of a scheduler.
#[derive(Debug)]
pub(super) struct Pool<T: Item> {
    injector: CachePadded<Injector<T>>,
    slots: Slots<Slot<T>>,
    idle: CachePadded<Idle>,
    closed: AtomicBool,
}

/// What others see of a worker.
#[derive(Debug)]
struct Slot<T: Item> {
    stealer: Stealer<T>,
    /// Items that yielded: the worker's own, until it has looked at the driver, or is found to be stuck.
    yielded: Mutex<Vec<T>>,
    lifo: LifoSlot<T>,
    metrics: Arc<CachePadded<WorkerMetrics>>,
    taken: Taken,
}

impl<T: Item> Slot<T> {
    fn new(local: &Local<T>) -> Self {
        Self {
            stealer: local.stealer(),
            yielded: Mutex::new(Vec::new()),
            lifo: LifoSlot::new(),
            metrics: Arc::new(CachePadded::new(WorkerMetrics::new())),
            taken: Taken::default(),
        }
    }
}

impl<T: Item> Pool<T> {
    /// A pool for as many workers, all of them active, to which up to `spare` can be added; and the workers' own ends of
    /// their queues.
    pub(super) fn new(workers: usize, spare: usize) -> (Self, Vec<Local<T>>) {
        let pool = Self {
            injector: CachePadded::new(Injector::new()),
            slots: Slots::with_capacity(workers + spare),
            idle: CachePadded::new(Idle::new(workers)),
            closed: AtomicBool::new(false),
        };
        let locals = (0..workers).map(|_| pool.add()).collect();
        (pool, locals)
    }

    /// The number of workers, spare ones included.
    pub(super) fn workers(&self) -> usize {
        self.slots.len()
    }

    fn add(&self) -> Local<T> {
        let local = Local::new();
        self.slots.push(Slot::new(&local));
        local
    }

    /// Adds a worker for a permit that nobody uses and nobody sleeps to take; `None` if there is none, or no room. One
    /// thread at a time may call this.
    pub(super) fn add_spare(&self) -> Option<Local<T>> {
        let room = self.slots.len() < self.slots.capacity();
        (room && self.idle.admit()).then(|| self.add())
    }

    /// As [`add_spare`](Self::add_spare), but for a worker that was added before and then not run.
    pub(super) fn admit_spare(&self) -> bool {
        self.idle.admit()
    }

    /// A spare worker was added but cannot be run.
    pub(super) fn dismiss_spare(&self) {
        self.idle.dismiss();
    }

    /// Pushes from outside of the workers; returns the worker to unpark.
    ///
    /// Who injects an item that no worker waits for then asks [`is_closed`](Self::is_closed), and if so takes what is
    /// left by [`pop_injected`](Self::pop_injected): there may be no worker any more to do it (I5).
    #[must_use]
    pub(super) fn inject(&self, item: T) -> Option<usize> {
        self.injector.push(item);
        self.idle.wake_one()
    }

    /// Takes one item that came from outside.
    pub(super) fn pop_injected(&self) -> Option<T> {
        self.injector.pop()
    }

    /// Says that no worker will wait for items any more. The caller then empties the injector (I5).
    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
        // ORDERING: pairs with the fence of `Idle::wake_one`: either the closer sees an injected item or its pusher
        // sees the flag (I5).
        fence(SeqCst);
    }

    /// Whether the pool was closed.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Moves a batch of what came from outside to the worker's queue, and takes one of that.
    #[inline]
    pub(super) fn take_injected(&self, local: &Local<T>) -> Option<T> {
        if self.injector.is_empty() {
            return None;
        }
        self.injector.steal_into(local)
    }

    /// Makes an item the worker's next, or pushes it to the back of its queue if it has a next one; returns the
    /// worker to unpark.
    #[inline]
    #[must_use]
    pub(super) fn push_next(&self, worker: usize, local: &Local<T>, item: T) -> Option<usize> {
        match self.slots[worker].lifo.push(item) {
            Ok(()) => None,
            Err(item) => self.push(local, item),
        }
    }

    /// Pushes to the back of the worker's queue while it is busy with another item; returns the worker to unpark.
    #[inline]
    #[must_use]
    pub(super) fn push(&self, local: &Local<T>, item: T) -> Option<usize> {
        let was_empty = local.is_empty();
        local.push(item);
        if was_empty { self.idle.wake_one() } else { None }
    }

    /// Takes the worker's LIFO item.
    #[inline]
    pub(super) fn take_next(&self, worker: usize) -> Option<T> {
        self.slots[worker].lifo.take()
    }

    /// What the worker is doing, and what it counts.
    #[inline]
    pub(super) fn metrics(&self, worker: usize) -> &Arc<CachePadded<WorkerMetrics>> {
        &self.slots[worker].metrics
    }

    /// What all workers count.
    pub(super) fn all_metrics(&self) -> impl Iterator<Item = &WorkerMetrics> + Clone {
        self.slots.iter().map(|slot| &**slot.metrics)
    }

    /// The number of items in the worker's queue and LIFO slot.
    pub(super) fn queued(&self, worker: usize) -> usize {
        let slot = &self.slots[worker];
        slot.stealer.len() + usize::from(!slot.lifo.peek().is_null())
    }

    /// The number of items in the injector.
    pub(super) fn injected(&self) -> usize {
        self.injector.len()
    }

    /// Whether the worker has more than it is about to run: after it left the driver, one other is woken for that.
    #[must_use]
    pub(super) fn share(&self, worker: usize, local: &Local<T>) -> Option<usize> {
        // A queue of one and an empty LIFO slot is what the worker runs next.
        let alone = local.is_empty() || (local.len() == 1 && self.slots[worker].lifo.peek().is_null());
        if alone { None } else { self.idle.wake_one() }
    }

    /// Keeps an item that yielded until the worker has looked at the driver.
    #[inline]
    pub(super) fn push_yielded(&self, worker: usize, item: T) {
        self.slots[worker].yielded.lock().push(item);
    }

    /// Whether an item of the worker's has yielded.
    fn has_yielded(&self, worker: usize) -> bool {
        !self.slots[worker].yielded.lock().is_empty()
    }

    /// Pushes the items that yielded to the back of the worker's queue, in order.
    pub(super) fn queue_yielded(&self, worker: usize, local: &Local<T>) {
        self.slots[worker]
            .yielded
            .lock()
            .drain(..)
            .for_each(|item| local.push(item));
    }

    /// Whether the worker has an item of its own.
    #[inline]
    pub(super) fn has_own(&self, worker: usize, local: &Local<T>) -> bool {
        !local.is_empty() || !self.slots[worker].lifo.peek().is_null()
    }

    /// Whether there is an item that anybody could take.
    pub(super) fn has_shared(&self) -> bool {
        !self.injector.is_empty() || self.slots.iter().any(|slot| !slot.stealer.is_empty())
    }

    /// What the only active worker, which found nothing, sees of what may come from outside.
    pub(super) fn look_outside(&self) -> Look {
        if !self.injector.is_empty() {
            Look::There
        } else if self.is_closed() || !self.idle.is_last_active() {
            Look::GiveUp
        } else {
            Look::NotYet
        }
    }

    /// Whether the worker may search.
    pub(super) fn begin_search(&self) -> bool {
        self.idle.begin_search()
    }

    /// The searching worker found an item; returns the worker to unpark for what else there is.
    #[must_use]
    pub(super) fn end_search(&self) -> Option<usize> {
        if self.idle.end_search() && self.has_shared() {
            self.idle.wake_one()
        } else {
            None
        }
    }

    /// Looks for an item in the injector and in the other workers' queues, at last in their LIFO slots (I4).
    pub(super) fn search(&self, worker: usize, local: &Local<T>, rng: &mut Rng) -> Option<T> {
        if let Some(item) = self.take_injected(local) {
            return Some(item);
        }
        let workers = self.slots.len();
        let first = rng.below(workers as u32) as usize;
        let others = (0..workers)
            .map(move |step| (first + step) % workers)
            .filter(move |other| *other != worker)
            .map(|other| &self.slots[other]);
        let metrics = self.metrics(worker);
        if let Some(item) = others.clone().find_map(|slot| slot.stealer.steal_into(local)) {
            metrics.stole(1 + local.len());
            return Some(item);
        }
        let mut patience = LIFO_PATIENCE;
        for slot in others {
            let (item, poll) = (slot.lifo.peek(), slot.metrics.progress.poll());
            while patience > 0 && !item.is_null() && slot.lifo.peek() == item {
                patience -= 1;
                spin_loop();
            }
            if !item.is_null()
                && slot.lifo.peek() == item
                && slot.metrics.progress.poll() == poll
                && let Some(item) = slot.lifo.take()
            {
                metrics.stole(1);
                return Some(item);
            }
        }
        None
    }

    /// The worker goes to sleep; returns the worker to unpark, which may be the same one, if there is work after all.
    #[must_use]
    pub(super) fn park(&self, worker: usize, searching: bool) -> Option<usize> {
        if self.idle.park(worker, searching, &self.slots[worker].taken) && self.has_shared() {
            self.idle.wake_one()
        } else {
            None
        }
    }

    /// See [`Idle::woken`].
    pub(super) fn woken(&self, worker: usize) -> Woken {
        self.idle.woken(worker)
    }

    /// See [`Idle::leave`].
    pub(super) fn leave(&self, worker: usize) -> Woken {
        self.idle.leave(worker, self.is_closed())
    }

    /// Whether the worker's permit was taken away.
    #[inline]
    pub(super) fn was_taken(&self, worker: usize) -> bool {
        self.slots[worker].taken.is_set()
    }

    /// The worker, whose permit was taken away, has finished its poll. Returns whether it goes on; otherwise it is one of
    /// the sleepers now, and [injects](Self::inject) its items.
    #[must_use]
    pub(super) fn reclaim(&self, worker: usize, local: &Local<T>) -> bool {
        self.offer_next(worker, local);
        self.idle.reclaim(worker, &self.slots[worker].taken, self.is_closed())
    }

    /// Moves the worker's LIFO item to its queue, where others look for it before all else is done.
    pub(super) fn offer_next(&self, worker: usize, local: &Local<T>) {
        if let Some(item) = self.take_next(worker) {
            local.push(item);
        }
    }

    /// Takes the permit of a worker that is stuck in a poll; `false` if it has none.
    pub(super) fn confiscate(&self, worker: usize) -> bool {
        self.idle.confiscate(worker, &self.slots[worker].taken, true)
    }

    /// Takes the permit of a worker that blocks on purpose; `false` if it has none. When it goes on, in the same poll,
    /// it is to be [watched](Self::watch).
    pub(super) fn give_up(&self, worker: usize) -> bool {
        self.idle.confiscate(worker, &self.slots[worker].taken, false)
    }

    /// See [`Idle::watch`].
    pub(super) fn watch(&self) {
        self.idle.watch();
    }

    /// Whether there is an item that the worker, stuck in a poll, keeps from being run, or that nobody has taken yet.
    pub(super) fn strands(&self, worker: usize) -> bool {
        self.has_yielded(worker) || !self.slots[worker].lifo.peek().is_null() || self.has_shared()
    }

    /// Moves what a worker that is stuck in a poll keeps from being run, up to a limit, to the injector, where also
    /// workers look that never run out of work of their own. Returns the worker to unpark.
    #[must_use]
    pub(super) fn unstrand(&self, worker: usize) -> Option<usize> {
        let slot = &self.slots[worker];
        let stealable = std::iter::from_fn(|| slot.stealer.steal());
        self.inject_all(slot.lifo.take().into_iter().chain(stealable).take(UNSTRAND_LIMIT))
    }

    /// Moves what has yielded on a worker that is stuck in a poll to the injector: there is nobody else who sees it.
    /// Returns the worker to unpark.
    #[must_use]
    pub(super) fn unstrand_yielded(&self, worker: usize) -> Option<usize> {
        let yielded = std::mem::take(&mut *self.slots[worker].yielded.lock());
        self.inject_all(yielded.into_iter())
    }

    fn inject_all(&self, stranded: impl Iterator<Item = T>) -> Option<usize> {
        let moved = stranded.map(|item| self.injector.push(item)).count();
        if moved == 0 { None } else { self.idle.wake_one() }
    }

    /// Somebody to wake for what is stranded: see [`Idle::wake_one`].
    pub(super) fn wake_one(&self) -> Option<usize> {
        self.idle.wake_one()
    }

    /// See [`Idle::report_to`].
    pub(super) fn report_to(&self, activity: &'static Activity<Alarm>) {
        self.idle.report_to(activity);
    }

    /// See [`Idle::end`].
    pub(super) fn end(&self) {
        self.idle.end(self.slots.iter().map(|slot| &slot.taken));
    }

    /// See [`Idle::is_searched`].
    pub(super) fn is_searched(&self) -> bool {
        self.idle.is_searched()
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::queue::Probe;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::{model, thread};

    type TestPool = Pool<Probe>;

    fn pool(workers: usize) -> (Arc<TestPool>, Vec<Local<Probe>>) {
        let (pool, locals) = Pool::new(workers, 1);
        (Arc::new(pool), locals)
    }

    /// A worker without work searches, and parks if it finds none. Returns what it found and whom it wakes.
    fn search_then_park(pool: &TestPool, worker: usize, local: &Local<Probe>) -> (usize, Option<usize>) {
        let searching = pool.begin_search();
        if searching && let Some(item) = pool.search(worker, local, &mut Rng::new(1)) {
            return (item.number(), pool.end_search());
        }
        (0, pool.park(worker, searching))
    }

    #[test]
    fn inject_then_park_never_loses_a_wakeup() {
        model(|| {
            let (pool, mut locals) = pool(1);
            let other = Arc::clone(&pool);
            let injecting = thread::spawn(move || other.inject(Probe::new(1)));
            let (found, woken_by_itself) = search_then_park(&pool, 0, &locals.pop().unwrap());
            let woken = injecting.join().unwrap().or(woken_by_itself);
            assert!(found == 1 || woken == Some(0), "the item is there and everybody sleeps");
            if found == 0 {
                assert_eq!(pool.pop_injected().map(|item| item.number()), Some(1));
            }
        });
    }

    /// The second push looks at no sleepers (I3).
    #[test]
    fn push_then_park_never_strands_a_queue() {
        model(|| {
            let (pool, mut locals) = pool(2);
            let (theirs, mine) = (locals.pop().unwrap(), locals.pop().unwrap());
            let other = Arc::clone(&pool);
            let searching = thread::spawn(move || {
                let (found, woken) = search_then_park(&other, 1, &theirs);
                (found, woken, theirs)
            });
            let mut woken = pool.push(&mine, Probe::new(1));
            woken = woken.or(pool.push(&mine, Probe::new(2)));
            let own = mine.pop().map_or(0, |item| item.number());
            let (found, woken_by_itself, theirs) = searching.join().unwrap();
            woken = woken.or(woken_by_itself);
            assert!(
                found != 0 || woken == Some(1) || mine.is_empty(),
                "the second worker sleeps beside a queue"
            );
            let rest: usize = [mine.pop(), mine.pop(), theirs.pop()]
                .into_iter()
                .flatten()
                .map(|item| item.number())
                .sum();
            assert_eq!(own + found + rest, 3, "an item was lost or taken twice");
        });
    }

    #[test]
    fn last_searcher_wakes_the_next_for_what_it_leaves() {
        model(|| {
            let (pool, mut locals) = pool(2);
            let (second, first) = (locals.pop().unwrap(), locals.pop().unwrap());
            assert_eq!(pool.park(1, false), None);
            let other = Arc::clone(&pool);
            let injecting = thread::spawn(move || {
                let woken = other.inject(Probe::new(1));
                woken.or(other.inject(Probe::new(2)))
            });
            let (found, woken_by_searcher) = search_then_park(&pool, 0, &first);
            let woken = injecting.join().unwrap().or(woken_by_searcher);
            let left = std::iter::from_fn(|| pool.pop_injected()).count();
            assert_eq!(left, if found == 0 { 2 } else { 1 });
            assert!(woken.is_some(), "items are left and everybody else sleeps");
            drop(second);
        });
    }

    #[test]
    fn lifo_item_goes_to_owner_or_thief() {
        model(|| {
            let (pool, mut locals) = pool(2);
            let (theirs, mine) = (locals.pop().unwrap(), locals.pop().unwrap());
            let other = Arc::clone(&pool);
            let stealing = thread::spawn(move || {
                let found = other
                    .search(1, &theirs, &mut Rng::new(1))
                    .map_or(0, |item| item.number());
                found
                    + std::iter::from_fn(|| theirs.pop())
                        .map(|item| item.number())
                        .sum::<usize>()
            });
            assert_eq!(
                pool.push_next(0, &mine, Probe::new(1)),
                None,
                "a first LIFO push wakes nobody"
            );
            let _ = pool.push_next(0, &mine, Probe::new(2));
            let own: usize = [pool.take_next(0), mine.pop()]
                .into_iter()
                .flatten()
                .map(|item| item.number())
                .sum();
            let stolen = stealing.join().unwrap();
            assert_eq!(own + stolen, 3, "an item was lost or taken twice");
        });
    }

    #[test]
    fn shutdown_and_spawn_leave_no_item_behind() {
        model(|| {
            let (pool, _locals) = pool(1);
            let other = Arc::clone(&pool);
            let spawning = thread::spawn(move || {
                let _ = other.inject(Probe::new(1));
                if other.is_closed() {
                    other.pop_injected().is_some()
                } else {
                    false
                }
            });
            pool.close();
            let mut taken = usize::from(pool.pop_injected().is_some());
            taken += usize::from(spawning.join().unwrap());
            assert_eq!(taken, 1, "the item is left to nobody");
        });
    }
    /// The monitor takes the permit of a worker whose poll may be over by then, and gives it to a sleeper.
    #[test]
    fn a_permit_that_is_handed_over_has_one_holder() {
        model(|| {
            let (pool, mut locals) = pool(1);
            let mine = locals.pop().unwrap();
            let _theirs = pool.add();
            assert!(
                !pool.idle.reclaim(1, &pool.slots[1].taken, false),
                "there is no permit for a second worker"
            );
            let other = Arc::clone(&pool);
            let monitor = thread::spawn(move || if other.confiscate(0) { other.wake_one() } else { None });
            mine.push(Probe::new(1));
            let mut awake = !pool.was_taken(0) || pool.reclaim(0, &mine);
            let woken = monitor.join().unwrap();
            if awake && pool.was_taken(0) {
                // The end of the next poll.
                awake = pool.reclaim(0, &mine);
            }
            assert_eq!(
                usize::from(awake) + woken.iter().count(),
                1,
                "one permit, one worker awake"
            );
            assert!(
                !pool.was_taken(0),
                "whoever is awake has a permit, whoever sleeps owes none"
            );
            assert!(
                !pool.slots[0].stealer.is_empty(),
                "the item is there for whoever is awake"
            );
        });
    }

    #[test]
    fn what_a_stuck_worker_strands_is_taken_once() {
        model(|| {
            let (pool, mut locals) = pool(2);
            let (_theirs, mine) = (locals.pop().unwrap(), locals.pop().unwrap());
            let _ = pool.push_next(0, &mine, Probe::new(1));
            let _ = pool.push_next(0, &mine, Probe::new(2));
            let other = Arc::clone(&pool);
            let monitor = thread::spawn(move || other.unstrand(0).is_some());
            let own: usize = [pool.take_next(0), mine.pop()]
                .into_iter()
                .flatten()
                .map(|item| item.number())
                .sum();
            monitor.join().unwrap();
            let injected: usize = std::iter::from_fn(|| pool.pop_injected())
                .map(|item| item.number())
                .sum();
            assert_eq!(own + injected, 3, "an item was lost or taken twice");
        });
    }

    /// The monitor takes what has yielded on a worker that is not stuck any more, and goes to sleep.
    #[test]
    fn what_yielded_on_a_stuck_worker_is_taken_once_and_not_slept_through() {
        model(|| {
            let (pool, mut locals) = pool(1);
            let mine = locals.pop().unwrap();
            pool.push_yielded(0, Probe::new(1));
            let other = Arc::clone(&pool);
            let monitor = thread::spawn(move || other.unstrand_yielded(0));
            pool.queue_yielded(0, &mine);
            let own = mine.pop().map_or(0, |item| item.number());
            let (found, mut woken) = if own == 0 {
                search_then_park(&pool, 0, &mine)
            } else {
                (0, None)
            };
            woken = monitor.join().unwrap().or(woken);
            let left = pool.pop_injected().map_or(0, |item| item.number());
            assert_eq!(own + found + left, 1, "the item was lost or taken twice");
            assert!(left == 0 || woken == Some(0), "the item is there and everybody sleeps");
        });
    }
}
