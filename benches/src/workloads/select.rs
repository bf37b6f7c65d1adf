//! `select!`: what a round of it costs by itself.

use std::future::{pending, ready};

use super::on_worker;
use super::rt;
use crate::Workload;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "select_2_ready",
        "`select!` of two futures that are ready",
        ROUNDS,
        |rounds| on_worker(rounds, two_ready),
    )
    .rounds(30)
    .ratio(1.0),
    Workload::new(
        "select_8_ready",
        "`select!` of eight futures that are ready",
        ROUNDS,
        |rounds| on_worker(rounds, eight_ready),
    )
    .rounds(30)
    .ratio(1.0),
    Workload::new(
        "select_2_pending",
        "`select!` of one future that is ready and one that never is",
        ROUNDS,
        |rounds| on_worker(rounds, one_of_two),
    )
    .rounds(30)
    .ratio(1.0),
    Workload::new(
        "select_8_pending",
        "`select!` of one future that is ready and seven that never are",
        ROUNDS,
        |rounds| on_worker(rounds, one_of_eight),
    )
    .rounds(30)
    .ratio(1.0),
];

const ROUNDS: u64 = 100_000;

async fn two_ready() {
    let mut sum = 0;
    for _ in 0..ROUNDS {
        sum += rt::select! {
            one = ready(1) => one,
            one = ready(1) => one,
        };
    }
    assert_eq!(sum, ROUNDS);
}

async fn eight_ready() {
    let mut sum = 0;
    for _ in 0..ROUNDS {
        sum += rt::select! {
            one = ready(1) => one,
            one = ready(1) => one,
            one = ready(1) => one,
            one = ready(1) => one,
            one = ready(1) => one,
            one = ready(1) => one,
            one = ready(1) => one,
            one = ready(1) => one,
        };
    }
    assert_eq!(sum, ROUNDS);
}

async fn one_of_two() {
    let mut sum = 0;
    for _ in 0..ROUNDS {
        sum += rt::select! {
            one = pending() => one,
            one = ready(1) => one,
        };
    }
    assert_eq!(sum, ROUNDS);
}

async fn one_of_eight() {
    let mut sum = 0;
    for _ in 0..ROUNDS {
        sum += rt::select! {
            one = pending() => one,
            one = pending() => one,
            one = pending() => one,
            one = pending() => one,
            one = pending() => one,
            one = pending() => one,
            one = pending() => one,
            one = ready(1) => one,
        };
    }
    assert_eq!(sum, ROUNDS);
}
