//! [`split`]: one stream as a reader and a writer that two tasks can own.
//!
//! Data flow: the halves share the stream behind a lock and poll it under that lock. The stream's own wakers and
//! destructors therefore run under it where the stream runs them within a poll; the lock is held by nothing else, and
//! never while a task waits.
//!
//! Invariant I1: the stream is put into the allocation by [`split`] and never moves until it is dropped there, or until
//! [`ReadHalf::unsplit`], which needs `T: Unpin`, takes it out.

use std::fmt;
use std::io::{self, IoSlice};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use sprang_core::primitive::sync::{Arc, Mutex};

use crate::{AsyncRead, AsyncWrite, ReadBuf};

/// Splits a stream into a half that reads and a half that writes.
///
/// Each operation takes a lock that both halves share. A socket has a cheaper `split` of its own.
///
/// # Examples
///
/// ```
/// use sprang_io::{AsyncReadExt, AsyncWriteExt, duplex, split};
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let (stream, mut peer) = duplex(64);
/// let (mut reader, mut writer) = split(stream);
/// writer.write_all(b"ping").await?;
/// assert_eq!(peer.read_u32().await?, u32::from_be_bytes(*b"ping"));
/// peer.write_u8(1).await?;
/// assert_eq!(reader.read_u8().await?, 1);
/// let stream = reader.unsplit(writer);
/// # drop(stream);
/// # Ok(()) })
/// # }
/// ```
pub fn split<T>(stream: T) -> (ReadHalf<T>, WriteHalf<T>)
where
    T: AsyncRead + AsyncWrite,
{
    let write_vectored = stream.is_write_vectored();
    let shared = Arc::new(Shared {
        stream: Mutex::new(stream),
        write_vectored,
    });
    (ReadHalf { shared: shared.clone() }, WriteHalf { shared })
}

/// The half of a stream that reads. Made by [`split`].
pub struct ReadHalf<T> {
    shared: Arc<Shared<T>>,
}

/// The half of a stream that writes. Made by [`split`].
///
/// Dropping it does not end the stream; a shutdown does.
pub struct WriteHalf<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    stream: Mutex<T>,
    /// Asked once, so that nobody needs the lock for it.
    write_vectored: bool,
}

// After a panic in one half the other one finds the stream as the panic left it: its own business, as with any `&mut`.
impl<T> UnwindSafe for Shared<T> {}
impl<T> RefUnwindSafe for Shared<T> {}

impl<T> Shared<T> {
    fn with<R>(&self, poll: impl FnOnce(Pin<&mut T>) -> R) -> R {
        let mut stream = self.stream.lock();
        // SAFETY: the stream does not move (I1).
        poll(unsafe { Pin::new_unchecked(&mut *stream) })
    }
}

impl<T> ReadHalf<T> {
    /// Whether both halves come from the same [`split`].
    pub fn is_pair_of(&self, other: &WriteHalf<T>) -> bool {
        other.is_pair_of(self)
    }

    /// The stream whose halves these are.
    ///
    /// # Panics
    ///
    /// If they come from different calls of [`split`]: ask [`is_pair_of`](Self::is_pair_of) first.
    #[track_caller]
    pub fn unsplit(self, wr: WriteHalf<T>) -> T
    where
        T: Unpin,
    {
        assert!(self.is_pair_of(&wr), "the halves belong to different streams");
        drop(wr);
        let shared = Arc::try_unwrap(self.shared).ok().expect("a stream has two halves");
        shared.stream.into_inner()
    }
}

impl<T> WriteHalf<T> {
    /// Whether both halves come from the same [`split`].
    pub fn is_pair_of(&self, other: &ReadHalf<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T: AsyncRead> AsyncRead for ReadHalf<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.shared.with(|stream| stream.poll_read(cx, buf))
    }
}

impl<T: AsyncWrite> AsyncWrite for WriteHalf<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.shared.with(|stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.with(|stream| stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.shared.with(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.shared.write_vectored
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for WriteHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::testing::{Script, block_on, give};
    use crate::{AsyncReadExt, AsyncWriteExt, duplex, empty};

    #[test]
    fn the_halves_forward_to_the_stream_and_give_it_back() {
        let (mut reader, mut writer) = split(Script::reads([give(b"in")]).vectored());
        assert!(writer.is_write_vectored());
        block_on(async {
            reader.read_u16().await?;
            writer.write_all(b"out").await?;
            writer.write_vectored(&[IoSlice::new(b"!"), IoSlice::new(b"!")]).await?;
            writer.flush().await?;
            writer.shutdown().await
        })
        .unwrap();
        let stream = reader.unsplit(writer);
        assert_eq!(
            (stream.written.as_slice(), stream.flushes, stream.shutdowns),
            (&b"out!!"[..], 1, 1)
        );
    }

    #[test]
    fn only_halves_of_one_stream_are_a_pair() {
        let (first, other) = (split(empty()), split(empty()));
        assert!(first.0.is_pair_of(&first.1) && first.1.is_pair_of(&first.0));
        assert!(!first.0.is_pair_of(&other.1) && !first.1.is_pair_of(&other.0));
        assert!(catch_unwind(AssertUnwindSafe(|| first.0.unsplit(other.1))).is_err());
    }

    #[test]
    fn the_stream_ends_when_both_halves_are_dropped() {
        let (stream, mut peer) = duplex(4);
        let (reader, writer) = split(stream);
        drop(writer);
        block_on(peer.write_all(b"a")).unwrap();
        drop(reader);
        assert!(block_on(peer.write_all(b"a")).is_err());
    }

    #[test]
    fn a_panic_in_one_half_leaves_the_other_usable() {
        struct Panics;
        impl AsyncRead for Panics {
            fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                panic!("in a read");
            }
        }
        let (mut reader, mut writer) = split(crate::join(Panics, Vec::new()));
        assert!(catch_unwind(AssertUnwindSafe(|| block_on(reader.read_u8()))).is_err());
        block_on(writer.write_all(b"a")).unwrap();
        assert_eq!(reader.unsplit(writer).writer(), b"a");
    }
}
