//! A value that is set once.
//!
//! Purpose: what [`OnceCell`](crate::OnceCell) and [`SetOnce`](crate::SetOnce) have in common: the value, and whether it
//! is there. Who may set it, and who waits for it, is up to them.
//!
//! Called by: `once_cell`, `set_once`.
//!
//! Cost: getting a value that is there is one load.
//!
//! Invariants:
//! - I1: while `set` is false, the value is accessed by the one caller of `put` only; once it is true, the value is not
//!   written any more through a shared reference.
//!
//! Memory ordering: `put` (release store of `set`) → `is_set`, `get` (acquire load): who finds the flag set sees the value.
//!
//! Models: those of `once_cell` and `set_once`.

use sprang_core::primitive::cell::UnsafeCell;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Release};

/// See the module.
pub(crate) struct OnceValue<T> {
    set: AtomicBool,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: it owns the value.
unsafe impl<T: Send> Send for OnceValue<T> {}
// SAFETY: shared, it gives `&T`, and takes a `T` that its owner drops (I1).
unsafe impl<T: Send + Sync> Sync for OnceValue<T> {}

impl<T> OnceValue<T> {
    /// A value, if one is given.
    pub(crate) fn new(value: Option<T>) -> Self {
        Self {
            set: AtomicBool::new(value.is_some()),
            value: UnsafeCell::new(value),
        }
    }

    /// As [`new`](Self::new), in constants.
    #[cfg(not(sprang_loom))]
    pub(crate) const fn const_new(value: Option<T>) -> Self {
        Self {
            set: AtomicBool::new(value.is_some()),
            value: UnsafeCell::new(value),
        }
    }

    /// Whether it was set.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // ORDERING: pairs with `put`.
        self.set.load(Acquire)
    }

    /// The value, if it was set.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if !self.is_set() {
            return None;
        }
        self.value.with(|value| {
            // SAFETY: set, so it is not written any more (I1).
            unsafe { (*value).as_ref() }
        })
    }

    /// The value, if it was set, to be changed.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.with_mut(|value| {
            // SAFETY: borrowed exclusively.
            unsafe { (*value).as_mut() }
        })
    }

    /// Sets the value.
    ///
    /// # Safety
    ///
    /// It was not set before, and nobody else sets it meanwhile.
    pub(crate) unsafe fn put(&self, value: T) -> &T {
        let value = self.value.with_mut(|slot| {
            // SAFETY: passed on: the value is accessed by nobody else (I1).
            unsafe { &*(*slot).insert(value) }
        });
        // ORDERING: pairs with `is_set` (I1).
        self.set.store(true, Release);
        value
    }

    /// The value.
    pub(crate) fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

/// What a cell that is set once does as its value would.
macro_rules! like_its_value {
    ($cell:ident) => {
        impl<T> Default for $cell<T> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T> From<T> for $cell<T> {
            fn from(value: T) -> Self {
                Self::new_with(Some(value))
            }
        }

        impl<T: Clone> Clone for $cell<T> {
            fn clone(&self) -> Self {
                Self::new_with(self.get().cloned())
            }
        }

        impl<T: PartialEq> PartialEq for $cell<T> {
            fn eq(&self, other: &Self) -> bool {
                self.get() == other.get()
            }
        }

        impl<T: Eq> Eq for $cell<T> {}

        impl<T: fmt::Debug> fmt::Debug for $cell<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($cell))
                    .field("value", &self.get())
                    .finish()
            }
        }
    };
}

pub(crate) use like_its_value;
