//! The run queues.
//!
//! Purpose: one place that knows what the queues are made of: crossbeam-deque's `Worker` (FIFO), `Stealer` and
//! `Injector`, or, under the cfg `sprang_loom`, stand-ins on loom's atomics with crossbeam's own orderings.
//!
//! | type | pushed by | taken by |
//! |---|---|---|
//! | [`Local`] | its worker, at the back | its worker, at the front; thieves, up to half, through [`Stealer`] |
//! | [`LifoSlot`] | its worker | its worker; a thief that found nothing else |
//! | [`Injector`] | any thread | any worker, a batch at a time |
//!
//! Invariants:
//! - I1: an item that is pushed is taken exactly once.
//! - I2: the back of a local queue is published with release after the slot is written, and its front is moved by
//!   SeqCst read-modify-writes: whoever sees an item gone sees every item that was pushed before it went.
//!
//! crossbeam-deque's slots are accessed by volatile reads that may race with a write whose result is then thrown
//! away; loom could not see into that, and so does not see the real queues at all. The stand-ins keep what the sleep
//! protocol (`multi_thread::pool`) depends on: which accesses there are and with which orderings.

#[cfg(sprang_loom)]
mod checked;
mod lifo;
#[cfg(not(sprang_loom))]
mod real;

#[cfg(sprang_loom)]
pub(crate) use checked::{Injector, Local, Stealer};
pub(crate) use lifo::LifoSlot;
#[cfg(not(sprang_loom))]
pub(crate) use real::{Injector, Local, Stealer};

use std::ptr::NonNull;

use crate::task::{Header, Notified};

/// What can be queued: something that is one pointer.
///
/// # Safety
///
/// `from_pointer` gives back what `into_pointer` took.
pub(crate) unsafe trait Item: Send + 'static {
    /// What the pointer points to.
    type Target;

    /// Gives up the item.
    fn into_pointer(self) -> NonNull<Self::Target>;

    /// Takes the item back.
    ///
    /// # Safety
    ///
    /// The pointer came from `into_pointer`, and this is done once.
    unsafe fn from_pointer(pointer: NonNull<Self::Target>) -> Self;
}

// SAFETY: a `Notified` is its header's pointer.
unsafe impl Item for Notified {
    type Target = Header;

    #[inline]
    fn into_pointer(self) -> NonNull<Header> {
        self.into_header()
    }

    #[inline]
    unsafe fn from_pointer(pointer: NonNull<Header>) -> Self {
        // SAFETY: passed on.
        unsafe { Self::from_header(pointer) }
    }
}

/// The item of the models: a number whose memory loom watches, so that an item that changes hands without the memory
/// behind it is noticed.
#[cfg(test)]
pub(crate) struct Probe(Box<sprang_core::primitive::cell::UnsafeCell<usize>>);

#[cfg(test)]
impl Probe {
    pub(crate) fn new(number: usize) -> Self {
        let cell = sprang_core::primitive::cell::UnsafeCell::new(0);
        cell.with_mut(|cell| {
            // SAFETY: the cell is not shared yet.
            unsafe { *cell = number }
        });
        Self(Box::new(cell))
    }

    pub(crate) fn number(&self) -> usize {
        self.0.with(|cell| {
            // SAFETY: an item has one owner.
            unsafe { *cell }
        })
    }
}

#[cfg(test)]
// SAFETY: a box is a pointer.
unsafe impl Item for Probe {
    type Target = sprang_core::primitive::cell::UnsafeCell<usize>;

    fn into_pointer(self) -> NonNull<Self::Target> {
        NonNull::from(Box::leak(self.0))
    }

    unsafe fn from_pointer(pointer: NonNull<Self::Target>) -> Self {
        // SAFETY: passed on.
        Self(unsafe { Box::from_raw(pointer.as_ptr()) })
    }
}

#[cfg(test)]
// SAFETY: an item has one owner.
unsafe impl Send for Probe {}
