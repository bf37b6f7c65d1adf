//! Datagrams over Unix sockets.
//!
//! Purpose: datagrams between processes of one machine, sent and received by tasks. None is lost or overtaken: who
//! sends waits for room.
//!
//! Data flow: task → a method → reactor (wait, budget) → `send`, `sendto`, `recv`, `recvfrom`.
//!
//! Invariants:
//! - I1: only `WouldBlock` clears readiness: one datagram says nothing about whether there is a next.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net;
use std::path::Path;
use std::task::{Context, Poll};

use bytes::BufMut;
use socket2::{SockAddr, SockRef};
use sprang_io::ReadBuf;
use sprang_reactor::{Direction, Interest, PollEvented, Ready};

use super::SocketAddr;
use crate::net::{debug_assert_nonblocking, readiness, receive};

/// A Unix socket for datagrams.
///
/// It needs no halves: all methods take `&self`, so that any number of tasks can share it, in an `Arc` for example.
/// Its path is not removed when it is dropped.
///
/// ```
/// use sprang::net::UnixDatagram;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (one, other) = UnixDatagram::pair()?;
/// one.send(b"hello").await?;
///
/// let mut buf = [0; 1024];
/// let len = other.recv(&mut buf).await?;
/// assert_eq!(&buf[..len], b"hello");
/// # Ok(())
/// # }
/// ```
pub struct UnixDatagram {
    io: PollEvented<mio::net::UnixDatagram>,
}

impl UnixDatagram {
    /// Binds to `path`, which must not exist. On Linux, a path that begins with a zero byte is an abstract name.
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
        let socket = Self::unbound()?;
        SockRef::from(&socket).bind(&SockAddr::unix(path)?)?;
        Ok(socket)
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixDatagram::pair()?;
        let (one, other) = (Self::new(one)?, Self::new(other)?);
        for socket in [&one, &other] {
            socket.io.registration().assume_ready(Ready::WRITABLE);
        }
        Ok((one, other))
    }

    /// A socket without an address.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        Self::new(mio::net::UnixDatagram::unbound()?)
    }

    #[track_caller]
    pub(super) fn new(socket: mio::net::UnixDatagram) -> io::Result<Self> {
        let io = PollEvented::new(socket)?;
        Ok(Self { io })
    }

    /// Connects to the socket at `path`: what [`send`](Self::send) sends to, and all that is received from then on. On
    /// Linux, a path that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        SockRef::from(self).connect(&SockAddr::unix(path)?)
    }

    /// Says that nothing more will be sent, or received, or both.
    ///
    /// # Errors
    ///
    /// Those of the OS, such as `NotConnected`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.shutdown(how)
    }

    /// Takes over a socket of `std`, which must be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down, or the OS refuses.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled; with debug assertions, if the socket is in blocking mode.
    #[track_caller]
    pub fn from_std(socket: net::UnixDatagram) -> io::Result<Self> {
        debug_assert_nonblocking(&socket)?;
        Self::new(mio::net::UnixDatagram::from_std(socket))
    }

    /// Hands the socket back as one of `std`, still in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If it cannot be deregistered; it is closed then.
    pub fn into_std(self) -> io::Result<net::UnixDatagram> {
        self.io.into_inner().map(net::UnixDatagram::from)
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(SocketAddr)
    }

    /// The address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// Those of the OS, such as `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr().map(SocketAddr)
    }

    /// Takes the pending error of the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.take_error()
    }

    readiness::ready!();
    readiness::readable!(poll_recv_ready, "a datagram can be received", "receiving");
    readiness::writable!(poll_send_ready, "a datagram can be sent", "sending");
    readiness::operations!();

    /// Sends `buf` to the socket that this one is connected to, and returns the number of bytes. Waits until there is
    /// room.
    ///
    /// Cancel safe: a call that is dropped has sent nothing.
    ///
    /// # Errors
    ///
    /// Those of the OS; besides, if the runtime is gone.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.sending(|| self.io.send(buf)).await
    }

    /// As [`send`](Self::send); if there is no room, the task is woken when there might be.
    ///
    /// Only the last task to poll for sending is woken.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io
            .registration()
            .poll_io(cx, Direction::Write, || self.io.send(buf))
    }

    /// As [`send`](Self::send), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else those of the OS.
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.registration().try_io(Interest::WRITABLE, || self.io.send(buf))
    }

    /// Sends `buf` to the socket at `target`, and returns the number of bytes. Waits until there is room. On Linux, a
    /// path that begins with a zero byte is an abstract name.
    ///
    /// While the target's queue is full, Linux announces room to a socket that is not connected, although there is none, and
    /// the wait is a busy one. Whoever sends more than the target takes should [`connect`](Self::connect) to it.
    ///
    /// Cancel safe: a call that is dropped has sent nothing.
    ///
    /// # Errors
    ///
    /// Those of the OS; besides, if the runtime is gone.
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let target = SockAddr::unix(target)?;
        self.sending(|| SockRef::from(self).send_to(buf, &target)).await
    }

    /// As [`send_to`](Self::send_to); if there is no room, the task is woken when there might be.
    ///
    /// Only the last task to poll for sending is woken.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to).
    pub fn poll_send_to<P: AsRef<Path>>(&self, cx: &mut Context<'_>, buf: &[u8], target: P) -> Poll<io::Result<usize>> {
        let target = SockAddr::unix(target)?;
        let registration = self.io.registration();
        registration.poll_io(cx, Direction::Write, || SockRef::from(self).send_to(buf, &target))
    }

    /// As [`send_to`](Self::send_to), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else those of the OS.
    pub fn try_send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let target = SockAddr::unix(target)?;
        let registration = self.io.registration();
        registration.try_io(Interest::WRITABLE, || SockRef::from(self).send_to(buf, &target))
    }

    /// Receives a datagram into `buf`, and returns its length. Waits until there is one.
    ///
    /// What is longer than `buf` is cut off and lost. Cancel safe: a call that is dropped takes no datagram.
    ///
    /// # Errors
    ///
    /// Those of the OS; besides, if the runtime is gone.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receiving(|| receive::recv(&*self.io, &mut &mut *buf, 0)).await
    }

    /// As [`recv`](Self::recv); if there is nothing, the task is woken when there might be.
    ///
    /// Only the last task to poll for receiving is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_receive(cx, || receive::recv(&*self.io, buf, 0)).map_ok(drop)
    }

    /// As [`recv`](Self::recv), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing; else those of the OS.
    pub fn try_recv(&self, mut buf: &mut [u8]) -> io::Result<usize> {
        self.try_recv_buf(&mut buf)
    }

    /// As [`recv`](Self::recv), into the spare room of `buf`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.receiving(|| receive::recv(&*self.io, buf, 0)).await
    }

    /// As [`try_recv`](Self::try_recv), into the spare room of `buf`.
    ///
    /// # Errors
    ///
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.try_receive(|| receive::recv(&*self.io, buf, 0))
    }

    /// Receives a datagram into `buf`, and returns its length and its sender. Waits until there is one.
    ///
    /// What is longer than `buf` is cut off and lost. Cancel safe: a call that is dropped takes no datagram.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.receiving(|| self.take_from(&mut &mut *buf)).await
    }

    /// As [`recv_from`](Self::recv_from); if there is nothing, the task is woken when there might be.
    ///
    /// Only the last task to poll for receiving is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        self.poll_receive(cx, || self.take_from(buf))
            .map_ok(|(_, sender)| sender)
    }

    /// As [`recv_from`](Self::recv_from), without waiting.
    ///
    /// # Errors
    ///
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_recv_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.try_recv_buf_from(&mut buf)
    }

    /// As [`recv_from`](Self::recv_from), into the spare room of `buf`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.receiving(|| self.take_from(buf)).await
    }

    /// As [`try_recv_from`](Self::try_recv_from), into the spare room of `buf`.
    ///
    /// # Errors
    ///
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.try_receive(|| self.take_from(buf))
    }

    fn sending<R>(&self, f: impl FnMut() -> io::Result<R>) -> impl Future<Output = io::Result<R>> {
        self.io.registration().async_io(Interest::WRITABLE, f)
    }

    fn receiving<R>(&self, f: impl FnMut() -> io::Result<R>) -> impl Future<Output = io::Result<R>> {
        self.io.registration().async_io(Interest::READABLE, f)
    }

    fn poll_receive<R>(&self, cx: &mut Context<'_>, f: impl FnMut() -> io::Result<R>) -> Poll<io::Result<R>> {
        self.io.registration().poll_io(cx, Direction::Read, f)
    }

    fn try_receive<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration().try_io(Interest::READABLE, f)
    }

    /// Receives a datagram, and says who has sent it.
    fn take_from(&self, buf: &mut impl BufMut) -> io::Result<(usize, SocketAddr)> {
        let (n, sender) = receive::recv_from(&*self.io, buf, 0)?;
        Ok((n, SocketAddr::of_sender(&sender.any())?))
    }
}

impl TryFrom<net::UnixDatagram> for UnixDatagram {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    fn try_from(socket: net::UnixDatagram) -> io::Result<Self> {
        Self::from_std(socket)
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self.io).fmt(f)
    }
}

impl AsRawFd for UnixDatagram {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
