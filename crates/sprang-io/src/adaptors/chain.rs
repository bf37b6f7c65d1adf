//! [`Chain`]: one reader after another.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::{AsyncBufRead, AsyncRead, ReadBuf};

pin_project! {
    /// A reader of the bytes of one reader and then of those of another. Made by
    /// [`AsyncReadExt::chain`](crate::AsyncReadExt::chain).
    #[derive(Debug)]
    #[must_use = "readers do nothing unless polled"]
    pub struct Chain<T, U> {
        #[pin]
        first: T,
        #[pin]
        second: U,
        first_done: bool,
    }
}

impl<T: AsyncRead, U: AsyncRead> Chain<T, U> {
    pub(crate) fn new(first: T, second: U) -> Self {
        Self {
            first,
            second,
            first_done: false,
        }
    }

    /// The two readers.
    pub fn get_ref(&self) -> (&T, &U) {
        (&self.first, &self.second)
    }

    /// The two readers, mutably. To read from them directly may lose or reorder bytes.
    pub fn get_mut(&mut self) -> (&mut T, &mut U) {
        (&mut self.first, &mut self.second)
    }

    /// The two readers, pinned. To read from them directly may lose or reorder bytes.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> (Pin<&mut T>, Pin<&mut U>) {
        let me = self.project();
        (me.first, me.second)
    }

    /// The two readers.
    pub fn into_inner(self) -> (T, U) {
        (self.first, self.second)
    }
}

impl<T: AsyncRead, U: AsyncRead> AsyncRead for Chain<T, U> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.project();
        if !*me.first_done {
            let before = buf.remaining();
            ready!(me.first.poll_read(cx, buf))?;
            // Nothing read into a buffer without room does not say that the first reader is at its end.
            if before == 0 || buf.remaining() != before {
                return Poll::Ready(Ok(()));
            }
            *me.first_done = true;
        }
        me.second.poll_read(cx, buf)
    }
}

impl<T: AsyncBufRead, U: AsyncBufRead> AsyncBufRead for Chain<T, U> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let me = self.project();
        if !*me.first_done {
            let bytes = ready!(me.first.poll_fill_buf(cx))?;
            if !bytes.is_empty() {
                return Poll::Ready(Ok(bytes));
            }
            *me.first_done = true;
        }
        me.second.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let me = self.project();
        if *me.first_done {
            me.second.consume(amt);
        } else {
            me.first.consume(amt);
        }
    }
}

#[cfg(test)]
mod tests {
    use sprang_core::rng::Rng;

    use crate::testing::{Script, Step, block_on, give, numbered};
    use crate::{AsyncBufReadExt, AsyncReadExt, BufReader};

    #[test]
    fn the_second_reader_follows_the_first_whatever_the_pieces() {
        let mut rng = Rng::new(5);
        for round in 0..100 {
            let bytes = numbered(rng.below(200) as usize);
            let (first, second) = bytes.split_at(rng.below(bytes.len() as u32) as usize);
            let (first, second) = (Script::pieces(&mut rng, first), Script::pieces(&mut rng, second));
            let mut seen = Vec::new();
            if round % 2 == 0 {
                block_on(first.chain(second).read_to_end(&mut seen)).unwrap();
            } else {
                let mut chain = BufReader::with_capacity(5, first).chain(BufReader::with_capacity(5, second));
                while block_on(chain.read_until(7, &mut seen)).unwrap() > 0 {}
            }
            assert_eq!(seen, bytes, "round {round}");
        }
    }

    #[test]
    fn reading_into_no_room_does_not_end_the_first_reader() {
        let mut chain = (&b"ab"[..]).chain(&b"cd"[..]);
        assert_eq!(block_on(chain.read(&mut [])).unwrap(), 0);
        assert_eq!(block_on(chain.read_u32()).unwrap(), u32::from_be_bytes(*b"abcd"));
    }

    #[test]
    fn an_error_of_the_first_reader_does_not_end_it() {
        let first = Script::reads([Step::Fail(std::io::ErrorKind::TimedOut), give(b"a")]);
        let mut chain = first.chain(&b"b"[..]);
        assert!(block_on(chain.read_u8()).is_err());
        assert_eq!(block_on(chain.read_u16()).unwrap(), u16::from_be_bytes(*b"ab"));
    }
}
