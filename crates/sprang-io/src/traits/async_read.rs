//! [`AsyncRead`], the trait of byte sources, and its implementations for the types of `std`.

use std::io;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::ReadBuf;

/// A source of bytes that can be read from without blocking.
///
/// The counterpart of [`std::io::Read`] for tasks. Most callers want the methods of
/// [`AsyncReadExt`](crate::AsyncReadExt), which every reader has.
pub trait AsyncRead {
    /// Tries to append bytes to the filled part of `buf`.
    ///
    /// # Returns
    ///
    /// - `Ready(Ok(()))`: data was read and put into the unfilled part of `buf`. No new filled byte means the end of
    ///   the stream, or that `buf` had no room.
    /// - `Pending`: nothing was put into `buf`; the task is woken when there is something to read.
    ///
    /// # Errors
    ///
    /// What the source reports. Nothing was put into `buf` then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll, Waker};
    /// use sprang_io::{AsyncRead, ReadBuf};
    ///
    /// let mut source: &[u8] = b"hello";
    /// let mut memory = [0; 3];
    /// let mut buf = ReadBuf::new(&mut memory);
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(Pin::new(&mut source).poll_read(&mut cx, &mut buf).is_ready());
    /// assert_eq!(buf.filled(), b"hel");
    /// ```
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
}

impl<T: ?Sized + AsyncRead + Unpin> AsyncRead for Box<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self).poll_read(cx, buf)
    }
}

impl<T: ?Sized + AsyncRead + Unpin> AsyncRead for &mut T {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self).poll_read(cx, buf)
    }
}

impl<P> AsyncRead for Pin<P>
where
    P: DerefMut<Target: AsyncRead>,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.as_deref_mut().poll_read(cx, buf)
    }
}

impl AsyncRead for &[u8] {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let source = self.get_mut();
        let (taken, rest) = source.split_at(source.len().min(buf.remaining()));
        buf.put_slice(taken);
        *source = rest;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsRef<[u8]> + Unpin> AsyncRead for io::Cursor<T> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let position = self.position();
        let bytes = (*self).get_ref().as_ref();
        // A position behind the end reads nothing, and does not move.
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
        let taken = (bytes.len() - start).min(buf.remaining());
        buf.put_slice(&bytes[start..start + taken]);
        self.set_position(position + taken as u64);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AsyncReadExt;
    use crate::testing::block_on;

    #[test]
    fn a_cursor_behind_the_end_reads_nothing_and_stays() {
        let mut cursor = io::Cursor::new(b"abc");
        cursor.set_position(u64::MAX);
        assert_eq!(block_on(cursor.read(&mut [0; 4])).unwrap(), 0);
        assert_eq!(cursor.position(), u64::MAX);
    }

    #[test]
    fn a_cursor_advances_by_what_is_read() {
        let mut cursor = io::Cursor::new(b"abc");
        cursor.set_position(1);
        assert_eq!(block_on(cursor.read_u8()).unwrap(), b'b');
        assert_eq!(cursor.position(), 2);
    }

    #[test]
    fn pointers_forward_to_their_target() {
        let mut bytes: &[u8] = b"abc";
        let mut boxed: Box<dyn AsyncRead + Unpin + '_> = Box::new(Pin::new(&mut bytes));
        assert_eq!(block_on(boxed.read_u16()).unwrap(), u16::from_be_bytes(*b"ab"));
        drop(boxed);
        assert_eq!(bytes, b"c");
    }
}
