//! What a thread is inside of: the ambient handles, and whether it may block.
//!
//! Purpose: the only place that sets the ambient slots of the engine crates, all at once.
//!
//! Called by: `Handle::enter`, `block_on`, the worker threads.
//!
//! Invariants:
//! - I1: guards are dropped in the reverse order of their making, so that each restores what it found.
//! - I2: the slot is not borrowed while anything of the user's runs: a destructor in a spawn that comes too late may
//!   enter other runtimes.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use sprang_core::slot::{self, Slot};
use sprang_scheduler::local;

use super::driver::{IoHandle, TimeHandle, enter_io, enter_time};
use super::handle::{Handle, RuntimeFlavor};

thread_local! {
    static CURRENT: Slot<Rc<Handle>> = const { Slot::new() };
    /// Guards of this thread that are alive.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Calls `f` with the current runtime's handle, if there is one.
#[inline]
pub(super) fn with_current<R>(f: impl FnOnce(&Handle) -> R) -> Option<R> {
    // Kept by a count of the thread's own, not by a borrow (I2).
    let handle = slot::with(&CURRENT, Rc::clone)?;
    Some(f(&handle))
}

/// Whether the thread's locals are destroyed already, and the handle with them.
pub(super) fn is_destroyed() -> bool {
    CURRENT.try_with(|_| ()).is_err()
}

/// Restores the ambient handles when dropped.
#[derive(Debug)]
pub(super) struct Entered {
    handle: Option<Rc<Handle>>,
    io: Option<IoHandle>,
    time: Option<TimeHandle>,
    entered: bool,
    depth: usize,
    _not_send: PhantomData<*mut ()>,
}

/// Makes `handle` the thread's current runtime.
pub(super) fn enter(handle: &Handle) -> Entered {
    let depth = DEPTH.get() + 1;
    DEPTH.set(depth);
    Entered {
        handle: slot::replace(&CURRENT, Some(Rc::new(handle.clone()))),
        io: enter_io(handle.io().cloned()),
        time: enter_time(handle.time().cloned()),
        entered: slot::replace_entered(true),
        depth,
        _not_send: PhantomData,
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // A second panic while the first unwinds would abort.
        if DEPTH.get() != self.depth && !std::thread::panicking() {
            panic!(
                "`EnterGuard` values dropped out of order. Guards returned by `Handle::enter()` must be dropped in \
                 the reverse order as they were acquired."
            );
        }
        DEPTH.set(self.depth - 1);
        slot::replace(&CURRENT, self.handle.take());
        enter_io(self.io.take());
        enter_time(self.time.take());
        slot::replace_entered(self.entered);
    }
}

/// Says, until it is dropped, that the thread drives tasks.
#[derive(Debug)]
pub(super) struct Driving {
    _entered: Entered,
}

/// Enters a runtime to drive tasks; `None` if the thread drives some already.
pub(super) fn enter_driving(handle: &Handle) -> Option<Driving> {
    if slot::replace_driving(true) {
        return None;
    }
    Some(Driving {
        _entered: enter(handle),
    })
}

impl Drop for Driving {
    fn drop(&mut self) {
        slot::replace_driving(false);
    }
}

/// Says, until it is dropped, that the thread may block although it drives tasks.
#[derive(Debug)]
pub(crate) struct MayBlock {
    drives: bool,
}

/// Lets the thread block, if its tasks can go on elsewhere.
///
/// # Panics
///
/// If the thread drives a current-thread runtime or a [`LocalSet`](crate::task::LocalSet).
#[track_caller]
pub(crate) fn allow_blocking() -> MayBlock {
    let drives = slot::is_driving();
    let multi_thread = with_current(Handle::runtime_flavor) == Some(RuntimeFlavor::MultiThread);
    if drives && (!multi_thread || local::runs_here()) {
        panic!("can call blocking only when running on the multi-threaded runtime");
    }
    slot::replace_driving(false);
    MayBlock { drives }
}

impl Drop for MayBlock {
    fn drop(&mut self) {
        slot::replace_driving(self.drives);
    }
}

/// Enters a runtime to block on a future.
///
/// # Panics
///
/// If the thread drives tasks already.
#[track_caller]
pub(super) fn enter_blocking(handle: &Handle) -> Driving {
    // Not `unwrap_or_else`: a closure would lose the caller's location.
    match enter_driving(handle) {
        Some(driving) => driving,
        None => panic!(
            "Cannot start a runtime from within a runtime. This happens because a function (like `block_on`) \
             attempted to block the current thread while the thread is being used to drive asynchronous tasks. \
             If you are in an async function, use `.await` on the future instead of blocking on it."
        ),
    }
}
