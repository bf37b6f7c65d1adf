//! Closures that block.

use super::on_worker;
use super::rt::task::spawn_blocking;
use crate::Workload;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "spawn_blocking_bulk",
        "one of 10,000 closures given to the blocking threads at once",
        BULK,
        |rounds| on_worker(rounds, bulk),
    )
    .ratio(3.0),
    Workload::new(
        "spawn_blocking_join",
        "a closure given to a blocking thread and awaited, one after the other",
        JOINED,
        |rounds| on_worker(rounds, join),
    )
    .ratio(1.2),
];

const BULK: u64 = 10_000;
const JOINED: u64 = 5_000;

async fn bulk() {
    let closures: Vec<_> = (0..BULK).map(|number| spawn_blocking(move || number)).collect();
    let mut sum = 0;
    for closure in closures {
        sum += closure.await.unwrap();
    }
    assert_eq!(sum, BULK * (BULK - 1) / 2);
}

async fn join() {
    for number in 0..JOINED {
        assert_eq!(spawn_blocking(move || number).await.unwrap(), number);
    }
}
