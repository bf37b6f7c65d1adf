//! Wake-ups on their way out: collected under locks, woken without any.
//!
//! Purpose: one batch for everything that a turn, a shutdown or a drop wakes, in which a waker that panics costs
//! nobody else a wake-up.
//!
//! Called by: the reactor's driver and registrations, the timer wheel's handle. Calls: user wakers.
//!
//! Invariants:
//! - I1: no lock is held in [`Wakeups::flush`] and [`Wakeups::finish`]: wakers are user code.
//! - I2: a panic of a waker is kept until [`Wakeups::finish`], so that all other waiters are woken first.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::wake_batch::WakeBatch;

/// A batch that is woken as often as it is full. See the module.
#[derive(Debug, Default)]
pub struct Wakeups {
    /// Where wakers are collected.
    pub batch: WakeBatch,
    panic: Option<Box<dyn Any + Send>>,
}

impl Wakeups {
    /// Nothing collected yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes what has been collected, and makes room for more.
    pub fn flush(&mut self) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.batch.wake_all())) {
            self.panic.get_or_insert(panic);
        }
    }

    /// Wakes the rest.
    ///
    /// # Panics
    ///
    /// With the first panic of a waker, unless the thread is panicking already.
    pub fn finish(mut self) {
        self.flush();
        if let Some(panic) = self.panic
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}
