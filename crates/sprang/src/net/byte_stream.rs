//! A byte stream with its registration.
//!
//! Purpose: what TCP streams, Unix streams and pipes have in common: waiting, reading and writing.
//!
//! Data flow: task → a stream type → [`ByteStream`] → reactor (wait, budget) → `recv`, `read`, `write`.
//!
//! Invariants:
//! - I1: a transfer of fewer bytes than asked for has drained (or filled) the kernel's buffer, but for what
//!   [`Readable::read`] says: the reactor clears the readiness then, and saves the system call that would say
//!   `WouldBlock`.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use bytes::BufMut;
use mio::event::Source;
use socket2::SockRef;
use sprang_io::ReadBuf;
use sprang_reactor::{Direction, Interest, PollEvented, Ready, Registration};

use super::receive;

/// A byte stream with its registration. See the module.
pub(super) struct ByteStream<E: Source> {
    io: PollEvented<E>,
}

/// A source of bytes.
pub(super) trait Readable: Source {
    /// Reads what is there into `buf`, and returns the number of bytes.
    ///
    /// Besides, whether there may be more although the buffer has not been filled.
    fn read(&self, buf: &mut impl BufMut) -> io::Result<(usize, bool)>;
}

impl Readable for mio::net::TcpStream {
    #[inline]
    fn read(&self, buf: &mut impl BufMut) -> io::Result<(usize, bool)> {
        receive::recv(self, buf, 0).map(|n| (n, false))
    }
}

impl Readable for mio::net::UnixStream {
    /// The kernel does not read on behind a message that carries descriptors.
    #[inline]
    fn read(&self, buf: &mut impl BufMut) -> io::Result<(usize, bool)> {
        receive::recv_bare(self, buf)
    }
}

impl Readable for mio::unix::pipe::Receiver {
    #[inline]
    fn read(&self, buf: &mut impl BufMut) -> io::Result<(usize, bool)> {
        receive::read(self, buf).map(|n| (n, false))
    }
}

impl<E: Source> ByteStream<E> {
    /// Registers `io` for reading and writing.
    #[track_caller]
    pub(super) fn new(io: E) -> io::Result<Self> {
        Ok(Self {
            io: PollEvented::new(io)?,
        })
    }

    /// Registers `io` for `interest`.
    #[track_caller]
    pub(super) fn with_interest(io: E, interest: Interest) -> io::Result<Self> {
        Ok(Self {
            io: PollEvented::with_interest(io, interest)?,
        })
    }

    /// Registers `io`, whose connection was begun, and waits for it.
    pub(super) async fn connecting(io: E) -> io::Result<Self>
    where
        E: AsFd,
    {
        let stream = Self::new(io)?;
        // Writable says that the attempt is over, and the socket's error how it went.
        poll_fn(|cx| stream.io.registration().poll_write_ready(cx)).await?;
        match SockRef::from(&stream).take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    /// Says that operations are worth a try before the driver's next turn.
    pub(super) fn assume_ready(&self, ready: Ready) {
        self.io.registration().assume_ready(ready);
    }

    /// Deregisters the source and hands it back.
    pub(super) fn into_inner(self) -> io::Result<E> {
        self.io.into_inner()
    }

    pub(super) fn registration(&self) -> &Registration {
        self.io.registration()
    }

    #[inline]
    pub(super) fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration().try_io(interest, f)
    }

    #[inline]
    pub(super) fn async_io<R>(
        &self,
        interest: Interest,
        f: impl FnMut() -> io::Result<R>,
    ) -> impl Future<Output = io::Result<R>> {
        self.io.registration().async_io(interest, f)
    }

    #[inline]
    pub(super) fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        f: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.io.registration().poll_io(cx, direction, f)
    }
}

impl<E: Readable> ByteStream<E> {
    #[inline]
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let registration = self.io.registration();
        registration.poll_draining(cx, Direction::Read, || {
            let room = buf.remaining();
            let (n, may_be_more) = self.io.read(buf)?;
            Ok(((), 0 < n && n < room && !may_be_more))
        })
    }

    pub(super) fn try_read_buf(&self, buf: &mut impl BufMut) -> io::Result<usize> {
        self.try_io(Interest::READABLE, || self.io.read(buf).map(|(n, _)| n))
    }

    pub(super) fn try_read(&self, mut buf: &mut [u8]) -> io::Result<usize> {
        self.try_read_buf(&mut buf)
    }

    pub(super) fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize>
    where
        for<'a> &'a E: Read,
    {
        self.try_io(Interest::READABLE, || (&*self.io).read_vectored(bufs))
    }
}

impl<E: Source> ByteStream<E>
where
    for<'a> &'a E: Write,
{
    #[inline]
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let registration = self.io.registration();
        registration.poll_transfer(cx, Direction::Write, buf.len(), || (&*self.io).write(buf))
    }

    pub(super) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Direction::Write, || (&*self.io).write_vectored(bufs))
    }

    pub(super) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, || (&*self.io).write(buf))
    }

    pub(super) fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, || (&*self.io).write_vectored(bufs))
    }
}

impl<E: Source> Deref for ByteStream<E> {
    type Target = E;

    #[inline]
    fn deref(&self) -> &E {
        &self.io
    }
}

impl<E: Source + fmt::Debug> fmt::Debug for ByteStream<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<E: Source + AsFd> AsFd for ByteStream<E> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<E: Source + AsRawFd> AsRawFd for ByteStream<E> {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}
