//! The streams of the process: [`stdin`], [`stdout`], [`stderr`].
//!
//! Purpose: `std`'s handles, read and written on blocking threads; what `std` buffers and locks is shared with them. But
//! input that may be long in coming is waited for by the reactor, and read past `std`.
//!
//! Data flow: task → [`Stdin`] → `pollable`; or [`Stdin`], or [`Stdout`], [`Stderr`] → [`Output`] → `offload` → `std`'s
//! handle on a blocking thread.
//!
//! Invariants:
//! - I1: what one handle wrote is written in its order, since one operation of it is under way at a time.
//! - I2: what a blocking thread has read for a handle comes before what is read without one.

#[cfg(all(feature = "net", target_os = "linux"))]
mod pollable;

/// Where nothing can be waited for.
#[cfg(not(all(feature = "net", target_os = "linux")))]
mod pollable {
    use std::io;
    use std::task::{Context, Poll};

    use crate::io::ReadBuf;

    #[derive(Debug)]
    pub(super) enum Pollable {}

    impl Pollable {
        pub(super) fn open() -> Option<Self> {
            None
        }

        pub(super) fn poll_read(&self, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<Option<io::Result<()>>> {
            match *self {}
        }
    }
}

use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::offload::{MAX_BUF_SIZE, Series};
use super::{AsyncRead, AsyncWrite, ReadBuf};
use pollable::Pollable;

/// The standard input of the process.
///
/// A terminal, a pipe or a socket is waited for as any socket is (on Linux, with the feature `net`, in a runtime with
/// I/O enabled): a read that waits keeps neither a thread nor the end of the runtime. Other processes that have the same
/// terminal or pipe notice nothing of that: it does not become non-blocking for them.
///
/// Files are read on blocking threads, and so is everything else where that cannot be, or where this process may not
/// open its terminal (after `su`, say). A read that was begun cannot be stopped then, and the end of the runtime waits
/// for it until something is typed
/// (but see [`Runtime::shutdown_timeout`](crate::runtime::Runtime::shutdown_timeout)).
///
/// # Cancel safety
///
/// A read whose future is dropped has read nothing; or it goes on, on its blocking thread, and what it finds is kept for
/// the next read from the same handle.
///
/// ```no_run
/// use sprang::io::{AsyncBufReadExt, BufReader};
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut lines = BufReader::new(sprang::io::stdin()).lines();
/// while let Some(line) = lines.next_line().await? {
///     println!("{}", line.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stdin {
    std: io::Stdin,
    way: Way,
    reads: Series<io::Result<()>>,
}

/// How input comes.
#[derive(Debug)]
enum Way {
    /// To be found out by the first read.
    Unknown,
    Waited(Pollable),
    Blocking,
}

/// A handle to the standard input of the process.
///
/// Handles share the input: two that read at a time get parts of it in an order that nobody knows. A terminal, a pipe
/// or a socket is read past [`std::io::stdin`]: what that has read ahead is not seen here. The first read of a handle
/// looks at what the input is.
///
/// Reads give an error if the runtime has been shut down, and panic outside of one.
pub fn stdin() -> Stdin {
    Stdin {
        std: io::stdin(),
        way: Way::Unknown,
        reads: Series::default(),
    }
}

impl Way {
    /// Reads without a blocking thread; `None` if it takes one.
    fn poll_read(&mut self, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<Option<io::Result<()>>> {
        loop {
            match self {
                Self::Unknown => *self = Pollable::open().map_or(Self::Blocking, Self::Waited),
                Self::Waited(input) => match ready!(input.poll_read(cx, dst)) {
                    // Its runtime is gone, or another one reads now.
                    None => *self = Self::Unknown,
                    result => return Poll::Ready(result),
                },
                Self::Blocking => return Poll::Ready(None),
            }
        }
    }
}

impl AsyncRead for Stdin {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { way, reads, .. } = self.get_mut();
        if let Some(buffered) = reads.poll_buffered(cx, dst) {
            return buffered.map(Ok);
        }
        if !reads.is_under_way() {
            if let Some(result) = ready!(way.poll_read(cx, dst)) {
                return Poll::Ready(result);
            }
            let max = dst.remaining().min(MAX_BUF_SIZE);
            reads.start(move |buf| buf.read_from(&mut io::stdin(), max));
        }
        let result = ready!(reads.poll_outcome(cx))?.expect("a read is under way");
        reads.buf.take_into(dst);
        Poll::Ready(result)
    }
}

/// The standard output of the process.
///
/// Writes of one handle keep their order. A write is complete, for the task, when the bytes are in the handle's buffer; a
/// blocking thread writes them to [`std::io::stdout`], even if the handle is dropped or the runtime ends, and if that
/// fails, the next write or flush gives the error. `std` keeps what comes after the last line break until it is flushed.
/// So [`flush`](crate::io::AsyncWriteExt::flush) before the process ends; it returns when everything is written.
///
/// # Cancel safety
///
/// A write or flush that was begun goes on if its future is dropped.
///
/// ```
/// use sprang::io::AsyncWriteExt;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut stdout = sprang::io::stdout();
/// stdout.write_all(b"hello\n").await?;
/// stdout.flush().await
/// # }
/// ```
#[derive(Debug)]
pub struct Stdout {
    output: Output<io::Stdout>,
}

/// A handle to the standard output of the process.
///
/// Writes give an error if the runtime has been shut down, and panic outside of one.
pub fn stdout() -> Stdout {
    Stdout {
        output: Output::new(io::stdout),
    }
}

/// The standard error of the process. As [`Stdout`], but `std` does not buffer it.
#[derive(Debug)]
pub struct Stderr {
    output: Output<io::Stderr>,
}

/// A handle to the standard error of the process.
///
/// Writes give an error if the runtime has been shut down, and panic outside of one.
pub fn stderr() -> Stderr {
    Stderr {
        output: Output::new(io::stderr),
    }
}

/// What is written to one of `std`'s handles.
#[derive(Debug)]
struct Output<W> {
    std: W,
    /// Another handle to the same, for a thread.
    another: fn() -> W,
    operations: Series<io::Result<()>>,
    /// Whether something was written after the last flush.
    unflushed: bool,
}

impl<W: Write + 'static> Output<W> {
    fn new(handle: fn() -> W) -> Self {
        Self {
            std: handle(),
            another: handle,
            operations: Series::default(),
            unflushed: false,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, src: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.operations.poll_outcome(cx))?.unwrap_or(Ok(()))?;
        let n = self.operations.buf.copy_from(&[IoSlice::new(src)], MAX_BUF_SIZE);
        let std = self.another;
        self.operations.promise(move |buf| buf.write_to(&mut std()))?;
        self.unflushed = true;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.operations.poll_outcome(cx))?.unwrap_or(Ok(()))?;
            if !self.unflushed {
                return Poll::Ready(Ok(()));
            }
            let std = self.another;
            self.operations.promise(move |_| std().flush())?;
            self.unflushed = false;
        }
    }
}

impl AsyncWrite for Stdout {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, src: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().output.poll_write(cx, src)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().output.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().output.poll_flush(cx)
    }
}

impl AsyncWrite for Stderr {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, src: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().output.poll_write(cx, src)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().output.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().output.poll_flush(cx)
    }
}

impl AsFd for Stdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.std.as_fd()
    }
}

impl AsRawFd for Stdin {
    fn as_raw_fd(&self) -> RawFd {
        self.std.as_raw_fd()
    }
}

impl AsFd for Stdout {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.std.as_fd()
    }
}

impl AsRawFd for Stdout {
    fn as_raw_fd(&self) -> RawFd {
        self.output.std.as_raw_fd()
    }
}

impl AsFd for Stderr {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.std.as_fd()
    }
}

impl AsRawFd for Stderr {
    fn as_raw_fd(&self) -> RawFd {
        self.output.std.as_raw_fd()
    }
}
