//! tokio-util: the delay queue, on paused time.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;
use tokio_util::time::{DelayQueue, FutureExt};

#[tokio::test(start_paused = true)]
async fn a_delay_queue_yields_in_the_order_of_the_deadlines() {
    let start = Instant::now();
    let mut queue = DelayQueue::new();
    for seconds in [5, 1, 3600, 3, 2] {
        queue.insert(seconds, Duration::from_secs(seconds));
    }
    let moved = queue.insert(4, Duration::from_secs(40));
    let removed = queue.insert(0, Duration::from_secs(10));
    queue.reset(&moved, Duration::from_secs(4));
    assert_eq!(queue.remove(&removed).into_inner(), 0);

    for seconds in [1, 2, 3, 4, 5, 3600] {
        assert_eq!(queue.next().await.unwrap().into_inner(), seconds);
        let late = start.elapsed() - Duration::from_secs(seconds);
        assert!(late <= Duration::from_millis(2), "{seconds} s came {late:?} late");
    }
    assert!(queue.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_future_has_a_time_to_end() {
    assert!(
        std::future::pending::<()>()
            .timeout(Duration::from_secs(60))
            .await
            .is_err()
    );
    assert_eq!(std::future::ready(1).timeout(Duration::from_secs(60)).await, Ok(1));
}
