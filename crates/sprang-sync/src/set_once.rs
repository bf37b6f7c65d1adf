//! [`SetOnce`]: a value that is set once, and waited for.
//!
//! Purpose: many tasks wait for a value that one of them, or anybody else, sets.
//!
//! Data flow: [`SetOnce::set`] → `once_value` → `notify` → [`SetOnce::wait`].
//!
//! Cost: getting a value that is there is one load.
//!
//! Invariants:
//! - I1: the value is set under the lock only.
//! - I2: a waiter looks for the value after it made its `Notified`; the value is set before the notification. The edge
//!   is that of `notify`.
//!
//! Models: `a_waiter_gets_the_value`, `a_value_seen_is_a_value_written`.

use std::error::Error;
use std::fmt;

use sprang_core::primitive::sync::Mutex;

use crate::notify::Notify;
use crate::once_value::{OnceValue, like_its_value};

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
    /// Held while the value is set.
    setting: Mutex<()>,
    notify: Notify,
    value: OnceValue<T>,
}

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
            setting: Mutex::new(()),
            notify: Notify::const_new(),
            value: OnceValue::const_new(None),
        }
    }

    /// A cell with a value, if one is given.
    pub fn new_with(value: Option<T>) -> Self {
        Self {
            setting: Mutex::new(()),
            notify: Notify::new(),
            value: OnceValue::new(value),
        }
    }

    /// A cell with a value, in constants and statics.
    #[cfg(not(sprang_loom))]
    pub const fn const_new_with(value: T) -> Self {
        Self {
            setting: Mutex::new(()),
            notify: Notify::const_new(),
            value: OnceValue::const_new(Some(value)),
        }
    }

    /// Whether there is a value.
    #[inline]
    pub fn initialized(&self) -> bool {
        self.value.is_set()
    }

    /// The value, if there is one.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
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
        if self.initialized() {
            return Err(SetOnceError(value));
        }
        // SAFETY: the lock is held, and no value was set (I1).
        unsafe { self.value.put(value) };
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

like_its_value!(SetOnce);

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
