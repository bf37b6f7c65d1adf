//! The listening Unix socket.
//!
//! Purpose: accepts connections.
//!
//! Data flow: task → [`UnixListener::accept`] → reactor (wait) → `accept4` → `UnixStream`.
//!
//! Invariants:
//! - I1: only `WouldBlock` clears readiness, as for a TCP listener: no connection is forgotten in the backlog.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net;
use std::path::Path;
use std::task::{Context, Poll};

use socket2::SockRef;
use sprang_reactor::{Direction, Interest, PollEvented};

use super::SocketAddr;
use super::stream::UnixStream;
use crate::net::debug_assert_nonblocking;

/// A Unix socket that accepts connections.
///
/// Its path is not removed when it is dropped.
///
/// ```no_run
/// use sprang::net::UnixListener;
///
/// # async fn run() -> std::io::Result<()> {
/// let listener = UnixListener::bind("/run/example.socket")?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     println!("{:?} has connected", stream.peer_cred()?);
/// }
/// # }
/// ```
pub struct UnixListener {
    io: PollEvented<mio::net::UnixListener>,
}

impl UnixListener {
    /// Binds to `path`, which must not exist, and listens. On Linux, a path that begins with a zero byte is an abstract
    /// name.
    ///
    /// # Errors
    ///
    /// Those of the OS, such as `AddrInUse`; `InvalidInput` for a path that is too long.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::bind_addr(&SocketAddr::of_path(path.as_ref())?)
    }

    /// Binds to `addr`, and listens.
    ///
    /// # Errors
    ///
    /// Those of the OS, such as `AddrInUse`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::new(mio::net::UnixListener::bind_addr(&addr.0)?)
    }

    #[track_caller]
    pub(super) fn new(listener: mio::net::UnixListener) -> io::Result<Self> {
        // Readable is all that a listener ever is.
        let io = PollEvented::with_interest(listener, Interest::READABLE)?;
        Ok(Self { io })
    }

    /// Accepts a connection, and returns it with the address of its peer, which seldom has one. Waits until there is
    /// one.
    ///
    /// Cancel safe: a call that is dropped takes no connection. Any number of tasks can wait at once.
    ///
    /// # Errors
    ///
    /// Those of the OS, such as `EMFILE`, after which the listener can go on to be used; besides, if the listener's
    /// runtime is gone.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled, when a connection is there.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let registration = self.io.registration();
        let (stream, peer) = registration.async_io(Interest::READABLE, || self.io.accept()).await?;
        Ok((UnixStream::accepted(stream)?, SocketAddr(peer)))
    }

    /// Accepts a connection; if there is none, the task is woken when there might be.
    ///
    /// Only the last task to call this is woken.
    ///
    /// # Errors
    ///
    /// As for [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// As for [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let registration = self.io.registration();
        let accepted = registration.poll_io(cx, Direction::Read, || self.io.accept());
        accepted.map(|accepted| {
            let (stream, peer) = accepted?;
            Ok((UnixStream::accepted(stream)?, SocketAddr(peer)))
        })
    }

    /// Takes over a listener of `std`, which must be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down, or the OS refuses.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled; with debug assertions, if the socket is in blocking mode.
    #[track_caller]
    pub fn from_std(listener: net::UnixListener) -> io::Result<Self> {
        debug_assert_nonblocking(&listener)?;
        Self::new(mio::net::UnixListener::from_std(listener))
    }

    /// Hands the socket back as one of `std`, still in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If it cannot be deregistered; it is closed then.
    pub fn into_std(self) -> io::Result<net::UnixListener> {
        self.io.into_inner().map(net::UnixListener::from)
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(SocketAddr)
    }

    /// Takes the pending error of the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        SockRef::from(self).take_error()
    }
}

impl TryFrom<net::UnixListener> for UnixListener {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    fn try_from(listener: net::UnixListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self.io).fmt(f)
    }
}

impl AsRawFd for UnixListener {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
