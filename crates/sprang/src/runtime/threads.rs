//! The worker threads of a multi-thread runtime.
//!
//! Purpose: start them, each inside the runtime's context, and wait for their end.
//!
//! Called by: `builder` (start), `owner` (wait). Calls: `sprang_scheduler::multi_thread::Worker::run`.
//!
//! Invariants:
//! - I1: a worker is dropped before the count of its thread, or of whoever could not start it, goes down. So the last
//!   change of the count comes after the last worker has left.
//! - I2: whoever starts a thread is counted until the thread's handle is in the list. So the list is complete when the
//!   count is 0 and all workers have left: also if a spare one was added just then.

use std::fmt;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sprang_scheduler::multi_thread::{self, Worker};

use super::context;
use super::handle::Handle;

/// What the builder says about threads.
#[derive(Clone)]
pub(super) struct ThreadSettings {
    pub(super) name: Arc<dyn Fn() -> String + Send + Sync>,
    pub(super) stack_size: Option<usize>,
    pub(super) on_start: Option<Callback>,
    pub(super) on_stop: Option<Callback>,
}

/// A callback of the user's.
pub(super) type Callback = Arc<dyn Fn() + Send + Sync>;

/// The worker threads of a runtime, spare ones included.
#[derive(Clone)]
pub(super) struct Threads {
    scheduler: multi_thread::Handle,
    handle: Handle,
    settings: ThreadSettings,
    running: Arc<Running>,
}

/// The threads that have not ended yet.
#[derive(Debug, Default)]
pub(super) struct Running {
    count: Mutex<usize>,
    ended: Condvar,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

/// Ends the threads that were started, when it turns out that they cannot be all.
struct Starting(Option<Threads>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(threads) = &self.0 {
            threads.scheduler.shutdown();
            threads.wait(None);
        }
    }
}

impl Threads {
    /// Starts a thread for each worker.
    ///
    /// # Errors
    ///
    /// If the OS refuses a thread. The workers without a thread are dropped, and the scheduler and the threads that
    /// were started are ended; so they are if the user's names panic.
    pub(super) fn start(
        scheduler: &multi_thread::Handle,
        workers: Vec<Worker>,
        handle: Handle,
        settings: ThreadSettings,
    ) -> io::Result<Self> {
        let threads = Self {
            scheduler: scheduler.clone(),
            handle,
            settings,
            running: Arc::default(),
        };
        let mut starting = Starting(Some(threads.clone()));
        // What is left of them is dropped before `starting`, which waits for that.
        let mut workers = workers.into_iter();
        let spare = threads.clone();
        // Before the workers: when an error drops them, the last one lets go of this.
        scheduler.watch(Arc::new(move |worker| spare.start_one(worker)))?;
        workers.try_for_each(|worker| threads.start_one(worker))?;
        starting.0 = None;
        Ok(threads)
    }

    fn start_one(&self, worker: Worker) -> io::Result<()> {
        // Dropped last to first (I1, I2).
        let (_starting, worker) = (Ended::new(Arc::clone(&self.running)), worker);
        let builder = self.settings.builder();
        let (handle, settings) = (self.handle.clone(), self.settings.clone());
        let ended = Ended::new(Arc::clone(&self.running));
        let thread = builder.spawn(move || {
            let _ended = ended;
            run(worker, &handle, &settings);
        })?;
        self.running
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    /// Waits until all threads have ended, or for `timeout`.
    pub(super) fn wait(&self, timeout: Option<Duration>) {
        let have_ended = |count| count == 0 && self.scheduler.has_ended();
        if !self.running.wait(timeout, have_ended) {
            return;
        }
        let this_thread = thread::current().id();
        let threads = mem::take(&mut *self.running.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A worker's thread-local may own its own runtime.
            if thread.thread().id() != this_thread {
                // Nothing is left on the thread that could panic but its thread-locals, and that aborts.
                let _ = thread.join();
            }
        }
    }
}

impl Running {
    /// The number of threads that run.
    pub(super) fn count(&self) -> usize {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done` with the number of threads that run, which is asked whenever that changes; returns `false` if
    /// that takes longer than `timeout`.
    pub(super) fn wait(&self, timeout: Option<Duration>, done: impl Fn(usize) -> bool) -> bool {
        // A timeout that is too far for the clock is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        while !done(*count) {
            let ended = &self.ended;
            match deadline {
                None => count = ended.wait(count).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let patience = deadline.saturating_duration_since(Instant::now());
                    if patience.is_zero() {
                        return false;
                    }
                    count = ended
                        .wait_timeout(count, patience)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
            }
        }
        true
    }
}

/// The life of a worker thread.
fn run(worker: Worker, handle: &Handle, settings: &ThreadSettings) {
    let _driving = context::enter_driving(handle);
    call(settings.on_start.as_ref());
    worker.run();
    call(settings.on_stop.as_ref());
}

/// Calls back, and goes on if that panics: the thread has its share of the work.
pub(super) fn call(callback: Option<&Callback>) {
    if let Some(callback) = callback
        && let Err(panic) = catch_unwind(AssertUnwindSafe(|| callback()))
    {
        // Its destructor may panic, too.
        mem::forget(panic);
    }
}

/// Counts a thread, or one that could not be started, until it is dropped.
pub(super) struct Ended(Arc<Running>);

impl Ended {
    pub(super) fn new(running: Arc<Running>) -> Self {
        *running.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self(running)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_all();
    }
}

impl ThreadSettings {
    /// What starts a thread with these settings. Calls what names it, which may panic.
    pub(super) fn builder(&self) -> thread::Builder {
        let builder = thread::Builder::new().name((self.name)());
        match self.stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ThreadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadSettings")
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}
