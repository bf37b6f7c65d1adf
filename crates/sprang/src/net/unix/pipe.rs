//! Pipes, those with a name (FIFOs) and those without.
//!
//! Purpose: byte streams in one direction.
//!
//! Data flow: task → [`Sender`], [`Receiver`] → `byte_stream` → reactor (wait, budget) → `read`, `write`.
//!
//! ```
//! use sprang::io::{AsyncReadExt, AsyncWriteExt};
//! use sprang::net::unix::pipe;
//!
//! # #[sprang::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (mut sender, mut receiver) = pipe::pipe()?;
//! sender.write_all(b"hello").await?;
//! drop(sender);
//!
//! let mut text = String::new();
//! receiver.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # Ok(())
//! # }
//! ```

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use mio::unix::pipe as mio_pipe;
use sprang_io::{AsyncRead, AsyncWrite, ReadBuf};
use sprang_reactor::Interest;

use crate::net::byte_stream::ByteStream;
use crate::net::readiness;

/// Makes a pipe without a name.
///
/// # Errors
///
/// Those of the OS.
///
/// # Panics
///
/// Outside of a runtime with I/O enabled.
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = mio_pipe::new()?;
    Ok((Sender::new(sender)?, Receiver::new(receiver)?))
}

/// How to open a FIFO.
///
/// ```no_run
/// use sprang::net::unix::pipe;
///
/// # fn run() -> std::io::Result<()> {
/// let receiver = pipe::OpenOptions::new().open_receiver("/run/example.fifo")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// Neither option is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to open the FIFO for both reading and writing.
    ///
    /// A sender can then be opened although there is no receiver, and a receiver never sees the end of the stream.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn read_write(&mut self, value: bool) -> &mut Self {
        self.read_write = value;
        self
    }

    /// Whether to believe that the file is a FIFO, instead of asking the OS.
    pub fn unchecked(&mut self, value: bool) -> &mut Self {
        self.unchecked = value;
        self
    }

    /// Opens the receiving end of the FIFO at `path`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the file is no FIFO; else those of the OS.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        Receiver::from_file_unchecked(self.open(path.as_ref(), fs::OpenOptions::new().read(true))?)
    }

    /// Opens the sending end of the FIFO at `path`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the file is no FIFO; `ENXIO` if nobody has opened it to receive; else those of the OS.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    #[track_caller]
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        Sender::from_file_unchecked(self.open(path.as_ref(), fs::OpenOptions::new().write(true))?)
    }

    fn open(&self, path: &Path, options: &mut fs::OpenOptions) -> io::Result<File> {
        if self.read_write {
            options.read(true).write(true);
        }
        let file = options.custom_flags(libc::O_NONBLOCK).open(path)?;
        if !self.unchecked {
            check_kind(&file)?;
        }
        Ok(file)
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn check_kind(file: &File) -> io::Result<()> {
    if file.metadata()?.file_type().is_fifo() {
        Ok(())
    } else {
        Err(invalid("not a pipe"))
    }
}

/// Checks that the descriptor is of a pipe, and open in the access mode `access` or for both reading and writing.
fn checked(fd: OwnedFd, access: libc::c_int, otherwise: &'static str) -> io::Result<OwnedFd> {
    let file = File::from(fd);
    check_kind(&file)?;
    // SAFETY: asks for the flags of a descriptor that is open.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    match flags & libc::O_ACCMODE {
        _ if flags == -1 => Err(io::Error::last_os_error()),
        mode if mode == access || mode == libc::O_RDWR => Ok(file.into()),
        _ => Err(invalid(otherwise)),
    }
}

/// Makes the ways to an `$End` from a descriptor that is `$open`, in the mode `$access`, and back.
macro_rules! conversions {
    ($End:ident, $access:ident, $open:literal) => {
        /// Takes over `file`, and puts it into non-blocking mode.
        ///
        /// # Errors
        ///
        #[doc = concat!("`InvalidInput` if it is no pipe, or not ", $open, "; else those of the OS.")]
        ///
        /// # Panics
        ///
        /// Outside of a runtime with I/O enabled.
        #[track_caller]
        pub fn from_file(file: File) -> io::Result<Self> {
            Self::from_owned_fd(file.into())
        }

        /// Takes over `owned_fd`, and puts it into non-blocking mode.
        ///
        /// # Errors
        ///
        /// As for [`from_file`](Self::from_file).
        ///
        /// # Panics
        ///
        /// Outside of a runtime with I/O enabled.
        #[track_caller]
        pub fn from_owned_fd(owned_fd: OwnedFd) -> io::Result<Self> {
            let owned_fd = checked(
                owned_fd,
                libc::$access,
                concat!("not in ", stringify!($access), " or O_RDWR access mode"),
            )?;
            let pipe = mio_pipe::$End::from(owned_fd);
            pipe.set_nonblocking(true)?;
            Self::new(pipe)
        }

        #[doc = concat!("Takes over `file`, which must be a pipe that is ", $open, ", in non-blocking mode.")]
        ///
        /// # Errors
        ///
        /// Those of the OS.
        ///
        /// # Panics
        ///
        /// Outside of a runtime with I/O enabled.
        #[track_caller]
        pub fn from_file_unchecked(file: File) -> io::Result<Self> {
            Self::from_owned_fd_unchecked(file.into())
        }

        #[doc = concat!("Takes over `owned_fd`, which must be a pipe that is ", $open, ", in non-blocking mode.")]
        ///
        /// # Errors
        ///
        /// Those of the OS.
        ///
        /// # Panics
        ///
        /// Outside of a runtime with I/O enabled.
        #[track_caller]
        pub fn from_owned_fd_unchecked(owned_fd: OwnedFd) -> io::Result<Self> {
            Self::new(owned_fd.into())
        }

        /// Hands the descriptor back, in blocking mode: for a child process, for example.
        ///
        /// # Errors
        ///
        /// Those of the OS; the descriptor is closed then.
        pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
            let pipe = self.io.into_inner()?;
            pipe.set_nonblocking(false)?;
            Ok(pipe.into())
        }

        /// Hands the descriptor back, still in non-blocking mode.
        ///
        /// # Errors
        ///
        /// If it cannot be deregistered; it is closed then.
        pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
            self.io.into_inner().map(OwnedFd::from)
        }
    };
}

/// The sending end of a pipe.
///
/// Dropping it ends the stream, unless there are other sending ends.
#[derive(Debug)]
pub struct Sender {
    io: ByteStream<mio_pipe::Sender>,
}

impl Sender {
    #[track_caller]
    fn new(pipe: mio_pipe::Sender) -> io::Result<Self> {
        let io = ByteStream::with_interest(pipe, Interest::WRITABLE)?;
        Ok(Self { io })
    }

    conversions!(Sender, O_WRONLY, "open for writing");

    readiness::ready!();
    readiness::writable!(poll_write_ready, "the pipe can be written to", "writing");

    /// Writes what there is room for, and returns the number of bytes. Up to `PIPE_BUF` bytes go as a whole.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else those of the OS, `BrokenPipe` among them if there is no receiver.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.try_write(buf)
    }

    /// As [`try_write`](Self::try_write), from several buffers.
    ///
    /// # Errors
    ///
    /// As for [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, buf: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.io.try_write_vectored(buf)
    }

    /// Calls `f`, an operation of the caller's own on this pipe, if it can be written to.
    ///
    /// When `f` says `WouldBlock`, the pipe counts as not ready from then on: it must say so only if the operation on
    /// this very pipe would block.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the pipe is not ready; else those of `f`.
    pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.try_io(Interest::WRITABLE, || (*self.io).try_io(f))
    }
}

impl AsyncWrite for Sender {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: written bytes are the kernel's.
    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: only dropping the sender ends the stream.
    #[inline]
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsRawFd for Sender {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

/// The receiving end of a pipe.
///
/// It sees the end of the stream once there is no sending end. It is for byte streams: on a pipe in packet mode
/// (`O_DIRECT`), a read could leave a packet behind that the next wait does not know of.
#[derive(Debug)]
pub struct Receiver {
    io: ByteStream<mio_pipe::Receiver>,
}

impl Receiver {
    #[track_caller]
    fn new(pipe: mio_pipe::Receiver) -> io::Result<Self> {
        let io = ByteStream::with_interest(pipe, Interest::READABLE)?;
        Ok(Self { io })
    }

    conversions!(Receiver, O_RDONLY, "open for reading");

    readiness::ready!();
    readiness::readable!(poll_read_ready, "the pipe can be read from", "reading");

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

    /// Calls `f`, an operation of the caller's own on this pipe, if it can be read from.
    ///
    /// When `f` says `WouldBlock`, the pipe counts as not ready from then on: it must say so only if the operation on
    /// this very pipe would block.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the pipe is not ready; else those of `f`.
    pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.try_io(Interest::READABLE, || (*self.io).try_io(f))
    }
}

impl AsyncRead for Receiver {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io.poll_read(cx, buf)
    }
}

impl AsRawFd for Receiver {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

#[cfg(test)]
mod tests;
