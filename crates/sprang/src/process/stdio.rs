//! The parent's ends of a child's standard streams.
//!
//! Purpose: pipes of the runtime under the names of what they are for.
//!
//! Called by: tasks, `command`. Calls: `net::unix::pipe`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::process::{self, Stdio};
use std::task::{Context, Poll};

use mio::unix::pipe as mio_pipe;
use sprang_io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::unix::pipe::{Receiver, Sender};

/// What a child reads from its standard input is written to this.
///
/// Dropping it ends the stream. Writing when the child has closed its end gives the error `BrokenPipe`.
#[derive(Debug)]
pub struct ChildStdin {
    pipe: Sender,
}

/// What a child writes to its standard output is read from this.
///
/// The stream ends when the child, and every other process that it gave the pipe to, has closed it.
#[derive(Debug)]
pub struct ChildStdout {
    pipe: Receiver,
}

/// What a child writes to its standard error is read from this.
///
/// The stream ends when the child, and every other process that it gave the pipe to, has closed it.
#[derive(Debug)]
pub struct ChildStderr {
    pipe: Receiver,
}

#[track_caller]
fn sender(fd: OwnedFd) -> io::Result<Sender> {
    let pipe = mio_pipe::Sender::from(fd);
    pipe.set_nonblocking(true)?;
    Sender::from_owned_fd_unchecked(pipe.into())
}

#[track_caller]
fn receiver(fd: OwnedFd) -> io::Result<Receiver> {
    let pipe = mio_pipe::Receiver::from(fd);
    pipe.set_nonblocking(true)?;
    Receiver::from_owned_fd_unchecked(pipe.into())
}

impl ChildStdin {
    /// Takes over the stream of a child that std has spawned.
    ///
    /// # Errors
    ///
    /// Those of the OS; or if the runtime is shutting down.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn from_std(inner: process::ChildStdin) -> io::Result<Self> {
        Ok(Self {
            pipe: sender(inner.into())?,
        })
    }
}

impl ChildStdout {
    /// Takes over the stream of a child that std has spawned.
    ///
    /// # Errors
    ///
    /// Those of the OS; or if the runtime is shutting down.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn from_std(inner: process::ChildStdout) -> io::Result<Self> {
        Ok(Self {
            pipe: receiver(inner.into())?,
        })
    }
}

impl ChildStderr {
    /// Takes over the stream of a child that std has spawned.
    ///
    /// # Errors
    ///
    /// Those of the OS; or if the runtime is shutting down.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn from_std(inner: process::ChildStderr) -> io::Result<Self> {
        Ok(Self {
            pipe: receiver(inner.into())?,
        })
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.pipe.is_write_vectored()
    }

    /// Does nothing: written bytes are the kernel's.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    /// Does nothing: only dropping it ends the stream.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

impl AsyncRead for ChildStdout {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buf)
    }
}

impl AsyncRead for ChildStderr {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buf)
    }
}

/// What all three have as file descriptors.
macro_rules! file_descriptor {
    ($($stream:ident),*) => {
        $(
            impl $stream {
                /// Hands the descriptor back, in blocking mode.
                ///
                /// # Errors
                ///
                /// Those of the OS; the descriptor is closed then.
                pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                    self.pipe.into_blocking_fd()
                }
            }

            /// For another child, in blocking mode, which is what programs expect.
            impl TryFrom<$stream> for Stdio {
                type Error = io::Error;

                fn try_from(stream: $stream) -> io::Result<Self> {
                    stream.into_owned_fd().map(Self::from)
                }
            }

            impl AsRawFd for $stream {
                fn as_raw_fd(&self) -> RawFd {
                    self.pipe.as_raw_fd()
                }
            }

            impl AsFd for $stream {
                fn as_fd(&self) -> BorrowedFd<'_> {
                    self.pipe.as_fd()
                }
            }
        )*
    };
}

file_descriptor!(ChildStdin, ChildStdout, ChildStderr);
