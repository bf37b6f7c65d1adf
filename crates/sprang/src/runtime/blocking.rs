//! The threads of a runtime's blocking pool.
//!
//! Purpose: start them, each inside the runtime's context, and wait for their end.
//!
//! Called by: `handle` (spawn), `io::offload` (files and standard streams), `owner` and `outlive` (the end). Calls:
//! `sprang_scheduler::blocking`, which says when.
//!
//! There are two pools, so that closures of the user, however many and however long they run, never keep a file waiting:
//! one for them, and one for the runtime's own. Each starts threads when it needs them, up to the same cap.
//!
//! Invariants:
//! - I1: a thread's handle is in the list from before the thread can end until it is joined, or until the thread
//!   leaves because it had nothing to do.
//! - I2: the pool of the user's closures is the first to be closed: it alone says whether the end has begun.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use sprang_core::park::{DriverHandle, Wait};
use sprang_scheduler::blocking::{AtClose, Config, Load, Pool, Seat, StartThread};

use super::context;
use super::driver::{Inhibit, inhibit};
use super::handle::Handle;
use super::threads::{Ended, Running, ThreadSettings, call};
use crate::task::JoinHandle;

/// What keeps a paused clock from advancing while a closure is queued or runs.
type Guard = Option<Inhibit>;

/// The blocking pool of a runtime.
pub(super) struct Blocking {
    outstanding: Arc<Outstanding>,
    settings: ThreadSettings,
    threads: Mutex<HashMap<ThreadId, thread::JoinHandle<()>>>,
}

/// What the end of the runtime waits for: closures that have begun, and mandatory ones.
pub(super) struct Outstanding {
    /// For closures of the user.
    pool: Pool<Guard>,
    /// For closures of the runtime's own.
    own: Pool<Guard>,
    running: Arc<Running>,
    limit: Mutex<Limit>,
    /// The driver, where somebody waits.
    driver: OnceLock<Arc<dyn DriverHandle>>,
}

/// How long the end waits, and for how many threads it does not.
#[derive(Debug, Clone, Copy, Default)]
struct Limit {
    deadline: Option<Instant>,
    left: usize,
}

impl Blocking {
    pub(super) fn new(config: Config, settings: ThreadSettings) -> Self {
        Self {
            outstanding: Arc::new(Outstanding {
                pool: Pool::new(config.clone()),
                own: Pool::new(config),
                running: Arc::default(),
                limit: Mutex::default(),
                driver: OnceLock::new(),
            }),
            settings,
            threads: Mutex::default(),
        }
    }

    pub(super) fn outstanding(&self) -> &Arc<Outstanding> {
        &self.outstanding
    }

    /// Says which driver to unpark whenever a thread ends.
    pub(super) fn unpark_at_end(&self, driver: Arc<dyn DriverHandle>) {
        // There is one stack, set once by the builder.
        let _ = self.outstanding.driver.set(driver);
    }

    /// Says how long the end may take, before it comes to the tasks.
    pub(super) fn begin_end(&self, timeout: Option<Duration>) {
        // A closure that ends its own runtime cannot wait for itself.
        let own = self.lock().remove(&thread::current().id());
        *self.outstanding.lock() = Limit {
            // A timeout that is too far for the clock is none.
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            left: usize::from(own.is_some()),
        };
    }

    /// How much the pools have to do.
    pub(super) fn load(&self) -> Load {
        let mut load = self.outstanding.pool.load();
        let own = self.outstanding.own.load();
        load.threads += own.threads;
        load.idle += own.idle;
        load.queued += own.queued;
        load
    }

    /// Begins the end of the pools.
    pub(super) fn close(&self) {
        self.outstanding.close();
    }

    /// Waits until all threads have ended, or for as long as the end may take.
    pub(super) fn wait(&self) {
        let Limit { deadline, left } = *self.outstanding.lock();
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if self.outstanding.running.wait(timeout, |count| count <= left) {
            let threads = std::mem::take(&mut *self.lock());
            for thread in threads.into_values() {
                // Nothing is left on the thread that could panic but its thread-locals, and that aborts.
                let _ = thread.join();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ThreadId, thread::JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outstanding {
    pub(super) fn close(&self) {
        self.pool.close();
        self.own.close();
    }

    /// How long the driver may still be needed; `None` when it is not.
    pub(super) fn wait(&self) -> Option<Wait> {
        let Limit { deadline, left } = *self.lock();
        if self.running.count() <= left {
            return None;
        }
        match deadline {
            Some(deadline) if deadline <= Instant::now() => None,
            Some(deadline) => Some(Wait::Until(deadline)),
            None => Some(Wait::Forever),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Limit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a thread until it is dropped, and then tells the driver.
struct Counted {
    ended: Option<Ended>,
    outstanding: Arc<Outstanding>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.ended = None;
        if let Some(driver) = self.outstanding.driver.get() {
            driver.unpark();
        }
    }
}

impl Handle {
    pub(crate) fn spawn_on_pool<F, R>(
        &self,
        closure: F,
        at_close: AtClose,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let guard = inhibit(self.time());
        self.blocking()
            .outstanding
            .pool
            .spawn(closure, guard, at_close, self, spawned_at)
    }

    /// As [`spawn_blocking`](Self::spawn_blocking), for a closure of the runtime's own. With [`AtClose::Run`] it is run
    /// even if it is still queued when the runtime ends: for work that was promised to be done, like a buffered write.
    #[cfg_attr(
        not(any(feature = "fs", feature = "io-std", test)),
        expect(dead_code, reason = "for files and standard streams")
    )]
    #[track_caller]
    pub(crate) fn spawn_own_blocking<F, R>(&self, closure: F, at_close: AtClose) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let guard = inhibit(self.time());
        let own = &self.blocking().outstanding.own;
        own.spawn(closure, guard, at_close, self, Location::caller())
    }

    /// Whether closures of the runtime's own are not run any more.
    #[cfg_attr(
        not(any(feature = "fs", feature = "io-std")),
        expect(dead_code, reason = "for files and standard streams")
    )]
    pub(crate) fn refuses_own_blocking(&self) -> bool {
        self.blocking().outstanding.own.is_closed()
    }
}

/// What was to be done on a blocking thread is not: the runtime has been shut down.
#[cfg_attr(
    not(any(feature = "fs", feature = "io-std")),
    expect(dead_code, reason = "for files and standard streams")
)]
pub(crate) fn ended() -> io::Error {
    io::Error::other(NotDone)
}

/// Whether an error is that of [`ended`].
pub(super) fn is_ended(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotDone>())
}

/// The inner error of [`ended`].
#[derive(Debug)]
struct NotDone;

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokio's words.
        f.write_str("background task failed")
    }
}

impl Error for NotDone {}

impl StartThread<Guard> for Handle {
    fn start_thread(&self, seat: Seat<Guard>) -> io::Result<()> {
        let blocking = self.blocking();
        let builder = blocking.settings.builder();
        let counted = Counted {
            ended: Some(Ended::new(Arc::clone(&blocking.outstanding.running))),
            outstanding: Arc::clone(&blocking.outstanding),
        };
        let handle = self.clone();
        // The lock is held until the handle is in the list (I1).
        let mut threads = blocking.lock();
        let thread = builder.spawn(move || {
            let _counted = counted;
            run(seat, &handle);
        })?;
        threads.insert(thread.thread().id(), thread);
        Ok(())
    }
}

/// The life of a thread.
fn run(seat: Seat<Guard>, handle: &Handle) {
    let blocking = handle.blocking();
    let _entered = context::enter(handle);
    call(blocking.settings.on_start.as_ref());
    seat.run(handle);
    call(blocking.settings.on_stop.as_ref());
    if !blocking.outstanding.pool.is_closed() {
        // Nobody waits for it.
        blocking.lock().remove(&thread::current().id());
    }
}

impl fmt::Debug for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outstanding")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use sprang_scheduler::blocking::AtClose;

    use crate::runtime::Builder;

    #[test]
    fn a_mandatory_closure_is_run_at_the_end_of_its_runtime() {
        let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let (release, released) = channel::<()>();
        let (begin, begun) = channel();
        let handle = runtime.handle().clone();
        handle.spawn_own_blocking(
            move || {
                begin.send(()).unwrap();
                released.recv().unwrap();
            },
            AtClose::Drop,
        );
        begun.recv().unwrap();
        let (say, said) = channel();
        let also_say = say.clone();
        let queued = handle.spawn_own_blocking(move || say.send("queued").unwrap(), AtClose::Drop);
        handle.spawn_own_blocking(move || also_say.send("mandatory").unwrap(), AtClose::Run);
        let dropping = thread::spawn(move || drop(runtime));
        while !queued.is_finished() {
            thread::yield_now();
        }
        release.send(()).unwrap();
        dropping.join().unwrap();
        assert_eq!(said.iter().collect::<Vec<_>>(), ["mandatory"]);
    }
}
