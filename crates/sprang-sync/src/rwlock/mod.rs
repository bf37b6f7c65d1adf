//! [`RwLock`]: many readers or one writer, without blocking the thread.
//!
//! Purpose: shared or exclusive access to a value, in the order of asking: a writer that waits is not overtaken by
//! readers that come after it.
//!
//! Data flow: [`RwLock::read`] → `permits` (one permit), [`RwLock::write`] → `permits` (all permits) → guard → drop →
//! `permits`. `guard` and `owned` hold the guards.
//!
//! Cost: an uncontended lock and an uncontended unlock are one compare-exchange each.
//!
//! Invariants:
//! - I1: whoever holds a permit may read the value; whoever holds all may write it. A guard holds its permits in
//!   `held`, and points into the value.
//!
//! Models: those of `permits`, and `readers_see_what_a_writer_wrote`.

mod guard;
mod owned;

use std::fmt;
use std::sync::Arc;

use sprang_core::primitive::cell::UnsafeCell;

pub use self::guard::{RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard};
pub use self::owned::{OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
use crate::blocking::block_on;
use crate::mutex::TryLockError;
use crate::permits::Permits;

/// Readers that a lock admits at once, unless told otherwise.
const MAX_READERS: u32 = u32::MAX >> 3;

/// An asynchronous lock for many readers or one writer.
///
/// Tasks are served in the order in which they asked. A task that holds a read guard and asks for another while a
/// writer waits in between waits for ever.
///
/// ```
/// # futures::executor::block_on(async {
/// let lock = sprang_sync::RwLock::new(5);
/// {
///     let (one, two) = (lock.read().await, lock.read().await);
///     assert_eq!(*one + *two, 10);
/// }
/// *lock.write().await += 1;
/// assert_eq!(lock.into_inner(), 6);
/// # });
/// ```
pub struct RwLock<T: ?Sized> {
    permits: Permits,
    max_readers: u32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock owns its value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: a shared lock gives `&T` to many, or `&mut T` to one (I1).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T: ?Sized> RwLock<T> {
    /// An unlocked lock.
    #[track_caller]
    pub fn new(value: T) -> Self
    where
        T: Sized,
    {
        Self::with_max_readers(value, MAX_READERS)
    }

    /// A lock that admits up to `max_readers` readers at once.
    ///
    /// # Panics
    ///
    /// If `max_readers` is 0, or more than `u32::MAX >> 3`.
    #[track_caller]
    pub fn with_max_readers(value: T, max_readers: u32) -> Self
    where
        T: Sized,
    {
        assert_readers(max_readers);
        Self {
            permits: Permits::new(max_readers as usize),
            max_readers,
            value: UnsafeCell::new(value),
        }
    }

    /// As [`new`](Self::new), in constants and statics.
    #[cfg(not(sprang_loom))]
    pub const fn const_new(value: T) -> Self
    where
        T: Sized,
    {
        Self::const_with_max_readers(value, MAX_READERS)
    }

    /// As [`with_max_readers`](Self::with_max_readers), in constants and statics.
    ///
    /// # Panics
    ///
    /// As [`with_max_readers`](Self::with_max_readers).
    #[cfg(not(sprang_loom))]
    #[track_caller]
    pub const fn const_with_max_readers(value: T, max_readers: u32) -> Self
    where
        T: Sized,
    {
        assert_readers(max_readers);
        Self {
            permits: Permits::const_new(max_readers as usize),
            max_readers,
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for shared access.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the place in the queue, and nothing else.
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        self.take_permits(1).await;
        RwLockReadGuard::new(self)
    }

    /// As [`read`](Self::read), with a guard that owns the lock.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read).
    pub async fn read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        self.take_permits(1).await;
        OwnedRwLockReadGuard::new(self)
    }

    /// Waits for exclusive access.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the place in the queue, and nothing else.
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.take_permits(self.max_readers).await;
        RwLockWriteGuard::new(self)
    }

    /// As [`write`](Self::write), with a guard that owns the lock.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # futures::executor::block_on(async {
    /// let lock = Arc::new(sprang_sync::RwLock::new(1));
    /// let mut guard = Arc::clone(&lock).write_owned().await;
    /// std::thread::spawn(move || *guard += 1).join().unwrap();
    /// assert_eq!(*lock.read().await, 2);
    /// # });
    /// ```
    pub async fn write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        self.take_permits(self.max_readers).await;
        OwnedRwLockWriteGuard::new(self)
    }

    /// Waits for shared access on this thread. Not for use in async code.
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        block_on(self.read())
    }

    /// Waits for exclusive access on this thread. Not for use in async code.
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        block_on(self.write())
    }

    /// Takes shared access if nobody has, or waits for, exclusive access.
    ///
    /// # Errors
    ///
    /// If somebody does.
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.try_take_permits(1)?;
        Ok(RwLockReadGuard::new(self))
    }

    /// As [`try_read`](Self::try_read), with a guard that owns the lock.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        self.try_take_permits(1)?;
        Ok(OwnedRwLockReadGuard::new(self))
    }

    /// Takes exclusive access if nobody has access.
    ///
    /// # Errors
    ///
    /// If somebody has.
    ///
    /// ```
    /// let lock = sprang_sync::RwLock::new(1);
    /// let reader = lock.try_read().unwrap();
    /// assert!(lock.try_write().is_err());
    /// drop(reader);
    /// assert!(lock.try_write().is_ok());
    /// ```
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.try_take_permits(self.max_readers)?;
        Ok(RwLockWriteGuard::new(self))
    }

    /// As [`try_write`](Self::try_write), with a guard that owns the lock.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        self.try_take_permits(self.max_readers)?;
        Ok(OwnedRwLockWriteGuard::new(self))
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
    async fn take_permits(&self, count: u32) {
        let taken = self.permits.acquire(count as usize).await;
        // A lock never closes its permits, so there is no error to report.
        debug_assert!(taken.is_ok());
    }

    #[inline]
    fn try_take_permits(&self, count: u32) -> Result<(), TryLockError> {
        self.permits
            .try_acquire(count as usize)
            .map_err(|_| TryLockError::new())
    }

    /// Where the value is.
    #[inline]
    fn pointer(&self) -> *mut T {
        self.value.with_mut(|value| value)
    }
}

#[track_caller]
const fn assert_readers(max_readers: u32) {
    assert!(max_readers > 0, "a RwLock may not be created with 0 readers");
    assert!(max_readers <= MAX_READERS, "more readers than a lock can admit");
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => debug.field("data", &&*guard).finish(),
            Err(_) => debug.field("data", &format_args!("<locked>")).finish(),
        }
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::{model, sync, thread};

    /// A value whose accesses are checked.
    struct Value(UnsafeCell<usize>);

    // SAFETY: the model accesses it through guards only.
    unsafe impl Sync for Value {}

    #[test]
    fn readers_see_what_a_writer_wrote() {
        model(|| {
            let lock = sync::Arc::new(RwLock::with_max_readers(Value(UnsafeCell::new(0)), 2));
            let other = sync::Arc::clone(&lock);
            let writing = thread::spawn(move || {
                let guard = block_on(other.write());
                // SAFETY: all permits are held.
                guard.0.with_mut(|value| unsafe { *value += 1 });
                let guard = guard.downgrade();
                // SAFETY: a permit is held.
                assert_eq!(guard.0.with(|value| unsafe { *value }), 1);
            });
            let guard = block_on(lock.read());
            // SAFETY: a permit is held.
            let seen = guard.0.with(|value| unsafe { *value });
            drop(guard);
            writing.join().unwrap();
            assert!(seen <= 1);
            // SAFETY: the writer is gone.
            assert_eq!(lock.try_write().unwrap().0.with(|value| unsafe { *value }), 1);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_writer_that_waits_is_not_overtaken() {
        let lock = RwLock::new(0);
        let reader = lock.try_read().unwrap();
        let mut writer = Box::pin(lock.write());
        let mut late = Box::pin(lock.read());
        assert!(writer.as_mut().now_or_never().is_none());
        assert!(late.as_mut().now_or_never().is_none());
        assert!(lock.try_read().is_err());
        drop(reader);
        assert!(late.as_mut().now_or_never().is_none());
        let guard = writer.as_mut().now_or_never().unwrap();
        drop(guard);
        assert!(late.as_mut().now_or_never().is_some());
    }

    #[test]
    fn a_downgraded_writer_lets_readers_in_and_no_writer() {
        let lock = Arc::new(RwLock::new([1, 2]));
        let guard = lock.try_write().unwrap();
        assert!(lock.try_read().is_err());
        let guard = RwLockWriteGuard::downgrade_map(guard, |pair| &pair[1]);
        assert_eq!(*guard, 2);
        assert!(lock.try_read().is_ok());
        assert!(lock.try_write().is_err());
        drop(guard);
        let guard = Arc::clone(&lock).try_write_owned().unwrap().downgrade();
        assert!(lock.try_read().is_ok());
        drop(guard);
        assert!(lock.try_write().is_ok());
    }

    #[test]
    fn a_mapped_writer_keeps_everybody_out() {
        let lock = Arc::new(RwLock::new([1, 2]));
        let guard = Arc::clone(&lock).try_write_owned().unwrap();
        let guard = OwnedRwLockWriteGuard::try_map(guard, |pair| pair.get_mut(7)).unwrap_err();
        let mut guard = OwnedRwLockWriteGuard::map(guard, |pair| &mut pair[0]);
        *guard = 5;
        assert!(lock.try_read().is_err());
        drop(guard);
        assert_eq!(*lock.try_read().unwrap(), [5, 2]);
    }

    #[test]
    fn a_panic_while_mapping_unlocks() {
        let lock = RwLock::new(0);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let guard = lock.try_write().unwrap();
            drop(RwLockWriteGuard::map(guard, |_| -> &mut u8 {
                panic!("in the closure")
            }));
        }));
        assert!(caught.is_err());
        assert!(lock.try_write().is_ok());
    }

    #[test]
    fn no_more_readers_than_were_allowed() {
        let lock = RwLock::with_max_readers((), 2);
        let readers = (lock.try_read().unwrap(), lock.try_read().unwrap());
        assert!(lock.try_read().is_err());
        drop(readers);
    }

    #[test]
    #[should_panic(expected = "0 readers")]
    fn a_lock_for_no_readers_panics() {
        let _ = RwLock::with_max_readers((), 0);
    }
}
