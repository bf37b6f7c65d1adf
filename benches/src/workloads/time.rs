//! Timers.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::rt::{self, task::JoinHandle};
use crate::meter::Meter;

pub(super) const TIMEOUTS: u64 = 100_000;
pub(super) const SLEEPERS: u64 = 100_000;

pub(super) async fn arm_and_cancel() {
    let mut armed = 0;
    while armed < TIMEOUTS {
        let mut timeout = pin!(rt::time::timeout(Duration::from_secs(60), pending::<()>()));
        let first = poll_fn(|cx| Poll::Ready(timeout.as_mut().poll(cx))).await;
        assert!(first.is_pending(), "a minute has not passed");
        armed += 1;
    }
}

/// The processor time of rounds in which all sleepers are there at the same time.
pub(super) fn sleepers(rounds: u32) -> f64 {
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
            // A stride that is coprime to the range spreads the deadlines over all of it.
            let duration = Duration::from_millis(1 + number * 7 % 500);
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
