//! The top of the stack of drivers: I/O and timers end last, after the closures on blocking threads.
//!
//! Purpose: a closure may wait for a timer or a socket (`Handle::block_on`), and the end of the runtime waits for the
//! closure. Were the drivers gone by then, both would wait for ever.
//!
//! Called by: the scheduler, whose last thread ends the driver. Calls: the drivers below, `blocking`.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sprang_core::park::{Driver, Wait};

use super::blocking::Outstanding;

/// A driver that does not end before what is outstanding.
#[derive(Debug)]
pub(super) struct Outliving<D> {
    inner: D,
    outstanding: Arc<Outstanding>,
}

impl<D> Outliving<D> {
    pub(super) fn new(inner: D, outstanding: &Arc<Outstanding>) -> Self {
        let outstanding = Arc::clone(outstanding);
        Self { inner, outstanding }
    }
}

impl<D: Driver> Driver for Outliving<D> {
    #[inline]
    fn park(&mut self, wait: Wait) {
        self.inner.park(wait);
    }

    /// Drives until the closures that have begun have ended, or have been waited for long enough.
    fn shutdown(&mut self) {
        self.outstanding.close();
        while let Some(wait) = self.outstanding.wait() {
            // What is woken may panic.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.inner.park(wait))) {
                mem::forget(panic);
            }
        }
        self.inner.shutdown();
    }
}
