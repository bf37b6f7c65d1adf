//! The streams of the process: [`stdin`], [`stdout`], [`stderr`].
//!
//! Purpose: `std`'s handles, read and written on blocking threads. What `std` buffers and locks is shared with them.
//!
//! Data flow: task → [`Stdin`], or [`Stdout`], [`Stderr`] → [`Output`] → `offload` → `std`'s handle on a blocking thread.
//!
//! Invariants:
//! - I1: what one handle wrote is written in its order, since one operation of it is under way at a time.

use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::offload::{MAX_BUF_SIZE, Series};
use super::{AsyncRead, AsyncWrite, ReadBuf};

/// The standard input of the process.
///
/// For what somebody types, a thread of the program's own that reads `std`'s and sends lines through a channel serves
/// better: a read that was begun cannot be stopped, and the end of the runtime waits for it until something is typed
/// (but see [`Runtime::shutdown_timeout`](crate::runtime::Runtime::shutdown_timeout)).
///
/// # Cancel safety
///
/// A read whose future is dropped goes on. What it finds is kept for the next read from the same handle.
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
    reads: Series<io::Result<()>>,
}

/// A handle to the standard input of the process.
///
/// Handles share the buffer of [`std::io::stdin`], but each also has one of its own: two that read at a time get parts
/// of the input in an order that nobody knows.
///
/// Reads give an error if the runtime has been shut down, and panic outside of one.
pub fn stdin() -> Stdin {
    Stdin {
        reads: Series::default(),
    }
}

impl AsyncRead for Stdin {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let reads = &mut self.get_mut().reads;
        if let Some(buffered) = reads.poll_buffered(cx, dst) {
            return buffered.map(Ok);
        }
        if !reads.is_under_way() {
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
    std: fn() -> W,
    operations: Series<io::Result<()>>,
    /// Whether something was written after the last flush.
    unflushed: bool,
}

impl<W: Write> Output<W> {
    fn new(std: fn() -> W) -> Self {
        Self {
            std,
            operations: Series::default(),
            unflushed: false,
        }
    }
}

impl<W: Write + 'static> AsyncWrite for Output<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, src: &[u8]) -> Poll<io::Result<usize>> {
        let output = self.get_mut();
        ready!(output.operations.poll_outcome(cx))?.unwrap_or(Ok(()))?;
        let n = output.operations.buf.copy_from(&[IoSlice::new(src)], MAX_BUF_SIZE);
        let std = output.std;
        output.operations.promise(move |buf| buf.write_to(&mut std()))?;
        output.unflushed = true;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let output = self.get_mut();
        loop {
            ready!(output.operations.poll_outcome(cx))?.unwrap_or(Ok(()))?;
            if !output.unflushed {
                return Poll::Ready(Ok(()));
            }
            let std = output.std;
            output.operations.promise(move |_| std().flush())?;
            output.unflushed = false;
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncWrite for Stdout {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, src: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().output).poll_write(cx, src)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_shutdown(cx)
    }
}

impl AsyncWrite for Stderr {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, src: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().output).poll_write(cx, src)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_shutdown(cx)
    }
}

impl AsRawFd for Stdin {
    fn as_raw_fd(&self) -> RawFd {
        io::stdin().as_raw_fd()
    }
}

impl AsRawFd for Stdout {
    fn as_raw_fd(&self) -> RawFd {
        io::stdout().as_raw_fd()
    }
}

impl AsRawFd for Stderr {
    fn as_raw_fd(&self) -> RawFd {
        io::stderr().as_raw_fd()
    }
}
