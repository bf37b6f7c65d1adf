//! Time that stands still: `pause`, `resume`, `advance`.
//!
//! Purpose: tests that need not wait. While the clock is paused, a runtime with nothing to run jumps to the next
//! deadline at once.
//!
//! Calls: the ambient runtime's `sprang_timer_wheel::Clock`.

use std::future::poll_fn;
use std::task::Poll;

use sprang_core::coop;
use sprang_timer_wheel::{Clock, ClockError, with_current};

use super::Duration;

/// Stops the clock of the current runtime.
///
/// [`Instant::now`](super::Instant::now) then shows the same time until the clock is [advanced](advance), or until the
/// runtime has nothing to run but waits for a timer: then the clock jumps to the earliest deadline. It does not jump
/// while a `spawn_blocking` task runs.
///
/// # Panics
///
/// Outside of a runtime, on a multi-thread runtime, and if the clock is paused already.
///
/// ```
/// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// use sprang::time::{self, Duration, Instant};
///
/// time::pause();
/// let start = Instant::now();
/// time::sleep(Duration::from_secs(3_600)).await;
/// assert!(start.elapsed() >= Duration::from_secs(3_600));
/// # });
/// ```
#[track_caller]
pub fn pause() {
    or_panic(with_clock(Clock::pause));
}

/// Lets the clock of the current runtime run on from what it shows.
///
/// # Panics
///
/// Outside of a runtime, and if the clock is not paused.
///
/// ```
/// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// sprang::time::pause();
/// sprang::time::resume();
/// # });
/// ```
#[track_caller]
pub fn resume() {
    or_panic(with_clock(Clock::resume));
}

/// Moves the paused clock of the current runtime forward by `duration`, and yields once.
///
/// Timers whose deadlines are passed fire in the order of their deadlines, all after the clock has moved. A task that
/// is woken by one has not necessarily run when this returns.
///
/// # Panics
///
/// Outside of a runtime, and if the clock is not paused.
///
/// ```
/// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// use sprang::time::{self, Duration, Instant};
///
/// time::pause();
/// let start = Instant::now();
/// time::advance(Duration::from_secs(5)).await;
/// assert_eq!(start.elapsed(), Duration::from_secs(5));
/// # });
/// ```
pub async fn advance(duration: Duration) {
    or_panic(with_clock(|clock| clock.advance(duration)));
    // The driver, which fires the timers, is looked at before a deferred task runs again.
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        coop::defer(cx.waker());
        Poll::Pending
    })
    .await;
}

fn with_clock(f: impl FnOnce(&Clock) -> Result<(), ClockError>) -> Option<Result<(), ClockError>> {
    with_current(|handle| f(handle.clock()))
}

#[track_caller]
fn or_panic(result: Option<Result<(), ClockError>>) {
    match result {
        Some(Ok(())) => {}
        Some(Err(error)) => panic!("{error}"),
        None => panic!("time cannot be frozen from outside of a sprang runtime"),
    }
}
