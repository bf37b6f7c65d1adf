//! The listening socket.
//!
//! Purpose: accepts connections.
//!
//! Data flow: task → [`TcpListener::accept`] → reactor (wait) → `accept4` → `TcpStream`.
//!
//! Invariants:
//! - I1: only `WouldBlock` clears readiness. Any other failure of `accept` (`EMFILE`, a connection that was reset
//!   before it was taken) is returned, and the next call tries again at once: no connection is forgotten in the backlog.

use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use sprang_reactor::{Direction, Interest, PollEvented};

use super::socket::TcpSocket;
use super::stream::TcpStream;
use crate::net::addr::first_of;
use crate::net::{ToSocketAddrs, debug_assert_nonblocking};

/// Connections that may wait to be accepted. A client that comes when there is no more room tries again a second later.
const BACKLOG: u32 = 1024;

/// A TCP socket that accepts connections.
///
/// ```no_run
/// use sprang::net::TcpListener;
///
/// # async fn run() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (stream, peer) = listener.accept().await?;
///     println!("{peer} has connected: {stream:?}");
/// }
/// # }
/// ```
pub struct TcpListener {
    io: PollEvented<mio::net::TcpListener>,
}

impl TcpListener {
    /// Binds to the first of the addresses that can be bound to, and listens.
    ///
    /// Port 0 has the OS pick one: see [`local_addr`](Self::local_addr). `SO_REUSEADDR` is set. The backlog is 1024;
    /// to choose another, see [`TcpSocket`](crate::net::TcpSocket).
    ///
    /// # Errors
    ///
    /// The last one, if no address can be bound to; `InvalidInput` if there is none.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        first_of(addr, async |addr| {
            let socket = if addr.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            socket.listen(BACKLOG)
        })
        .await
    }

    #[track_caller]
    pub(super) fn new(listener: mio::net::TcpListener) -> io::Result<Self> {
        // Readable is all that a listener ever is.
        let io = PollEvented::with_interest(listener, Interest::READABLE)?;
        Ok(Self { io })
    }

    /// Accepts a connection, and returns it with the address of its peer. Waits until there is one.
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
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let registration = self.io.registration();
        let (stream, peer) = registration.async_io(Interest::READABLE, || self.io.accept()).await?;
        Ok((TcpStream::accepted(stream)?, peer))
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
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let registration = self.io.registration();
        let accepted = registration.poll_io(cx, Direction::Read, || self.io.accept());
        accepted.map(|accepted| accepted.and_then(|(stream, peer)| Ok((TcpStream::accepted(stream)?, peer))))
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
    pub fn from_std(listener: net::TcpListener) -> io::Result<Self> {
        debug_assert_nonblocking(&listener)?;
        Self::new(mio::net::TcpListener::from_std(listener))
    }

    /// Hands the socket back as one of `std`, still in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If it cannot be deregistered; it is closed then.
    pub fn into_std(self) -> io::Result<net::TcpListener> {
        self.io.into_inner().map(net::TcpListener::from)
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The value of `IP_TTL`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.ttl()
    }

    /// Sets `IP_TTL`, for the connections to come.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.set_ttl(ttl)
    }
}

impl TryFrom<net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    fn try_from(listener: net::TcpListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self.io).fmt(f)
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
