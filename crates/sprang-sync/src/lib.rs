//! Synchronisation primitives for async tasks, usable with any executor.
//!
//! Purpose: the channels and locks of sprang, with the names, signatures and semantics of `tokio::sync`. Nothing here
//! needs a runtime: a future of this crate only ever stores its task's waker.
//!
//! Data flow, from the top down; nothing calls upwards:
//!
//! | module | what it holds | stands on |
//! |---|---|---|
//! | [`mpsc`] | bounded and unbounded channels | `permits`, `notify`, `waker_slot` |
//! | [`broadcast`] | a channel whose receivers all get each message | `wait_list`, `notify` |
//! | [`watch`] | a channel that keeps the latest value | `notify` |
//! | [`Mutex`], [`RwLock`], [`Semaphore`] | locks, permits and their guards | `permits`, `guard` |
//! | [`OnceCell`], [`SetOnce`], [`Barrier`] | values set once, tasks that meet | `once_value`, `permits`, `notify` |
//! | [`Notify`] | wake-ups without data | `wait_list` |
//! | [`oneshot`] | a channel for one value | `waker_slot` |
//! | [`cancellation_token`] | requests to stop | `wait_list` |
//! | [`tally`] | what a task tracker counts | `notify` |
//! | `permits` | the fair counting semaphore under all of them | `wait_list` |
//! | `guard` | the traits of a guard that follow from where it points | – |
//! | `once_value` | a value that is set once | – |
//! | `wait_list` | waiters queued inside their futures | `sprang_core::list` |
//! | `waker_slot` | a waker whose owner is named by a state word elsewhere | – |
//! | `blocking` | polls a future on a thread outside a runtime | – |

mod barrier;
mod blocking;
mod guard;
mod once_value;
mod permits;
mod wait_list;
mod waker_slot;

pub mod broadcast;
pub mod cancellation_token;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
pub mod oneshot;
mod rwlock;
mod semaphore;
mod set_once;
#[doc(hidden)]
pub mod tally;
#[cfg(test)]
mod testing;
pub mod watch;

pub use barrier::{Barrier, BarrierWaitResult};
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError};
pub use notify::Notify;
pub use once_cell::{OnceCell, SetError};
pub use permits::{AcquireError, TryAcquireError};
pub use rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockMappedWriteGuard,
    RwLockReadGuard, RwLockWriteGuard,
};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
pub use set_once::{SetOnce, SetOnceError};

/// The futures of this crate that have names.
pub mod futures {
    pub use crate::notify::{Notified, OwnedNotified};
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    #[test]
    fn the_futures_can_be_sent_and_shared() {
        fn check<T: Send + Sync>(_: T) {}

        let (sender, mut receiver) = crate::mpsc::channel(1);
        check(sender.send(0));
        check(sender.reserve());
        check(sender.reserve_many(1));
        check(sender.closed());
        check(sender.clone().reserve_owned());
        check(receiver.recv());
        let (mut sender, receiver) = crate::oneshot::channel::<u8>();
        check(sender.closed());
        check(receiver);
        let mutex = Arc::new(crate::Mutex::new(0));
        check(mutex.lock());
        check(mutex.lock_owned());
        let lock = Arc::new(crate::RwLock::new(0));
        check(lock.read());
        check(lock.write());
        check(lock.write_owned());
        let semaphore = Arc::new(crate::Semaphore::new(1));
        check(semaphore.acquire());
        check(semaphore.acquire_owned());
        check(crate::Barrier::new(1).wait());
        check(crate::SetOnce::from(1).wait());
        check(crate::OnceCell::from(1).get_or_init(async || 1));
        check(crate::Notify::new().notified());
    }
}
