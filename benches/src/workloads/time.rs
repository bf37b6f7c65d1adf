//! Timers.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::on_worker;
use super::rt;
use crate::Workload;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new("timeout", "a timeout armed and cancelled", TIMEOUTS, |rounds| {
        on_worker(rounds, arm_and_cancel)
    }),
    Workload::new(
        "timeout_2",
        "a timeout of a future that yields once, in two tasks at once",
        TIMEOUTS,
        |rounds| on_worker(rounds, two_arm_and_cancel),
    )
    .ratio(2.5),
    Workload::new(
        "timeout_ready",
        "a timeout of a future that is ready",
        TIMEOUTS,
        |rounds| on_worker(rounds, ready),
    )
    .rounds(30)
    .ratio(1.3),
    Workload::new(
        "sleep_reset",
        "a sleep moved to a later deadline and polled",
        RESETS,
        |rounds| on_worker(rounds, reset),
    )
    .rounds(50)
    .ratio(1.5),
];

const TIMEOUTS: u64 = 100_000;
const RESETS: u64 = 100_000;
/// Longer than any round takes.
const LIMIT: Duration = Duration::from_secs(30);

async fn arm_and_cancel() {
    for _ in 0..TIMEOUTS {
        let mut timeout = pin!(rt::time::timeout(LIMIT, pending::<()>()));
        let first = poll_fn(|cx| Poll::Ready(timeout.as_mut().poll(cx))).await;
        assert!(first.is_pending(), "half a minute has not passed");
    }
}

/// Two tasks, on two workers if both are free, that arm and cancel while the other does.
async fn two_arm_and_cancel() {
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

async fn ready() {
    for number in 0..TIMEOUTS {
        assert_eq!(rt::time::timeout(LIMIT, async { number }).await.unwrap(), number);
    }
}

/// Polled after each reset, as by a task that waits for something else too.
async fn reset() {
    let start = rt::time::Instant::now() + LIMIT;
    let mut sleep = pin!(rt::time::sleep_until(start));
    for number in 0..RESETS {
        let first = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
        assert!(first.is_pending(), "half a minute has not passed");
        sleep.as_mut().reset(start + Duration::from_micros(number));
    }
}
