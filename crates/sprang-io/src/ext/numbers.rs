//! Integers and floats: one future that reads any of them, one that writes any of them.
//!
//! Called by: the number methods of [`AsyncReadExt`](crate::AsyncReadExt) and
//! [`AsyncWriteExt`](crate::AsyncWriteExt). Calls: `poll_read`, `poll_write`.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::interrupted;
use crate::{AsyncRead, AsyncWrite, ReadBuf};

/// A number of `N` bytes.
pub trait Number<const N: usize>: Sized {
    /// The number with these bytes, the highest first.
    fn from_be(bytes: [u8; N]) -> Self;
    /// The number with these bytes, the lowest first.
    fn from_le(bytes: [u8; N]) -> Self;
}

macro_rules! numbers {
    ($($number:ty)+) => {$(
        impl Number<{ size_of::<$number>() }> for $number {
            #[inline]
            fn from_be(bytes: [u8; size_of::<$number>()]) -> Self {
                <$number>::from_be_bytes(bytes)
            }

            #[inline]
            fn from_le(bytes: [u8; size_of::<$number>()]) -> Self {
                <$number>::from_le_bytes(bytes)
            }
        }
    )+};
}

numbers!(u8 i8 u16 i16 u32 i32 u64 i64 u128 i128 f32 f64);

/// Future of the `read_u8` … `read_f64_le` methods. `LE` says that the lowest byte comes first.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadNumber<'a, R: ?Sized, T, const N: usize, const LE: bool> {
    reader: &'a mut R,
    bytes: [u8; N],
    read: usize,
    number: PhantomData<fn() -> T>,
}

impl<'a, R: ?Sized, T, const N: usize, const LE: bool> ReadNumber<'a, R, T, N, LE> {
    pub(super) fn new(reader: &'a mut R) -> Self {
        Self {
            reader,
            bytes: [0; N],
            read: 0,
            number: PhantomData,
        }
    }
}

impl<R, T, const N: usize, const LE: bool> Future for ReadNumber<'_, R, T, N, LE>
where
    R: AsyncRead + Unpin + ?Sized,
    T: Number<N>,
{
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.get_mut();
        while me.read < N {
            let mut buf = ReadBuf::new(&mut me.bytes[me.read..]);
            let result = ready!(Pin::new(&mut *me.reader).poll_read(cx, &mut buf));
            if interrupted(&result) {
                continue;
            }
            result?;
            match buf.filled().len() {
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                n => me.read += n,
            }
        }
        Poll::Ready(Ok(if LE { T::from_le(me.bytes) } else { T::from_be(me.bytes) }))
    }
}

impl<R: ?Sized, T, const N: usize, const LE: bool> fmt::Debug for ReadNumber<'_, R, T, N, LE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadNumber")
            .field("bytes", &self.bytes)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

/// Future of the `write_u8` … `write_f64_le` methods: writes all of `N` bytes that it owns.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct WriteNumber<'a, W: ?Sized, const N: usize> {
    writer: &'a mut W,
    bytes: [u8; N],
    written: usize,
}

impl<'a, W: ?Sized, const N: usize> WriteNumber<'a, W, N> {
    pub(super) fn new(writer: &'a mut W, bytes: [u8; N]) -> Self {
        Self {
            writer,
            bytes,
            written: 0,
        }
    }
}

impl<W, const N: usize> Future for WriteNumber<'_, W, N>
where
    W: AsyncWrite + Unpin + ?Sized,
{
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.get_mut();
        while me.written < N {
            let result = ready!(Pin::new(&mut *me.writer).poll_write(cx, &me.bytes[me.written..]));
            if interrupted(&result) {
                continue;
            }
            match result? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => me.written += n,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: ?Sized, const N: usize> fmt::Debug for WriteNumber<'_, W, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteNumber")
            .field("bytes", &self.bytes)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use crate::testing::{Script, Step, block_on, give};
    use crate::{AsyncReadExt, AsyncWriteExt};

    /// Writes a number, looks at its bytes, and reads it back in single bytes with waits between them.
    macro_rules! round_trips {
        ($($write:ident $read:ident $to_bytes:ident $value:expr;)+) => {$(
            let value = $value;
            let mut writer = Script::writes([Step::Take(1), Step::Wait, Step::Fail(ErrorKind::Interrupted)]);
            block_on(writer.$write(value)).unwrap();
            assert_eq!(writer.written, value.$to_bytes(), stringify!($write));
            let bytes = writer.written.iter().flat_map(|byte| [Step::Wait, give(&[*byte])]);
            let mut reader = Script::reads([Step::Fail(ErrorKind::Interrupted)].into_iter().chain(bytes));
            assert_eq!(block_on(reader.$read()).unwrap(), value, stringify!($read));
            assert_eq!(reader.reads_left(), 0);
        )+};
    }

    #[test]
    fn every_number_survives_slow_streams_in_its_byte_order() {
        round_trips! {
            write_u8 read_u8 to_be_bytes 0xA1_u8;
            write_i8 read_i8 to_be_bytes -2_i8;
            write_u16 read_u16 to_be_bytes 0xA1B2_u16;
            write_i16 read_i16 to_be_bytes -2_i16;
            write_u32 read_u32 to_be_bytes 0xA1B2_C3D4_u32;
            write_i32 read_i32 to_be_bytes -2_i32;
            write_u64 read_u64 to_be_bytes u64::MAX / 3;
            write_i64 read_i64 to_be_bytes i64::MIN + 5;
            write_u128 read_u128 to_be_bytes u128::MAX / 5;
            write_i128 read_i128 to_be_bytes i128::MIN + 7;
            write_f32 read_f32 to_be_bytes -1.5_f32;
            write_f64 read_f64 to_be_bytes std::f64::consts::PI;
            write_u16_le read_u16_le to_le_bytes 0xA1B2_u16;
            write_i16_le read_i16_le to_le_bytes -2_i16;
            write_u32_le read_u32_le to_le_bytes 0xA1B2_C3D4_u32;
            write_i32_le read_i32_le to_le_bytes -2_i32;
            write_u64_le read_u64_le to_le_bytes u64::MAX / 3;
            write_i64_le read_i64_le to_le_bytes i64::MIN + 5;
            write_u128_le read_u128_le to_le_bytes u128::MAX / 5;
            write_i128_le read_i128_le to_le_bytes i128::MIN + 7;
            write_f32_le read_f32_le to_le_bytes -1.5_f32;
            write_f64_le read_f64_le to_le_bytes std::f64::consts::PI;
        }
    }

    #[test]
    fn the_end_within_a_number_is_unexpected() {
        for mut bytes in [&b""[..], b"abc"] {
            assert_eq!(block_on(bytes.read_u32()).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn a_writer_that_takes_nothing_is_an_error() {
        let mut writer = Script::writes([Step::Take(1), Step::Take(0)]);
        assert_eq!(block_on(writer.write_u16(7)).unwrap_err().kind(), ErrorKind::WriteZero);
    }

    #[test]
    fn a_number_leaves_the_bytes_after_it_alone() {
        let mut reader = Script::reads([give(b"abc")]);
        assert_eq!(block_on(reader.read_u16_le()).unwrap(), u16::from_le_bytes(*b"ab"));
        assert_eq!(block_on(reader.read_u8()).unwrap(), b'c');
    }
}
