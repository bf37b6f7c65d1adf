//! The LIFO slot: the task that a worker runs next.
//!
//! Purpose: a task that wakes one other and then waits for it hands over the worker without passing through a queue
//! and without waking anybody.
//!
//! Invariants:
//! - I1: only the owner fills the slot, and only when it is empty; anybody empties it, by a swap. So the owner's push
//!   is a load and a store.
//!
//! Memory ordering: `push` releases the task to the `take` that acquires it.
//!
//! Models: `multi_thread::pool::models::lifo_item_goes_to_owner_or_thief`.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::ptr::NonNull;

use sprang_core::primitive::sync::atomic::AtomicPtr;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

use super::Item;

/// The slot.
pub(crate) struct LifoSlot<T: Item> {
    slot: AtomicPtr<T::Target>,
    _item: PhantomData<fn() -> T>,
}

impl<T: Item> LifoSlot<T> {
    pub(crate) fn new() -> Self {
        Self {
            slot: AtomicPtr::new(ptr::null_mut()),
            _item: PhantomData,
        }
    }

    /// Fills the slot, or gives the item back if it is full. Called by the owner only (I1).
    #[inline]
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        if !self.slot.load(Relaxed).is_null() {
            return Err(item);
        }
        // ORDERING: pairs with `take`: whoever takes the task sees its memory.
        self.slot.store(item.into_pointer().as_ptr(), Release);
        Ok(())
    }

    /// Empties the slot.
    #[inline]
    pub(crate) fn take(&self) -> Option<T> {
        if self.slot.load(Relaxed).is_null() {
            return None;
        }
        // ORDERING: pairs with `push`.
        let item = NonNull::new(self.slot.swap(ptr::null_mut(), AcqRel))?;
        // SAFETY: the swap gives the pointer to one thread.
        Some(unsafe { T::from_pointer(item) })
    }

    /// What is in the slot, for comparison only.
    #[inline]
    pub(crate) fn peek(&self) -> *const T::Target {
        self.slot.load(Relaxed)
    }
}

impl<T: Item> fmt::Debug for LifoSlot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LifoSlot").field(&self.peek()).finish()
    }
}

impl<T: Item> Drop for LifoSlot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
