//! [`TaskTracker`]: waiting until all tasks of a kind have ended.
//!
//! Called by: users. Calls: `sprang_sync::tally`, which counts and waits, and whatever spawns.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use sprang_sync::tally::{Emptied, Tally};

use super::{JoinHandle, LocalSet};
use crate::runtime::Handle;

/// Counts tasks, and waits until none is left.
///
/// It keeps no outputs, so a task leaves nothing behind when it ends. Nor does it stop tasks: dropping it leaves them
/// alone. A [`CancellationToken`](super::CancellationToken) asks them to end, and [`wait`](Self::wait) waits until they
/// have.
///
/// A tracker is open at first. A wait is over when it is closed and empty; tasks may be spawned either way. Clones are
/// the same tracker.
///
/// ```
/// use sprang::task::TaskTracker;
///
/// #[sprang::main]
/// async fn main() {
///     let tracker = TaskTracker::new();
///     for i in 0..10 {
///         tracker.spawn(async move { i });
///     }
///     tracker.close();
///     tracker.wait().await;
///     assert!(tracker.is_empty());
/// }
/// ```
#[derive(Clone, Default)]
pub struct TaskTracker {
    tally: Arc<Tally>,
}

/// Counts as a task of its [`TaskTracker`] until it is dropped.
#[must_use = "the tracker counts a token until it is dropped"]
#[derive(Debug)]
pub struct TaskTrackerToken {
    tracker: TaskTracker,
}

pin_project! {
    /// A future that counts as a task until it is dropped; made by [`TaskTracker::track_future`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TrackedFuture<F> {
        // First: the token outlives it.
        #[pin]
        future: F,
        token: TaskTrackerToken,
    }
}

pin_project! {
    /// Waits until a tracker is closed and empty; made by [`TaskTracker::wait`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TaskTrackerWaitFuture<'a> {
        #[pin]
        emptied: Emptied<'a>,
    }
}

impl TaskTracker {
    /// An open tracker without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until the tracker is closed and empty, be it only for a moment after this call.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub fn wait(&self) -> TaskTrackerWaitFuture<'_> {
        TaskTrackerWaitFuture {
            emptied: self.tally.wait(),
        }
    }

    /// Closes the tracker: [`wait`](Self::wait) is over as soon as it is empty. Returns whether it was open.
    pub fn close(&self) -> bool {
        self.tally.close()
    }

    /// Opens the tracker again. Returns whether it was closed.
    pub fn reopen(&self) -> bool {
        self.tally.reopen()
    }

    /// Whether the tracker is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.tally.is_closed()
    }

    /// The number of tasks that have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tally.len()
    }

    /// Whether all tasks have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tally.is_empty()
    }

    /// Spawns a task on the current runtime and counts it. See [`task::spawn`](super::spawn).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        super::spawn(self.track_future(task))
    }

    /// Spawns a task on a runtime and counts it. See [`Handle::spawn`].
    #[track_caller]
    pub fn spawn_on<F>(&self, task: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        handle.spawn(self.track_future(task))
    }

    /// Spawns a task that need not be `Send` and counts it. See [`task::spawn_local`](super::spawn_local).
    ///
    /// # Panics
    ///
    /// Outside of a [`LocalSet`] and a [`LocalRuntime`](crate::runtime::LocalRuntime).
    #[track_caller]
    pub fn spawn_local<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        super::spawn_local(self.track_future(task))
    }

    /// Spawns a task on a [`LocalSet`] and counts it. See [`LocalSet::spawn_local`].
    #[track_caller]
    pub fn spawn_local_on<F>(&self, task: F, local_set: &LocalSet) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        local_set.spawn_local(self.track_future(task))
    }

    /// Runs a closure on a thread where it may block, and counts it. See [`task::spawn_blocking`](super::spawn_blocking).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, task: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let token = self.token();
        super::spawn_blocking(move || {
            let _token = token;
            task()
        })
    }

    /// Runs a closure on a thread of a runtime where it may block, and counts it. See [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking_on<F, T>(&self, task: F, handle: &Handle) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let token = self.token();
        handle.spawn_blocking(move || {
            let _token = token;
            task()
        })
    }

    /// Counts a future as a task from now on until it is dropped, whoever polls it.
    pub fn track_future<F: Future>(&self, future: F) -> TrackedFuture<F> {
        TrackedFuture {
            future,
            token: self.token(),
        }
    }

    /// Counts as a task until it is dropped.
    pub fn token(&self) -> TaskTrackerToken {
        self.tally.enter();
        TaskTrackerToken { tracker: self.clone() }
    }

    /// Whether both are clones of one tracker.
    #[must_use]
    pub fn ptr_eq(left: &Self, right: &Self) -> bool {
        Arc::ptr_eq(&left.tally, &right.tally)
    }
}

fn show(tally: &Tally, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct("TaskTracker")
        .field("len", &tally.len())
        .field("is_closed", &tally.is_closed())
        .finish()
}

impl fmt::Debug for TaskTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.tally, f)
    }
}

impl TaskTrackerToken {
    /// The tracker.
    #[must_use]
    pub fn task_tracker(&self) -> &TaskTracker {
        &self.tracker
    }
}

impl Clone for TaskTrackerToken {
    fn clone(&self) -> Self {
        self.tracker.token()
    }
}

impl Drop for TaskTrackerToken {
    fn drop(&mut self) {
        self.tracker.tally.leave();
    }
}

impl<F: Future> Future for TrackedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl<F: fmt::Debug> fmt::Debug for TrackedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedFuture")
            .field("future", &self.future)
            .field("task_tracker", &self.token.tracker)
            .finish()
    }
}

impl Future for TaskTrackerWaitFuture<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().emptied.poll(cx)
    }
}

impl fmt::Debug for TaskTrackerWaitFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskTrackerWaitFuture(")?;
        show(self.emptied.tally(), f)?;
        f.write_str(")")
    }
}
