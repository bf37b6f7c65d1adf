//! [`Take`]: the first bytes of a reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::{AsyncBufRead, AsyncRead, ReadBuf};

pin_project! {
    /// A reader that is at its end after so many bytes of another one. Made by
    /// [`AsyncReadExt::take`](crate::AsyncReadExt::take).
    #[derive(Debug)]
    #[must_use = "readers do nothing unless polled"]
    pub struct Take<R> {
        #[pin]
        inner: R,
        left: u64,
    }
}

impl<R: AsyncRead> Take<R> {
    pub(crate) fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit }
    }

    /// The number of bytes that can still be read, if the inner reader has as many.
    pub fn limit(&self) -> u64 {
        self.left
    }

    /// Sets the number of bytes that can be read from now on, whatever has been read before.
    pub fn set_limit(&mut self, limit: u64) {
        self.left = limit;
    }

    /// The inner reader.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The inner reader, mutably. What is read from it directly does not count.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The inner reader, pinned. What is read from it directly does not count.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// The inner reader.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

/// A length in memory, cut off at `limit`.
#[inline]
fn at_most(limit: u64, len: usize) -> usize {
    usize::try_from(limit).map_or(len, |limit| limit.min(len))
}

impl<R: AsyncRead> AsyncRead for Take<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.project();
        // At the limit the inner reader is left alone: it might make us wait.
        if *me.left == 0 {
            return Poll::Ready(Ok(()));
        }
        let wanted = at_most(*me.left, buf.remaining());
        let (result, read) = buf.fill_part(wanted, |part| me.inner.poll_read(cx, part));
        *me.left -= read as u64;
        result
    }
}

impl<R: AsyncBufRead> AsyncBufRead for Take<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let me = self.project();
        if *me.left == 0 {
            return Poll::Ready(Ok(&[]));
        }
        let bytes = ready!(me.inner.poll_fill_buf(cx))?;
        Poll::Ready(Ok(&bytes[..at_most(*me.left, bytes.len())]))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let me = self.project();
        let amt = at_most(*me.left, amt);
        *me.left -= amt as u64;
        me.inner.consume(amt);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;
    use std::task::Waker;

    use sprang_core::rng::Rng;

    use super::*;
    use crate::testing::{Script, Step, block_on, give, numbered};
    use crate::{AsyncBufReadExt, AsyncReadExt, BufReader};

    #[test]
    fn it_is_a_prefix_whatever_the_pieces() {
        let mut rng = Rng::new(6);
        for round in 0..200 {
            let bytes = numbered(rng.below(200) as usize);
            let limit = rng.below(250);
            let script = Script::pieces(&mut rng, &bytes);
            let mut seen = Vec::new();
            if round % 2 == 0 {
                block_on(script.take(limit.into()).read_to_end(&mut seen)).unwrap();
            } else {
                let mut take = BufReader::with_capacity(9, script).take(limit.into());
                while block_on(take.read_until(7, &mut seen)).unwrap() > 0 {}
            }
            assert_eq!(seen, bytes[..bytes.len().min(limit as usize)], "round {round}");
        }
    }

    #[test]
    fn at_the_limit_the_inner_reader_is_left_alone() {
        let mut take = Script::reads([give(b"ab"), Step::Fail(io::ErrorKind::Other)]).take(2);
        let mut text = String::new();
        assert_eq!(block_on(take.read_to_string(&mut text)).unwrap(), 2);
        assert_eq!((take.limit(), take.get_ref().reads_left()), (0, 1));
        take.set_limit(1);
        assert!(block_on(take.read_u8()).is_err());
        assert_eq!(take.limit(), 1);
    }

    #[test]
    fn consuming_more_than_the_limit_stops_there() {
        let mut take = (&b"abcdef"[..]).take(3);
        AsyncBufReadExt::consume(&mut take, 100);
        assert_eq!((take.limit(), take.into_inner()), (0, &b"def"[..]));
    }

    #[test]
    fn a_part_of_uninitialised_memory_is_filled_in_place() {
        let mut memory = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.put_slice(b">");
        let mut cx = Context::from_waker(Waker::noop());
        let mut take = (&b"abcdef"[..]).take(3);
        assert!(Pin::new(&mut take).poll_read(&mut cx, &mut buf).is_ready());
        assert_eq!((buf.filled(), take.limit()), (&b">abc"[..], 0));
    }
}
