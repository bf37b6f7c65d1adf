//! The waker of a task.
//!
//! Purpose: the `RawWaker` whose data pointer is the task's header.
//!
//! Data flow: any thread → wake → `state` → custody → [`Anchor::schedule`]. Cost: one read-modify-write of the task's
//! word for each of clone, wake and drop.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::cell::Header;
use super::harness::Notified;
use super::schedule::Anchor;
use super::state::ToNotified;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker for the time of a poll, not counted.
pub(super) struct Borrowed(ManuallyDrop<Waker>);

impl Deref for Borrowed {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.0
    }
}

/// The waker of a task that the caller runs.
///
/// It takes the task's own pointer, not a reference to the header, so that the pointer may later free the whole cell.
#[inline]
pub(super) fn borrowed(task: NonNull<Header>) -> Borrowed {
    let data = task.as_ptr().cast_const().cast();
    // SAFETY: the functions of `VTABLE` keep a waker's contract; `ManuallyDrop` gives back no reference that was not
    // taken.
    Borrowed(ManuallyDrop::new(unsafe { Waker::new(data, &VTABLE) }))
}

/// # Safety
///
/// `data` is a task's header, and the caller holds a reference.
unsafe fn header<'a>(data: *const ()) -> &'a Header {
    // SAFETY: passed on.
    unsafe { &*data.cast::<Header>() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned holds a reference, or is borrowed from a poll.
    unsafe { header(data) }.state.ref_inc();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker holds a reference.
    let transition = unsafe { header(data) }.state.transition_to_notified_by_value();
    // SAFETY: the transition's result is passed on, and the reference is not used again.
    unsafe { follow(data, transition) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker holds a reference, or is borrowed from a poll.
    let transition = unsafe { header(data) }.state.transition_to_notified_by_ref();
    // SAFETY: the transition's result is passed on.
    unsafe { follow(data, transition) };
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker holds a reference.
    if unsafe { header(data) }.state.ref_dec() {
        // SAFETY: the transition's result is passed on.
        unsafe { follow(data, ToNotified::Dealloc) };
    }
}

/// Does what a transition to NOTIFIED says.
///
/// # Safety
///
/// `transition` is the result of such a transition of the task behind `data`, not followed yet.
#[inline]
pub(super) unsafe fn follow(data: *const (), transition: ToNotified) {
    // SAFETY: a header pointer is not null.
    let task = unsafe { NonNull::new_unchecked(data.cast::<Header>().cast_mut()) };
    match transition {
        ToNotified::Done => {}
        ToNotified::Schedule => {
            // SAFETY: the transition gave us custody, and with it a reference (I1).
            let scheduler = unsafe { task.as_ref() }.scheduler;
            // SAFETY: custody is ours and goes to the `Notified`.
            let notified = unsafe { Notified::from_raw(task) };
            // SAFETY: as above (I5).
            unsafe { Anchor::schedule(scheduler, notified) };
        }
        ToNotified::Dealloc => {
            // SAFETY: the last reference was ours: the cell is still there.
            let vtable = unsafe { task.as_ref() }.vtable;
            // SAFETY: as above.
            unsafe { (vtable.dealloc)(task) };
        }
    }
}
