//! The errors of `time`.
//!
//! Purpose: [`Elapsed`], what [`Timeout`](super::Timeout) returns, and [`Error`], which stands here for code that names
//! Tokio's type: no function of ours returns it, since timers here have no capacity to run out of.

use std::{error, fmt, io};

/// The time limit passed before the future was ready.
#[derive(Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("deadline has elapsed")
    }
}

impl error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> Self {
        io::ErrorKind::TimedOut.into()
    }
}

/// A failure of a timer.
#[derive(Debug, Clone, Copy)]
pub struct Error(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shutdown,
    AtCapacity,
    Invalid,
}

impl Error {
    /// The error of a timer whose runtime has shut down.
    pub fn shutdown() -> Self {
        Self(Kind::Shutdown)
    }

    /// Whether the timer's runtime has shut down.
    pub fn is_shutdown(&self) -> bool {
        self.0 == Kind::Shutdown
    }

    /// The error of a runtime that can hold no more timers.
    pub fn at_capacity() -> Self {
        Self(Kind::AtCapacity)
    }

    /// Whether the runtime can hold no more timers.
    pub fn is_at_capacity(&self) -> bool {
        self.0 == Kind::AtCapacity
    }

    /// The error of a duration that is too long.
    pub fn invalid() -> Self {
        Self(Kind::Invalid)
    }

    /// Whether the duration was too long.
    pub fn is_invalid(&self) -> bool {
        self.0 == Kind::Invalid
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Shutdown => "the runtime of the timer has shut down",
            Kind::AtCapacity => "the runtime can hold no more timers",
            Kind::Invalid => "the duration of the timer is out of range",
        })
    }
}

impl error::Error for Error {}
