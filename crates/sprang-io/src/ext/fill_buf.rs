//! `AsyncBufReadExt::fill_buf`: waits for the buffer of a reader, and lends it out.
//!
//! Invariant I1: after the future is ready, its reader is gone, so that nobody but the holder of the returned slice can
//! reach the reader until `'a` ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::AsyncBufRead;

/// Future of [`AsyncBufReadExt::fill_buf`](crate::AsyncBufReadExt::fill_buf).
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct FillBuf<'a, R: ?Sized> {
    reader: Option<&'a mut R>,
}

impl<'a, R: ?Sized> FillBuf<'a, R> {
    pub(super) fn new(reader: &'a mut R) -> Self {
        Self { reader: Some(reader) }
    }
}

impl<'a, R: AsyncBufRead + Unpin + ?Sized> Future for FillBuf<'a, R> {
    type Output = io::Result<&'a [u8]>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.get_mut();
        let reader = me.reader.take().expect("`fill_buf` polled after completion");
        match Pin::new(&mut *reader).poll_fill_buf(cx) {
            Poll::Ready(Ok(bytes)) => {
                let bytes: *const [u8] = bytes;
                // SAFETY: the bytes borrow from `reader`, which was borrowed for `'a` and is used no more (I1).
                Poll::Ready(Ok(unsafe { &*bytes }))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                me.reader = Some(reader);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use crate::testing::{Script, Step, block_on, give, poll_once};
    use crate::{AsyncBufReadExt, BufReader};

    #[test]
    fn a_dropped_fill_buf_takes_nothing() {
        let mut reader = BufReader::new(Script::reads([Step::Wait, give(b"abc")]));
        assert!(poll_once(pin!(reader.fill_buf())).is_pending());
        assert_eq!(block_on(reader.fill_buf()).unwrap(), b"abc");
        assert_eq!(block_on(reader.fill_buf()).unwrap(), b"abc");
        reader.consume(2);
        assert_eq!(block_on(reader.fill_buf()).unwrap(), b"c");
        reader.consume(1);
        assert_eq!(block_on(reader.fill_buf()).unwrap(), b"");
    }

    #[test]
    #[should_panic(expected = "polled after completion")]
    fn the_reader_is_gone_once_its_bytes_are_lent() {
        let mut reader = &b"abc"[..];
        let mut future = pin!(reader.fill_buf());
        assert!(poll_once(future.as_mut()).is_ready());
        let _ = poll_once(future);
    }
}
