//! The caller's side of a task: waiting for its output, and aborting it.
//!
//! Data flow: `spawn` → [`JoinHandle`] → `poll` → the stage's output; [`AbortHandle`] → `state` → a queue → the next
//! run drops the future.
//!
//! Invariants: I2 and I3 of [`super`]. Models: `models::join_*`, `models::abort_*`.
//!
//! Cost: a poll of a completed task's handle is one load; a poll of one that runs, one read-modify-write (two if it
//! was polled before); dropping the handle, one, or none when it holds the last reference.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

use sprang_core::coop;
use sprang_core::waiting;

use super::cell::Header;
use super::error::JoinError;
use super::id::Id;
use super::state::ToDetached;
use super::waker::follow;
use crate::panics::drop_quietly;

/// The right to wait for a task and to take its output.
///
/// Dropping it detaches the task, which goes on by itself.
///
/// It is a future: `Ok` with the task's output, or the [`JoinError`] of a task that panicked or was cancelled.
///
/// # Cancel safety
///
/// Waiting on `&mut handle` loses nothing when it is dropped.
///
/// # Panics
///
/// When polled after it was ready.
pub struct JoinHandle<T> {
    /// Given back by `drop`, together with JOIN_INTEREST where that can be one step.
    task: ManuallyDrop<TaskRef>,
    _output: PhantomData<T>,
}

/// The right to abort a task.
///
/// Made by [`JoinHandle::abort_handle`]; it keeps the memory of the task, but not its future, alive.
pub struct AbortHandle {
    task: TaskRef,
}

/// A counted reference to a task.
struct TaskRef(NonNull<Header>);

// SAFETY: a reference is used for the state word and the scheduler behind it, both of which are made for sharing.
unsafe impl Send for TaskRef {}
// SAFETY: as for `Send`.
unsafe impl Sync for TaskRef {}

// SAFETY: besides the reference, the handle gives out a `T` by value.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: a shared handle gives no access to the `T`.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}
impl<T> Unpin for JoinHandle<T> {}
impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl TaskRef {
    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }

    fn abort(&self) {
        let transition = self.header().state.transition_to_aborted();
        // SAFETY: the transition's result is passed on.
        unsafe { follow(self.0.as_ptr().cast(), transition) };
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        self.header().state.ref_inc();
        Self(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        let header = self.header();
        if header.state.ref_dec() {
            // SAFETY: the last reference was ours.
            unsafe { (header.vtable.dealloc)(self.0) };
        }
    }
}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// The caller hands over a reference and the JOIN_INTEREST bit of a task whose output is a `T`.
    pub(super) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        Self {
            task: ManuallyDrop::new(TaskRef(task)),
            _output: PhantomData,
        }
    }

    /// Aborts the task: it is dropped where it next yields, and the handle then gives a cancelled [`JoinError`].
    ///
    /// A task that has completed, or completes before it yields, keeps its output. It may take a moment until the
    /// task is dropped: wait on the handle to know.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Whether the task has ended. It may still be `false` right after [`abort`](Self::abort).
    pub fn is_finished(&self) -> bool {
        self.task.header().state.load().is_complete()
    }

    /// A handle that can only abort.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle {
            task: TaskRef::clone(&self.task),
        }
    }

    /// The id of the task.
    pub fn id(&self) -> Id {
        self.task.header().id
    }

    /// Whether the output can be taken; otherwise `waker` is registered.
    pub(super) fn poll_complete(&mut self, waker: &Waker) -> bool {
        let header = self.task.header();
        let state = header.state.load();
        if state.is_complete() {
            return true;
        }
        if state.has_join_waker() {
            let same = header.join_waker.with(|registered| {
                // SAFETY: while JOIN_WAKER is set both sides only read (I3).
                unsafe { &*registered }
                    .as_ref()
                    .is_some_and(|registered| registered.will_wake(waker))
            });
            if same {
                return false;
            }
            if !header.state.unset_join_waker() {
                return true;
            }
        }
        // A user's `clone` may panic: nothing is registered then.
        let waker = waker.clone();
        let old = header.join_waker.with_mut(|registered| {
            // SAFETY: JOIN_WAKER is unset: the field is ours (I3).
            unsafe { (*registered).replace(waker) }
        });
        let complete = !header.state.set_join_waker();
        drop(old);
        complete
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        if !self.poll_complete(cx.waker()) {
            waiting::on("a task");
            return Poll::Pending;
        }
        unit.made_progress();
        let mut output: Option<Self::Output> = None;
        let header = self.task.header();
        // SAFETY: COMPLETE is set and was so with JOIN_INTEREST, so the stage is ours (I2), and its output is a `T`.
        unsafe { (header.vtable.take_output)(self.task.0, (&raw mut output).cast()) };
        Poll::Ready(output.expect("`take_output` fills it or panics"))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let header = self.task.header();
        match header.state.transition_to_detached() {
            // The transition gave back the reference.
            ToDetached::Done => return,
            ToDetached::DropWaker => {
                let waker = header.join_waker.with_mut(|waker| {
                    // SAFETY: JOIN_WAKER was cleared before COMPLETE: the field is ours (I3).
                    unsafe { (*waker).take() }
                });
                drop_quietly(waker);
            }
            // SAFETY: COMPLETE is set and was so with JOIN_INTEREST: the stage is ours (I2).
            ToDetached::DropOutput => unsafe { (header.vtable.drop_output)(self.task.0) },
        }
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.task) };
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

impl AbortHandle {
    /// Aborts the task. See [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Whether the task has ended. See [`JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.task.header().state.load().is_complete()
    }

    /// The id of the task.
    pub fn id(&self) -> Id {
        self.task.header().id
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        Self {
            task: self.task.clone(),
        }
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}
