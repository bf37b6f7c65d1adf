//! The memory of a task: a header that everything non-generic works on, and the stage behind it.
//!
//! Purpose: one allocation a task; a parked task with a 16-byte future and no output takes 104 bytes.
//!
//! Called by: `harness` (poll, complete), `join` (read the output), `owned` (links). Invariants: I1 to I4 of
//! [`super`].

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sprang_core::list::{Linked, Links};
use sprang_core::primitive::cell::UnsafeCell;

use super::error::{Failure, JoinError};
use super::harness::{Notified, Running};
use super::id::Id;
use super::join::JoinHandle;
use super::owned::UNBOUND;
use super::schedule::{Anchor, Anchored, Schedule};
use super::state::State;
use crate::events;
use crate::panics::drop_quietly;

/// What every task has, whatever its future.
#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    pub(super) scheduler: NonNull<Anchor>,
    pub(super) id: Id,
    pub(super) spawned_at: &'static Location<'static>,
    /// The owned set's.
    links: Links<Header>,
    /// Whose it is says I3.
    pub(super) join_waker: UnsafeCell<Option<Waker>>,
    /// The shard of the owned set that holds the task; the runner's (I4).
    pub(super) shard: UnsafeCell<u32>,
}

/// What depends on the future's type.
pub(super) struct Vtable {
    /// Polls the future; when ready or panicked, its output is in the stage. The caller is the runner.
    pub(super) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<()>,
    /// Drops the future and leaves a cancellation, or the panic of its destructor, in the stage. The caller is the
    /// runner.
    pub(super) cancel: unsafe fn(NonNull<Header>),
    /// Moves the output into the `Option<Result<T::Output, JoinError>>` behind the pointer. The caller owns the stage
    /// (I2).
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Whether the stage holds a panic in the place of an output. The caller owns the stage (I2).
    pub(super) has_panicked: unsafe fn(NonNull<Header>) -> bool,
    /// Drops the output; a panic in that is swallowed. The caller owns the stage (I2).
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Frees the cell. The caller gave back the last reference.
    pub(super) dealloc: unsafe fn(NonNull<Header>),
}

/// The whole allocation.
#[repr(C)]
struct Cell<T: Future> {
    header: Header,
    stage: UnsafeCell<Stage<T>>,
}

/// The future, then its output, then nothing.
enum Stage<T: Future> {
    Future(T),
    Output(Result<T::Output, Failure>),
    Consumed,
}

impl Header {
    /// Tells of a panic that no join handle will give to anybody.
    #[cold]
    fn report_panic(&self) {
        if !self.state.load().is_join_interested() {
            events::unhandled_panic(self.id, self.spawned_at);
        }
    }
}

// SAFETY: the list reaches the links through a raw pointer to one field; cells are not moved.
unsafe impl Linked for Header {
    type Node = Header;

    unsafe fn links(node: NonNull<Header>) -> NonNull<Links<Header>> {
        // SAFETY: the node is live, so its field is in bounds and not null.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).links) }
    }
}

/// Makes a task, for a scheduler whose tasks may be run by any thread or, if the future is not `Send`, by this one.
///
/// Cost: one allocation, no atomic read-modify-write.
///
/// # Safety
///
/// If `future` or its output is not `Send`, the task is polled, and its future and output dropped, on this thread
/// only.
pub(crate) unsafe fn new<T, S>(
    future: T,
    scheduler: &Arc<Anchored<S>>,
    spawned_at: &'static Location<'static>,
) -> (Notified, JoinHandle<T::Output>)
where
    T: Future + 'static,
    T::Output: 'static,
    S: Schedule,
{
    let cell = Box::new(Cell {
        header: Header {
            state: State::new(),
            vtable: const { &Cell::<T>::VTABLE },
            scheduler: Anchored::anchor(scheduler),
            id: Id::next(),
            spawned_at,
            links: Links::new(),
            join_waker: UnsafeCell::new(None),
            shard: UnsafeCell::new(UNBOUND),
        },
        stage: UnsafeCell::new(Stage::Future(future)),
    });
    // SAFETY: a box is not null. The header is the first field of a `repr(C)` struct, and the pointer is the box's, so
    // that it may be turned back into the box.
    let header = unsafe { NonNull::new_unchecked(Box::into_raw(cell).cast::<Header>()) };
    // SAFETY: the initial state is NOTIFIED with two references: one is this `Notified`'s (I1) …
    let notified = unsafe { Notified::from_raw(header) };
    // SAFETY: … the other is the handle's; the output's type is the future's.
    let handle = unsafe { JoinHandle::from_raw(header) };
    (notified, handle)
}

/// Drops the future while the panic of its poll unwinds, as it would be dropped outside of a task: its destructor sees
/// that the thread is panicking.
struct Unwinding<'a, T: Future> {
    header: &'a Header,
    stage: &'a UnsafeCell<Stage<T>>,
}

impl<T: Future> Drop for Unwinding<'_, T> {
    fn drop(&mut self) {
        // While the future is there: it holds the task's name.
        self.header.report_panic();
        // SAFETY: the poll, which had the stage to itself, is over, and its caller still has.
        if let Err(panic) = unsafe { Cell::clear(self.stage) } {
            // The panic of the poll is the task's error.
            drop_quietly(panic);
        }
    }
}

impl<T: Future> Cell<T> {
    const VTABLE: Vtable = Vtable {
        poll: Self::poll,
        cancel: Self::cancel,
        take_output: Self::take_output,
        has_panicked: Self::has_panicked,
        drop_output: Self::drop_output,
        dealloc: Self::dealloc,
    };

    /// # Safety
    ///
    /// `header` is that of a live `Cell<T>`.
    unsafe fn stage<'a>(header: NonNull<Header>) -> &'a UnsafeCell<Stage<T>> {
        let cell = header.cast::<Self>().as_ptr();
        // SAFETY: the cell is live, and its header is its first field.
        unsafe { &(*cell).stage }
    }

    /// # Safety
    ///
    /// As for [`Vtable::poll`].
    unsafe fn poll(header: NonNull<Header>, cx: &mut Context<'_>) -> Poll<()> {
        let _running = Running::enter(header);
        // SAFETY: passed on.
        let stage = unsafe { Self::stage(header) };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the caller runs the task.
            let header = unsafe { header.as_ref() };
            let unwinding = Unwinding { header, stage };
            let polled = stage.with_mut(|stage| {
                // SAFETY: the runner has the stage to itself (I2).
                let Stage::Future(future) = (unsafe { &mut *stage }) else {
                    unreachable!("a task that is not complete holds its future")
                };
                // SAFETY: the future stays where it is until it is dropped in place.
                unsafe { Pin::new_unchecked(future) }.poll(cx)
            });
            std::mem::forget(unwinding);
            polled
        }));
        let output = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => {
                // SAFETY: the caller runs the task.
                let scheduler = unsafe { header.as_ref() }.scheduler;
                // SAFETY: as above: the caller has custody.
                unsafe { Anchor::panicked(scheduler) };
                Err(Failure::panicked(panic))
            }
        };
        // SAFETY: as above; the future is done.
        unsafe { Self::finish(header, output) };
        Poll::Ready(())
    }

    /// Drops the future in place, then stores the output, or the panic of the future's destructor.
    ///
    /// # Safety
    ///
    /// The task is live, and the caller has the stage to itself (I2).
    unsafe fn finish(header: NonNull<Header>, output: Result<T::Output, Failure>) {
        // SAFETY: passed on.
        let stage = unsafe { Self::stage(header) };
        // SAFETY: passed on.
        let dropped = unsafe { Self::clear(stage) };
        let output = match dropped {
            Ok(()) => output,
            Err(panic) => {
                // The output of a future whose destructor panics is lost, as in Tokio.
                drop_quietly(output);
                // SAFETY: passed on.
                unsafe { header.as_ref() }.report_panic();
                Err(Failure::panicked(panic))
            }
        };
        stage.with_mut(|stage| {
            // SAFETY: passed on. `Consumed` has no destructor to run.
            unsafe { stage.write(Stage::Output(output)) }
        });
    }

    /// Drops what is in the stage, in place, and leaves it consumed.
    ///
    /// # Safety
    ///
    /// As for [`finish`](Self::finish).
    unsafe fn clear(stage: &UnsafeCell<Stage<T>>) -> Result<(), Box<dyn Any + Send>> {
        stage.with_mut(|stage| {
            let dropped = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: the caller has the stage to itself, and it is overwritten next, also if this panics.
                unsafe { std::ptr::drop_in_place(stage) }
            }));
            // SAFETY: as above.
            unsafe { stage.write(Stage::Consumed) };
            dropped
        })
    }

    /// # Safety
    ///
    /// As for [`Vtable::cancel`].
    unsafe fn cancel(header: NonNull<Header>) {
        let _running = Running::enter(header);
        // SAFETY: the task is live while the caller runs it.
        let reason = unsafe { header.as_ref() }.state.load().is_shutdown();
        // SAFETY: the runner has the stage to itself (I2).
        unsafe { Self::finish(header, Err(Failure::cancelled(reason))) };
    }

    /// # Safety
    ///
    /// As for [`Vtable::take_output`].
    unsafe fn take_output(header: NonNull<Header>, into: *mut ()) {
        // SAFETY: passed on.
        let stage = unsafe { Self::stage(header) };
        let stage = stage.with_mut(|stage| {
            // SAFETY: passed on (I2).
            unsafe { std::mem::replace(&mut *stage, Stage::Consumed) }
        });
        let Stage::Output(output) = stage else {
            panic!("`JoinHandle` polled after it completed")
        };
        // SAFETY: the task is live, the caller holds a reference.
        let task = unsafe { header.as_ref() };
        let output = output.map_err(|failure| JoinError::new(task.id, task.spawned_at, failure));
        // SAFETY: passed on: the pointer is to an `Option` of this type.
        unsafe { *into.cast::<Option<Result<T::Output, JoinError>>>() = Some(output) };
    }

    /// # Safety
    ///
    /// As for [`Vtable::has_panicked`].
    unsafe fn has_panicked(header: NonNull<Header>) -> bool {
        // SAFETY: passed on.
        let stage = unsafe { Self::stage(header) };
        stage.with(|stage| {
            // SAFETY: passed on (I2).
            matches!(unsafe { &*stage }, Stage::Output(Err(Failure::Panicked(_))))
        })
    }

    /// # Safety
    ///
    /// As for [`Vtable::drop_output`].
    unsafe fn drop_output(header: NonNull<Header>) {
        let _running = Running::enter(header);
        // SAFETY: passed on.
        let stage = unsafe { Self::stage(header) };
        // SAFETY: passed on (I2).
        if let Err(panic) = unsafe { Self::clear(stage) } {
            drop_quietly(panic);
        }
    }

    /// # Safety
    ///
    /// As for [`Vtable::dealloc`].
    unsafe fn dealloc(header: NonNull<Header>) {
        // The stage is consumed by now, except for an output whose handle could still have taken it; the join waker
        // may be a user's, too.
        // SAFETY: passed on; the pointer was made from this box.
        let cell = unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) };
        // Exclusive by now: nothing to do in production, a claim that loom checks.
        cell.header.join_waker.with_mut(|_| ());
        cell.stage.with_mut(|_| ());
        drop_quietly(cell);
    }
}
