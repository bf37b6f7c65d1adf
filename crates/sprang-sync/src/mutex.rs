//! [`Mutex`]: a lock that is waited for without blocking the thread, and may be held across an `.await`.
//!
//! Purpose: exclusive access to a value, in the order of asking.
//!
//! Data flow: [`Mutex::lock`] → `permits` (one permit) → guard → drop → `permits`.
//!
//! Cost: an uncontended lock and an uncontended unlock are one compare-exchange each. A contended unlock hands the lock
//! to the waiter at the front.
//!
//! Invariants:
//! - I1: whoever holds the one permit has the value to itself. Each guard stands for that permit and gives it back
//!   when it is dropped; a mapped guard points into the value.
//!
//! Models: those of `permits`, `holders_exclude_each_other` above all.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sprang_core::primitive::cell::UnsafeCell;

use crate::blocking::block_on;
use crate::guard::{show_as_value, writes_data};
use crate::permits::Permits;

/// An asynchronous lock.
///
/// For a value that is never held across an `.await`, a lock of the standard library is often the better choice: it is
/// smaller, and is held for a moment only.
///
/// Unlike the standard library's, this lock is not poisoned by a panic: the guard unlocks it.
///
/// ```
/// # futures::executor::block_on(async {
/// let mutex = sprang_sync::Mutex::new(1);
/// *mutex.lock().await += 1;
/// assert_eq!(mutex.into_inner(), 2);
/// # });
/// ```
pub struct Mutex<T: ?Sized> {
    permits: Permits,
    value: UnsafeCell<T>,
}

// SAFETY: the value is accessed by one holder at a time (I1), on whatever thread it is.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// The lock was held by somebody else.
#[derive(Debug)]
pub struct TryLockError(());

impl TryLockError {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operation would block")
    }
}

impl std::error::Error for TryLockError {}

/// The locked value; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct MutexGuard<'a, T: ?Sized> {
    lock: &'a Mutex<T>,
}

/// The locked value of a mutex in an [`Arc`]; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct OwnedMutexGuard<T: ?Sized> {
    held: OwnedHeld<T>,
}

/// A part of the locked value; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    held: Held<'a>,
    data: *mut T,
    _exclusive: PhantomData<&'a mut T>,
}

/// A part of the locked value of a mutex in an [`Arc`]; unlocks when dropped.
#[must_use = "the lock is released at once"]
#[clippy::has_significant_drop]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized = T> {
    held: OwnedHeld<T>,
    data: *mut U,
}

/// The permit of a borrowed mutex.
struct Held<'a>(&'a Permits);

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.release(1);
    }
}

/// The permit of an owned mutex.
struct OwnedHeld<T: ?Sized>(Arc<Mutex<T>>);

impl<T: ?Sized> Drop for OwnedHeld<T> {
    #[inline]
    fn drop(&mut self) {
        self.0.permits.release(1);
    }
}

// SAFETY: a shared guard gives `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for MutexGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedMutexGuard<T> {}
// SAFETY: a guard that is sent is as good as a `&mut T`.
unsafe impl<T: ?Sized + Send> Send for MappedMutexGuard<'_, T> {}
// SAFETY: a shared guard gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MappedMutexGuard<'_, T> {}
// SAFETY: a guard that is sent is as good as a `&mut U`, and may drop the mutex.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send> Send for OwnedMappedMutexGuard<T, U> {}
// SAFETY: a shared guard gives `&U`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Sync for OwnedMappedMutexGuard<T, U> {}

impl<T: ?Sized> Mutex<T> {
    /// An unlocked mutex.
    #[track_caller]
    pub fn new(value: T) -> Self
    where
        T: Sized,
    {
        Self {
            permits: Permits::new(1),
            value: UnsafeCell::new(value),
        }
    }

    /// As [`new`](Self::new), in constants and statics.
    ///
    /// ```
    /// static NAMES: sprang_sync::Mutex<Vec<String>> = sprang_sync::Mutex::const_new(Vec::new());
    /// # assert!(NAMES.try_lock().is_ok());
    /// ```
    #[cfg(not(sprang_loom))]
    pub const fn const_new(value: T) -> Self
    where
        T: Sized,
    {
        Self {
            permits: Permits::const_new(1),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the place in the queue, and nothing else.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        self.take_permit().await;
        MutexGuard { lock: self }
    }

    /// As [`lock`](Self::lock), with a guard that owns the mutex.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Self::lock).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # futures::executor::block_on(async {
    /// let mutex = Arc::new(sprang_sync::Mutex::new(1));
    /// let mut guard = Arc::clone(&mutex).lock_owned().await;
    /// std::thread::spawn(move || *guard += 1).join().unwrap();
    /// assert_eq!(*mutex.lock().await, 2);
    /// # });
    /// ```
    pub async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        self.take_permit().await;
        OwnedMutexGuard { held: OwnedHeld(self) }
    }

    /// Waits for the lock on this thread. Not for use in async code.
    ///
    /// ```
    /// let mutex = sprang_sync::Mutex::new(1);
    /// *mutex.blocking_lock() += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        block_on(self.lock())
    }

    /// As [`blocking_lock`](Self::blocking_lock), with a guard that owns the mutex.
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        block_on(self.lock_owned())
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    ///
    /// If somebody holds it.
    ///
    /// ```
    /// let mutex = sprang_sync::Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_err());
    /// # drop(guard);
    /// ```
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        match self.permits.try_acquire(1) {
            Ok(()) => Ok(MutexGuard { lock: self }),
            Err(_) => Err(TryLockError::new()),
        }
    }

    /// As [`try_lock`](Self::try_lock), with a guard that owns the mutex.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        match self.permits.try_acquire(1) {
            Ok(()) => Ok(OwnedMutexGuard { held: OwnedHeld(self) }),
            Err(_) => Err(TryLockError::new()),
        }
    }

    /// The value, without locking: nobody else can have access.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: borrowed exclusively.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// The value.
    pub fn into_inner(self) -> T
    where
        T: Sized,
    {
        self.value.into_inner()
    }

    #[inline]
    async fn take_permit(&self) {
        let taken = self.permits.acquire(1).await;
        // A mutex never closes its permits, so there is no error to report.
        debug_assert!(taken.is_ok());
    }

    /// # Safety
    ///
    /// The caller holds the permit, and forms no other reference while it uses this one.
    #[inline]
    unsafe fn locked(&self) -> *mut T {
        self.value.with_mut(|value| value)
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => debug.field("data", &&*guard).finish(),
            Err(_) => debug.field("data", &format_args!("<locked>")).finish(),
        }
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Narrows the guard to a part of the value.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use sprang_sync::{Mutex, MutexGuard};
    ///
    /// let mutex = Mutex::new((1, "one"));
    /// *MutexGuard::map(mutex.lock().await, |pair| &mut pair.0) += 1;
    /// assert_eq!(mutex.lock().await.0, 2);
    /// # });
    /// ```
    pub fn map<U: ?Sized, F>(mut this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data: *mut U = f(&mut this);
        this.mapped(data)
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<U: ?Sized, F>(mut this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut this).map(|data| data as *mut U) {
            Some(data) => Ok(this.mapped(data)),
            None => Err(this),
        }
    }

    /// The mutex.
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.lock
    }

    fn mapped<U: ?Sized>(self, data: *mut U) -> MappedMutexGuard<'a, U> {
        let lock = ManuallyDrop::new(self).lock;
        MappedMutexGuard {
            held: Held(&lock.permits),
            data,
            _exclusive: PhantomData,
        }
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// Narrows the guard to a part of the value; as [`MutexGuard::map`].
    pub fn map<U: ?Sized, F>(mut this: Self, f: F) -> OwnedMappedMutexGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data: *mut U = f(&mut this);
        OwnedMappedMutexGuard { held: this.held, data }
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<U: ?Sized, F>(mut this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut this).map(|data| data as *mut U) {
            Some(data) => Ok(OwnedMappedMutexGuard { held: this.held, data }),
            None => Err(this),
        }
    }

    /// The mutex.
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        &this.held.0
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// Narrows the guard further.
    pub fn map<U: ?Sized, F>(mut this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data: *mut U = f(&mut this);
        MappedMutexGuard {
            held: this.held,
            data,
            _exclusive: PhantomData,
        }
    }

    /// Narrows the guard further, to a part that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<U: ?Sized, F>(mut this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut this).map(|data| data as *mut U) {
            Some(data) => Ok(MappedMutexGuard {
                held: this.held,
                data,
                _exclusive: PhantomData,
            }),
            None => Err(this),
        }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    /// Narrows the guard further.
    pub fn map<S: ?Sized, F>(mut this: Self, f: F) -> OwnedMappedMutexGuard<T, S>
    where
        F: FnOnce(&mut U) -> &mut S,
    {
        let data: *mut S = f(&mut this);
        OwnedMappedMutexGuard { held: this.held, data }
    }

    /// Narrows the guard further, to a part that may not be there.
    ///
    /// # Errors
    ///
    /// Gives the guard back if `f` returns `None`.
    pub fn try_map<S: ?Sized, F>(mut this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, S>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut S>,
    {
        match f(&mut this).map(|data| data as *mut S) {
            Some(data) => Ok(OwnedMappedMutexGuard { held: this.held, data }),
            None => Err(this),
        }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.release(1);
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard stands for the permit (I1).
        let value = unsafe { self.lock.locked() };
        // SAFETY: as above; shared as long as the guard is.
        unsafe { &*value }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard stands for the permit (I1).
        let value = unsafe { self.lock.locked() };
        // SAFETY: as above; exclusive as the guard is.
        unsafe { &mut *value }
    }
}

impl<T: ?Sized> Deref for OwnedMutexGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard stands for the permit (I1).
        let value = unsafe { self.held.0.locked() };
        // SAFETY: as above; shared as long as the guard is.
        unsafe { &*value }
    }
}

impl<T: ?Sized> DerefMut for OwnedMutexGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard stands for the permit (I1).
        let value = unsafe { self.held.0.locked() };
        // SAFETY: as above; exclusive as the guard is.
        unsafe { &mut *value }
    }
}

writes_data! {
    [T: ?Sized] MappedMutexGuard<'_, T> as T;
    [T: ?Sized, U: ?Sized] OwnedMappedMutexGuard<T, U> as U;
}

show_as_value! {
    [T: ?Sized] MutexGuard<'_, T> as T;
    [T: ?Sized] OwnedMutexGuard<T> as T;
    [T: ?Sized] MappedMutexGuard<'_, T> as T;
    [T: ?Sized, U: ?Sized] OwnedMappedMutexGuard<T, U> as U;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn the_lock_is_handed_to_the_first_who_asked() {
        let mutex = Mutex::new(0);
        let guard = mutex.try_lock().unwrap();
        let mut first = Box::pin(mutex.lock());
        let mut second = Box::pin(mutex.lock());
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        drop(guard);
        assert!(mutex.try_lock().is_err(), "nobody barges in");
        assert!(second.as_mut().now_or_never().is_none());
        let guard = first.as_mut().now_or_never().unwrap();
        drop(guard);
        assert!(second.as_mut().now_or_never().is_some());
    }

    #[test]
    fn a_panic_while_mapping_unlocks() {
        let mutex = Arc::new(Mutex::new(0));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let guard = Arc::clone(&mutex).try_lock_owned().unwrap();
            drop(OwnedMutexGuard::map(guard, |_| -> &mut u8 { panic!("in the closure") }));
        }));
        assert!(caught.is_err());
        assert!(mutex.try_lock().is_ok());
    }

    #[test]
    fn a_mapped_guard_holds_the_lock_until_it_is_dropped() {
        let mutex = Arc::new(Mutex::new([1, 2]));
        let guard = Arc::clone(&mutex).try_lock_owned().unwrap();
        let guard = OwnedMutexGuard::try_map(guard, |pair| pair.get_mut(5)).unwrap_err();
        let mut guard = OwnedMutexGuard::map(guard, |pair| &mut pair[1]);
        *guard += 5;
        assert!(mutex.try_lock().is_err());
        drop(guard);
        assert_eq!(*mutex.try_lock().unwrap(), [1, 7]);
    }

    #[test]
    fn unsized_values_can_be_locked() {
        let mutex: Arc<Mutex<[u8]>> = Arc::new(Mutex::new([1, 2, 3]));
        assert_eq!(mutex.try_lock().unwrap().len(), 3);
    }
}
