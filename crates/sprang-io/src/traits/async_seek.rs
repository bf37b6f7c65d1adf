//! [`AsyncSeek`], the trait of streams with a position, and its implementations for the types of `std`.

use std::io::{self, SeekFrom};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A stream with a position that can be moved.
///
/// The counterpart of [`std::io::Seek`] for tasks: a seek is started with [`start_seek`](Self::start_seek) and its
/// result awaited with [`poll_complete`](Self::poll_complete). Most callers want the methods of
/// [`AsyncSeekExt`](crate::AsyncSeekExt), which every such stream has.
///
/// # Examples
///
/// ```
/// use std::io::{Cursor, SeekFrom};
/// use std::pin::Pin;
/// use std::task::{Context, Poll, Waker};
/// use sprang_io::AsyncSeek;
///
/// let mut stream = Cursor::new(b"hello");
/// let mut stream = Pin::new(&mut stream);
/// stream.as_mut().start_seek(SeekFrom::End(-2)).unwrap();
/// let position = stream.poll_complete(&mut Context::from_waker(Waker::noop()));
/// assert!(matches!(position, Poll::Ready(Ok(3))));
/// ```
pub trait AsyncSeek {
    /// Starts to move to `position`, in bytes. A position behind the end is allowed; what it means is up to the stream.
    ///
    /// # Errors
    ///
    /// If an operation is under way already, or the position is not a valid one. A caller can wait for the former with
    /// [`poll_complete`](Self::poll_complete).
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()>;

    /// Waits for the seek under way, and returns the position in bytes from the start. Without a seek under way the
    /// result may be anything.
    ///
    /// # Errors
    ///
    /// Those of the seek.
    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>>;
}

impl<T: ?Sized + AsyncSeek + Unpin> AsyncSeek for Box<T> {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut **self).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut **self).poll_complete(cx)
    }
}

impl<T: ?Sized + AsyncSeek + Unpin> AsyncSeek for &mut T {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut **self).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut **self).poll_complete(cx)
    }
}

impl<P> AsyncSeek for Pin<P>
where
    P: DerefMut<Target: AsyncSeek>,
{
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        self.as_deref_mut().start_seek(position)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.as_deref_mut().poll_complete(cx)
    }
}

impl<T: AsRef<[u8]> + Unpin> AsyncSeek for io::Cursor<T> {
    #[inline]
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        io::Seek::seek(&mut *self, position).map(drop)
    }

    #[inline]
    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position()))
    }
}
