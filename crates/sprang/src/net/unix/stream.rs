//! The Unix stream.
//!
//! Purpose: a byte stream between processes of one machine, read and written by tasks.
//!
//! Data flow: task → [`AsyncRead`]/[`AsyncWrite`] or a method → `byte_stream` → reactor (wait, budget) → `recvmsg`,
//! `send`.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use sprang_io::{AsyncRead, AsyncWrite, ReadBuf};
use sprang_reactor::Ready;

use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, SocketAddr, UCred, WriteHalf, halves, ucred};
use crate::net::byte_stream::ByteStream;
use crate::net::{debug_assert_nonblocking, readiness};

/// A Unix stream.
///
/// Dropping it closes the connection. Reading and writing are those of [`AsyncRead`] and [`AsyncWrite`]; to do both at
/// the same time, see [`split`](Self::split) and [`into_split`](Self::into_split).
///
/// ```
/// use sprang::io::{AsyncReadExt, AsyncWriteExt};
/// use sprang::net::UnixStream;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut one, mut other) = UnixStream::pair()?;
/// one.write_all(b"hello").await?;
/// let mut buf = [0; 5];
/// other.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"hello");
/// # Ok(())
/// # }
/// ```
pub struct UnixStream {
    io: ByteStream<mio::net::UnixStream>,
}

impl UnixStream {
    /// Connects to the socket at `path`. On Linux, a path that begins with a zero byte is an abstract name.
    ///
    /// Cancel safe: dropping it gives the attempt up.
    ///
    /// # Errors
    ///
    /// Those of the OS, such as `NotFound` and `ConnectionRefused`; on Linux, `WouldBlock` if the listener's backlog is
    /// full, which nothing announces the end of.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::connect_addr(&SocketAddr::of_path(path.as_ref())?).await
    }

    /// Connects to the socket at `addr`.
    ///
    /// Cancel safe: dropping it gives the attempt up.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    pub async fn connect_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::connecting(mio::net::UnixStream::connect_addr(&addr.0)?).await
    }

    /// Two streams that are connected to each other.
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
        let (one, other) = mio::net::UnixStream::pair()?;
        let (one, other) = (Self::new(one)?, Self::new(other)?);
        for stream in [&one, &other] {
            stream.io.assume_ready(Ready::WRITABLE);
        }
        Ok((one, other))
    }

    /// Waits for a connection that was begun.
    pub(super) async fn connecting(stream: mio::net::UnixStream) -> io::Result<Self> {
        let io = ByteStream::connecting(stream).await?;
        Ok(Self { io })
    }

    #[track_caller]
    fn new(stream: mio::net::UnixStream) -> io::Result<Self> {
        let io = ByteStream::new(stream)?;
        Ok(Self { io })
    }

    /// A connection that was just accepted: it can be written to, and the first bytes are often there already, so both
    /// are worth a try before the driver's next turn.
    #[track_caller]
    pub(super) fn accepted(stream: mio::net::UnixStream) -> io::Result<Self> {
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
    pub fn from_std(stream: net::UnixStream) -> io::Result<Self> {
        debug_assert_nonblocking(&stream)?;
        Self::new(mio::net::UnixStream::from_std(stream))
    }

    /// Hands the socket back as one of `std`, still in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If it cannot be deregistered; it is closed then.
    pub fn into_std(self) -> io::Result<net::UnixStream> {
        self.io.into_inner().map(net::UnixStream::from)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(SocketAddr)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// Those of the OS.
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

    /// The credentials of the process at the other end, from when the connection was made.
    ///
    /// # Errors
    ///
    /// Those of the OS.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        ucred::of_peer(self.as_fd())
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

impl TryFrom<net::UnixStream> for UnixStream {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    fn try_from(stream: net::UnixStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

impl AsyncRead for UnixStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_read_shared(cx, buf)
    }
}

impl AsyncWrite for UnixStream {
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

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

impl AsRef<Self> for UnixStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsRawFd for UnixStream {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
