//! Models of the end: whatever races with it is run or dropped once, and all workers leave.
//!
//! The models run a worker's loop without entering it, since loom's threads share the thread-locals of one real thread.
//! So every thread is a stranger to the queues: what it spawns and wakes goes through the injector, and tasks that are to
//! be idle are bound beforehand.

use std::panic::Location;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed as Uncontended;
use std::time::Duration;

use sprang_core::park::{Driver, ThreadDriver, Untimed};
use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::{model, thread};

use super::*;
use crate::hooks::Hooks;
use crate::multi_thread::{BlockedPolicy, Config, Handle, WatchConfig};
use crate::task::models::{Counted, message};
use crate::task::{self, JoinHandle};

/// Counts its ends.
#[derive(Debug)]
struct Counting(ThreadDriver, Arc<AtomicUsize>);

impl Driver for Counting {
    fn park(&mut self, wait: Wait) {
        self.0.park(wait);
    }

    fn shutdown(&mut self) {
        self.1.fetch_add(1, Uncontended);
    }
}

/// A scheduler with one worker.
struct Model {
    handle: Handle,
    worker: Worker,
    /// How often the driver was ended.
    ended: Arc<AtomicUsize>,
}

fn scheduler(spare_threads: usize) -> Model {
    const EVERY: std::num::NonZeroU32 = std::num::NonZeroU32::MAX;
    let ended = Arc::new(AtomicUsize::new(0));
    let driver = ThreadDriver::new();
    let unparker = Arc::new(Untimed(driver.unparker()));
    let config = Config {
        workers: 1,
        event_interval: EVERY,
        global_queue_interval: EVERY,
        spare_threads,
        watch: WatchConfig {
            policy: BlockedPolicy::Off,
            threshold: Duration::MAX,
            on_blocked: None,
        },
        lifo_slot: true,
        seed: Some(1),
        hooks: Hooks::default(),
        poll_times: None,
    };
    let driver = Box::new(Counting(driver, Arc::clone(&ended)));
    let (handle, mut workers) = Handle::new(config, driver, unparker);
    let worker = workers.pop().expect("there is one");
    Model { handle, worker, ended }
}

/// The life of a worker's thread.
fn work(worker: Worker) {
    worker.remote().parker.adopt();
    worker.metrics.start();
    while let Some(task) = worker.next_or_wait() {
        worker.run_task(task);
    }
    worker.metrics.stop();
}

/// On a thread that joins no other: loom takes an unpark of a thread in `join` for its end.
fn start(worker: Worker) -> thread::JoinHandle<()> {
    thread::spawn(move || work(worker))
}

fn is_over(task: &JoinHandle<()>, drops: &AtomicUsize) {
    assert!(task.is_finished(), "the task is lost");
    assert_eq!(drops.load(Uncontended), 1, "the future is dropped once");
}

#[test]
fn a_spawn_during_the_end_is_run_or_cancelled() {
    model(|| {
        let Model { handle, worker, ended } = scheduler(0);
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = Counted(Arc::clone(&drops));
        let spawner = handle.clone();
        let spawning = thread::spawn(move || spawner.spawn(async move { drop(counted) }, Location::caller()));
        let working = start(worker);
        handle.shutdown();
        let task = spawning.join().unwrap();
        working.join().unwrap();
        is_over(&task, &drops);
        assert_eq!(ended.load(Uncontended), 1);
        assert!(handle.has_ended());
    });
}

#[test]
fn a_wake_during_the_end_loses_no_task() {
    model(|| {
        let Model { handle, worker, ended } = scheduler(0);
        let drops = Arc::new(AtomicUsize::new(0));
        let slot = Arc::new(Mutex::new(None));
        let sent = Arc::new(AtomicBool::new(false));
        let waits = message(Arc::clone(&slot), sent, Arc::clone(&drops));
        // SAFETY: the future is `Send`.
        let (task, join) = unsafe { task::new(waits, &handle.shared, Location::caller()) };
        let header = task.into_header();
        // SAFETY: the custody of the task is ours, and it is in no shard yet.
        assert!(unsafe { worker.remote().shard.bind(header, 0) });
        // SAFETY: the pointer is that of the `Notified` above, and only this makes one of it again.
        worker.run_task(unsafe { Notified::from_header(header) });
        let waker = slot.lock().take().expect("the poll gave it away");
        let waking = thread::spawn(move || Waker::wake(waker));
        let working = start(worker);
        handle.shutdown();
        working.join().unwrap();
        assert_eq!(drops.load(Uncontended), 1, "the end waits for what is being woken");
        waking.join().unwrap();
        is_over(&join, &drops);
        assert_eq!(ended.load(Uncontended), 1);
    });
}

/// The permit of a worker, which is in a poll, goes to a spare one, while the runtime ends.
#[test]
fn a_hand_over_during_the_end_leaves_no_worker_behind() {
    model(|| {
        let Model { handle, worker, ended } = scheduler(1);
        let started = Arc::new(Mutex::new(None));
        let starting = Arc::clone(&started);
        let starter = move |spare| {
            *starting.lock() = Some(start(spare));
            Ok(())
        };
        handle.watch(Arc::new(starter)).unwrap();
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = Counted(Arc::clone(&drops));
        let task = handle.spawn(async move { drop(counted) }, Location::caller());
        let rescuer = handle.clone();
        let rescuing = thread::spawn(move || {
            let confiscated = rescuer.shared.pool.confiscate(0);
            Shared::replace(&rescuer.shared);
            confiscated
        });
        handle.shutdown();
        // The end of the poll, and the rest of the worker's life.
        if worker.shared.pool.was_taken(0) {
            worker.give_way();
        }
        work(worker);
        let _ = rescuing.join().unwrap();
        let spare = started.lock().take();
        if let Some(spare) = spare {
            spare.join().unwrap();
        }
        is_over(&task, &drops);
        assert_eq!(ended.load(Uncontended), 1, "the driver is ended once");
        assert!(handle.has_ended());
    });
}
