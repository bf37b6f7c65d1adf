//! Tasks that sleep.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::rt::{self, task::JoinHandle};
use super::spawn::{POLLED, RESIDENT, resident};
use crate::meter::Meter;
use crate::{Unit, Workload};

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "sleep",
        "a task that sleeps once, one of 100,000 that wake within 200 ms",
        SLEEPERS,
        sleepers,
    )
    .once(Unit::CpuNs)
    .ratio(1.6),
    Workload::new(
        "sleeping_task",
        "memory of a task that sleeps, one of 1,000,000",
        RESIDENT,
        sleeping,
    )
    .once(Unit::Bytes)
    .at_most(224.0),
];

const SLEEPERS: u64 = 100_000;

/// The processor time of rounds in which all sleepers are there at the same time.
fn sleepers(rounds: u32) -> f64 {
    let runtime = super::runtime();
    runtime.block_on(sleep_round());
    let meter = Meter::start_cpu();
    for _ in 0..rounds {
        runtime.block_on(sleep_round());
    }
    meter.stop()
}

async fn sleep_round() {
    let sleepers: Vec<JoinHandle<()>> = (0..SLEEPERS)
        .map(|number| {
            let duration = Duration::from_millis(1 + scatter(number) % 200);
            rt::spawn(async move {
                let start = Instant::now();
                rt::time::sleep(duration).await;
                assert!(start.elapsed() >= duration, "woken too early");
            })
        })
        .collect();
    for sleeper in sleepers {
        sleeper.await.unwrap();
    }
}

/// The memory of tasks that sleep for an hour.
fn sleeping(rounds: u32) -> f64 {
    resident(rounds, || async {
        POLLED.fetch_add(1, Relaxed);
        rt::time::sleep(Duration::from_secs(3600)).await;
    })
}

/// Numbers without an order that could help or hinder a wheel, the same in each run.
pub(super) const fn scatter(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}
