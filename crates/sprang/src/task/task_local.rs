//! Values that are a task's own.
//!
//! Purpose: [`task_local!`](crate::task_local) and [`LocalKey`]. Needs no runtime: a scope is a future that puts its
//! value into a thread-local for the time of each poll, and takes it back.
//!
//! Invariants:
//! - I1: outside of a poll, or a `sync_scope`, the value is in its scope, not in the thread-local. Scopes of one key
//!   nest: the inner one keeps the outer value meanwhile.
//! - I2: values are swapped under the `RefCell`'s exclusive borrow, and user code runs under none but the shared
//!   borrow of `try_with`.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

/// Declares task-local keys, in the syntax of [`std::thread_local!`] but without initial values.
///
/// A key has a value inside of [`LocalKey::scope`] and [`LocalKey::sync_scope`] only. See [`LocalKey`].
///
/// ```
/// sprang::task_local! {
///     /// The number of the request that the task serves.
///     pub static REQUEST: u64;
///     static USER: String;
/// }
///
/// REQUEST.sync_scope(7, || assert_eq!(REQUEST.get(), 7));
/// assert!(USER.try_get().is_err());
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $value:ty);* $(;)?) => {
        $(
            $(#[$attribute])*
            $visibility static $name: $crate::task::LocalKey<$value> = {
                ::std::thread_local! {
                    static SLOT: ::std::cell::RefCell<::std::option::Option<$value>> =
                        const { ::std::cell::RefCell::new(::std::option::Option::None) };
                }
                $crate::task::LocalKey { inner: SLOT }
            };
        )*
    };
}

/// The key of a task-local value, made by [`task_local!`](crate::task_local).
///
/// The value is given to a scope, which is a future: while it runs, and while it is dropped, everything in it sees the
/// value. What it spawns does not.
///
/// ```
/// sprang::task_local! {
///     static NUMBER: u32;
/// }
///
/// # #[sprang::main]
/// # async fn main() {
/// NUMBER
///     .scope(1, async {
///         assert_eq!(NUMBER.get(), 1);
///         NUMBER.scope(2, async { assert_eq!(NUMBER.get(), 2) }).await;
///         assert_eq!(NUMBER.get(), 1);
///         sprang::spawn(async { assert!(NUMBER.try_get().is_err()) }).await.unwrap();
///     })
///     .await;
/// # }
/// ```
pub struct LocalKey<T: 'static> {
    #[doc(hidden)]
    pub inner: thread::LocalKey<RefCell<Option<T>>>,
}

/// The error of a task-local key that has no value here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError(());

/// Why a scope cannot be entered.
enum ScopeError {
    Borrowed,
    Destroyed,
}

impl<T: 'static> LocalKey<T> {
    /// A future in which the key has this value.
    ///
    /// # Panics
    ///
    /// The future, if it is polled inside of [`with`](Self::with) or [`try_with`](Self::try_with) of the same key, or
    /// on a thread whose locals are already destroyed.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture {
            key: self,
            value: Some(value),
            future: Some(future),
            _pinned: PhantomPinned,
        }
    }

    /// Calls `f`, in which the key has this value.
    ///
    /// # Panics
    ///
    /// Inside of [`with`](Self::with) or [`try_with`](Self::try_with) of the same key, and on a thread whose locals are
    /// already destroyed.
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        match self.with_value(&mut Some(value), f) {
            Ok(result) => result,
            Err(error) => error.panic(),
        }
    }

    /// Calls `f` with what is in `value` in the thread-local, and swaps it back, also when `f` panics.
    fn with_value<R>(&'static self, value: &mut Option<T>, f: impl FnOnce() -> R) -> Result<R, ScopeError> {
        struct SwapBack<'a, T: 'static> {
            key: &'static LocalKey<T>,
            value: &'a mut Option<T>,
        }
        impl<T> Drop for SwapBack<'_, T> {
            fn drop(&mut self) {
                // It succeeded before `f`, whose borrows have ended (I2).
                let _ = self.key.swap(self.value);
            }
        }
        self.swap(value)?;
        let _swap_back = SwapBack { key: self, value };
        Ok(f())
    }

    fn swap(&'static self, value: &mut Option<T>) -> Result<(), ScopeError> {
        let swapped = self.inner.try_with(|slot| match slot.try_borrow_mut() {
            Ok(mut slot) => {
                mem::swap(&mut *slot, value);
                Ok(())
            }
            Err(_) => Err(ScopeError::Borrowed),
        });
        swapped.unwrap_or(Err(ScopeError::Destroyed))
    }

    /// Calls `f` with the value.
    ///
    /// # Panics
    ///
    /// Outside of a scope of this key.
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(_) => panic!("cannot access a task-local storage value without setting it first"),
        }
    }

    /// Calls `f` with the value.
    ///
    /// # Errors
    ///
    /// Outside of a scope of this key.
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        let result = self.inner.try_with(|slot| slot.borrow().as_ref().map(f));
        result.ok().flatten().ok_or(AccessError(()))
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// A copy of the value.
    ///
    /// # Panics
    ///
    /// Outside of a scope of this key.
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// A copy of the value.
    ///
    /// # Errors
    ///
    /// Outside of a scope of this key.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl ScopeError {
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            Self::Borrowed => panic!("cannot enter a task-local scope while the task-local storage is borrowed"),
            Self::Destroyed => {
                panic!("cannot enter a task-local scope during or after destruction of the underlying thread-local")
            }
        }
    }
}

pin_project! {
    /// The future of [`LocalKey::scope`].
    pub struct TaskLocalFuture<T, F>
    where
        T: 'static,
    {
        key: &'static LocalKey<T>,
        value: Option<T>,
        #[pin]
        future: Option<F>,
        #[pin]
        _pinned: PhantomPinned,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut future = this.future;
            if mem::needs_drop::<F>() && future.is_some() {
                // Its destructor sees the value. Where that cannot be, the field's own drop follows.
                let _ = this.key.with_value(this.value, || future.set(None));
            }
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out, of a scope that has not been polled yet or is done.
    ///
    /// The scope goes on without a value. `None` if it was taken before.
    ///
    /// ```
    /// sprang::task_local! {
    ///     static LOG: std::cell::RefCell<Vec<u32>>;
    /// }
    ///
    /// # #[sprang::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut scope = Box::pin(LOG.scope(Default::default(), async { LOG.with(|log| log.borrow_mut().push(1)) }));
    /// scope.as_mut().await;
    /// assert_eq!(scope.as_mut().take_value().unwrap().into_inner(), [1]);
    /// # }
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut future = this.future;
        let polled = this.key.with_value(this.value, || {
            let polled = future.as_mut().as_pin_mut().map(|future| future.poll(cx));
            if matches!(polled, Some(Poll::Ready(_))) {
                // Its destructor sees the value, too.
                future.set(None);
            }
            polled
        });
        match polled {
            Ok(Some(polled)) => polled,
            Ok(None) => panic!("`TaskLocalFuture` polled after completion"),
            Err(error) => error.panic(),
        }
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalFuture")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessError")
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task-local value not set")
    }
}

impl Error for AccessError {}
