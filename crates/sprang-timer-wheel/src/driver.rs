//! The driver: parks until the next deadline, then fires what is due.
//!
//! Purpose: turns the inner driver (the reactor) into one that keeps time.
//!
//! Data flow: called by the one worker that parks in the driver; calls the inner driver's `park`, then
//! `Handle::fire_due` → `lane::fire` → wakers.
//!
//! Invariants: those of `handle`. The announcement is taken back even if a waker panics inside the inner driver.
//!
//! A paused clock: when there is nothing to run, the inner driver is looked at without blocking. If it delivered no event
//! and nobody unparked it, there is nothing else to wait for but time, and the clock jumps to the next deadline. With no
//! timers the inner driver is parked in for good.
//!
//! Models: those of `handle`.

use std::time::Duration;

use sprang_core::park::{Driver as Park, Timers, Wait};

use crate::handle::Handle;
use crate::lane::NEVER;

/// A driver that fires timers, over an inner one that delivers other events.
#[derive(Debug)]
pub struct Driver<P> {
    inner: P,
    handle: Handle,
}

/// Takes the announcement back when the thread leaves the inner driver.
struct Announced<'a>(&'a Handle);

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.announce_awake();
    }
}

impl<P: Park> Driver<P> {
    /// Puts `handle`'s timers on top of `inner`, whose `Unpark` the handle was made with.
    pub fn new(inner: P, handle: Handle) -> Self {
        Self { inner, handle }
    }

    /// Sleeps in the inner driver until the next deadline.
    fn park_until_next(&mut self, wait: Wait) {
        let common = self.handle.common();
        let _announced = Announced(&self.handle);
        let earliest = self.handle.announce_park();
        let deadline = common.instant_of(earliest).filter(|_| earliest != NEVER);
        self.inner
            .park(match deadline.and_then(|at| common.clock().to_real(at)) {
                Some(at) => wait.at_most(at),
                None => wait,
            });
    }

    /// Moves a paused clock to the next deadline, unless there is something else to do.
    fn park_paused(&mut self, wait: Wait) {
        let delivered = self.inner.delivered();
        self.inner.park(Wait::Poll);
        let common = self.handle.common();
        if common.take_unparked() || self.inner.delivered() != delivered {
            return;
        }
        let now = common.now_tick(common.clock().now());
        let next = self.handle.earliest_exactly();
        let target = match wait {
            Wait::Until(limit) => next.min(common.deadline_tick(limit)),
            Wait::Poll | Wait::Forever => next,
        };
        match target {
            NEVER => self.park_until_next(wait),
            // Whole ticks, so that a clock paused within one stays as far from the next as it was.
            tick => {
                let ahead = Duration::from_millis(tick.saturating_sub(now));
                if common.clock().advance(ahead).is_err() {
                    // Another thread let the clock run, or time has come to its end.
                    self.park_until_next(wait);
                }
            }
        }
    }
}

impl<P: Park> Park for Driver<P> {
    fn park(&mut self, wait: Wait) {
        self.handle.serve();
        match wait {
            Wait::Poll => {
                self.inner.park(Wait::Poll);
                return self.handle.glance();
            }
            _ if self.handle.clock().can_auto_advance() => self.park_paused(wait),
            _ => self.park_until_next(wait),
        }
        self.handle.fire_due();
    }

    /// Wakes all timers, which then pend for good; then shuts the inner driver down.
    fn shutdown(&mut self) {
        self.handle.close();
        self.inner.shutdown();
    }
}
