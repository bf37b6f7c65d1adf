//! The seam between the scheduler and its drivers.
//!
//! Purpose: a scheduler knows that there is *something* to park in, which delivers I/O events and fires timers; it
//! does not know what. `sprang::runtime` stacks the time driver on the reactor and hands the stack over as one boxed
//! [`Driver`] plus one shared [`DriverHandle`].
//!
//! Data flow: worker → [`Driver::park`] (time driver) → [`Driver::park`] (reactor) → wakers → run queues.

mod thread;

pub use thread::{ThreadDriver, ThreadUnpark};

use std::fmt::Debug;
use std::time::Instant;

/// How long a thread may stay in [`Driver::park`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Deliver what is there and return.
    Poll,
    /// Until an event, an unpark, or this instant.
    Until(Instant),
    /// Until an event or an unpark.
    Forever,
}

impl Wait {
    /// The shorter of `self` and a wait until `deadline`.
    pub fn at_most(self, deadline: Instant) -> Self {
        match self {
            Self::Poll => Self::Poll,
            Self::Until(other) => Self::Until(other.min(deadline)),
            Self::Forever => Self::Until(deadline),
        }
    }
}

/// What the one thread that holds it parks in.
///
/// A driver is held by at most one thread at a time. It wakes tasks while it is parked in: the caller holds no lock
/// that a waker could need.
pub trait Driver: Send + Debug {
    /// Blocks until an event, an unpark or the end of `wait`, then delivers events and fires due timers.
    ///
    /// An unpark that comes before the call makes the call return at once. It may return spuriously.
    fn park(&mut self, wait: Wait);

    /// How many events it has delivered so far, for a driver above that must know whether a park brought any.
    fn delivered(&self) -> u64 {
        0
    }

    /// Ends the driver: what still waits on it is woken, and finds an error or pends for good; nothing panics.
    fn shutdown(&mut self);
}

/// Makes a thread that is parked in a driver return.
pub trait Unpark: Send + Sync + Debug {
    /// Makes the thread that is parked in the driver, or the next one to park there, return.
    fn unpark(&self);
}

/// The timers of a runtime, as a worker sees them that does not hold the driver.
pub trait Timers: Send + Sync + Debug {
    /// Fires the timers that are due, from a thread that does not park in the driver.
    fn fire_due(&self);

    /// The same from a thread that is busy and does this often: as long as no deadline is near, it need not look at the
    /// clock each time.
    fn glance(&self) {
        self.fire_due();
    }

    /// The earliest deadline that nobody is parked for yet.
    ///
    /// A worker that parks outside the driver asks this and sleeps no longer.
    fn unserved_deadline(&self) -> Option<Instant>;
}

/// What every thread may ask of a driver, held or not.
pub trait DriverHandle: Unpark + Timers {}

impl<T: Unpark + Timers> DriverHandle for T {}

/// The handle of a driver without timers.
#[derive(Debug)]
pub struct Untimed<U>(pub U);

impl<U: Unpark> Unpark for Untimed<U> {
    fn unpark(&self) {
        self.0.unpark();
    }
}

impl<U: Unpark> Timers for Untimed<U> {
    fn fire_due(&self) {}

    fn unserved_deadline(&self) -> Option<Instant> {
        None
    }
}
