//! The guards that own their lock.
//!
//! Purpose: access to the value of a [`RwLock`](super::RwLock) in an [`Arc`], or to a part of it, until dropped.
//!
//! Invariants: I1 of [`super`]: `held` holds one permit for a read guard, all for a write guard, and `data` points into
//! the value of the lock.

use std::sync::Arc;

use super::RwLock;
use crate::guard::{reads_data, show_as_value, writes_data};

/// Permits of an owned lock.
struct Held<T: ?Sized> {
    lock: Arc<RwLock<T>>,
    count: u32,
}

impl<T: ?Sized> Held<T> {
    /// Keeps one permit, and gives the others back.
    fn downgrade(mut self) -> Self {
        let others = self.count - 1;
        self.count = 1;
        self.lock.permits.release(others as usize);
        self
    }
}

impl<T: ?Sized> Drop for Held<T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.release(self.count as usize);
    }
}

/// The value of a lock in an [`Arc`], or a part of it, to be read; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<T>,
    data: *const U,
}

/// The value of a lock in an [`Arc`], to be written; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    held: Held<T>,
    data: *mut T,
}

/// A part of the value of a lock in an [`Arc`], to be written; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<T>,
    data: *mut U,
}

// SAFETY: a guard that is sent gives `&U`, and may drop the lock.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Send for OwnedRwLockReadGuard<T, U> {}
// SAFETY: a shared guard gives `&U`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Sync for OwnedRwLockReadGuard<T, U> {}
// SAFETY: a guard that is sent is as good as a `&mut T`, and may drop the lock.
unsafe impl<T: ?Sized + Send + Sync> Send for OwnedRwLockWriteGuard<T> {}
// SAFETY: a shared guard gives `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedRwLockWriteGuard<T> {}
// SAFETY: a guard that is sent is as good as a `&mut U`, and may drop the lock.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Send for OwnedRwLockMappedWriteGuard<T, U> {}
// SAFETY: a shared guard gives `&U`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Sync for OwnedRwLockMappedWriteGuard<T, U> {}

impl<T: ?Sized> OwnedRwLockReadGuard<T> {
    /// The guard for one permit, which the caller has taken.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        let (data, count) = (lock.pointer(), 1);
        Self {
            held: Held { lock, count },
            data,
        }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// Narrows the guard to a part of the value.
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, V>
    where
        F: FnOnce(&U) -> &V,
    {
        let data: *const V = f(&this);
        OwnedRwLockReadGuard { held: this.held, data }
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<F, V: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, V>, Self>
    where
        F: FnOnce(&U) -> Option<&V>,
    {
        match f(&this).map(|data| data as *const V) {
            Some(data) => Ok(OwnedRwLockReadGuard { held: this.held, data }),
            None => Err(this),
        }
    }

    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        &this.held.lock
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// The guard for all permits, which the caller has taken.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        let (data, count) = (lock.pointer(), lock.max_readers);
        Self {
            held: Held { lock, count },
            data,
        }
    }

    /// Narrows the guard to a part of the value.
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data: *mut U = f(&mut this);
        OwnedRwLockMappedWriteGuard { held: this.held, data }
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<F, U: ?Sized>(mut this: Self, f: F) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut this).map(|data| data as *mut U) {
            Some(data) => Ok(OwnedRwLockMappedWriteGuard { held: this.held, data }),
            None => Err(this),
        }
    }

    /// Keeps shared access to a part of the value only: readers are let in.
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, U>
    where
        F: FnOnce(&T) -> &U,
    {
        let data: *const U = f(&this);
        OwnedRwLockReadGuard {
            held: this.held.downgrade(),
            data,
        }
    }

    /// Keeps shared access to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match f(&this).map(|data| data as *const U) {
            Some(data) => Ok(OwnedRwLockReadGuard {
                held: this.held.downgrade(),
                data,
            }),
            None => Err(this),
        }
    }

    /// The guard as a mapped one, of the whole value.
    pub fn into_mapped(this: Self) -> OwnedRwLockMappedWriteGuard<T, T> {
        OwnedRwLockMappedWriteGuard {
            held: this.held,
            data: this.data,
        }
    }

    /// Keeps shared access only: readers are let in, in their order. No writer comes in between.
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T, T> {
        OwnedRwLockReadGuard {
            held: self.held.downgrade(),
            data: self.data,
        }
    }

    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        &this.held.lock
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    /// Narrows the guard to a part of the value.
    pub fn map<F, V: ?Sized>(mut this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, V>
    where
        F: FnOnce(&mut U) -> &mut V,
    {
        let data: *mut V = f(&mut this);
        OwnedRwLockMappedWriteGuard { held: this.held, data }
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<F, V: ?Sized>(mut this: Self, f: F) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut V>,
    {
        match f(&mut this).map(|data| data as *mut V) {
            Some(data) => Ok(OwnedRwLockMappedWriteGuard { held: this.held, data }),
            None => Err(this),
        }
    }

    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        &this.held.lock
    }
}

reads_data! {
    [T: ?Sized, U: ?Sized] OwnedRwLockReadGuard<T, U> as U;
}

writes_data! {
    [T: ?Sized] OwnedRwLockWriteGuard<T> as T;
    [T: ?Sized, U: ?Sized] OwnedRwLockMappedWriteGuard<T, U> as U;
}

show_as_value! {
    [T: ?Sized, U: ?Sized] OwnedRwLockReadGuard<T, U> as U;
    [T: ?Sized] OwnedRwLockWriteGuard<T> as T;
    [T: ?Sized, U: ?Sized] OwnedRwLockMappedWriteGuard<T, U> as U;
}
