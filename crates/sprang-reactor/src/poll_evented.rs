//! An event source together with its registration.
//!
//! Purpose: the base of the socket types: registers a source, and deregisters it before it is closed.
//!
//! Called by: the facade's `net`, `process`, `signal`, `io::unix`. Calls: `registration`.
//!
//! Invariants:
//! - I1: the source is deregistered before it is closed or handed back. A file descriptor that is closed first could
//!   live on in a duplicate, and go on to report events.
//! - I2: `io` is `Some` until `into_inner` or `drop`.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

use mio::event::Source;

use crate::driver::Handle;
use crate::interest::Interest;
use crate::ready::Ready;
use crate::registration::Registration;

/// An event source together with its registration.
pub struct PollEvented<E: Source> {
    io: Option<E>,
    registration: Registration,
}

impl<E: Source> PollEvented<E> {
    /// Registers `io`, which is in non-blocking mode, for reading and writing with the current runtime.
    ///
    /// # Errors
    ///
    /// If the driver is gone, or the OS refuses the source.
    ///
    /// # Panics
    ///
    /// If the thread is in no runtime that has an I/O driver.
    #[track_caller]
    pub fn new(io: E) -> io::Result<Self> {
        Self::with_interest(io, Interest::READABLE | Interest::WRITABLE)
    }

    /// As [`new`](Self::new), for the given interest.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As for [`new`](Self::new).
    #[track_caller]
    pub fn with_interest(mut io: E, interest: Interest) -> io::Result<Self> {
        let registration = Registration::new(&mut io, interest, Handle::current())?;
        Ok(Self {
            io: Some(io),
            registration,
        })
    }

    /// The registration.
    #[inline]
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Waits for any state of `interest`, and returns what is ready. Any number of tasks can wait at once. Cancel safe.
    ///
    /// # Errors
    ///
    /// If the driver is gone.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        Ok(self.registration.readiness(interest).await?.ready())
    }

    /// Deregisters the source and hands it back.
    ///
    /// # Errors
    ///
    /// If the OS does not know the source; it is closed then.
    pub fn into_inner(mut self) -> io::Result<E> {
        let mut io = self.io.take().expect("the source is there (I2)");
        self.registration.deregister(&mut io)?;
        Ok(io)
    }
}

impl<E: Source> Deref for PollEvented<E> {
    type Target = E;

    #[inline]
    fn deref(&self) -> &E {
        self.io.as_ref().expect("the source is there (I2)")
    }
}

impl<E: Source + fmt::Debug> fmt::Debug for PollEvented<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollEvented")
            .field("io", &self.io)
            .finish_non_exhaustive()
    }
}

// A panic in an operation leaves a source as it is: its state is the kernel's.
impl<E: Source> UnwindSafe for PollEvented<E> {}
impl<E: Source> RefUnwindSafe for PollEvented<E> {}

impl<E: Source> Drop for PollEvented<E> {
    fn drop(&mut self) {
        if let Some(io) = &mut self.io {
            // Fails only if the owner closed the descriptor behind our back: then there is nothing left to do.
            let _ = self.registration.deregister(io);
        }
    }
}
