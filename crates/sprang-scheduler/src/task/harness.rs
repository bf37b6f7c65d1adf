//! Running a task: from a queue entry to idle, queued again, or complete.
//!
//! Purpose: the non-generic part of a task's life, in terms of the transitions of `state`.
//!
//! Data flow: a run loop → [`Notified::run`] → `cell`'s vtable → `state` → [`Anchor`] or the join waker.
//!
//! Cost of a poll that ends pending: two read-modify-writes of the task's word (running, idle); of a poll that ends
//! a task: one for running and one for completion, none of the latter when nobody else holds a reference.

use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::Id;
use super::cell::Header;
use super::owned::UNBOUND;
use super::schedule::Anchor;
use super::state::{ToComplete, ToIdle, ToRunning};
use super::waker;
use crate::hooks::{self, TaskMeta};
use crate::panics::survive;

/// A task in custody: the right and the duty to run it, or to have it run (I1).
///
/// Dropping it cancels the task: that is how queues are drained when a runtime ends.
pub(crate) struct Notified(NonNull<Header>);

// SAFETY: the futures of tasks that may be run by other threads are `Send`; those of the others are only queued where
// their own thread takes them (contract of `cell::new`).
unsafe impl Send for Notified {}

impl Notified {
    /// # Safety
    ///
    /// The caller has the custody of the task, whose NOTIFIED bit is set, and gives it up (I1).
    #[inline]
    pub(super) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Self(header)
    }

    /// Gives up custody to a pointer, for a queue of pointers.
    #[inline]
    pub(crate) fn into_header(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// Takes custody back from a pointer.
    ///
    /// # Safety
    ///
    /// The pointer came from [`into_header`](Self::into_header), and this is the only time that it is used so.
    #[inline]
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> Self {
        Self(header)
    }

    /// The task's id.
    #[inline]
    pub(crate) fn id(&self) -> Id {
        // SAFETY: custody includes a reference (I1).
        unsafe { self.0.as_ref() }.id
    }

    /// Where the task was spawned.
    #[inline]
    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        // SAFETY: custody includes a reference (I1).
        unsafe { self.0.as_ref() }.spawned_at
    }

    /// What hooks are told of the task.
    pub(crate) fn meta(&self) -> TaskMeta<'static> {
        TaskMeta::new(self.id(), self.spawned_at())
    }

    /// Polls the task once, or drops its future if it was cancelled, and sees to what follows.
    ///
    /// Never panics: panics of the future are its output.
    #[inline]
    pub(crate) fn run(self) {
        self.turn();
    }

    /// As [`run`](Self::run); returns whether the task has ended.
    #[inline]
    pub(crate) fn turn(self) -> bool {
        let task = self.into_header();
        // SAFETY: custody includes a reference (I1).
        let header = unsafe { task.as_ref() };
        match header.state.transition_to_running() {
            ToRunning::Poll => {}
            ToRunning::Cancel => {
                // SAFETY: RUNNING is ours.
                unsafe { cancel(task) };
                return true;
            }
        }
        let waker = waker::borrowed(task);
        // SAFETY: RUNNING is ours; the vtable is that of this task.
        match unsafe { (header.vtable.poll)(task, &mut Context::from_waker(&waker)) } {
            Poll::Ready(()) => {
                // SAFETY: RUNNING is ours, and the output is in the stage.
                unsafe { complete(task) };
                true
            }
            // SAFETY: RUNNING is ours.
            Poll::Pending => unsafe { park(task) },
        }
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        // SAFETY: custody includes a reference (I1).
        let state = &unsafe { self.0.as_ref() }.state;
        match state.transition_to_running() {
            // Nobody aborted it: it is the end of the runtime.
            ToRunning::Poll => state.set_shutdown(),
            ToRunning::Cancel => {}
        }
        // SAFETY: RUNNING is ours.
        unsafe { cancel(self.0) };
    }
}

impl fmt::Debug for Notified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: custody includes a reference (I1).
        let header = unsafe { self.0.as_ref() };
        f.debug_struct("Task")
            .field("id", &header.id)
            .field("state", &header.state)
            .finish()
    }
}

/// After a poll that was pending; returns whether the task has ended after all.
///
/// # Safety
///
/// RUNNING is the caller's, and is given up.
#[inline]
unsafe fn park(task: NonNull<Header>) -> bool {
    // SAFETY: the runner's custody includes a reference (I1).
    let header = unsafe { task.as_ref() };
    // A task that was woken already goes back to a queue: no need to be in the set for that (I4).
    if !header.state.load().is_notified() && is_unbound(header) {
        // SAFETY: the caller has custody (I1).
        if !unsafe { Anchor::bind(header.scheduler, task) } {
            header.state.set_shutdown();
            // SAFETY: RUNNING is ours.
            unsafe { cancel(task) };
            return true;
        }
    }
    let scheduler = header.scheduler;
    match header.state.transition_to_idle() {
        ToIdle::Idle => {}
        ToIdle::Notified => {
            // SAFETY: NOTIFIED without RUNNING, and it was set while we ran: custody is ours (I1).
            let notified = unsafe { Notified::from_raw(task) };
            // SAFETY: as above (I5).
            unsafe { Anchor::reschedule(scheduler, notified) };
        }
    }
    false
}

fn is_unbound(header: &Header) -> bool {
    header.shard.with(|shard| {
        // SAFETY: the caller is the runner (I4).
        unsafe { *shard == UNBOUND }
    })
}

/// Drops the future of a task that was cancelled.
///
/// # Safety
///
/// RUNNING is the caller's, and is given up.
pub(super) unsafe fn cancel(task: NonNull<Header>) {
    // SAFETY: the runner's custody includes a reference (I1).
    let vtable = unsafe { task.as_ref() }.vtable;
    // SAFETY: RUNNING is ours.
    unsafe { (vtable.cancel)(task) };
    // SAFETY: RUNNING is ours, and the stage holds the cancellation.
    unsafe { complete(task) };
}

/// Completes a task whose output is in the stage.
///
/// # Safety
///
/// RUNNING is the caller's, and is given up.
unsafe fn complete(task: NonNull<Header>) {
    // SAFETY: the runner's custody includes a reference (I1).
    let header = unsafe { task.as_ref() };
    // While the custody of the task keeps the scheduler (I5).
    // SAFETY: the caller has custody (I1).
    if let Some(hook) = unsafe { Anchor::on_terminate(header.scheduler) } {
        // SAFETY: RUNNING is the caller's, so the stage is, too (I2).
        let panicked = unsafe { (header.vtable.has_panicked)(task) };
        hooks::call(Some(hook), &TaskMeta::new(header.id, header.spawned_at).ended(panicked));
    }
    if !is_unbound(header) {
        // SAFETY: the caller has custody (I1).
        unsafe { Anchor::release(header.scheduler, task) };
    }
    let dealloc = match header.state.transition_to_complete() {
        ToComplete::Done => return,
        ToComplete::DropOutput => {
            // SAFETY: nobody will take the output (I2).
            unsafe { (header.vtable.drop_output)(task) };
            header.state.transition_to_complete_detached()
        }
        ToComplete::WakeJoiner => {
            wake_joiner(header);
            header.state.ref_dec()
        }
    };
    if dealloc {
        // SAFETY: the last reference was ours.
        unsafe { (header.vtable.dealloc)(task) };
    }
}

fn wake_joiner(header: &Header) {
    header.join_waker.with(|waker| {
        // SAFETY: JOIN_WAKER was set when COMPLETE was: the field is only read from then on (I3).
        if let Some(waker) = unsafe { &*waker } {
            survive(|| waker.wake_by_ref());
        }
    });
}

thread_local! {
    /// The task whose future, output or destructor runs on this thread.
    static CURRENT: Cell<Option<NonNull<Header>>> = const { Cell::new(None) };
}

/// The task that runs on this thread, for comparison only.
#[inline]
pub(crate) fn current_header() -> Option<NonNull<Header>> {
    CURRENT.try_with(Cell::get).ok().flatten()
}

/// Marks the thread as being inside a task, until it is dropped.
pub(super) struct Running(Option<NonNull<Header>>);

impl Running {
    #[inline]
    pub(super) fn enter(task: NonNull<Header>) -> Self {
        Self(CURRENT.try_with(|current| current.replace(Some(task))).ok().flatten())
    }

    /// The id of the task that the thread is inside of.
    pub(super) fn id() -> Option<Id> {
        current_header().map(|task| {
            // SAFETY: whoever entered keeps the task alive until it leaves.
            unsafe { task.as_ref() }.id
        })
    }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        // A thread whose locals are gone has nothing to restore.
        let _ = CURRENT.try_with(|current| current.set(self.0));
    }
}
