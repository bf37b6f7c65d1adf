//! Locks, permits and notifications.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::rt::{
    self,
    sync::{Mutex, Notify, RwLock, Semaphore},
};
use crate::signal::Countdown;

/// Of all tasks of a round together.
pub(super) const LOCKS: u64 = 80_000;
pub(super) const TURNS: u64 = 20_000;
pub(super) const WAITERS: u64 = 1000;
pub(super) const WAKES: u64 = 20;

pub(super) async fn mutex() {
    let counter = Mutex::new(0);
    for _ in 0..LOCKS {
        *counter.lock().await += 1;
    }
    assert_eq!(counter.into_inner(), LOCKS);
}

pub(super) async fn contended_mutex() {
    const TASKS: u64 = 8;
    let counter = Arc::new(Mutex::new(0));
    super::in_tasks(TASKS, || {
        let counter = Arc::clone(&counter);
        async move {
            for _ in 0..LOCKS / TASKS {
                *counter.lock().await += 1;
            }
        }
    })
    .await;
    assert_eq!(*counter.lock().await, LOCKS);
}

pub(super) async fn rwlock_read() {
    rwlock(u64::MAX).await;
}

pub(super) async fn rwlock_mixed() {
    rwlock(10).await;
}

/// Four tasks; one of so many locks is for writing.
async fn rwlock(one_in: u64) {
    const TASKS: u64 = 4;
    let written = Arc::new(RwLock::new(0));
    super::in_tasks(TASKS, || {
        let written = Arc::clone(&written);
        async move {
            for number in 1..=LOCKS / TASKS {
                if number % one_in == 0 {
                    *written.write().await += 1;
                } else {
                    assert!(*written.read().await <= LOCKS / one_in);
                }
            }
        }
    })
    .await;
    assert_eq!(*written.read().await, LOCKS / one_in);
}

pub(super) async fn semaphore() {
    const TASKS: u64 = 8;
    const PERMITS: usize = 2;
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    let inside = Arc::new(AtomicU64::new(0));
    super::in_tasks(TASKS, || {
        let semaphore = Arc::clone(&semaphore);
        let inside = Arc::clone(&inside);
        async move {
            for _ in 0..LOCKS / TASKS {
                let _permit = semaphore.acquire().await.unwrap();
                assert!(inside.fetch_add(1, Relaxed) < PERMITS as u64);
                inside.fetch_sub(1, Relaxed);
            }
        }
    })
    .await;
    assert_eq!(semaphore.available_permits(), PERMITS);
}

pub(super) async fn notify_ping_pong() {
    let ping = Arc::new(Notify::new());
    let pong = Arc::new(Notify::new());
    let other = rt::spawn({
        let (ping, pong) = (Arc::clone(&ping), Arc::clone(&pong));
        async move {
            for _ in 0..TURNS {
                ping.notified().await;
                pong.notify_one();
            }
        }
    });
    for _ in 0..TURNS {
        ping.notify_one();
        pong.notified().await;
    }
    other.await.unwrap();
}

pub(super) async fn notify_waiters() {
    static READY: Countdown = Countdown::new();
    let mut ready = READY.start(WAITERS);
    let notify = Arc::new(Notify::new());
    let waiters = super::in_tasks(WAITERS, || {
        let notify = Arc::clone(&notify);
        async move {
            for _ in 0..WAKES {
                let notified = notify.notified();
                READY.one();
                notified.await;
            }
            READY.one();
        }
    });
    for _ in 0..WAKES {
        ready.await;
        // Those that are woken count for the next time at once.
        ready = READY.start(WAITERS);
        notify.notify_waiters();
    }
    ready.await;
    waiters.await;
}
