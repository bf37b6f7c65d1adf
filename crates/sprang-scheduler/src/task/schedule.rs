//! The seam between a task and whatever schedules it.
//!
//! Purpose: a task holds one thin pointer to its scheduler and calls it through [`Schedule`], so that a task's code
//! is generic over its future alone.
//!
//! Data flow: `waker`/`join`/`harness` → [`Anchor`] → the scheduler's `impl Schedule`.
//!
//! Invariants: I1 and I5 of [`super`]. A scheduler is kept in an `Arc<Anchored<S>>`; a task's pointer is that `Arc`'s
//! data pointer, not counted.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use super::cell::Header;
use super::harness::Notified;
use crate::hooks::TaskHook;

/// What a task needs of its scheduler.
pub(crate) trait Schedule: Send + Sync + Sized + 'static {
    /// Queues a task that was woken, from any thread.
    ///
    /// Once the task is in a queue that another thread can reach, `this` may be freed under the caller's feet, unless
    /// it is kept alive by a clone or by the thread's being one of the scheduler's own (I5).
    fn schedule(this: &Arc<Anchored<Self>>, task: Notified);

    /// Queues a task that was woken during its own poll, from the thread that polled it: to the back.
    fn reschedule(this: &Arc<Anchored<Self>>, task: Notified);

    /// Enters the caller's task, which is about to become idle, into the owned set (I4).
    ///
    /// Returns `false` if the runtime has ended; the caller cancels the task then.
    fn bind(this: &Arc<Anchored<Self>>, task: NonNull<Header>) -> bool;

    /// Takes the caller's task, which is about to complete, out of the owned set.
    fn release(this: &Arc<Anchored<Self>>, task: NonNull<Header>);

    /// Is told that the caller's task has panicked.
    fn panicked(_this: &Arc<Anchored<Self>>) {}

    /// What is called when a task ends: asked once, when the scheduler is made.
    fn on_terminate(&self) -> Option<TaskHook> {
        None
    }
}

struct Vtable {
    schedule: unsafe fn(NonNull<Anchor>, Notified),
    reschedule: unsafe fn(NonNull<Anchor>, Notified),
    bind: unsafe fn(NonNull<Anchor>, NonNull<Header>) -> bool,
    release: unsafe fn(NonNull<Anchor>, NonNull<Header>),
    panicked: unsafe fn(NonNull<Anchor>),
}

/// The part of a scheduler that tasks point to.
pub(super) struct Anchor {
    vtable: &'static Vtable,
    on_terminate: Option<TaskHook>,
}

/// A scheduler that tasks can point to.
#[repr(C)]
pub(crate) struct Anchored<S> {
    anchor: Anchor,
    scheduler: S,
}

impl<S: Schedule> Anchored<S> {
    const VTABLE: Vtable = Vtable {
        // SAFETY: (all five) the caller's contract is `Anchor::schedule`'s: the anchor is that of a live
        // `Arc<Anchored<S>>`, since only `Anchored::<S>::new` uses this vtable.
        schedule: |this, task| S::schedule(&*unsafe { borrow::<S>(this) }, task),
        // SAFETY: as above.
        reschedule: |this, task| S::reschedule(&*unsafe { borrow::<S>(this) }, task),
        // SAFETY: as above.
        bind: |this, task| S::bind(&*unsafe { borrow::<S>(this) }, task),
        // SAFETY: as above.
        release: |this, task| S::release(&*unsafe { borrow::<S>(this) }, task),
        // SAFETY: as above.
        panicked: |this| S::panicked(&*unsafe { borrow::<S>(this) }),
    };

    pub(crate) fn new(scheduler: S) -> Arc<Self> {
        Arc::new(Self {
            anchor: Anchor {
                vtable: const { &Self::VTABLE },
                on_terminate: scheduler.on_terminate(),
            },
            scheduler,
        })
    }

    /// The pointer that tasks keep.
    pub(super) fn anchor(this: &Arc<Self>) -> NonNull<Anchor> {
        // SAFETY: an `Arc`'s pointer is not null. It comes from `as_ptr`, not from a reference to the field, so it may
        // be turned back into the `Arc`.
        unsafe { NonNull::new_unchecked(Arc::as_ptr(this).cast_mut().cast()) }
    }
}

/// The `Arc` behind an anchor, borrowed.
///
/// # Safety
///
/// The anchor is that of an `Arc<Anchored<S>>` that lives as long as the result is used.
unsafe fn borrow<S>(anchor: NonNull<Anchor>) -> ManuallyDrop<Arc<Anchored<S>>> {
    // SAFETY: the anchor is the first field of a `repr(C)` struct whose `Arc` made the pointer; `ManuallyDrop` keeps
    // the count as it is.
    ManuallyDrop::new(unsafe { Arc::from_raw(anchor.as_ptr().cast::<Anchored<S>>()) })
}

impl<S> Deref for Anchored<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.scheduler
    }
}

impl<S: fmt::Debug> fmt::Debug for Anchored<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scheduler.fmt(f)
    }
}

impl Anchor {
    /// See [`Schedule::schedule`].
    ///
    /// # Safety
    ///
    /// (All six) `this` is the scheduler of the task, and the caller has the task's custody (I1, I5).
    pub(super) unsafe fn schedule(this: NonNull<Self>, task: Notified) {
        // SAFETY: the scheduler lives, by the caller's custody (I5).
        let vtable = unsafe { this.as_ref() }.vtable;
        // SAFETY: passed on.
        unsafe { (vtable.schedule)(this, task) }
    }

    /// See [`Schedule::reschedule`].
    ///
    /// # Safety
    ///
    /// As for [`schedule`](Self::schedule).
    pub(super) unsafe fn reschedule(this: NonNull<Self>, task: Notified) {
        // SAFETY: the scheduler lives, by the caller's custody (I5).
        let vtable = unsafe { this.as_ref() }.vtable;
        // SAFETY: passed on.
        unsafe { (vtable.reschedule)(this, task) }
    }

    /// See [`Schedule::bind`].
    ///
    /// # Safety
    ///
    /// As for [`schedule`](Self::schedule).
    pub(super) unsafe fn bind(this: NonNull<Self>, task: NonNull<Header>) -> bool {
        // SAFETY: the scheduler lives, by the caller's custody (I5).
        let vtable = unsafe { this.as_ref() }.vtable;
        // SAFETY: passed on.
        unsafe { (vtable.bind)(this, task) }
    }

    /// See [`Schedule::release`].
    ///
    /// # Safety
    ///
    /// As for [`schedule`](Self::schedule).
    pub(super) unsafe fn release(this: NonNull<Self>, task: NonNull<Header>) {
        // SAFETY: the scheduler lives, by the caller's custody (I5).
        let vtable = unsafe { this.as_ref() }.vtable;
        // SAFETY: passed on.
        unsafe { (vtable.release)(this, task) }
    }

    /// See [`Schedule::panicked`].
    ///
    /// # Safety
    ///
    /// As for [`schedule`](Self::schedule).
    pub(super) unsafe fn panicked(this: NonNull<Self>) {
        // SAFETY: the scheduler lives, by the caller's custody (I5).
        let vtable = unsafe { this.as_ref() }.vtable;
        // SAFETY: passed on.
        unsafe { (vtable.panicked)(this) }
    }

    /// What is called when a task ends.
    ///
    /// # Safety
    ///
    /// As for [`schedule`](Self::schedule); the result is used while the caller has the custody.
    #[inline]
    pub(super) unsafe fn on_terminate<'a>(this: NonNull<Self>) -> Option<&'a TaskHook> {
        // SAFETY: the scheduler lives, by the caller's custody (I5).
        unsafe { this.as_ref() }.on_terminate.as_ref()
    }
}
