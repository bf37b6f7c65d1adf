//! The handle of a runtime.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};

use sprang_core::slot;
use sprang_scheduler::blocking::AtClose;
use sprang_scheduler::histogram::HistogramConfiguration;
use sprang_scheduler::{current_thread, multi_thread, park_thread};

use super::blocking::Blocking;
use super::context::{self, Entered};
use super::driver::{IoHandle, TimeHandle};
use super::id::Id;
use super::large::is_large;
use crate::task::JoinHandle;

/// A handle of a runtime: cheap to clone, usable from every thread.
///
/// It does not keep the runtime running: see [`Runtime`](super::Runtime).
///
/// ```
/// use sprang::runtime::{Handle, Runtime};
///
/// let runtime = Runtime::new()?;
/// let handle: Handle = runtime.handle().clone();
/// let thread = std::thread::spawn(move || handle.spawn(async { "from outside" }));
/// let task = thread.join().unwrap();
/// assert_eq!(runtime.block_on(task).unwrap(), "from outside");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
}

struct Inner {
    id: Id,
    scheduler: Scheduler,
    /// The thread of a local runtime.
    local_thread: OnceLock<ThreadId>,
    io: Option<IoHandle>,
    time: Option<TimeHandle>,
    blocking: Blocking,
    name: Option<String>,
    /// The buckets of the histograms of how long polls last, where that is measured.
    poll_times: Option<HistogramConfiguration>,
}

/// The scheduler of a runtime.
#[derive(Debug)]
pub(super) enum Scheduler {
    CurrentThread(current_thread::Handle),
    MultiThread(multi_thread::Handle),
}

/// The kind of a runtime's scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// All tasks run on the thread that blocks on the runtime.
    CurrentThread,
    /// Tasks run on worker threads.
    MultiThread,
}

/// The guard of [`Handle::enter`]: while it lives the thread is in the context of the runtime.
#[must_use = "the runtime's context is left when the guard is dropped"]
pub struct EnterGuard<'a> {
    _entered: Entered,
    _handle: PhantomData<&'a Handle>,
}

/// The error of [`Handle::try_current`].
#[derive(Debug)]
pub struct TryCurrentError {
    thread_destroyed: bool,
}

// A panic of the user's leaves no runtime in a broken state.
impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

// SAFETY: a shared guard gives access to nothing.
unsafe impl Sync for EnterGuard<'_> {}

impl Handle {
    pub(super) fn new(
        scheduler: Scheduler,
        io: Option<IoHandle>,
        time: Option<TimeHandle>,
        blocking: Blocking,
        name: Option<String>,
        poll_times: Option<HistogramConfiguration>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                id: Id::next(),
                scheduler,
                local_thread: OnceLock::new(),
                io,
                time,
                blocking,
                name,
                poll_times,
            }),
        }
    }

    pub(super) fn io(&self) -> Option<&IoHandle> {
        self.inner.io.as_ref()
    }

    pub(super) fn time(&self) -> Option<&TimeHandle> {
        self.inner.time.as_ref()
    }

    pub(super) fn scheduler(&self) -> &Scheduler {
        &self.inner.scheduler
    }

    pub(super) fn poll_times(&self) -> Option<&HistogramConfiguration> {
        self.inner.poll_times.as_ref()
    }

    pub(super) fn blocking(&self) -> &Blocking {
        &self.inner.blocking
    }

    /// The handle of the runtime that the thread is in the context of.
    ///
    /// # Panics
    ///
    /// Outside of a runtime: [`try_current`](Self::try_current) returns an error there.
    #[track_caller]
    pub fn current() -> Self {
        Self::with_current(Self::clone)
    }

    /// The handle of the runtime that the thread is in the context of, if it is in one.
    ///
    /// # Errors
    ///
    /// Outside of a runtime, and on a thread whose locals are already destroyed.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::with_current(Self::clone).ok_or(TryCurrentError {
            thread_destroyed: context::is_destroyed(),
        })
    }

    #[track_caller]
    #[inline]
    pub(crate) fn with_current<R>(f: impl FnOnce(&Self) -> R) -> R {
        // Not `unwrap_or_else`: a closure would lose the caller's location.
        match context::with_current(f) {
            Some(result) => result,
            None => panic!("{}", slot::NO_CONTEXT),
        }
    }

    /// Makes this runtime the thread's current one until the guard is dropped: `spawn`, sockets and timers then
    /// belong to it.
    ///
    /// # Panics
    ///
    /// Guards must be dropped in the reverse order of their making; a guard dropped too early panics.
    ///
    /// ```
    /// let runtime = sprang::runtime::Runtime::new()?;
    /// let _guard = runtime.handle().enter();
    /// let task = sprang::spawn(async { 1 });
    /// assert_eq!(runtime.block_on(task).unwrap(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            _entered: context::enter(self),
            _handle: PhantomData,
        }
    }

    /// Spawns a task on this runtime. See [`sprang::spawn`](crate::spawn).
    ///
    /// If the runtime has ended the task is cancelled at once.
    #[track_caller]
    #[inline]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let spawned_at = Location::caller();
        if const { is_large::<F>() } {
            self.spawn_at(Box::pin(future), spawned_at)
        } else {
            self.spawn_at(future, spawned_at)
        }
    }

    #[inline]
    pub(crate) fn spawn_at<F>(&self, future: F, spawned_at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.inner.scheduler {
            Scheduler::CurrentThread(scheduler) => scheduler.spawn(future, spawned_at),
            Scheduler::MultiThread(scheduler) => scheduler.spawn(future, spawned_at),
        }
    }

    /// Says that this is the handle of a local runtime, whose tasks are run and dropped on `thread` only.
    pub(super) fn confine_to(&self, thread: ThreadId) {
        let before = self.inner.local_thread.set(thread);
        debug_assert!(before.is_ok(), "a runtime is confined once");
    }

    /// The handle of the runtime that the thread is in the context of, if that is a local one.
    pub(crate) fn current_local() -> Option<Self> {
        // Not cloned otherwise: that would be a counter that threads share.
        context::with_current(|handle| handle.inner.local_thread.get().is_some().then(|| handle.clone())).flatten()
    }

    /// Spawns a task on a local runtime.
    ///
    /// # Panics
    ///
    /// On any other thread than the runtime's, and on a runtime that is not local.
    #[track_caller]
    pub(crate) fn spawn_local_at<F>(&self, future: F, spawned_at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match &self.inner.scheduler {
            Scheduler::CurrentThread(scheduler) if self.inner.local_thread.get() == Some(&thread::current().id()) => {
                // SAFETY: this is the only thread that runs and ends the scheduler (I1 of `local`).
                unsafe { scheduler.spawn_local(future, spawned_at) }
            }
            _ => panic!("Local tasks can only be spawned on a LocalRuntime from the thread the runtime was created on"),
        }
    }

    /// Runs a closure that may block on a thread of its own. See [`task::spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// If the runtime has ended the closure is dropped, and its task cancelled at once.
    ///
    /// ```
    /// let runtime = sprang::runtime::Runtime::new()?;
    /// let text = runtime.handle().spawn_blocking(|| std::fs::read_to_string("Cargo.toml"));
    /// assert!(runtime.block_on(text).unwrap()?.contains("sprang"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let spawned_at = Location::caller();
        if const { is_large::<F>() } {
            self.spawn_on_pool(Box::new(f), AtClose::Drop, spawned_at)
        } else {
            self.spawn_on_pool(f, AtClose::Drop, spawned_at)
        }
    }

    /// Blocks the thread on a future in the context of this runtime.
    ///
    /// On a current-thread runtime this drives neither tasks nor I/O nor timers: only
    /// [`Runtime::block_on`](super::Runtime::block_on), on another thread, does.
    ///
    /// # Panics
    ///
    /// If the thread drives tasks already, or if the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _driving = context::enter_blocking(self);
        if const { is_large::<F>() } {
            park_thread::block_on(Box::pin(future))
        } else {
            park_thread::block_on(future)
        }
    }

    /// The id of the runtime.
    pub fn id(&self) -> Id {
        self.inner.id
    }

    /// The name that [`Builder::name`](super::Builder::name) gave the runtime.
    ///
    /// ```
    /// let runtime = sprang::runtime::Builder::new_current_thread().name("background").build()?;
    /// assert_eq!(runtime.handle().name(), Some("background"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// The kind of the scheduler.
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        match &self.inner.scheduler {
            Scheduler::CurrentThread(_) => RuntimeFlavor::CurrentThread,
            Scheduler::MultiThread(_) => RuntimeFlavor::MultiThread,
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("flavor", &self.runtime_flavor())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard").finish_non_exhaustive()
    }
}

impl TryCurrentError {
    /// Whether the thread is in no runtime's context.
    pub fn is_missing_context(&self) -> bool {
        !self.thread_destroyed
    }

    /// Whether the thread's locals are already destroyed.
    pub fn is_thread_local_destroyed(&self) -> bool {
        self.thread_destroyed
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.thread_destroyed {
            "the runtime context of this thread is destroyed"
        } else {
            slot::NO_CONTEXT
        })
    }
}

impl Error for TryCurrentError {}
