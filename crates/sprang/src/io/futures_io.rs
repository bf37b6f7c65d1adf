//! The traits of `futures::io` for sockets and pipes.
//!
//! Purpose: what is written for the traits of the futures crates takes our byte streams as they are, without an adaptor
//! and at the same cost.
//!
//! Called by: users of `futures::io`. Calls: `net`, through our own traits; reading into several buffers, which ours do
//! not know, is a wait and a `try_read_vectored`.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{AsyncRead, AsyncWrite, ReadBuf};
use crate::net::unix::{self, pipe};
use crate::net::{TcpStream, UnixStream, tcp};

/// Implements reading for each `$Reader`, which reads from `$source`.
macro_rules! readers {
    ($($Reader:ty: |$this:ident| $source:expr;)*) => { $(
        impl futures_io::AsyncRead for $Reader {
            #[inline]
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize>> {
                let mut buf = ReadBuf::new(buf);
                ready!(AsyncRead::poll_read(self, cx, &mut buf))?;
                Poll::Ready(Ok(buf.filled().len()))
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<Result<usize>> {
                let $this = &*self;
                loop {
                    ready!($source.poll_read_ready(cx))?;
                    match $source.try_read_vectored(bufs) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        result => return Poll::Ready(result),
                    }
                }
            }
        }
    )* };
}

/// Implements writing for each `$Writer`.
macro_rules! writers {
    ($($Writer:ty;)*) => { $(
        impl futures_io::AsyncWrite for $Writer {
            #[inline]
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
                AsyncWrite::poll_write(self, cx, buf)
            }

            #[inline]
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<Result<usize>> {
                AsyncWrite::poll_write_vectored(self, cx, bufs)
            }

            #[inline]
            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                AsyncWrite::poll_flush(self, cx)
            }

            /// Shuts the writer down: the same as `poll_shutdown`.
            #[inline]
            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                AsyncWrite::poll_shutdown(self, cx)
            }
        }
    )* };
}

readers! {
    TcpStream: |stream| stream;
    tcp::ReadHalf<'_>: |half| half.as_ref();
    tcp::OwnedReadHalf: |half| half.as_ref();
    UnixStream: |stream| stream;
    unix::ReadHalf<'_>: |half| half.as_ref();
    unix::OwnedReadHalf: |half| half.as_ref();
    pipe::Receiver: |pipe| pipe;
}

writers! {
    TcpStream;
    tcp::WriteHalf<'_>;
    tcp::OwnedWriteHalf;
    UnixStream;
    unix::WriteHalf<'_>;
    unix::OwnedWriteHalf;
    pipe::Sender;
}
