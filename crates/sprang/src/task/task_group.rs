//! [`TaskGroup`]: tasks that belong together.
//!
//! Purpose: what is otherwise made by hand of a set of join handles, a semaphore and a way to spawn from inside tasks.
//!
//! Data flow: [`TaskGroup::spawn`] → `HandleSet`; [`Spawner::spawn`] → [`Arrival`] → [`TaskGroup::poll_next`], which moves
//! the handles to the set → the user.
//!
//! Invariants:
//! - I1: from before a spawner's task exists until its handle is in `incoming` it is counted in `coming`, and the group
//!   is not through. So a task that spawns another one and ends does not leave the group empty in between, and when a
//!   group that is closed is through, no task of it is left.
//! - I2: once the group is closed, under the lock, `coming` does not grow.
//!
//! Called by: users. Calls: `sprang_scheduler::task::HandleSet`, and whatever spawns.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use sprang_core::atomic_waker::AtomicWaker;
use sprang_core::primitive::sync::Mutex;
use sprang_scheduler::task::HandleSet;
use sprang_sync::{OwnedSemaphorePermit, Semaphore};

use super::{AbortHandle, JoinError, JoinHandle};

#[cfg(feature = "stream")]
mod stream;

/// Tasks with the same type of output that belong together.
///
/// - [`limit`](Self::limit) bounds how many run at once; the others wait for their turn.
/// - A [`Spawner`] adds tasks from anywhere, from inside the group's tasks, too.
/// - [`next`](Self::next) gives the results as they come; [`join`](Self::join) waits for all of them. With the feature
///   `stream` the group is a stream of them.
/// - Dropping the group aborts its tasks; [`shutdown`](Self::shutdown) waits until they have ended.
///
/// A task that panics or is aborted is a result like any other, and the other tasks go on, unless
/// [`try_join`](Self::try_join) waits for them.
///
/// ```
/// use sprang::task::TaskGroup;
///
/// #[sprang::main]
/// async fn main() {
///     let mut group = TaskGroup::new().limit(4);
///     for i in 0..10 {
///         group.spawn(async move { i * i });
///     }
///     let mut sum = 0;
///     while let Some(square) = group.next().await {
///         sum += square.unwrap();
///     }
///     assert_eq!(sum, 285);
/// }
/// ```
pub struct TaskGroup<T> {
    handles: HandleSet<T>,
    shared: Arc<Shared<T>>,
}

/// Adds tasks to a [`TaskGroup`]; made by [`TaskGroup::spawner`].
pub struct Spawner<T> {
    shared: Arc<Shared<T>>,
}

/// What a group shares with its spawners.
struct Shared<T> {
    limit: Option<Arc<Semaphore>>,
    incoming: Mutex<Incoming<T>>,
    group: AtomicWaker,
}

/// What spawners add.
struct Incoming<T> {
    handles: Vec<JoinHandle<T>>,
    /// The tasks that spawners are spawning just now (I1).
    coming: usize,
    phase: Phase,
}

/// What became of a group; it only goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    Closed,
    Cancelled,
    Gone,
}

/// A task that a spawner is adding: counted from the start, handed over by the drop.
struct Arrival<'a, T> {
    shared: &'a Shared<T>,
    handle: Option<JoinHandle<T>>,
}

/// The group of a spawner is closed or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupClosed(());

impl fmt::Display for GroupClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task group is closed")
    }
}

impl Error for GroupClosed {}

impl<T> Shared<T> {
    fn new(limit: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.map(|limit| Arc::new(Semaphore::new(limit))),
            incoming: Mutex::new(Incoming {
                handles: Vec::new(),
                coming: 0,
                phase: Phase::Open,
            }),
            group: AtomicWaker::new(),
        })
    }

    /// Announces a task.
    fn announce(&self) -> Result<Arrival<'_, T>, GroupClosed> {
        let mut incoming = self.incoming.lock();
        if incoming.phase > Phase::Open {
            return Err(GroupClosed(()));
        }
        incoming.coming += 1;
        Ok(Arrival {
            shared: self,
            handle: None,
        })
    }
}

impl<T> Drop for Arrival<'_, T> {
    fn drop(&mut self) {
        let mut incoming = self.shared.incoming.lock();
        incoming.coming -= 1;
        let phase = incoming.phase;
        let abort = self.handle.as_ref().map(JoinHandle::abort_handle);
        if phase < Phase::Gone {
            incoming.handles.extend(self.handle.take());
        }
        drop(incoming);
        // Those that were there before are aborted by whoever changed the phase.
        if let Some(abort) = abort.filter(|_| phase >= Phase::Cancelled) {
            abort.abort();
        }
        self.shared.group.wake();
    }
}

impl<T: Send + 'static> Shared<T> {
    #[track_caller]
    fn spawn<F>(&self, future: F) -> JoinHandle<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        match &self.limit {
            Some(limit) => super::spawn(InTurn {
                future,
                permit: None,
                turn: Arc::clone(limit).acquire_owned(),
            }),
            None => super::spawn(future),
        }
    }
}

impl<T> TaskGroup<T> {
    /// A group without tasks and without a limit.
    pub fn new() -> Self {
        Self {
            handles: HandleSet::new(),
            shared: Shared::new(None),
        }
    }

    /// Lets at most `limit` of the tasks run at once. The others wait, and start about in the order of their spawning.
    ///
    /// # Panics
    ///
    /// If `limit` is 0, or something was spawned or a spawner made before.
    #[must_use]
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> Self {
        assert!(limit > 0, "a group that may run nothing would never end");
        assert!(
            self.handles.is_empty() && Arc::get_mut(&mut self.shared).is_some(),
            "the limit has to be set first"
        );
        self.shared = Shared::new(Some(limit.min(Semaphore::MAX_PERMITS)));
        self
    }

    /// Adds tasks to this group; can be cloned, and moved into tasks.
    pub fn spawner(&self) -> Spawner<T> {
        Spawner {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Refuses tasks of spawners from now on. Those that are there go on, and [`spawn`](Self::spawn) takes more.
    pub fn close(&mut self) {
        self.enter(Phase::Closed);
    }

    /// Closes the group and aborts its tasks. They stay in the group until their results are taken.
    pub fn cancel(&mut self) {
        self.enter(Phase::Cancelled);
        self.admit();
        self.handles.abort_all();
    }

    /// The number of tasks whose results were not taken yet.
    pub fn len(&self) -> usize {
        let incoming = self.shared.incoming.lock();
        self.handles.len() + incoming.handles.len() + incoming.coming
    }

    /// Whether the group has no tasks at the moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn enter(&self, phase: Phase) {
        let mut incoming = self.shared.incoming.lock();
        incoming.phase = incoming.phase.max(phase);
    }

    /// Moves the handles that spawners made to the set; whether there were any, and whether others are coming.
    fn admit(&mut self) -> (bool, bool) {
        let mut incoming = self.shared.incoming.lock();
        let coming = incoming.coming > 0;
        let handles = std::mem::take(&mut incoming.handles);
        drop(incoming);
        let came = !handles.is_empty();
        for handle in handles {
            self.handles.insert(handle);
        }
        (came, coming)
    }
}

impl<T: 'static> TaskGroup<T> {
    /// Spawns a task of this group on the current runtime. See [`task::spawn`](super::spawn).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.handles.insert(self.shared.spawn(future))
    }

    /// Waits for a task to end and gives its result; `None` if the group has no tasks at the moment.
    ///
    /// # Errors
    ///
    /// If the task panicked, was aborted, or its runtime ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes nothing out of the group.
    pub async fn next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), as a poll.
    ///
    /// # Errors
    ///
    /// As for [`next`](Self::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        loop {
            self.admit();
            if let Poll::Ready(Some((_, result))) = self.handles.poll_next(cx) {
                return Poll::Ready(Some(result));
            }
            // What the drop of the waker before may do is no matter of this poll.
            let _before = self.shared.group.replace(cx.waker());
            // Again: one may have come before the waker was there, or before the last task ended (I1).
            match self.admit() {
                (true, _) => {}
                (false, false) if self.handles.is_empty() => return Poll::Ready(None),
                (false, _) => return Poll::Pending,
            }
        }
    }

    /// Waits until the group has no tasks, and gives their results in the order in which they ended.
    ///
    /// Tasks may go on to spawn others until the last one ends; after that spawners are refused.
    ///
    /// # Cancel safety
    ///
    /// The group goes with the future: if it is dropped, the tasks are aborted and the results so far are lost. A loop
    /// over [`next`](Self::next) keeps both.
    pub async fn join(mut self) -> Vec<Result<T, JoinError>> {
        let mut results = Vec::new();
        let mut closed = false;
        loop {
            match self.next().await {
                Some(result) => results.push(result),
                None if closed => return results,
                // For those that came in meanwhile; then it is over.
                None => {
                    self.close();
                    closed = true;
                }
            }
        }
    }

    /// Cancels the group and waits until its tasks have ended; their results are dropped.
    ///
    /// # Cancel safety
    ///
    /// The tasks are aborted by the first poll; those that have not ended stay in the group.
    pub async fn shutdown(&mut self) {
        self.cancel();
        while self.next().await.is_some() {}
    }
}

impl<T: 'static, E: 'static> TaskGroup<Result<T, E>> {
    /// Waits until the group has no tasks, and gives their outputs in the order in which they ended.
    ///
    /// The first error or panic cancels the group. Outputs of tasks that were aborted are missing.
    ///
    /// # Errors
    ///
    /// The first error of a task, when all others have ended.
    ///
    /// # Panics
    ///
    /// If the first to fail panicked: with its panic, when all others have ended.
    ///
    /// # Cancel safety
    ///
    /// As for [`join`](TaskGroup::join): the tasks are aborted if the future is dropped.
    ///
    /// ```
    /// use sprang::task::TaskGroup;
    ///
    /// async fn length(text: &str) -> Result<usize, String> {
    ///     match text {
    ///         "" => Err("nothing to count".to_owned()),
    ///         text => Ok(text.len()),
    ///     }
    /// }
    ///
    /// #[sprang::main]
    /// async fn main() {
    ///     let mut group = TaskGroup::new();
    ///     for text in ["one", "two", ""] {
    ///         group.spawn(length(text));
    ///     }
    ///     assert_eq!(group.try_join().await, Err("nothing to count".to_owned()));
    /// }
    /// ```
    pub async fn try_join(mut self) -> Result<Vec<T>, E> {
        let mut outputs = Vec::new();
        let mut closed = false;
        loop {
            match self.next().await {
                Some(Ok(Ok(output))) => outputs.push(output),
                Some(Ok(Err(error))) => {
                    self.shutdown().await;
                    return Err(error);
                }
                Some(Err(error)) => {
                    if let Ok(panic) = error.try_into_panic() {
                        self.shutdown().await;
                        resume_unwind(panic);
                    }
                }
                None if closed => return Ok(outputs),
                // As in `join`.
                None => {
                    self.close();
                    closed = true;
                }
            }
        }
    }
}

impl<T> Drop for TaskGroup<T> {
    fn drop(&mut self) {
        self.enter(Phase::Gone);
        // The set aborts what it holds.
        self.admit();
    }
}

impl<T> Default for TaskGroup<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for TaskGroup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("len", &self.len()).finish()
    }
}

impl<T: Send + 'static> Spawner<T> {
    /// Spawns a task of the group on the current runtime. See [`task::spawn`](super::spawn).
    ///
    /// # Errors
    ///
    /// If the group is closed or gone. Then the future is dropped, and was never polled.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// ```
    /// use sprang::task::TaskGroup;
    ///
    /// #[sprang::main]
    /// async fn main() {
    ///     let mut group = TaskGroup::new();
    ///     let spawner = group.spawner();
    ///     group.spawn(async move {
    ///         for page in 1..=3 {
    ///             // An error would mean that nobody is interested any more.
    ///             _ = spawner.spawn(async move { page });
    ///         }
    ///         0
    ///     });
    ///     let pages: i32 = group.join().await.into_iter().flatten().sum();
    ///     assert_eq!(pages, 6);
    /// }
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Result<AbortHandle, GroupClosed>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut arrival = self.shared.announce()?;
        let handle = arrival.handle.insert(self.shared.spawn(future));
        Ok(handle.abort_handle())
    }
}

impl<T> Clone for Spawner<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for Spawner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

pin_project! {
    /// A future that waits for a permit first, and has it as long as it is there.
    struct InTurn<F, A> {
        // Before the permit: its destructor is part of its turn.
        #[pin]
        future: F,
        permit: Option<OwnedSemaphorePermit>,
        #[pin]
        turn: A,
    }
}

impl<F, A, E> Future for InTurn<F, A>
where
    F: Future,
    A: Future<Output = Result<OwnedSemaphorePermit, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.permit.is_none() {
            match ready!(this.turn.poll(cx)) {
                Ok(permit) => *this.permit = Some(permit),
                Err(_) => unreachable!("the semaphore of a group is never closed"),
            }
        }
        this.future.poll(cx)
    }
}
