//! [`AsyncBufRead`], the trait of readers with a buffer, and its implementations for the types of `std`.

use std::io;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::AsyncRead;

/// A reader with a buffer of its own, whose bytes can be looked at before they are taken.
///
/// The counterpart of [`std::io::BufRead`] for tasks. Most callers want the methods of
/// [`AsyncBufReadExt`](crate::AsyncBufReadExt), which every such reader has.
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll, Waker};
/// use sprang_io::AsyncBufRead;
///
/// let mut source: &[u8] = b"hello";
/// let mut source = Pin::new(&mut source);
/// let mut cx = Context::from_waker(Waker::noop());
/// let Poll::Ready(Ok(bytes)) = source.as_mut().poll_fill_buf(&mut cx) else { panic!("it is all there") };
/// assert_eq!(bytes, b"hello");
/// source.as_mut().consume(3);
/// assert!(matches!(source.poll_fill_buf(&mut cx), Poll::Ready(Ok(b"lo"))));
/// ```
pub trait AsyncBufRead: AsyncRead {
    /// The bytes in the buffer, which is filled from the source first if it is empty.
    ///
    /// No bytes mean the end of the stream. The same bytes are returned again until [`consume`](Self::consume) takes
    /// them.
    ///
    /// # Errors
    ///
    /// What the source reports.
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>>;

    /// Takes the first `amt` bytes of the buffer, so that they are not returned again.
    ///
    /// `amt` must not be more than what [`poll_fill_buf`](Self::poll_fill_buf) last returned; a panic, or unspecified
    /// bytes later on, are the consequence.
    fn consume(self: Pin<&mut Self>, amt: usize);
}

impl<T: ?Sized + AsyncBufRead + Unpin> AsyncBufRead for Box<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut **self.get_mut()).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, amt: usize) {
        Pin::new(&mut **self).consume(amt);
    }
}

impl<T: ?Sized + AsyncBufRead + Unpin> AsyncBufRead for &mut T {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut **self.get_mut()).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, amt: usize) {
        Pin::new(&mut **self).consume(amt);
    }
}

impl<P> AsyncBufRead for Pin<P>
where
    P: DerefMut<Target: AsyncBufRead>,
{
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.as_deref_mut().poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.as_deref_mut().consume(amt);
    }
}

impl AsyncBufRead for &[u8] {
    #[inline]
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Poll::Ready(Ok(*self))
    }

    #[inline]
    fn consume(mut self: Pin<&mut Self>, amt: usize) {
        *self = &self[amt..];
    }
}

impl<T: AsRef<[u8]> + Unpin> AsyncBufRead for io::Cursor<T> {
    #[inline]
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Poll::Ready(io::BufRead::fill_buf(self.get_mut()))
    }

    #[inline]
    fn consume(self: Pin<&mut Self>, amt: usize) {
        io::BufRead::consume(self.get_mut(), amt);
    }
}
