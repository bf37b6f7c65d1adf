//! Tasks that are not `Send`, beside the tasks of any runtime.
//!
//! Purpose: [`LocalSet`], and [`spawn_local`], which finds the set or the local runtime that the thread is inside of.
//!
//! Called by: users, `join_set`, `builder`. Calls: `sprang_scheduler::local`, which does the work.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use sprang_scheduler::local;

use super::JoinHandle;
use crate::runtime::large::is_large;
use crate::runtime::{Handle, Id, Runtime};

/// A set of tasks that all run on the thread of the set, and so need not be `Send`.
///
/// The set does nothing by itself: its tasks run while something polls it, that is [`run_until`](Self::run_until),
/// [`block_on`](Self::block_on), or the set itself, which is a future that is ready when no task is left. They may be
/// woken from every thread.
///
/// Dropping the set drops its tasks, on this thread. If other threads are waking some of them, that waits for these
/// few instructions.
///
/// A `LocalSet` is not `Send`, and so cannot be awaited inside of a task of a multi-thread runtime; block a thread on
/// it, or put it into the future of `block_on`. Blocking the thread blocks all its tasks, and
/// [`block_in_place`](super::block_in_place) panics in them.
///
/// ```
/// use std::rc::Rc;
/// use sprang::task::{self, LocalSet};
///
/// #[sprang::main(flavor = "current_thread")]
/// async fn main() {
///     let text = Rc::new("not `Send`");
///     let local = LocalSet::new();
///     let length = local
///         .run_until(async move { task::spawn_local(async move { text.len() }).await.unwrap() })
///         .await;
///     assert_eq!(length, 10);
/// }
/// ```
///
/// Awaiting the set waits for all its tasks:
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use sprang::task::LocalSet;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// let sum = Rc::new(Cell::new(0));
/// let local = LocalSet::new();
/// for i in 1..=3 {
///     let sum = Rc::clone(&sum);
///     local.spawn_local(async move { sum.set(sum.get() + i) });
/// }
/// local.await;
/// assert_eq!(sum.get(), 6);
/// # }
/// ```
pub struct LocalSet {
    /// Keeps the set on its thread.
    ///
    /// ```compile_fail,E0277
    /// fn sent<T: Send>() {}
    /// sent::<sprang::task::LocalSet>();
    /// ```
    ///
    /// ```compile_fail,E0277
    /// fn shared<T: Sync>() {}
    /// shared::<sprang::task::LocalSet>();
    /// ```
    scheduler: local::Scheduler,
    id: Id,
}

/// The guard of [`LocalSet::enter`].
#[must_use = "the set is left when the guard is dropped"]
pub struct LocalEnterGuard {
    /// ```compile_fail,E0277
    /// fn sent<T: Send>() {}
    /// sent::<sprang::task::LocalEnterGuard>();
    /// ```
    _entered: local::Entered,
}

/// Spawns a task that need not be `Send` on the current [`LocalSet`] or [`LocalRuntime`](crate::runtime::LocalRuntime),
/// to run on this thread.
///
/// Inside of a `LocalRuntime` it is that runtime's, also where a `LocalSet` runs in it.
///
/// # Panics
///
/// Outside of both; and in the context of a `LocalRuntime` that belongs to another thread.
///
/// ```
/// use std::rc::Rc;
/// use sprang::task;
///
/// let runtime = sprang::runtime::LocalRuntime::new()?;
/// let answer = runtime.block_on(async {
///     let number = Rc::new(42);
///     task::spawn_local(async move { *number }).await.unwrap()
/// });
/// assert_eq!(answer, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let spawned_at = Location::caller();
    if const { is_large::<F>() } {
        spawn_local_at(Box::pin(future), spawned_at)
    } else {
        spawn_local_at(future, spawned_at)
    }
}

#[track_caller]
fn spawn_local_at<F>(future: F, spawned_at: &'static Location<'static>) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    if let Some(handle) = Handle::current_local() {
        return handle.spawn_local_at(future, spawned_at);
    }
    match local::spawn(future, spawned_at) {
        Ok(task) => task,
        Err(_) => panic!("`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`"),
    }
}

impl LocalSet {
    /// An empty set, whose tasks will run on this thread.
    pub fn new() -> Self {
        Self {
            scheduler: local::Scheduler::new(),
            id: Id::next(),
        }
    }

    /// Makes this the set that [`spawn_local`] spawns on, until the guard is dropped. The tasks do not run before the
    /// set is polled.
    ///
    /// ```
    /// use sprang::task::{self, LocalSet};
    ///
    /// let local = LocalSet::new();
    /// let task = {
    ///     let _guard = local.enter();
    ///     task::spawn_local(async { 1 })
    /// };
    /// let runtime = sprang::runtime::Builder::new_current_thread().build()?;
    /// assert_eq!(local.block_on(&runtime, task).unwrap(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard {
            _entered: self.scheduler.enter(),
        }
    }

    /// Spawns a task on this set, which need not be running: it runs when the set is next polled.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let spawned_at = Location::caller();
        if const { is_large::<F>() } {
            self.scheduler.spawn(Box::pin(future), spawned_at)
        } else {
            self.scheduler.spawn(future, spawned_at)
        }
    }

    /// Blocks the thread on `future` and the tasks of this set, in a runtime. See [`run_until`](Self::run_until) and
    /// [`Runtime::block_on`].
    ///
    /// # Panics
    ///
    /// If the thread drives tasks already, or if the future panics.
    ///
    /// ```
    /// use sprang::task::{self, LocalSet};
    ///
    /// let runtime = sprang::runtime::Runtime::new()?;
    /// let local = LocalSet::new();
    /// let answer = local.block_on(&runtime, async { task::spawn_local(async { 42 }).await.unwrap() });
    /// assert_eq!(answer, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, runtime: &Runtime, future: F) -> F::Output {
        if const { is_large::<F>() } {
            runtime.block_on(self.run_until(Box::pin(future)))
        } else {
            runtime.block_on(self.run_until(future))
        }
    }

    /// Runs the set's tasks until `future` is ready, and returns its output. What they have not done by then waits
    /// until the set is next polled.
    ///
    /// # Cancel safety
    ///
    /// That of `future`: the tasks stay in the set.
    ///
    /// ```
    /// use sprang::task::{self, LocalSet};
    ///
    /// # #[sprang::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let local = LocalSet::new();
    /// let answer = local.run_until(async { task::spawn_local(async { 42 }).await.unwrap() }).await;
    /// assert_eq!(answer, 42);
    /// # }
    /// ```
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| self.scheduler.poll_until(future.as_mut(), cx)).await
    }

    /// The id of the set, which is unlike that of any runtime and any other set.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl Future for LocalSet {
    type Output = ();

    /// Runs tasks of the set; ready when none is left.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.scheduler.poll(cx)
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet").finish_non_exhaustive()
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}
