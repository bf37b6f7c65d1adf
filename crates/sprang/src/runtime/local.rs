//! The runtime of tasks that need not be `Send`.
//!
//! Purpose: a current-thread runtime that never leaves its thread, and so may run whatever that thread spawns.
//!
//! Invariants:
//! - I1: a [`LocalRuntime`] is not `Send` and does not give away its [`Runtime`], so that its tasks are run and
//!   dropped on the thread that made it; its handles, which may be anywhere, know that thread.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::thread;
use std::time::Duration;

use super::builder::Builder;
use super::handle::{EnterGuard, Handle};
use super::large::is_large;
use super::metrics::RuntimeMetrics;
use super::owner::Runtime;
use crate::task::JoinHandle;

/// A runtime whose tasks all run on the thread that made it, and so need not be `Send`.
///
/// It is a current-thread runtime on which [`task::spawn_local`](crate::task::spawn_local) works without a
/// [`LocalSet`](crate::task::LocalSet). Neither it nor its tasks leave the thread; its [`Handle`] may, and spawns what
/// is `Send` from anywhere. How it ends, see the [module](super).
///
/// ```
/// use std::rc::Rc;
/// use sprang::runtime::LocalRuntime;
///
/// let runtime = LocalRuntime::new()?;
/// let number = Rc::new(42);
/// let task = runtime.spawn_local({
///     let number = Rc::clone(&number);
///     async move { *number }
/// });
/// assert_eq!(runtime.block_on(task).unwrap(), *number);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LocalRuntime {
    runtime: Runtime,
    /// I1.
    ///
    /// ```compile_fail,E0277
    /// fn sent<T: Send>() {}
    /// sent::<sprang::runtime::LocalRuntime>();
    /// ```
    ///
    /// ```compile_fail,E0277
    /// fn shared<T: Sync>() {}
    /// shared::<sprang::runtime::LocalRuntime>();
    /// ```
    _not_send: PhantomData<*mut ()>,
}

/// The options of [`Builder::build_local`] beyond those of the builder: none at present.
///
/// ```
/// use sprang::runtime::{Builder, LocalOptions};
///
/// let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
/// assert_eq!(runtime.block_on(async { 42 }), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    _not_send: PhantomData<*mut ()>,
}

// As for `Runtime`.
impl UnwindSafe for LocalRuntime {}
impl RefUnwindSafe for LocalRuntime {}

impl LocalRuntime {
    /// Keeps a current-thread runtime that was just built, and of which there is no other handle, to this thread.
    pub(super) fn confine(runtime: Runtime) -> Self {
        runtime.handle().confine_to(thread::current().id());
        Self {
            runtime,
            _not_send: PhantomData,
        }
    }

    /// A local runtime with the default settings, and all drivers.
    ///
    /// # Errors
    ///
    /// If the OS refuses file descriptors.
    pub fn new() -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().build_local(LocalOptions::default())
    }

    /// A handle of the runtime.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// See [`Handle::enter`].
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Spawns a task that need not be `Send`. It runs while the thread is in [`block_on`](Self::block_on).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let spawned_at = Location::caller();
        if const { is_large::<F>() } {
            self.handle().spawn_local_at(Box::pin(future), spawned_at)
        } else {
            self.handle().spawn_local_at(future, spawned_at)
        }
    }

    /// Runs a closure on a thread where it may block. See [`task::spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle().spawn_blocking(f)
    }

    /// Runs a future, and the tasks beside it, until it is ready, and returns its output. See [`Runtime::block_on`].
    ///
    /// # Panics
    ///
    /// If the thread drives tasks already, or if the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The numbers of the runtime.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle().metrics()
    }

    /// Drops all tasks and ends the runtime, and waits for blocking threads no longer than `timeout`. See
    /// [`Runtime::shutdown_timeout`].
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks, unless `timeout` is 0.
    pub fn shutdown_timeout(self, timeout: Duration) {
        self.runtime.shutdown_timeout(timeout);
    }

    /// Drops all tasks and ends the runtime without waiting for blocking threads.
    pub fn shutdown_background(self) {
        self.runtime.shutdown_background();
    }
}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRuntime")
            .field("handle", self.handle())
            .finish_non_exhaustive()
    }
}
