//! Channels and locks.

use std::sync::Arc;

use super::rt::{self, sync::Mutex, sync::mpsc, task::JoinHandle};

pub(super) const MESSAGES: u64 = 100_000;
pub(super) const LOCKERS: u64 = 8;
pub(super) const LOCKS: u64 = 10_000;
/// Messages that a channel holds.
const CAPACITY: usize = 100;

pub(super) async fn one_to_one() {
    many_to_one(1).await;
}

pub(super) async fn five_to_one() {
    many_to_one(5).await;
}

async fn many_to_one(senders: u64) {
    let (sender, mut receiver) = mpsc::channel::<u64>(CAPACITY);
    let share = MESSAGES / senders;
    for index in 0..senders {
        let sender = sender.clone();
        rt::spawn(async move {
            for number in index * share..(index + 1) * share {
                sender.send(number).await.unwrap();
            }
        });
    }
    drop(sender);
    let (mut count, mut sum) = (0, 0);
    while let Some(number) = receiver.recv().await {
        count += 1;
        sum += number;
    }
    assert_eq!((count, sum), (MESSAGES, MESSAGES * (MESSAGES - 1) / 2));
}

pub(super) async fn contended_mutex() {
    let counter = Arc::new(Mutex::new(0));
    let lockers: Vec<JoinHandle<()>> = (0..LOCKERS)
        .map(|_| {
            let counter = Arc::clone(&counter);
            rt::spawn(async move {
                for _ in 0..LOCKS {
                    *counter.lock().await += 1;
                }
            })
        })
        .collect();
    for locker in lockers {
        locker.await.unwrap();
    }
    assert_eq!(*counter.lock().await, LOCKERS * LOCKS);
}
