//! Sleeping, time limits and ticks.
//!
//! Purpose: Tokio's `time` API over the engine in `sprang_timer_wheel`.
//!
//! Data flow: called by user code. [`Sleep`] holds one `sprang_timer_wheel::Timer`, which arms itself on its first poll
//! and is fired by the runtime's driver or workers; [`Timeout`] and [`Interval`] are made of a `Sleep`. [`Instant::now`]
//! reads the clock of the ambient runtime.
//!
//! Timers have a resolution of one millisecond. They never fire early.
//!
//! ```
//! # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(async {
//! use sprang::time::{self, Duration, Instant};
//!
//! let start = Instant::now();
//! time::sleep(Duration::from_millis(5)).await;
//! assert!(start.elapsed() >= Duration::from_millis(5));
//!
//! let late = time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
//! assert!(late.is_err());
//! # });
//! ```

pub mod error;
mod instant;
mod interval;
#[cfg(feature = "test-util")]
mod paused;
mod sleep;
#[cfg(all(test, feature = "test-util"))]
mod tests;
mod timeout;

#[doc(no_inline)]
pub use std::time::Duration;

pub use self::instant::Instant;
pub use self::interval::{Interval, MissedTickBehavior, interval, interval_at};
#[cfg(feature = "test-util")]
pub use self::paused::{advance, pause, resume};
pub use self::sleep::{Sleep, sleep, sleep_until};
pub use self::timeout::{Timeout, timeout, timeout_at};

/// About 30 years, the longest time that is added to an instant: on some platforms the range of an instant ends not
/// much later.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);
