//! [`OnceCell`]: a value that is computed once, by an async function.
//!
//! Purpose: many tasks ask, one computes, all get the value. If the one fails or is cancelled, the next takes over.
//!
//! Data flow: [`OnceCell::get_or_init`] → `once_value`, or `permits` → initialiser → `once_value`.
//!
//! Cost: getting a value that is there is one load.
//!
//! Invariants:
//! - I1: the value is set by the holder of the one permit only, who does not give the permit back then.
//! - I2: the permits are closed only after the value was set, so whoever finds them closed finds it. The edge is that of
//!   `permits`.
//!
//! Models: `one_of_two_initialisers_runs`.

use std::error::Error;
use std::fmt;
use std::future::Future;

use crate::once_value::{OnceValue, like_its_value};
use crate::permits::{Permits, TryAcquireError};

/// A value that is set once, if need be by an async function.
///
/// ```
/// # futures::executor::block_on(async {
/// use sprang_sync::OnceCell;
///
/// static ANSWER: OnceCell<u32> = OnceCell::const_new();
///
/// assert_eq!(ANSWER.get_or_init(async || 6 * 7).await, &42);
/// assert_eq!(ANSWER.get(), Some(&42));
/// # });
/// ```
pub struct OnceCell<T> {
    permits: Permits,
    value: OnceValue<T>,
}

/// Why a value was not set. Holds the value.
#[derive(Debug, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is a value.
    AlreadyInitializedError(T),
    /// A task is computing the value.
    InitializingError(T),
}

impl<T> SetError<T> {
    /// Whether there is a value.
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, Self::AlreadyInitializedError(_))
    }

    /// Whether a task is computing the value.
    pub fn is_initializing_err(&self) -> bool {
        matches!(self, Self::InitializingError(_))
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInitializedError(_) => "AlreadyInitializedError",
            Self::InitializingError(_) => "InitializingError",
        })
    }
}

impl<T: fmt::Debug> Error for SetError<T> {}

/// The one permit, given back unless a value is stored.
struct Initialiser<'a, T>(&'a OnceCell<T>);

impl<T> Drop for Initialiser<'_, T> {
    fn drop(&mut self) {
        self.0.permits.release(1);
    }
}

impl<'a, T> Initialiser<'a, T> {
    fn store(self, value: T) -> &'a T {
        let cell = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: the one permit is held, and no value was set (I1).
        let value = unsafe { cell.value.put(value) };
        cell.permits.close();
        value
    }
}

impl<T> OnceCell<T> {
    /// A cell without a value.
    pub fn new() -> Self {
        Self::new_with(None)
    }

    /// As [`new`](Self::new), in constants and statics.
    #[cfg(not(sprang_loom))]
    pub const fn const_new() -> Self {
        Self {
            permits: Permits::const_new(1),
            value: OnceValue::const_new(None),
        }
    }

    /// A cell with a value, if one is given.
    pub fn new_with(value: Option<T>) -> Self {
        let permits = match value {
            Some(_) => Permits::new_closed(),
            None => Permits::new(1),
        };
        let value = OnceValue::new(value);
        Self { permits, value }
    }

    /// A cell with a value, in constants and statics.
    #[cfg(not(sprang_loom))]
    pub const fn const_new_with(value: T) -> Self {
        Self {
            permits: Permits::const_new_closed(),
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

    /// The value, if there is one, to be changed.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is one already, or a task is computing one.
    ///
    /// ```
    /// let cell = sprang_sync::OnceCell::new();
    /// assert!(cell.set(1).is_ok());
    /// assert!(cell.set(2).unwrap_err().is_already_init_err());
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        match self.permits.try_acquire(1) {
            Ok(()) => {
                Initialiser(self).store(value);
                Ok(())
            }
            Err(_) if self.initialized() => Err(SetError::AlreadyInitializedError(value)),
            Err(TryAcquireError::NoPermits) => Err(SetError::InitializingError(value)),
            Err(TryAcquireError::Closed) => Err(SetError::AlreadyInitializedError(value)),
        }
    }

    /// The value; computed by `f` if there is none.
    ///
    /// Of tasks that ask at once, one runs its function and the others wait. If that one panics or is dropped, the next
    /// runs its own. A function that asks its own cell waits for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the one that computes; the cell is left as it was.
    pub async fn get_or_init<F, Fut>(&self, f: F) -> &T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        if let Some(value) = self.get() {
            return value;
        }
        match self.start().await {
            Ok(initialiser) => initialiser.store(f().await),
            Err(value) => value,
        }
    }

    /// The value; computed by `f` if there is none. As [`get_or_init`](Self::get_or_init).
    ///
    /// # Errors
    ///
    /// That of `f`. The cell is left without a value, and the next task runs its function.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_init`](Self::get_or_init).
    pub async fn get_or_try_init<E, F, Fut>(&self, f: F) -> Result<&T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        match self.start().await {
            Ok(initialiser) => Ok(initialiser.store(f().await?)),
            Err(value) => Ok(value),
        }
    }

    /// The value.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, and leaves the cell without one.
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }

    /// Waits for the right to compute the value, or for the value.
    async fn start(&self) -> Result<Initialiser<'_, T>, &T> {
        match self.permits.acquire(1).await {
            Ok(()) => Ok(Initialiser(self)),
            Err(_) => Err(self.get().expect("the permits are closed after the value is set")),
        }
    }
}

like_its_value!(OnceCell);

#[cfg(test)]
mod models {
    use super::*;
    use crate::blocking::block_on;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::{model, thread};

    #[test]
    fn one_of_two_initialisers_runs() {
        model(|| {
            let cell = Arc::new(OnceCell::new());
            let other = Arc::clone(&cell);
            let initialising = thread::spawn(move || **block_on(other.get_or_init(async || Box::new(1))));
            let here = match cell.get() {
                Some(value) => **value,
                None => **block_on(cell.get_or_init(async || Box::new(2))),
            };
            assert_eq!(initialising.join().unwrap(), here);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn the_next_initialiser_runs_when_one_is_dropped_or_fails() {
        let cell = OnceCell::new();
        let mut stuck = Box::pin(cell.get_or_init(std::future::pending));
        assert!(stuck.as_mut().now_or_never().is_none());
        assert!(cell.set(1).unwrap_err().is_initializing_err());
        let mut failing = Box::pin(cell.get_or_try_init(async || Err("no")));
        let mut next = Box::pin(cell.get_or_init(async || 3));
        assert!(failing.as_mut().now_or_never().is_none());
        assert!(next.as_mut().now_or_never().is_none());
        drop(stuck);
        assert_eq!(failing.as_mut().now_or_never(), Some(Err("no")));
        assert_eq!(next.as_mut().now_or_never(), Some(&3));
    }

    #[test]
    fn a_value_can_be_taken_and_set_again() {
        let mut cell = OnceCell::from(1);
        assert!(cell.set(2).unwrap_err().is_already_init_err());
        assert_eq!(cell.take(), Some(1));
        assert_eq!(cell.set(2), Ok(()));
        assert_eq!(cell.clone().into_inner(), Some(2));
    }
}
