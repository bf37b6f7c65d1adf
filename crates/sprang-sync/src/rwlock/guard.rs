//! The guards that borrow their lock.
//!
//! Purpose: access to the value of a [`RwLock`](super::RwLock), or to a part of it, until dropped.
//!
//! Invariants: I1 of [`super`]: `held` holds one permit for a read guard, all for a write guard, and `data` points into
//! the value of the lock.

use std::marker::PhantomData;

use super::RwLock;
use crate::guard::{reads_data, show_as_value, writes_data};
use crate::permits::Permits;

/// Permits of a borrowed lock.
struct Held<'a> {
    permits: &'a Permits,
    count: u32,
}

impl Held<'_> {
    /// Keeps one permit, and gives the others back.
    fn downgrade(mut self) -> Self {
        let others = self.count - 1;
        self.count = 1;
        self.permits.release(others as usize);
        self
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.permits.release(self.count as usize);
    }
}

/// The value, or a part of it, to be read; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    held: Held<'a>,
    data: *const T,
    _borrow: PhantomData<&'a T>,
}

/// The value, to be written; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    held: Held<'a>,
    data: *mut T,
    _borrow: PhantomData<&'a mut T>,
}

/// A part of the value, to be written; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized> {
    held: Held<'a>,
    data: *mut T,
    _borrow: PhantomData<&'a mut T>,
}

// SAFETY: a guard that is sent gives `&T`.
unsafe impl<T: ?Sized + Sync> Send for RwLockReadGuard<'_, T> {}
// SAFETY: a shared guard gives `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: a guard that is sent is as good as a `&mut T`.
unsafe impl<T: ?Sized + Send + Sync> Send for RwLockWriteGuard<'_, T> {}
// SAFETY: a shared guard gives `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockWriteGuard<'_, T> {}
// SAFETY: a guard that is sent is as good as a `&mut T`.
unsafe impl<T: ?Sized + Send + Sync> Send for RwLockMappedWriteGuard<'_, T> {}
// SAFETY: a shared guard gives `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockMappedWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// The guard for one permit, which the caller has taken.
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        let (data, count) = (lock.pointer(), 1);
        Self {
            held: Held {
                permits: &lock.permits,
                count,
            },
            data,
            _borrow: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value.
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        let data: *const U = f(&this);
        RwLockReadGuard {
            held: this.held,
            data,
            _borrow: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match f(&this).map(|data| data as *const U) {
            Some(data) => Ok(RwLockReadGuard {
                held: this.held,
                data,
                _borrow: PhantomData,
            }),
            None => Err(this),
        }
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// The guard for all permits, which the caller has taken.
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        let (data, count) = (lock.pointer(), lock.max_readers);
        Self {
            held: Held {
                permits: &lock.permits,
                count,
            },
            data,
            _borrow: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value.
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data: *mut U = f(&mut this);
        RwLockMappedWriteGuard {
            held: this.held,
            data,
            _borrow: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<F, U: ?Sized>(mut this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut this).map(|data| data as *mut U) {
            Some(data) => Ok(RwLockMappedWriteGuard {
                held: this.held,
                data,
                _borrow: PhantomData,
            }),
            None => Err(this),
        }
    }

    /// Keeps shared access to a part of the value only: readers are let in.
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        let data: *const U = f(&this);
        RwLockReadGuard {
            held: this.held.downgrade(),
            data,
            _borrow: PhantomData,
        }
    }

    /// Keeps shared access to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match f(&this).map(|data| data as *const U) {
            Some(data) => Ok(RwLockReadGuard {
                held: this.held.downgrade(),
                data,
                _borrow: PhantomData,
            }),
            None => Err(this),
        }
    }

    /// The guard as a mapped one, of the whole value.
    pub fn into_mapped(this: Self) -> RwLockMappedWriteGuard<'a, T> {
        RwLockMappedWriteGuard {
            held: this.held,
            data: this.data,
            _borrow: PhantomData,
        }
    }

    /// Keeps shared access only: readers are let in, in their order. No writer comes in between.
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard {
            held: self.held.downgrade(),
            data: self.data,
            _borrow: PhantomData,
        }
    }
}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    /// Narrows the guard to a part of the value.
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data: *mut U = f(&mut this);
        RwLockMappedWriteGuard {
            held: this.held,
            data,
            _borrow: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<F, U: ?Sized>(mut this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut this).map(|data| data as *mut U) {
            Some(data) => Ok(RwLockMappedWriteGuard {
                held: this.held,
                data,
                _borrow: PhantomData,
            }),
            None => Err(this),
        }
    }
}

reads_data! {
    [T: ?Sized] RwLockReadGuard<'_, T> as T;
}

writes_data! {
    [T: ?Sized] RwLockWriteGuard<'_, T> as T;
    [T: ?Sized] RwLockMappedWriteGuard<'_, T> as T;
}

show_as_value! {
    [T: ?Sized] RwLockReadGuard<'_, T> as T;
    [T: ?Sized] RwLockWriteGuard<'_, T> as T;
    [T: ?Sized] RwLockMappedWriteGuard<'_, T> as T;
}
