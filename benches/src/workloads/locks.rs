//! Locks, permits and notifications.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::on_worker;
use super::rt::{
    self,
    sync::{Mutex, Notify, RwLock, Semaphore},
};
use crate::Workload;
use crate::signal::Countdown;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "mutex",
        "lock and unlock of a mutex that nobody else wants",
        LOCKS,
        |rounds| on_worker(rounds, mutex),
    )
    .rounds(50)
    .ratio(1.2),
    Workload::new(
        "mutex_contended",
        "lock and unlock of a mutex that eight tasks want",
        LOCKS,
        |rounds| on_worker(rounds, contended_mutex),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "rwlock_read",
        "lock and unlock for reading, in four tasks at once",
        LOCKS,
        |rounds| on_worker(rounds, rwlock_read),
    )
    .rounds(50)
    .ratio(1.2),
    Workload::new(
        "rwlock_mixed",
        "the same with every tenth lock for writing",
        LOCKS,
        |rounds| on_worker(rounds, rwlock_mixed),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "semaphore",
        "one of two permits acquired and released by one of eight tasks",
        LOCKS,
        |rounds| on_worker(rounds, semaphore),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "notify_ping_pong",
        "a notification to another task and back",
        TURNS,
        |rounds| on_worker(rounds, notify_ping_pong),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "notify_waiters",
        "a waiting task woken, one of 1000 at once",
        WAITERS * WAKES,
        |rounds| on_worker(rounds, notify_waiters),
    )
    .rounds(30)
    .ratio(1.2),
];

/// Of all tasks of a round together.
const LOCKS: u64 = 80_000;
const TURNS: u64 = 20_000;
const WAITERS: u64 = 1000;
const WAKES: u64 = 20;

async fn mutex() {
    let counter = Mutex::new(0);
    for _ in 0..LOCKS {
        *counter.lock().await += 1;
    }
    assert_eq!(counter.into_inner(), LOCKS);
}

async fn contended_mutex() {
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

async fn rwlock_read() {
    rwlock(u64::MAX).await;
}

async fn rwlock_mixed() {
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

async fn semaphore() {
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

async fn notify_ping_pong() {
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

async fn notify_waiters() {
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
