//! The owner of a runtime.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use sprang_core::slot;
use sprang_scheduler::{current_thread, multi_thread};

use super::blocking;
use super::builder::Builder;
use super::context;
use super::driver;
use super::handle::{EnterGuard, Handle};
use super::large::is_large;
use super::metrics::RuntimeMetrics;
use super::threads::Threads;
use crate::task::JoinHandle;

/// A runtime. Dropping it ends it: see the [module](super).
///
/// ```
/// use sprang::runtime::Runtime;
///
/// let runtime = Runtime::new()?;
/// let task = runtime.spawn(async { 6 * 7 });
/// assert_eq!(runtime.block_on(task).unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    handle: Handle,
    kind: Kind,
    /// Whether `drop` has nothing left to do.
    ended: bool,
}

/// What a runtime owns besides its handle.
pub(super) enum Kind {
    CurrentThread(current_thread::Scheduler),
    MultiThread(multi_thread::Handle, Threads),
}

// A panic of the user's leaves no runtime in a broken state.
impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl Runtime {
    pub(super) fn from_parts(handle: Handle, kind: Kind) -> Self {
        Self {
            handle,
            kind,
            ended: false,
        }
    }

    /// A multi-thread runtime with the default settings, and all drivers.
    ///
    /// # Errors
    ///
    /// If the OS refuses threads or file descriptors.
    ///
    /// # Panics
    ///
    /// As [`Builder::build`] does.
    #[track_caller]
    pub fn new() -> io::Result<Self> {
        Builder::new_multi_thread().enable_all().build()
    }

    /// A handle of the runtime.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The numbers of the runtime. See [`Handle::metrics`].
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// See [`Handle::enter`].
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Spawns a task. See [`sprang::spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Runs a closure that may block on a thread of its own. See [`task::spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(f)
    }

    /// Runs a future to its end on this thread, and returns its output.
    ///
    /// On a current-thread runtime this thread runs the tasks, too, until the future is ready; what they have not done
    /// by then waits for the next call. Of several threads that call it, one runs the tasks, and the others only
    /// their own futures.
    ///
    /// # Panics
    ///
    /// If the thread drives tasks already, or if the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        if const { is_large::<F>() } {
            self.run(Box::pin(future))
        } else {
            self.run(future)
        }
    }

    #[track_caller]
    fn run<F: Future>(&self, future: F) -> F::Output {
        match &self.kind {
            Kind::CurrentThread(scheduler) => {
                let _driving = context::enter_blocking(&self.handle);
                scheduler.block_on(future)
            }
            Kind::MultiThread(..) => self.handle.block_on(future),
        }
    }

    /// Ends the runtime and waits for tasks that are inside a poll, and for closures that block, but no longer than
    /// `timeout`.
    ///
    /// Threads that are still busy then go on until their task yields, or their closure returns. Sockets and timers
    /// end, also for closures that go on: there they give errors, or stay pending.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks, unless `timeout` is 0.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let runtime = sprang::runtime::Runtime::new()?;
    /// runtime.spawn(async { std::thread::sleep(Duration::from_secs(1)) });
    /// runtime.shutdown_timeout(Duration::from_millis(10));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_timeout(mut self, timeout: Duration) {
        self.begin_end(Some(timeout));
        self.end(Some(timeout));
    }

    /// Ends the runtime without waiting for anything. May be called from inside of a runtime.
    pub fn shutdown_background(self) {
        self.shutdown_timeout(Duration::ZERO);
    }

    /// Tells the scheduler that this is the end; on a current-thread runtime, drops all tasks.
    fn begin_end(&mut self, timeout: Option<Duration>) {
        // Where blocking is not allowed nothing is waited for: `end` panics.
        let timeout = if slot::is_driving() {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        self.handle.blocking().begin_end(timeout);
        // Destructors may spawn, or use sockets and timers.
        let _entered = context::enter(&self.handle);
        match &mut self.kind {
            Kind::CurrentThread(scheduler) => scheduler.shutdown(),
            Kind::MultiThread(scheduler, _) => scheduler.shutdown(),
        }
        // After the tasks, whose destructors may still need a blocking thread.
        self.handle.blocking().close();
    }

    /// Waits for the end, which is then all that `drop` would do.
    fn end(&mut self, timeout: Option<Duration>) {
        self.ended = true;
        if timeout != Some(Duration::ZERO) && slot::is_driving() {
            // A second panic while the first unwinds would abort.
            if std::thread::panicking() {
                return;
            }
            panic!(
                "Cannot drop a runtime in a context where blocking is not allowed. This happens when a runtime is \
                 dropped from within an asynchronous context."
            );
        }
        if let Kind::MultiThread(_, threads) = &self.kind {
            threads.wait(timeout);
        }
        self.handle.blocking().wait();
    }
}

/// Whether an error of a socket, a file or a standard stream says that its runtime has ended.
///
/// ```
/// use sprang::net::TcpListener;
/// use sprang::runtime::{Runtime, is_rt_shutdown_err};
///
/// let (first, second) = (Runtime::new()?, Runtime::new()?);
/// let listener = first.block_on(TcpListener::bind("127.0.0.1:0"))?;
/// drop(first);
/// let error = second.block_on(listener.accept()).unwrap_err();
/// assert!(is_rt_shutdown_err(&error));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_rt_shutdown_err(error: &io::Error) -> bool {
    driver::is_gone(error) || blocking::is_ended(error)
}

impl Drop for Runtime {
    /// # Panics
    ///
    /// On a thread that drives tasks, because the drop waits for worker threads; use
    /// [`shutdown_background`](Runtime::shutdown_background) there.
    fn drop(&mut self) {
        if !self.ended {
            self.begin_end(None);
            self.end(None);
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
