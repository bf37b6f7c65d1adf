//! Sources and sinks that are always ready: [`empty`], [`sink`], [`repeat`].
//!
//! Every operation spends one unit of the task's budget, since a loop over one of them would never wait otherwise.

use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use sprang_core::coop;

use crate::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// Spends one unit of the task's budget on `value`.
fn poll_value<T>(cx: &mut Context<'_>, value: T) -> Poll<io::Result<T>> {
    coop::poll_proceed(cx).map(|unit| {
        unit.made_progress();
        Ok(value)
    })
}

/// The bytes in all slices.
fn total(bufs: &[IoSlice<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

/// A stream without any bytes that takes, and forgets, all that is written to it.
///
/// ```
/// use sprang_io::{AsyncReadExt, AsyncWriteExt, empty};
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let mut stream = empty();
/// stream.write_all(b"hello").await?;
/// assert_eq!(stream.read(&mut [0; 8]).await?, 0);
/// # Ok(()) })
/// # }
/// ```
pub fn empty() -> Empty {
    Empty
}

/// A stream without any bytes. Made by [`empty`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Empty;

impl AsyncRead for Empty {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_value(cx, ())
    }
}

impl AsyncBufRead for Empty {
    #[inline]
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        poll_value(cx, &[])
    }

    #[inline]
    fn consume(self: Pin<&mut Self>, _: usize) {}
}

impl AsyncSeek for Empty {
    #[inline]
    fn start_seek(self: Pin<&mut Self>, _: SeekFrom) -> io::Result<()> {
        Ok(())
    }

    #[inline]
    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        poll_value(cx, 0)
    }
}

/// A writer that takes, and forgets, all that is written to it.
///
/// ```
/// use sprang_io::{AsyncWriteExt, sink};
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// assert_eq!(sink().write(b"hello").await?, 5);
/// # Ok(()) })
/// # }
/// ```
pub fn sink() -> Sink {
    Sink
}

/// A writer that forgets. Made by [`sink`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Sink;

macro_rules! forgetful_writer {
    ($($writer:ty)+) => {$(
        impl AsyncWrite for $writer {
            #[inline]
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                poll_value(cx, buf.len())
            }

            #[inline]
            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                poll_value(cx, ())
            }

            #[inline]
            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                poll_value(cx, ())
            }

            #[inline]
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                poll_value(cx, total(bufs))
            }

            #[inline]
            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    )+};
}

forgetful_writer! { Empty Sink }

/// A reader of the same byte for ever.
///
/// ```
/// use sprang_io::{AsyncReadExt, repeat};
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let mut bytes = [0; 3];
/// repeat(7).read_exact(&mut bytes).await?;
/// assert_eq!(bytes, [7, 7, 7]);
/// # Ok(()) })
/// # }
/// ```
pub fn repeat(byte: u8) -> Repeat {
    Repeat { byte }
}

/// A reader of the same byte for ever. Made by [`repeat`].
#[derive(Debug)]
pub struct Repeat {
    byte: u8,
}

impl AsyncRead for Repeat {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_value(cx, ()).map_ok(|()| buf.put_bytes(self.byte, buf.remaining()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::testing::block_on;
    use crate::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

    #[test]
    fn every_operation_spends_the_budget() {
        fn check(mut operation: impl FnMut(&mut Context<'_>) -> bool) {
            let mut cx = Context::from_waker(Waker::noop());
            coop::budget(|| {
                let ready = (0..1_000).take_while(|_| operation(&mut cx)).count();
                assert_eq!(ready, usize::from(coop::BUDGET));
            });
        }
        let mut memory = [0; 4];
        check(|cx| {
            Pin::new(&mut empty())
                .poll_read(cx, &mut ReadBuf::new(&mut memory))
                .is_ready()
        });
        check(|cx| {
            Pin::new(&mut repeat(1))
                .poll_read(cx, &mut ReadBuf::new(&mut memory))
                .is_ready()
        });
        check(|cx| Pin::new(&mut empty()).poll_fill_buf(cx).is_ready());
        check(|cx| Pin::new(&mut empty()).poll_complete(cx).is_ready());
        check(|cx| Pin::new(&mut empty()).poll_write(cx, b"a").is_ready());
        check(|cx| Pin::new(&mut sink()).poll_write(cx, b"a").is_ready());
        check(|cx| Pin::new(&mut sink()).poll_write_vectored(cx, &[]).is_ready());
        check(|cx| Pin::new(&mut sink()).poll_flush(cx).is_ready());
        check(|cx| Pin::new(&mut sink()).poll_shutdown(cx).is_ready());
    }

    #[test]
    fn empty_is_at_its_end_and_takes_everything() {
        block_on(async {
            let mut stream = empty();
            assert_eq!(stream.fill_buf().await?, b"");
            assert_eq!(stream.seek(SeekFrom::End(7)).await?, 0);
            assert_eq!(
                stream
                    .write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")])
                    .await?,
                3
            );
            io::Result::Ok(())
        })
        .unwrap();
    }

    #[test]
    fn repeat_fills_what_is_left_of_a_buffer() {
        let mut bytes = Vec::with_capacity(4);
        bytes.extend_from_slice(b"a");
        let read = block_on(repeat(7).read_buf(&mut bytes)).unwrap();
        assert_eq!((bytes[0], &bytes[1..]), (b'a', &vec![7; read][..]));
    }
}
