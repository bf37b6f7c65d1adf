//! Timers: a clock, a wheel for every worker, the entry of one timer, and the driver that waits for the next one.
//!
//! Purpose: everything of `sprang::time` that is not its user-facing API. Nothing here knows tasks or sockets.
//!
//! | module | what it holds |
//! |---|---|
//! | [`wheel`] | the hierarchical timer wheel: a plain data structure |
//! | `clock` | real time, or a test's |
//! | `entry` | [`Timer`]: one deadline and one waker, filed without an allocation |
//! | `lane` | one wheel behind its lock, with its next deadline published |
//! | `handle` | [`Handle`]: the lanes of a runtime, and the rule by which every timer is fired on time |
//! | `runtimes` | the handles of the process, for timers that know theirs by its number |
//! | `driver` | [`Driver`]: parks until the next deadline, then fires |
//!
//! The life of a timer: `Timer::poll` → `lane::arm` → `wheel::insert` … `Driver::park` or `Timers::fire_due` →
//! `lane::fire` → `wheel::poll` → `entry::fire` → waker.
//!
//! ```
//! use std::pin::pin;
//! use std::sync::Arc;
//! use std::task::{Context, Waker};
//! use std::time::Duration;
//!
//! use sprang_core::park::{Timers, Unpark};
//! use sprang_timer_wheel::{Clock, Handle, Timer};
//!
//! #[derive(Debug)]
//! struct NobodyParks;
//!
//! impl Unpark for NobodyParks {
//!     fn unpark(&self) {}
//! }
//!
//! let handle = Handle::new(Clock::new(true, true), 1, Arc::new(NobodyParks));
//! let mut timer = pin!(Timer::new(&handle, handle.now() + Duration::from_millis(10)));
//! let mut cx = Context::from_waker(Waker::noop());
//!
//! assert!(timer.as_mut().poll(&mut cx).is_pending());
//! handle.clock().advance(Duration::from_millis(10)).unwrap();
//! handle.fire_due();
//! assert!(timer.as_mut().poll(&mut cx).is_ready());
//! ```

mod clock;
mod driver;
mod entry;
mod handle;
mod lane;
#[cfg(test)]
mod models;
mod runtimes;
#[cfg(all(test, not(sprang_loom)))]
mod tests;
pub mod wheel;

pub use clock::{Clock, ClockError};
pub use driver::Driver;
pub use entry::Timer;
pub use handle::{Handle, InhibitAutoAdvance, now, set_current, with_current};
