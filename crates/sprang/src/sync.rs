//! Channels, locks and notifications between tasks.
//!
//! Purpose: what tasks use to wait for each other. They work with every executor, and between threads.

pub use sprang_sync::{
    AcquireError, Barrier, BarrierWaitResult, MappedMutexGuard, Mutex, MutexGuard, Notify, OnceCell,
    OwnedMappedMutexGuard, OwnedMutexGuard, OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard,
    OwnedSemaphorePermit, RwLock, RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard, Semaphore,
    SemaphorePermit, SetError, SetOnce, SetOnceError, TryAcquireError, TryLockError, broadcast, futures, mpsc, oneshot,
    watch,
};

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use super::mpsc;
    use super::mpsc::error::SendTimeoutError;
    use crate::runtime::Builder;
    use crate::time::{Duration, Instant, sleep};

    #[test]
    fn a_send_waits_for_room_as_long_as_it_is_told() {
        const LIMIT: Duration = Duration::from_secs(10);
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let (sender, mut receiver) = mpsc::channel(1);
            assert_eq!(sender.send_timeout(1, Duration::ZERO).await, Ok(()));
            assert_eq!(sender.send_timeout(2, LIMIT).await, Err(SendTimeoutError::Timeout(2)));
            assert_eq!(start.elapsed(), LIMIT);
            let receiving = crate::spawn(async move {
                sleep(LIMIT / 2).await;
                (receiver.recv().await, receiver.recv().await)
            });
            assert_eq!(sender.send_timeout(3, LIMIT).await, Ok(()));
            assert_eq!(start.elapsed(), LIMIT + LIMIT / 2);
            assert_eq!(receiving.await.unwrap(), (Some(1), Some(3)));
            assert_eq!(sender.send_timeout(4, LIMIT).await, Err(SendTimeoutError::Closed(4)));
        });
    }
}
