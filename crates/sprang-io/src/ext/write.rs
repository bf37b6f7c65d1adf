//! [`AsyncWriteExt`]: writing bytes and numbers as futures.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;

use super::interrupted;
use super::numbers::WriteNumber;
use crate::AsyncWrite;

/// The most slices of a [`Buf`] that go into one vectored write.
const MAX_SLICES: usize = 64;

/// Declares `fn write_…(&mut self, n)`.
macro_rules! write_numbers {
    ($($name:ident: $number:ty, $to_bytes:ident, $order:literal;)+) => {$(
        #[doc = concat!("Writes the bytes of a `", stringify!($number), "`, the ", $order, " one first.")]
        ///
        /// # Errors
        ///
        /// Those of [`write_all`](Self::write_all).
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped before it is ready, some of the bytes may have been written; of a number of one
        /// byte, none was.
        fn $name(&mut self, n: $number) -> WriteNumber<'_, Self, { size_of::<$number>() }>
        where
            Self: Unpin,
        {
            WriteNumber::new(self, n.$to_bytes())
        }
    )+};
}

/// Methods for every [`AsyncWrite`].
///
/// ```
/// use sprang_io::AsyncWriteExt;
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let mut packet = Vec::new();
/// packet.write_u8(1).await?;
/// packet.write_u16(5).await?;
/// packet.write_all(b"hello").await?;
/// packet.flush().await?;
/// assert_eq!(packet, b"\x01\x00\x05hello");
/// # Ok(()) })
/// # }
/// ```
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes bytes from `src`, with one attempt, and returns how many.
    ///
    /// 0 means that the writer takes no more bytes, or that `src` is empty.
    ///
    /// # Errors
    ///
    /// What the writer reports. No byte was written then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, no byte was written.
    fn write<'a>(&'a mut self, src: &'a [u8]) -> Write<'a, Self>
    where
        Self: Unpin,
    {
        Write { writer: self, buf: src }
    }

    /// Writes bytes from several slices as if they were one, with one attempt, and returns how many.
    ///
    /// # Errors
    ///
    /// What the writer reports. No byte was written then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, no byte was written.
    fn write_vectored<'a, 'b>(&'a mut self, bufs: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b, Self>
    where
        Self: Unpin,
    {
        WriteVectored { writer: self, bufs }
    }

    /// Writes bytes from `src`, with one attempt, advances it past them, and returns how many.
    ///
    /// A vectored write is used where the writer profits from it. 0 means that the writer takes no more bytes, or that
    /// `src` is empty.
    ///
    /// # Errors
    ///
    /// What the writer reports. No byte was written then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, no byte was written.
    fn write_buf<'a, B>(&'a mut self, src: &'a mut B) -> WriteBuf<'a, Self, B>
    where
        Self: Sized + Unpin,
        B: Buf,
    {
        WriteBuf { writer: self, buf: src }
    }

    /// Writes all of `src`, and advances it past what is written.
    ///
    /// # Errors
    ///
    /// `WriteZero` if the writer takes no more bytes, and what the writer reports, except `Interrupted`, which is tried
    /// again. What is left in `src` is not written.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what is left in `src` is not written, and everything before is: another call goes on
    /// from there.
    fn write_all_buf<'a, B>(&'a mut self, src: &'a mut B) -> WriteAllBuf<'a, Self, B>
    where
        Self: Sized + Unpin,
        B: Buf,
    {
        WriteAllBuf { writer: self, buf: src }
    }

    /// Writes all of `src`.
    ///
    /// # Errors
    ///
    /// `WriteZero` if the writer takes no more bytes, and what the writer reports, except `Interrupted`, which is tried
    /// again. How much was written is not known then.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, some bytes may have been written, and how many is not known. Use
    /// [`write_all_buf`](Self::write_all_buf) where that matters.
    fn write_all<'a>(&'a mut self, src: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Unpin,
    {
        WriteAll { writer: self, buf: src }
    }

    write_numbers! {
        write_u8: u8, to_be_bytes, "only";
        write_i8: i8, to_be_bytes, "only";
        write_u16: u16, to_be_bytes, "highest";
        write_i16: i16, to_be_bytes, "highest";
        write_u32: u32, to_be_bytes, "highest";
        write_i32: i32, to_be_bytes, "highest";
        write_u64: u64, to_be_bytes, "highest";
        write_i64: i64, to_be_bytes, "highest";
        write_u128: u128, to_be_bytes, "highest";
        write_i128: i128, to_be_bytes, "highest";
        write_f32: f32, to_be_bytes, "highest";
        write_f64: f64, to_be_bytes, "highest";
        write_u16_le: u16, to_le_bytes, "lowest";
        write_i16_le: i16, to_le_bytes, "lowest";
        write_u32_le: u32, to_le_bytes, "lowest";
        write_i32_le: i32, to_le_bytes, "lowest";
        write_u64_le: u64, to_le_bytes, "lowest";
        write_i64_le: i64, to_le_bytes, "lowest";
        write_u128_le: u128, to_le_bytes, "lowest";
        write_i128_le: i128, to_le_bytes, "lowest";
        write_f32_le: f32, to_le_bytes, "lowest";
        write_f64_le: f64, to_le_bytes, "lowest";
    }

    /// Makes everything written so far reach its destination.
    ///
    /// # Errors
    ///
    /// What the writer reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: another call goes on flushing.
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Unpin,
    {
        Flush { writer: self }
    }

    /// Flushes, and ends the stream in an orderly way. Nothing may be written after it.
    ///
    /// # Errors
    ///
    /// What the writer reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: another call goes on with the shutdown.
    fn shutdown(&mut self) -> Shutdown<'_, Self>
    where
        Self: Unpin,
    {
        Shutdown { writer: self }
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}

/// Future of [`AsyncWriteExt::write`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Write<'a, W: ?Sized> {
    writer: &'a mut W,
    buf: &'a [u8],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Write<'_, W> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        Pin::new(&mut *me.writer).poll_write(cx, me.buf)
    }
}

/// Future of [`AsyncWriteExt::write_vectored`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WriteVectored<'a, 'b, W: ?Sized> {
    writer: &'a mut W,
    bufs: &'a [IoSlice<'b>],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteVectored<'_, '_, W> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        Pin::new(&mut *me.writer).poll_write_vectored(cx, me.bufs)
    }
}

/// Writes the start of `buf`, with one attempt, and advances it.
fn poll_write_buf<W, B>(writer: &mut W, cx: &mut Context<'_>, buf: &mut B) -> Poll<io::Result<usize>>
where
    W: AsyncWrite + Unpin,
    B: Buf,
{
    let written = if writer.is_write_vectored() {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = buf.chunks_vectored(&mut slices);
        ready!(Pin::new(writer).poll_write_vectored(cx, &slices[..count]))?
    } else {
        ready!(Pin::new(writer).poll_write(cx, buf.chunk()))?
    };
    buf.advance(written);
    Poll::Ready(Ok(written))
}

/// Future of [`AsyncWriteExt::write_buf`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WriteBuf<'a, W, B> {
    writer: &'a mut W,
    buf: &'a mut B,
}

impl<W, B> Future for WriteBuf<'_, W, B>
where
    W: AsyncWrite + Unpin,
    B: Buf,
{
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        if !me.buf.has_remaining() {
            return Poll::Ready(Ok(0));
        }
        poll_write_buf(me.writer, cx, me.buf)
    }
}

/// Future of [`AsyncWriteExt::write_all_buf`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WriteAllBuf<'a, W, B> {
    writer: &'a mut W,
    buf: &'a mut B,
}

impl<W, B> Future for WriteAllBuf<'_, W, B>
where
    W: AsyncWrite + Unpin,
    B: Buf,
{
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        while me.buf.has_remaining() {
            let result = ready!(poll_write_buf(me.writer, cx, me.buf));
            if interrupted(&result) {
                continue;
            }
            if result? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Future of [`AsyncWriteExt::write_all`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WriteAll<'a, W: ?Sized> {
    writer: &'a mut W,
    buf: &'a [u8],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteAll<'_, W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        while !me.buf.is_empty() {
            let result = ready!(Pin::new(&mut *me.writer).poll_write(cx, me.buf));
            if interrupted(&result) {
                continue;
            }
            match result? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => me.buf = &me.buf[n..],
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Future of [`AsyncWriteExt::flush`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Flush<'a, W: ?Sized> {
    writer: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Flush<'_, W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().writer).poll_flush(cx)
    }
}

/// Future of [`AsyncWriteExt::shutdown`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Shutdown<'a, W: ?Sized> {
    writer: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Shutdown<'_, W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().writer).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::pin::pin;

    use super::*;
    use crate::testing::{Script, Step, block_on, poll_once};

    #[test]
    fn one_write_is_one_attempt() {
        let mut writer = Script::writes([Step::Take(2), Step::Fail(ErrorKind::Interrupted), Step::Take(0)]);
        assert_eq!(block_on(writer.write(b"abc")).unwrap(), 2);
        assert_eq!(block_on(writer.write(b"c")).unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(block_on(writer.write(b"c")).unwrap(), 0);
        assert_eq!(writer.written, b"ab");
    }

    #[test]
    fn write_all_goes_on_after_short_writes_and_interruptions() {
        let steps = [
            Step::Take(1),
            Step::Wait,
            Step::Fail(ErrorKind::Interrupted),
            Step::Take(2),
        ];
        let mut writer = Script::writes(steps);
        block_on(writer.write_all(b"abcdef")).unwrap();
        assert_eq!(writer.written, b"abcdef");
    }

    #[test]
    fn write_all_of_nothing_does_not_touch_the_writer() {
        let mut writer = Script::default();
        block_on(writer.write_all(b"")).unwrap();
        block_on(writer.write_all_buf(&mut &b""[..])).unwrap();
        assert_eq!(block_on(writer.write_buf(&mut &b""[..])).unwrap(), 0);
        assert_eq!(writer.write_calls, 0);
    }

    #[test]
    fn a_writer_that_takes_nothing_is_an_error() {
        for take in [0, 3] {
            let mut writer = Script::writes([Step::Take(take), Step::Take(0)]);
            assert_eq!(
                block_on(writer.write_all(b"abcdef")).unwrap_err().kind(),
                ErrorKind::WriteZero
            );
            let mut writer = Script::writes([Step::Take(take), Step::Take(0)]);
            let mut buf = &b"abcdef"[..];
            assert_eq!(
                block_on(writer.write_all_buf(&mut buf)).unwrap_err().kind(),
                ErrorKind::WriteZero
            );
            assert_eq!(buf.len(), 6 - take);
        }
    }

    #[test]
    fn a_dropped_write_all_buf_goes_on_where_it_was() {
        let mut writer = Script::writes([Step::Take(2), Step::Wait, Step::Take(1)]);
        let mut buf = &b"abcdef"[..];
        assert!(poll_once(pin!(writer.write_all_buf(&mut buf))).is_pending());
        assert_eq!(buf, b"cdef");
        block_on(writer.write_all_buf(&mut buf)).unwrap();
        assert_eq!(writer.written, b"abcdef");
    }

    #[test]
    fn the_chunks_of_a_buf_go_out_together_where_the_writer_profits() {
        let mut plain = Script::default();
        let mut buf = (&b"ab"[..]).chain(&b"cd"[..]);
        assert_eq!(block_on(plain.write_buf(&mut buf)).unwrap(), 2);
        let mut vectored = Script::writes([Step::Take(3)]).vectored();
        let mut buf = (&b"ab"[..]).chain(&b"cd"[..]);
        assert_eq!(block_on(vectored.write_buf(&mut buf)).unwrap(), 3);
        block_on(vectored.write_all_buf(&mut buf)).unwrap();
        assert_eq!(
            (plain.written.as_slice(), vectored.written.as_slice()),
            (&b"ab"[..], &b"abcd"[..])
        );
        assert_eq!(vectored.write_calls, 2);
    }

    #[test]
    fn the_futures_have_the_auto_traits_of_their_writer() {
        fn check<T: Send + Sync + Unpin>(future: T) {
            drop(future);
        }
        fn of_any<W: AsyncWrite + Send + Sync + Unpin>(mut writer: W) {
            check(writer.write(&[]));
            check(writer.write_all(&[]));
            check(writer.write_all_buf(&mut &b""[..]));
            check(writer.write_vectored(&[]));
            check(writer.write_f64_le(0.0));
            check(writer.flush());
            check(writer.shutdown());
        }
        of_any(Vec::new());
    }
}
