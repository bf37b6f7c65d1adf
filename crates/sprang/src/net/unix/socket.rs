//! The Unix socket before it connects or listens.
//!
//! Purpose: to bind before connecting, and to choose the backlog.
//!
//! Called by: users. Calls: `socket2`, then `stream`, `listener` or `datagram`. It is not registered with the reactor
//! until then.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use super::datagram::UnixDatagram;
use super::listener::UnixListener;
use super::stream::UnixStream;

/// A Unix socket that neither is connected nor listens yet.
///
/// ```no_run
/// use sprang::net::UnixSocket;
///
/// # async fn run() -> std::io::Result<()> {
/// let socket = UnixSocket::new_stream()?;
/// socket.bind("/run/example.socket")?;
/// let listener = socket.listen(128)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UnixSocket {
    socket: Socket,
}

impl UnixSocket {
    /// A new socket for datagrams.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn new_datagram() -> io::Result<Self> {
        Self::new(Type::DGRAM)
    }

    /// A new socket for a stream, or to listen.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn new_stream() -> io::Result<Self> {
        Self::new(Type::STREAM)
    }

    fn new(kind: Type) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Binds to `path`, which must not exist. On Linux, a path that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.socket.bind(&SockAddr::unix(path)?)
    }

    /// Listens, with room for `backlog` connections that wait to be accepted.
    ///
    /// # Errors
    ///
    /// Those of the OS; if the socket is one for datagrams.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        self.refuse(Type::DGRAM, "listen cannot be called on a datagram socket")?;
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        UnixListener::new(OwnedFd::from(self.socket).into())
    }

    /// Connects to the socket at `path`. On Linux, a path that begins with a zero byte is an abstract name.
    ///
    /// Cancel safe: dropping it gives the attempt up.
    ///
    /// # Errors
    ///
    /// Those of the OS; if the socket is one for datagrams.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        self.refuse(Type::DGRAM, "connect cannot be called on a datagram socket")?;
        let addr = SockAddr::unix(path)?;
        match self.socket.connect(&addr) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        UnixStream::connecting(OwnedFd::from(self.socket).into()).await
    }

    /// Makes a socket for datagrams of it.
    ///
    /// # Errors
    ///
    /// Those of the OS; if the socket is one for a stream.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        self.refuse(Type::STREAM, "datagram cannot be called on a stream socket")?;
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        UnixDatagram::new(OwnedFd::from(self.socket).into())
    }

    fn refuse(&self, kind: Type, why: &'static str) -> io::Result<()> {
        if self.socket.r#type()? == kind {
            return Err(io::Error::other(why));
        }
        Ok(())
    }
}

impl AsRawFd for UnixSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for UnixSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl FromRawFd for UnixSocket {
    /// Takes over `fd`, a socket in non-blocking mode.
    ///
    /// # Safety
    ///
    /// As for [`FromRawFd::from_raw_fd`].
    unsafe fn from_raw_fd(fd: RawFd) -> Self {
        Self {
            // SAFETY: passed on to the caller.
            socket: unsafe { Socket::from_raw_fd(fd) },
        }
    }
}

impl IntoRawFd for UnixSocket {
    fn into_raw_fd(self) -> RawFd {
        self.socket.into_raw_fd()
    }
}
