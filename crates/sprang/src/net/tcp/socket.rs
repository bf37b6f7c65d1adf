//! The socket before it connects or listens.
//!
//! Purpose: options that must be set before: reuse of the address, buffer sizes, the address to connect from.
//!
//! Called by: users. Calls: `socket2`, then `stream` or `listener`. It is not registered with the reactor until then.

use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, RawFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::listener::TcpListener;
use super::stream::TcpStream;

/// A TCP socket that neither is connected nor listens yet.
///
/// ```no_run
/// use sprang::net::TcpSocket;
///
/// # async fn run() -> std::io::Result<()> {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.bind("127.0.0.1:8080".parse().unwrap())?;
/// let listener = socket.listen(128)?;
/// # Ok(())
/// # }
/// ```
pub struct TcpSocket {
    socket: Socket,
}

fn saturate(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

impl TcpSocket {
    /// A new socket for IPv4.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn new_v4() -> io::Result<Self> {
        Self::new(Domain::IPV4)
    }

    /// A new socket for IPv6.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn new_v6() -> io::Result<Self> {
        Self::new(Domain::IPV6)
    }

    fn new(domain: Domain) -> io::Result<Self> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Takes over a socket of `std`, which must be in non-blocking mode and not connected.
    pub fn from_std_stream(std_stream: net::TcpStream) -> Self {
        Self {
            socket: Socket::from(std_stream),
        }
    }

    /// Binds to `addr`: the address to listen on, or to connect from.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.socket.bind(&addr.into())
    }

    /// Connects to `addr`.
    ///
    /// Cancel safe: dropping it gives the attempt up.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        match self.socket.connect(&addr.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        TcpStream::connecting(mio::net::TcpStream::from_std(self.socket.into())).await
    }

    /// Listens, with room for `backlog` connections that wait to be accepted.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::new(mio::net::TcpListener::from_std(self.socket.into()))
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// Those of the OS; `InvalidInput` if the address is neither IPv4 nor IPv6.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.socket.local_addr()?;
        let not_ip = || io::Error::new(io::ErrorKind::InvalidInput, "invalid address family (not IPv4 or IPv6)");
        addr.as_socket().ok_or_else(not_ip)
    }

    /// Takes the pending error of the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    /// The value of `SO_KEEPALIVE`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.socket.keepalive()
    }

    /// Sets `SO_KEEPALIVE`: whether an idle connection is probed.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.socket.set_keepalive(keepalive)
    }

    /// The value of `SO_REUSEADDR`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.socket.reuse_address()
    }

    /// Sets `SO_REUSEADDR`: whether an address whose connections linger can be bound to.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        self.socket.set_reuse_address(reuseaddr)
    }

    /// The value of `SO_REUSEPORT`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[cfg(all(
        unix,
        not(target_os = "solaris"),
        not(target_os = "illumos"),
        not(target_os = "cygwin")
    ))]
    pub fn reuseport(&self) -> io::Result<bool> {
        self.socket.reuse_port()
    }

    /// Sets `SO_REUSEPORT`: whether several sockets can be bound to one address.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[cfg(all(
        unix,
        not(target_os = "solaris"),
        not(target_os = "illumos"),
        not(target_os = "cygwin")
    ))]
    pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> {
        self.socket.set_reuse_port(reuseport)
    }

    /// The size of the send buffer in bytes, `SO_SNDBUF`. Linux says twice what was set.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.socket.send_buffer_size().map(saturate)
    }

    /// Sets the size of the send buffer in bytes, `SO_SNDBUF`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_send_buffer_size(size as usize)
    }

    /// The size of the receive buffer in bytes, `SO_RCVBUF`. Linux says twice what was set.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.socket.recv_buffer_size().map(saturate)
    }

    /// Sets the size of the receive buffer in bytes, `SO_RCVBUF`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_recv_buffer_size(size as usize)
    }

    /// The value of `TCP_NODELAY`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.tcp_nodelay()
    }

    /// Sets `TCP_NODELAY`: whether small segments are sent at once.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(nodelay)
    }

    /// The value of `IPV6_TCLASS`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "macos"
    ))]
    pub fn tclass_v6(&self) -> io::Result<u32> {
        self.socket.tclass_v6()
    }

    /// Sets `IPV6_TCLASS`: the traffic class of IPv6 packets.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "macos"
    ))]
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        self.socket.set_tclass_v6(tclass)
    }

    /// The value of `IP_TOS`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn tos_v4(&self) -> io::Result<u32> {
        self.socket.tos_v4()
    }

    /// Sets `IP_TOS`: the type of service of IPv4 packets.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.socket.set_tos_v4(tos)
    }

    /// As [`tos_v4`](Self::tos_v4).
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[deprecated = "`tos` related methods have been renamed `tos_v4` since they are IPv4-specific."]
    #[doc(hidden)]
    pub fn tos(&self) -> io::Result<u32> {
        self.tos_v4()
    }

    /// As [`set_tos_v4`](Self::set_tos_v4).
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[deprecated = "`tos` related methods have been renamed `tos_v4` since they are IPv4-specific."]
    #[doc(hidden)]
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        self.set_tos_v4(tos)
    }

    /// The value of `SO_LINGER`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }

    /// Sets `SO_LINGER`: how long closing the socket may block to have its last bytes delivered.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[deprecated = "`SO_LINGER` causes the socket to block the thread on drop"]
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(dur)
    }

    /// Sets `SO_LINGER` to zero: closing the socket resets the connection and never blocks.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.socket.set_linger(Some(Duration::ZERO))
    }

    /// The interface that the socket is bound to, `SO_BINDTODEVICE`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.socket.device()
    }

    /// Binds to an interface, `SO_BINDTODEVICE`; `None` undoes it.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.socket.bind_device(interface)
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl FromRawFd for TcpSocket {
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

impl IntoRawFd for TcpSocket {
    fn into_raw_fd(self) -> RawFd {
        self.socket.into_raw_fd()
    }
}
