//! The shim over `std` and parking_lot: what production code runs on.
//!
//! Called by: everything, through [`crate::primitive`].

/// Spin hints.
pub mod hint {
    pub use std::hint::spin_loop;
}

/// Threads.
pub mod thread {
    pub use std::thread::{Builder, JoinHandle, Thread, current, park, park_timeout, spawn, yield_now};
}

/// Shared ownership, locks and atomics.
pub mod sync {
    pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
    pub use std::sync::Arc;

    /// Atomics and fences.
    pub mod atomic {
        pub use std::sync::atomic::{
            AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
        };
    }
}

/// Shared mutable cells.
pub mod cell {
    /// `std`'s `UnsafeCell` behind loom's access API.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// A new cell.
        pub const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// The value.
        pub fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        /// Shared access to the value; loom checks that nobody writes meanwhile.
        #[inline(always)]
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Exclusive access to the value; loom checks that nobody else reads or writes meanwhile.
        #[inline(always)]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

/// Rounds that [`model`] runs a body without loom.
const ROUNDS: usize = 64;

/// Runs `body` a number of times on plain threads; under the cfg `sprang_loom`, through every interleaving.
pub fn model(body: impl Fn() + Sync + Send + 'static) {
    for _ in 0..ROUNDS {
        body();
    }
}
