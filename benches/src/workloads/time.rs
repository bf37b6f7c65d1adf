//! Timers.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::rt::{self, task::JoinHandle};
use crate::meter::Meter;

pub(super) const TIMEOUTS: u64 = 100_000;
pub(super) const RESETS: u64 = 100_000;
pub(super) const SLEEPERS: u64 = 100_000;
/// Longer than any round takes.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn arm_and_cancel() {
    for _ in 0..TIMEOUTS {
        let mut timeout = pin!(rt::time::timeout(LIMIT, pending::<()>()));
        let first = poll_fn(|cx| Poll::Ready(timeout.as_mut().poll(cx))).await;
        assert!(first.is_pending(), "half a minute has not passed");
    }
}

/// Two tasks, on two workers if both are free, that arm and cancel while the other does.
pub(super) async fn two_arm_and_cancel() {
    super::in_tasks(2, || async {
        for number in 0..TIMEOUTS / 2 {
            let yields = async {
                rt::task::yield_now().await;
                number
            };
            assert_eq!(rt::time::timeout(LIMIT, yields).await.unwrap(), number);
        }
    })
    .await;
}

pub(super) async fn ready() {
    for number in 0..TIMEOUTS {
        assert_eq!(rt::time::timeout(LIMIT, async { number }).await.unwrap(), number);
    }
}

/// Polled after each reset, as by a task that waits for something else too.
pub(super) async fn reset() {
    let start = rt::time::Instant::now() + LIMIT;
    let mut sleep = pin!(rt::time::sleep_until(start));
    for number in 0..RESETS {
        let first = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
        assert!(first.is_pending(), "half a minute has not passed");
        sleep.as_mut().reset(start + Duration::from_micros(number));
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

/// Numbers without an order that could help or hinder a wheel, the same in each run.
pub(super) const fn scatter(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}
