//! Datagrams over UDP.
//!
//! Purpose: datagrams to and from any host, sent and received by tasks.
//!
//! Data flow: task → a method → reactor (wait, budget) → `send`, `sendto`, `recv`, `recvfrom`.
//!
//! Invariants:
//! - I1: only `WouldBlock` clears readiness: one datagram says nothing about whether there is a next.
//! - I2: who waits to receive waits for errors too: that a port is closed is reported so.

use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use bytes::BufMut;
use sprang_io::ReadBuf;
use sprang_reactor::{Direction, Interest, PollEvented};

use crate::net::addr::{first_of, resolve};
use crate::net::receive::{self, PEEK};
use crate::net::{ToSocketAddrs, debug_assert_nonblocking, readiness};

/// A UDP socket.
///
/// It needs no halves: all methods take `&self`, so that any number of tasks can share it, in an `Arc` for example.
///
/// ```
/// use sprang::net::UdpSocket;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.send_to(b"hello", server.local_addr()?).await?;
///
/// let mut buf = [0; 1024];
/// let (len, sender) = server.recv_from(&mut buf).await?;
/// assert_eq!((&buf[..len], sender), (&b"hello"[..], client.local_addr()?));
/// # Ok(())
/// # }
/// ```
pub struct UdpSocket {
    pub(super) io: PollEvented<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// Binds to the first of the addresses that can be bound to. Port 0 has the OS pick one.
    ///
    /// # Errors
    ///
    /// The last one, if no address can be bound to; `InvalidInput` if there is none.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        first_of(addr, async |addr| Self::new(mio::net::UdpSocket::bind(addr)?)).await
    }

    #[track_caller]
    fn new(socket: mio::net::UdpSocket) -> io::Result<Self> {
        let io = PollEvented::new(socket)?;
        Ok(Self { io })
    }

    /// Connects to the first of the addresses that can be connected to: what [`send`](Self::send) sends to, and all
    /// that is received from then on.
    ///
    /// # Errors
    ///
    /// The last one, if no address can be connected to; `InvalidInput` if there is none.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        first_of(addr, async |addr| self.io.connect(addr)).await
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
    pub fn from_std(socket: net::UdpSocket) -> io::Result<Self> {
        debug_assert_nonblocking(&socket)?;
        Self::new(mio::net::UdpSocket::from_std(socket))
    }

    /// Hands the socket back as one of `std`, still in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If it cannot be deregistered; it is closed then.
    pub fn into_std(self) -> io::Result<net::UdpSocket> {
        self.io.into_inner().map(net::UdpSocket::from)
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// Those of the OS, such as `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr()
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

    /// Sends `buf` to the first address of `target`, and returns the number of bytes. Waits until there is room.
    ///
    /// Cancel safe: a call that is dropped has sent nothing.
    ///
    /// # Errors
    ///
    /// Those of the OS; `InvalidInput` if there is no address; besides, if the runtime is gone.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], target: A) -> io::Result<usize> {
        let first = resolve(target).await?.next();
        let no_address = || io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to");
        let target = first.ok_or_else(no_address)?;
        self.sending(|| self.io.send_to(buf, target)).await
    }

    /// As [`send_to`](Self::send_to); if there is no room, the task is woken when there might be.
    ///
    /// Only the last task to poll for sending is woken.
    ///
    /// # Errors
    ///
    /// Those of the OS; besides, if the runtime is gone.
    pub fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], target: SocketAddr) -> Poll<io::Result<usize>> {
        let registration = self.io.registration();
        registration.poll_io(cx, Direction::Write, || self.io.send_to(buf, target))
    }

    /// As [`send_to`](Self::send_to), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else those of the OS.
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        let registration = self.io.registration();
        registration.try_io(Interest::WRITABLE, || self.io.send_to(buf, target))
    }

    /// Receives a datagram into `buf`, and returns its length. Waits until there is one.
    ///
    /// What is longer than `buf` is cut off and lost. Cancel safe: a call that is dropped takes no datagram.
    ///
    /// # Errors
    ///
    /// Those of the OS, `ConnectionRefused` among them if a connected socket has sent to a closed port; besides, if the runtime is gone.
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
        self.receiving(|| self.take_from(&mut &mut *buf, 0)).await
    }

    /// As [`recv_from`](Self::recv_from); if there is nothing, the task is woken when there might be.
    ///
    /// Only the last task to poll for receiving is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        self.poll_receive(cx, || self.take_from(buf, 0))
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
        self.receiving(|| self.take_from(buf, 0)).await
    }

    /// As [`try_recv_from`](Self::try_recv_from), into the spare room of `buf`.
    ///
    /// # Errors
    ///
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.try_receive(|| self.take_from(buf, 0))
    }

    /// As [`recv`](Self::recv), but leaves the datagram to be received again.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receiving(|| receive::recv(&*self.io, &mut &mut *buf, PEEK)).await
    }

    /// As [`poll_recv`](Self::poll_recv), but leaves the datagram to be received again.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_receive(cx, || receive::recv(&*self.io, buf, PEEK))
            .map_ok(drop)
    }

    /// As [`try_recv`](Self::try_recv), but leaves the datagram to be received again.
    ///
    /// # Errors
    ///
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_peek(&self, mut buf: &mut [u8]) -> io::Result<usize> {
        self.try_receive(|| receive::recv(&*self.io, &mut buf, PEEK))
    }

    /// As [`recv_from`](Self::recv_from), but leaves the datagram to be received again.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.receiving(|| self.take_from(&mut &mut *buf, PEEK)).await
    }

    /// As [`poll_recv_from`](Self::poll_recv_from), but leaves the datagram to be received again.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_peek_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        self.poll_receive(cx, || self.take_from(buf, PEEK))
            .map_ok(|(_, sender)| sender)
    }

    /// As [`try_recv_from`](Self::try_recv_from), but leaves the datagram to be received again.
    ///
    /// # Errors
    ///
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_peek_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.try_receive(|| self.take_from(&mut buf, PEEK))
    }

    /// The sender of the next datagram, which is left to be received. Waits until there is one.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.receiving(|| self.next_sender()).await
    }

    /// As [`peek_sender`](Self::peek_sender); if there is nothing, the task is woken when there might be.
    ///
    /// Only the last task to poll for receiving is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.poll_receive(cx, || self.next_sender())
    }

    /// As [`peek_sender`](Self::peek_sender), without waiting.
    ///
    /// # Errors
    ///
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.try_receive(|| self.next_sender())
    }

    pub(super) fn sending<R>(&self, f: impl FnMut() -> io::Result<R>) -> impl Future<Output = io::Result<R>> {
        self.io.registration().async_io(Interest::WRITABLE, f)
    }

    /// For errors too (I2).
    pub(super) fn receiving<R>(&self, f: impl FnMut() -> io::Result<R>) -> impl Future<Output = io::Result<R>> {
        self.io.registration().async_io(Interest::READABLE | Interest::ERROR, f)
    }

    fn poll_receive<R>(&self, cx: &mut Context<'_>, f: impl FnMut() -> io::Result<R>) -> Poll<io::Result<R>> {
        self.io.registration().poll_io(cx, Direction::Read, f)
    }

    pub(super) fn try_receive<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration().try_io(Interest::READABLE, f)
    }

    /// Receives a datagram, and says who has sent it.
    fn take_from(&self, buf: &mut impl BufMut, flags: libc::c_int) -> io::Result<(usize, SocketAddr)> {
        let (n, sender) = receive::recv_from(&*self.io, buf, flags)?;
        Ok((n, sender.ip()?))
    }

    fn next_sender(&self) -> io::Result<SocketAddr> {
        let mut no_room: &mut [u8] = &mut [];
        self.take_from(&mut no_room, PEEK).map(|(_, sender)| sender)
    }
}

impl TryFrom<net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    fn try_from(socket: net::UdpSocket) -> io::Result<Self> {
        Self::from_std(socket)
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self.io).fmt(f)
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
