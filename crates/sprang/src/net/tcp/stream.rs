//! The connection.
//!
//! Purpose: a byte stream over TCP, read and written by tasks.
//!
//! Data flow: task → [`AsyncRead`]/[`AsyncWrite`] or a method → `byte_stream` → reactor (wait, budget) → `recv`, `send`.

use std::fmt;
use std::io;
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use socket2::SockRef;
use sprang_io::{AsyncRead, AsyncWrite, ReadBuf};
use sprang_reactor::{Direction, Interest, Ready};

use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf, halves};
use crate::net::addr::first_of;
use crate::net::byte_stream::ByteStream;
use crate::net::{ToSocketAddrs, debug_assert_nonblocking, readiness, receive};

/// A TCP connection.
///
/// Dropping it closes the connection. Reading and writing are those of [`AsyncRead`] and [`AsyncWrite`]; to do both at
/// the same time, see [`split`](Self::split) and [`into_split`](Self::into_split).
///
/// ```no_run
/// use sprang::net::TcpStream;
///
/// # async fn run() -> std::io::Result<()> {
/// let stream = TcpStream::connect("127.0.0.1:8080").await?;
/// stream.writable().await?;
/// let n = stream.try_write(b"hello")?;
/// println!("{n} bytes are on their way");
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    io: ByteStream<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// Cancel safe: dropping it gives the attempt up.
    ///
    /// # Errors
    ///
    /// The last one, if no address answers; `InvalidInput` if there is none.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        first_of(addr, async |addr| {
            Self::connecting(mio::net::TcpStream::connect(addr)?).await
        })
        .await
    }

    /// Waits for a connection that was begun.
    pub(super) async fn connecting(stream: mio::net::TcpStream) -> io::Result<Self> {
        let io = ByteStream::connecting(stream).await?;
        Ok(Self { io })
    }

    #[track_caller]
    fn new(stream: mio::net::TcpStream) -> io::Result<Self> {
        let io = ByteStream::new(stream)?;
        Ok(Self { io })
    }

    /// A connection that was just accepted: it can be written to, and the first bytes are often there already, so both
    /// are worth a try before the driver's next turn.
    #[track_caller]
    pub(super) fn accepted(stream: mio::net::TcpStream) -> io::Result<Self> {
        let stream = Self::new(stream)?;
        stream.io.assume_ready(Ready::READABLE | Ready::WRITABLE);
        Ok(stream)
    }

    /// Takes over a stream of `std`, which must be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down, or the OS refuses.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled; with debug assertions, if the socket is in blocking mode.
    #[track_caller]
    pub fn from_std(stream: net::TcpStream) -> io::Result<Self> {
        debug_assert_nonblocking(&stream)?;
        Self::new(mio::net::TcpStream::from_std(stream))
    }

    /// Hands the socket back as one of `std`, still in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If it cannot be deregistered; it is closed then.
    pub fn into_std(self) -> io::Result<net::TcpStream> {
        self.io.into_inner().map(net::TcpStream::from)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// Those of the OS.
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

    /// Copies bytes that have arrived into `buf` without taking them, and returns their number: 0 at the end of the
    /// stream. Waits until there are some.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// Those of the OS; besides, if the runtime is gone.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.async_io(Interest::READABLE, || self.io.peek(buf)).await
    }

    /// As [`peek`](Self::peek); if nothing is there, the task is woken when something might be.
    ///
    /// Only the last task to poll for reading is woken.
    ///
    /// # Errors
    ///
    /// As for [`peek`](Self::peek).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let peek = || receive::recv(&*self.io, buf, receive::PEEK);
        self.io.poll_io(cx, Direction::Read, peek)
    }

    readiness::ready!();
    readiness::readable!(poll_read_ready, "the stream can be read from", "reading");
    readiness::writable!(poll_write_ready, "the stream can be written to", "writing");
    readiness::operations!();

    /// Reads what is there into `buf`, and returns the number of bytes: 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; else those of the OS.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.try_read(buf)
    }

    /// As [`try_read`](Self::try_read), into several buffers.
    ///
    /// # Errors
    ///
    /// As for [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
        self.io.try_read_vectored(bufs)
    }

    /// As [`try_read`](Self::try_read), into the spare room of `buf`.
    ///
    /// # Errors
    ///
    /// As for [`try_read`](Self::try_read).
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.io.try_read_buf(buf)
    }

    /// Writes what there is room for, and returns the number of bytes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else those of the OS.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.try_write(buf)
    }

    /// As [`try_write`](Self::try_write), from several buffers.
    ///
    /// # Errors
    ///
    /// As for [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.io.try_write_vectored(bufs)
    }

    /// The value of `TCP_NODELAY`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.nodelay()
    }

    /// Sets `TCP_NODELAY`: whether small segments are sent at once.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.set_nodelay(nodelay)
    }

    /// The value of `TCP_QUICKACK`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "fuchsia",
        target_os = "cygwin"
    ))]
    pub fn quickack(&self) -> io::Result<bool> {
        SockRef::from(self).tcp_quickack()
    }

    /// Sets `TCP_QUICKACK`: whether segments are acknowledged at once. The kernel may unset it again.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "fuchsia",
        target_os = "cygwin"
    ))]
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        SockRef::from(self).set_tcp_quickack(quickack)
    }

    /// The value of `SO_LINGER`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Sets `SO_LINGER`: how long closing the socket may block to have its last bytes delivered.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    #[deprecated = "`SO_LINGER` causes the socket to block the thread on drop"]
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        SockRef::from(self).set_linger(dur)
    }

    /// Sets `SO_LINGER` to zero: closing the socket resets the connection and never blocks.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        SockRef::from(self).set_linger(Some(Duration::ZERO))
    }

    /// The value of `IP_TTL`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.ttl()
    }

    /// Sets `IP_TTL`.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.set_ttl(ttl)
    }

    /// Splits the stream into a half to read and a half to write, for use within one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        halves::split(self)
    }

    /// Splits the stream into a half to read and a half to write, which can go to different tasks.
    ///
    /// Dropping the write half shuts the write side down. [`OwnedReadHalf::reunite`] undoes the split.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        halves::into_split(self)
    }

    /// Says that nothing more will be written (or read). Fine when the peer is gone already.
    pub(super) fn shut_down(&self, how: Shutdown) -> io::Result<()> {
        match self.io.shutdown(how) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    #[inline]
    pub(super) fn poll_read_shared(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io.poll_read(cx, buf)
    }

    #[inline]
    pub(super) fn poll_write_shared(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_write(cx, buf)
    }

    pub(super) fn poll_write_vectored_shared(
        &self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write_vectored(cx, bufs)
    }
}

impl TryFrom<net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    fn try_from(stream: net::TcpStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_read_shared(cx, buf)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_shared(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored_shared(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: written bytes are the kernel's.
    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Shuts the write side down.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down(Shutdown::Write))
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
