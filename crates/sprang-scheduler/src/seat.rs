//! The driver, and whether it pays to wait a moment in it before sleeping.
//!
//! Purpose: a thread that is still awake when an event comes saves itself the way into and out of an idle processor,
//! and whoever causes the event the work of waking a thread. Where events come rarely it must not burn time: see
//! [`Spin`].
//!
//! Between two looks the thread offers its processor to other threads. If one takes it, there was no idle processor to
//! save the way out of: the thread takes a last look and goes to sleep, and counts it as a failure.
//!
//! Called by: `parker` and `current_thread`, with nothing to do. Calls: the driver.

use std::time::{Duration, Instant};

use sprang_core::park::{Driver, Wait};
use sprang_core::primitive::thread;

use crate::spin::{Look, Spin};

/// How long to wait: longer than it takes to wake a thread on an idle processor and to hear from it.
const MOMENT: Duration = Duration::from_micros(50);
/// A yield that takes longer has let another thread run.
const SHORT_YIELD: Duration = Duration::from_micros(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Seat {
    driver: Box<dyn Driver>,
    spin: Spin,
}

impl Seat {
    pub(crate) fn new(driver: Box<dyn Driver>) -> Self {
        Self {
            driver,
            spin: Spin::default(),
        }
    }

    pub(crate) fn park(&mut self, wait: Wait) {
        self.driver.park(wait);
    }

    pub(crate) fn shutdown(&mut self) {
        self.driver.shutdown();
    }

    /// Looks at the driver until there is something to do, for a moment at most, and only if that has paid off; returns
    /// whether there is.
    pub(crate) fn wait_a_moment(&mut self, has_work: impl Fn() -> bool) -> bool {
        let Self { driver, spin } = self;
        let mut end = None;
        let mut others_ran = false;
        spin.wait_for(|| {
            driver.park(Wait::Poll);
            if has_work() {
                // What came while others ran would have come to a sleeper, too.
                return if others_ran { Look::AnotherWay } else { Look::There };
            }
            let now = Instant::now();
            let end = *end.get_or_insert_with(|| now + MOMENT);
            if now >= end || others_ran {
                return Look::GiveUp;
            }
            thread::yield_now();
            others_ran = now.elapsed() > SHORT_YIELD;
            Look::NotYet
        })
    }
}

#[cfg(all(test, not(sprang_loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    /// A driver that counts the looks at it.
    #[derive(Debug)]
    struct Counting(Arc<AtomicU32>);

    impl Driver for Counting {
        fn park(&mut self, wait: Wait) {
            assert!(matches!(wait, Wait::Poll), "who waits a moment does not sleep");
            self.0.fetch_add(1, Relaxed);
        }

        fn shutdown(&mut self) {}
    }

    fn seat() -> (Seat, Arc<AtomicU32>) {
        let looks = Arc::new(AtomicU32::new(0));
        (Seat::new(Box::new(Counting(Arc::clone(&looks)))), looks)
    }

    #[test]
    fn work_that_comes_soon_is_waited_for() {
        let (mut seat, looks) = seat();
        let countdown = Cell::new(1);
        let comes = (0..100).filter(|_| {
            countdown.set(1);
            seat.wait_a_moment(|| countdown.replace(0) == 0)
        });
        assert!(comes.count() > 0);
        assert!(looks.load(Relaxed) >= 2, "it comes with the second look");
    }

    #[test]
    fn work_that_never_comes_is_waited_for_ever_more_rarely() {
        let (mut seat, looks) = seat();
        let mut tries = 0;
        for _ in 0..10_000 {
            let before = looks.load(Relaxed);
            assert!(!seat.wait_a_moment(|| false));
            tries += u32::from(looks.load(Relaxed) > before);
        }
        assert!((30..60).contains(&tries), "{tries} tries in 10,000 sleeps");
    }
}
