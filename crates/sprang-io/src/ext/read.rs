//! [`AsyncReadExt`]: reading bytes and numbers as futures.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use super::interrupted;
use super::numbers::ReadNumber;
use super::read_buf::ReadIntoBuf;
use super::read_to_end::{ReadToEnd, ReadToString};
use crate::{AsyncRead, Chain, ReadBuf, Take};

/// Declares `fn read_…(&mut self)` for numbers of more than one byte.
macro_rules! read_numbers {
    ($($name:ident: $number:ty, $le:literal, $order:literal;)+) => {$(
        #[doc = concat!("Reads the bytes of a `", stringify!($number), "`, the ", $order, " one first.")]
        ///
        /// # Errors
        ///
        /// `UnexpectedEof` if the stream ends before, and what the reader reports, except `Interrupted`, which is tried
        /// again.
        ///
        /// # Cancel safety
        ///
        /// Not cancel safe: if the future is dropped, the bytes read so far are lost.
        fn $name(&mut self) -> ReadNumber<'_, Self, $number, { size_of::<$number>() }, $le>
        where
            Self: Unpin,
        {
            ReadNumber::new(self)
        }
    )+};
}

/// Methods for every [`AsyncRead`].
///
/// ```
/// use sprang_io::AsyncReadExt;
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let mut packet: &[u8] = b"\x01\x00\x05helloand more";
/// assert_eq!(packet.read_u8().await?, 1);
/// let length = packet.read_u16().await?;
/// let mut body = vec![0; length.into()];
/// packet.read_exact(&mut body).await?;
/// assert_eq!(body, b"hello");
/// let mut rest = String::new();
/// assert_eq!(packet.read_to_string(&mut rest).await?, 8);
/// assert_eq!(rest, "and more");
/// # Ok(()) })
/// # }
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// A reader of the bytes of this one, and after its end of those of `next`.
    ///
    /// ```
    /// use sprang_io::AsyncReadExt;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # futures::executor::block_on(async {
    /// let mut text = String::new();
    /// AsyncReadExt::chain(&b"hello "[..], &b"world"[..]).read_to_string(&mut text).await?;
    /// assert_eq!(text, "hello world");
    /// # Ok(()) })
    /// # }
    /// ```
    fn chain<R>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
        R: AsyncRead,
    {
        Chain::new(self, next)
    }

    /// Reads some bytes into `buf`, with one attempt, and returns how many.
    ///
    /// 0 means the end of the stream, or that `buf` is empty.
    ///
    /// # Errors
    ///
    /// What the reader reports. No byte was read then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, no byte was read.
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Unpin,
    {
        Read { reader: self, buf }
    }

    /// Reads some bytes into the free part of `buf`, with one attempt, advances it, and returns how many.
    ///
    /// 0 means the end of the stream, or that `buf` is full. A buffer that can grow, such as `Vec<u8>` or `BytesMut`, is
    /// never full: it offers its spare capacity, and gets some more first if there is none.
    ///
    /// # Errors
    ///
    /// What the reader reports. No byte was read then.
    ///
    /// # Panics
    ///
    /// If the reader puts another buffer in the place of the one it was given.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, no byte was read.
    fn read_buf<'a, B>(&'a mut self, buf: &'a mut B) -> ReadIntoBuf<'a, Self, B>
    where
        Self: Unpin,
        B: BufMut + ?Sized,
    {
        ReadIntoBuf { reader: self, buf }
    }

    /// Fills the whole of `buf`, and returns its length.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the stream ends before, and what the reader reports, except `Interrupted`, which is tried
    /// again. What `buf` holds then is not specified.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, some bytes may be in `buf` already, and how many is not known.
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Unpin,
    {
        ReadExact {
            reader: self,
            buf: ReadBuf::new(buf),
        }
    }

    /// Reads a `u8`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` at the end of the stream, and what the reader reports, except `Interrupted`, which is tried
    /// again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, no byte was read.
    fn read_u8(&mut self) -> ReadNumber<'_, Self, u8, 1, false>
    where
        Self: Unpin,
    {
        ReadNumber::new(self)
    }

    /// Reads an `i8`.
    ///
    /// # Errors
    ///
    /// Those of [`read_u8`](Self::read_u8).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, no byte was read.
    fn read_i8(&mut self) -> ReadNumber<'_, Self, i8, 1, false>
    where
        Self: Unpin,
    {
        ReadNumber::new(self)
    }

    read_numbers! {
        read_u16: u16, false, "highest";
        read_i16: i16, false, "highest";
        read_u32: u32, false, "highest";
        read_i32: i32, false, "highest";
        read_u64: u64, false, "highest";
        read_i64: i64, false, "highest";
        read_u128: u128, false, "highest";
        read_i128: i128, false, "highest";
        read_f32: f32, false, "highest";
        read_f64: f64, false, "highest";
        read_u16_le: u16, true, "lowest";
        read_i16_le: i16, true, "lowest";
        read_u32_le: u32, true, "lowest";
        read_i32_le: i32, true, "lowest";
        read_u64_le: u64, true, "lowest";
        read_i64_le: i64, true, "lowest";
        read_u128_le: u128, true, "lowest";
        read_i128_le: i128, true, "lowest";
        read_f32_le: f32, true, "lowest";
        read_f64_le: f64, true, "lowest";
    }

    /// Appends everything up to the end of the stream to `buf`, and returns how many bytes that was.
    ///
    /// A vector that comes with enough capacity is not reallocated.
    ///
    /// # Errors
    ///
    /// What the reader reports, except `Interrupted`, which is tried again. What was read before is in `buf`.
    ///
    /// # Panics
    ///
    /// If the reader puts another buffer in the place of the one it was given.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what was read so far is in `buf`.
    fn read_to_end<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> ReadToEnd<'a, Self>
    where
        Self: Unpin,
    {
        ReadToEnd::new(self, buf)
    }

    /// Appends everything up to the end of the stream to `dst`, and returns how many bytes that was.
    ///
    /// # Errors
    ///
    /// `InvalidData` if it is not UTF-8, and what the reader reports, except `Interrupted`, which is tried again. In
    /// both cases `dst` is as it was before, and what was read is lost.
    ///
    /// # Panics
    ///
    /// If the reader puts another buffer in the place of the one it was given.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, what was read is lost, and `dst` may have lost its contents.
    fn read_to_string<'a>(&'a mut self, dst: &'a mut String) -> ReadToString<'a, Self>
    where
        Self: Unpin,
    {
        ReadToString::new(self, dst)
    }

    /// A reader of at most `limit` bytes of this one.
    ///
    /// ```
    /// use sprang_io::AsyncReadExt;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # futures::executor::block_on(async {
    /// let mut text = String::new();
    /// AsyncReadExt::take(&b"hello world"[..], 5).read_to_string(&mut text).await?;
    /// assert_eq!(text, "hello");
    /// # Ok(()) })
    /// # }
    /// ```
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take::new(self, limit)
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}

/// Future of [`AsyncReadExt::read`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Read<'a, R: ?Sized> {
    reader: &'a mut R,
    buf: &'a mut [u8],
}

impl<R: AsyncRead + Unpin + ?Sized> Future for Read<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let mut buf = ReadBuf::new(me.buf);
        ready!(Pin::new(&mut *me.reader).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

/// Future of [`AsyncReadExt::read_exact`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadExact<'a, R: ?Sized> {
    reader: &'a mut R,
    buf: ReadBuf<'a>,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadExact<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        while me.buf.remaining() > 0 {
            let before = me.buf.remaining();
            let result = ready!(Pin::new(&mut *me.reader).poll_read(cx, &mut me.buf));
            if interrupted(&result) {
                continue;
            }
            result?;
            if me.buf.remaining() == before {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "early eof")));
            }
        }
        Poll::Ready(Ok(me.buf.capacity()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::pin::pin;

    use bytes::BytesMut;

    use super::*;
    use crate::testing::{Script, Step, block_on, give, poll_once};

    #[test]
    fn one_read_is_one_attempt() {
        let mut reader = Script::reads([give(b"ab"), Step::Fail(ErrorKind::Interrupted), give(b"cd")]);
        let mut buf = [0; 8];
        assert_eq!(block_on(reader.read(&mut buf)).unwrap(), 2);
        assert_eq!(
            block_on(reader.read(&mut buf)).unwrap_err().kind(),
            ErrorKind::Interrupted
        );
        assert_eq!(block_on(reader.read(&mut buf)).unwrap(), 2);
        assert_eq!(&buf[..3], b"cd\0");
        assert_eq!(block_on(reader.read(&mut buf)).unwrap(), 0);
    }

    #[test]
    fn read_exact_gathers_pieces_and_leaves_the_rest() {
        let steps = [
            give(b"ab"),
            Step::Wait,
            Step::Fail(ErrorKind::Interrupted),
            give(b"cdef"),
        ];
        let mut reader = Script::reads(steps);
        let mut buf = [0; 4];
        assert_eq!(block_on(reader.read_exact(&mut buf)).unwrap(), 4);
        assert_eq!(&buf, b"abcd");
        assert_eq!(block_on(reader.read_u16()).unwrap(), u16::from_be_bytes(*b"ef"));
    }

    #[test]
    fn read_exact_reports_an_early_end_and_errors() {
        let mut reader = Script::reads([give(b"ab")]);
        assert_eq!(
            block_on(reader.read_exact(&mut [0; 4])).unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
        let mut reader = Script::reads([give(b"ab"), Step::Fail(ErrorKind::ConnectionReset)]);
        assert_eq!(
            block_on(reader.read_exact(&mut [0; 4])).unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    }

    #[test]
    fn read_exact_of_nothing_does_not_touch_the_reader() {
        let mut reader = Script::reads([Step::Fail(ErrorKind::Other)]);
        assert_eq!(block_on(reader.read_exact(&mut [])).unwrap(), 0);
        assert_eq!(reader.reads_left(), 1);
    }

    #[test]
    fn a_dropped_read_exact_leaves_what_it_did_not_read() {
        let mut reader = Script::reads([give(b"ab"), Step::Wait, give(b"cd")]);
        let mut buf = [0; 4];
        assert!(poll_once(pin!(reader.read_exact(&mut buf))).is_pending());
        assert_eq!(&buf, b"ab\0\0");
        assert_eq!(block_on(reader.read_u16()).unwrap(), u16::from_be_bytes(*b"cd"));
    }

    #[test]
    fn a_dropped_read_has_read_nothing() {
        let mut reader = Script::reads([Step::Wait, give(b"a")]);
        assert!(poll_once(pin!(reader.read(&mut [0; 1]))).is_pending());
        assert_eq!(block_on(reader.read_u8()).unwrap(), b'a');
    }

    #[test]
    fn read_buf_appends_to_growing_buffers_and_stops_at_full_ones() {
        let mut reader = Script::reads([give(b"abc"), Step::Wait, give(b"def")]);
        let mut grows = BytesMut::from(&b">"[..]);
        assert_eq!(block_on(reader.read_buf(&mut grows)).unwrap(), 3);
        let mut memory = [0; 2];
        let mut fixed = &mut memory[..];
        assert_eq!(block_on(reader.read_buf(&mut fixed)).unwrap(), 2);
        assert_eq!(block_on(reader.read_buf(&mut fixed)).unwrap(), 0);
        assert_eq!((&grows[..], &memory), (&b">abc"[..], b"de"));
        assert_eq!(reader.reads_left(), 1);
    }

    /// Puts a buffer of its own in the place of the one it was given.
    struct Swaps;

    impl AsyncRead for Swaps {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            *buf = ReadBuf::new(&mut []);
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    #[should_panic(expected = "replaced the buffer")]
    fn read_buf_does_not_believe_a_swapped_buffer() {
        let _ = block_on(Swaps.read_buf(&mut BytesMut::new()));
    }

    #[test]
    #[should_panic(expected = "replaced the buffer")]
    fn read_to_end_does_not_believe_a_swapped_buffer() {
        let _ = block_on(Swaps.read_to_end(&mut Vec::new()));
    }

    #[test]
    fn the_futures_have_the_auto_traits_of_their_reader() {
        fn check<T: Send + Sync + Unpin>(future: T) {
            drop(future);
        }
        fn of_any<R: AsyncRead + Send + Sync + Unpin>(mut reader: R) {
            check(reader.read(&mut []));
            check(reader.read_exact(&mut []));
            check(reader.read_buf(&mut Vec::new()));
            check(reader.read_u64());
            check(reader.read_to_end(&mut Vec::new()));
            check(reader.read_to_string(&mut String::new()));
            check(reader.take(1));
        }
        of_any(&b""[..]);
    }
}
