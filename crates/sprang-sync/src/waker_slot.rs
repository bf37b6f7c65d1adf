//! A waker whose owner is named by a state word elsewhere.
//!
//! Purpose: channels with one waiting side keep that side's waker in a slot next to their state word. A bit of the word
//! says who owns the slot, so that publishing a waker and taking it cost no atomic operation of their own.
//!
//! Called by: [`crate::oneshot`], [`crate::mpsc`].
//!
//! Invariants:
//! - I1: `put` needs the slot to itself. `take` and `will_wake` only read the slot, and may run at the same time: that
//!   is why the slot holds a waker's two words instead of a `Waker`.
//! - I2: each waker put in is taken exactly once.

use std::task::{RawWakerVTable, Waker};

use sprang_core::primitive::cell::UnsafeCell;

/// The slot.
pub(crate) struct WakerSlot(UnsafeCell<Option<Parts>>);

#[derive(Clone, Copy)]
struct Parts {
    data: *const (),
    vtable: &'static RawWakerVTable,
}

// SAFETY: the parts are those of a `Waker`, which is `Send + Sync`; access is through unsafe functions only.
unsafe impl Send for WakerSlot {}
// SAFETY: as for `Send`.
unsafe impl Sync for WakerSlot {}

impl WakerSlot {
    /// An empty slot.
    #[inline]
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Puts `waker` in.
    ///
    /// # Safety
    ///
    /// Nobody else accesses the slot, and what was in it was taken (I1, I2).
    #[inline]
    pub(crate) unsafe fn put(&self, waker: Waker) {
        let parts = Parts {
            data: waker.data(),
            vtable: waker.vtable(),
        };
        std::mem::forget(waker);
        self.0.with_mut(|slot| {
            // SAFETY: passed on.
            unsafe { *slot = Some(parts) }
        });
    }

    /// Takes the waker over; the slot keeps a copy of its words, which must not be taken again.
    ///
    /// # Safety
    ///
    /// A waker was put in and nobody has taken it; nobody writes to the slot meanwhile.
    #[inline]
    pub(crate) unsafe fn take(&self) -> Waker {
        let parts = self.0.with(|slot| {
            // SAFETY: passed on: nobody writes.
            unsafe { *slot }
        });
        // SAFETY: passed on: a waker was put in.
        let Parts { data, vtable } = unsafe { parts.unwrap_unchecked() };
        // SAFETY: these are the parts of a waker that was forgotten by `put` and is brought back once (I2).
        unsafe { Waker::new(data, vtable) }
    }

    /// Whether the waker in the slot wakes the same task as `waker`.
    ///
    /// # Safety
    ///
    /// Nobody writes to the slot meanwhile. The answer means something only if the waker in the slot is still there.
    #[inline]
    pub(crate) unsafe fn will_wake(&self, waker: &Waker) -> bool {
        let parts = self.0.with(|slot| {
            // SAFETY: passed on: nobody writes.
            unsafe { *slot }
        });
        parts.is_some_and(|parts| parts.data == waker.data() && std::ptr::eq(parts.vtable, waker.vtable()))
    }
}

impl Drop for WakerSlot {
    fn drop(&mut self) {
        // Nothing to do but to let the model checker see that nobody reads the slot any more.
        self.0.with_mut(|_| ());
    }
}
