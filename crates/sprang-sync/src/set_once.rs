//! [`SetOnce`]: a value that is set once, and waited for.
//!
//! Purpose: many tasks wait for a value that one of them, or anybody else, sets.
//!
//! Data flow: [`SetOnce::set`] → value, flag → `notify` → [`SetOnce::wait`].
//!
//! Cost: getting a value that is there is one load.
//!
//! Invariants:
//! - I1: while `set` is false, the value is accessed under the lock only; once it is true, the value is not written any
//!   more through a shared cell.
//! - I2: a waiter looks at `set` after it made its `Notified`; `set` is made true before the notification.
//!
//! Memory ordering: `SetOnce::set` (release store of `set`) → `get` (acquire load). For I2 the edge is that of `notify`.
//!
//! Models: `a_waiter_gets_the_value`, `a_value_seen_is_a_value_written`.

use std::error::Error;
use std::fmt;

use sprang_core::primitive::cell::UnsafeCell;
use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::notify::Notify;

/// A value that is set once, and that tasks can wait for.
///
/// ```
/// # futures::executor::block_on(async {
/// static READY: sprang_sync::SetOnce<u32> = sprang_sync::SetOnce::const_new();
///
/// std::thread::spawn(|| READY.set(42).unwrap());
/// assert_eq!(READY.wait().await, &42);
/// # });
/// ```
pub struct SetOnce<T> {
    set: AtomicBool,
    /// Held while the value is written.
    setting: Mutex<()>,
    notify: Notify,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the cell owns its value.
unsafe impl<T: Send> Send for SetOnce<T> {}
// SAFETY: a shared cell gives `&T`, and takes a `T` that the owner of the cell drops (I1).
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

/// There was a value already. Holds the one that was not set.
#[derive(Debug, PartialEq, Eq)]
pub struct SetOnceError<T>(pub T);

impl<T> fmt::Display for SetOnceError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetOnceError")
    }
}

impl<T: fmt::Debug> Error for SetOnceError<T> {}

impl<T> SetOnce<T> {
    /// A cell without a value.
    pub fn new() -> Self {
        Self::new_with(None)
    }

    /// As [`new`](Self::new), in constants and statics.
    #[cfg(not(sprang_loom))]
    pub const fn const_new() -> Self {
        Self {
            set: AtomicBool::new(false),
            setting: Mutex::new(()),
            notify: Notify::const_new(),
            value: UnsafeCell::new(None),
        }
    }

    /// A cell with a value, if one is given.
    pub fn new_with(value: Option<T>) -> Self {
        Self {
            set: AtomicBool::new(value.is_some()),
            setting: Mutex::new(()),
            notify: Notify::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// A cell with a value, in constants and statics.
    #[cfg(not(sprang_loom))]
    pub const fn const_new_with(value: T) -> Self {
        Self {
            set: AtomicBool::new(true),
            setting: Mutex::new(()),
            notify: Notify::const_new(),
            value: UnsafeCell::new(Some(value)),
        }
    }

    /// Whether there is a value.
    #[inline]
    pub fn initialized(&self) -> bool {
        // ORDERING: pairs with `set`.
        self.set.load(Acquire)
    }

    /// The value, if there is one.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if !self.initialized() {
            return None;
        }
        self.value.with(|value| {
            // SAFETY: set, so it is not written any more (I1).
            unsafe { (*value).as_ref() }
        })
    }

    /// Sets the value, and wakes all who wait for it.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is one already.
    ///
    /// ```
    /// let cell = sprang_sync::SetOnce::new();
    /// assert!(cell.set(1).is_ok());
    /// assert_eq!(cell.set(2).unwrap_err().0, 2);
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        if self.initialized() {
            return Err(SetOnceError(value));
        }
        let setting = self.setting.lock();
        if self.set.load(Relaxed) {
            return Err(SetOnceError(value));
        }
        self.value.with_mut(|slot| {
            // SAFETY: the lock is held, and no value was set (I1).
            unsafe { *slot = Some(value) }
        });
        // ORDERING: pairs with `get` (I1).
        self.set.store(true, Release);
        drop(setting);
        self.notify.notify_waiters();
        Ok(())
    }

    /// Waits for the value.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn wait(&self) -> &T {
        loop {
            if let Some(value) = self.get() {
                return value;
            }
            let notified = self.notify.notified();
            if let Some(value) = self.get() {
                return value;
            }
            notified.await;
        }
    }

    /// The value.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for SetOnce<T> {
    fn from(value: T) -> Self {
        Self::new_with(Some(value))
    }
}

impl<T: Clone> Clone for SetOnce<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for SetOnce<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for SetOnce<T> {}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetOnce").field("value", &self.get()).finish()
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::blocking::block_on;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::{model, thread};

    #[test]
    fn a_waiter_gets_the_value() {
        model(|| {
            let cell = Arc::new(SetOnce::new());
            let other = Arc::clone(&cell);
            let setting = thread::spawn(move || other.set(Box::new(1)).is_ok());
            let here = cell.set(Box::new(2)).is_ok();
            let expected = if here { 2 } else { 1 };
            assert_eq!(**block_on(cell.wait()), expected);
            assert!(setting.join().unwrap() != here);
        });
    }

    #[test]
    fn a_value_seen_is_a_value_written() {
        model(|| {
            let cell = Arc::new(SetOnce::new());
            let other = Arc::clone(&cell);
            let reading = thread::spawn(move || other.get().is_none_or(|value| *value == 1_u32));
            cell.set(1).unwrap();
            assert!(reading.join().unwrap());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn all_who_wait_get_the_value() {
        let cell = SetOnce::new();
        let mut waits: Vec<_> = (0..40).map(|_| Box::pin(cell.wait())).collect();
        for wait in &mut waits {
            assert!(wait.as_mut().now_or_never().is_none());
        }
        cell.set("there").unwrap();
        assert!(
            waits
                .iter_mut()
                .all(|wait| wait.as_mut().now_or_never() == Some(&"there"))
        );
    }
}
