//! What says that a process may have ended.
//!
//! Purpose: to be told of the end by the reactor. On Linux by a pidfd, which becomes readable; where there is none by
//! `SIGCHLD`, which tells of all children alike.
//!
//! Called by: `running`; `reaper` takes the pidfd over. Calls: the reactor, `signal`.
//!
//! Invariants:
//! - I1: a notice that is made while the process has not been waited for misses nothing after that: the kernel keeps
//!   the pidfd readable, and a signal that comes before the first poll is kept by its listener.
//! - I2: the readiness of a pidfd is cleared before the process is looked at. Where the look finds it alive (a tracer
//!   has its end first), the kernel announces it once more.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll, ready};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use sprang_reactor::PollEvented;

use crate::signal::unix::{Signal, SignalKind, signal};

/// A file descriptor that is readable once its process has ended.
#[derive(Debug)]
pub(super) struct PidFd(OwnedFd);

impl PidFd {
    /// Of the process `pid`, which nobody has waited for.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};

        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn open(_: u32) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Source for PidFd {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}

/// What says that a process may have ended. Belongs to the runtime in which it was made.
#[derive(Debug)]
pub(super) enum Notice {
    PidFd(PollEvented<PidFd>),
    Signal(Signal),
}

impl Notice {
    /// For the process `pid`, which nobody has waited for.
    ///
    /// # Errors
    ///
    /// If the OS or the driver refuses, or the driver is gone.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub(super) fn new(pid: u32) -> io::Result<Self> {
        match PidFd::open(pid) {
            Ok(fd) => PollEvented::with_interest(fd, sprang_reactor::Interest::READABLE).map(Self::PidFd),
            // An old kernel, or a sandbox. If it was for want of descriptors, this fails likewise.
            Err(_) => Self::by_signal(),
        }
    }

    /// For any process.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As for [`new`](Self::new).
    #[track_caller]
    pub(super) fn by_signal() -> io::Result<Self> {
        signal(SignalKind::child()).map(Self::Signal)
    }

    /// Waits until the process may have ended since the last call; false if the runtime is gone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self {
            Self::PidFd(fd) => {
                let registration = fd.registration();
                // The driver's end is the only error.
                let event = ready!(registration.poll_read_ready(cx));
                Poll::Ready(event.map(|event| registration.clear_readiness(event)).is_ok())
            }
            Self::Signal(signal) => signal.poll_recv(cx).map(|received| received.is_some()),
        }
    }

    /// The pidfd, if there is one, for who waits without the runtime.
    pub(super) fn into_pidfd(self) -> Option<PidFd> {
        match self {
            Self::PidFd(fd) => fd.into_inner().ok(),
            Self::Signal(_) => None,
        }
    }
}
