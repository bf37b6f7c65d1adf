//! `read_to_end` and `read_to_string`: all that is left of a reader, appended to a vector or a string.
//!
//! Data flow: both futures hold a [`Growing`] vector and poll it until the reader is at its end.
//!
//! Invariant I1: the first `initialized` bytes of the vector's spare capacity are initialised. Whatever changes the spare
//! capacity sets it to 0.

use std::fmt;
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::buf_read::put_back;
use super::interrupted;
use crate::read_buf::lend;
use crate::{AsyncRead, ReadBuf};

/// Bytes of the probe, and the least that a read is offered: a vector with less room is full.
const STEP: usize = 32;

/// What is known about a vector that a reader is read into.
///
/// A vector that came with just the right capacity shall not be doubled to find out that the reader is at its end: as
/// long as it has its first capacity, and is full, the next read goes to a few bytes on the stack.
#[derive(Debug)]
struct Growing {
    initialized: usize,
    first_capacity: usize,
}

impl Growing {
    fn new(vec: &Vec<u8>) -> Self {
        Self {
            initialized: 0,
            first_capacity: vec.capacity(),
        }
    }

    /// Reads until the end of the stream, or until the first error.
    fn poll_to_end<R>(&mut self, vec: &mut Vec<u8>, reader: &mut R, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
    {
        loop {
            let full = vec.capacity() - vec.len() < STEP;
            let result = if full && vec.capacity() == self.first_capacity && self.first_capacity >= STEP {
                self.poll_probe(vec, reader, cx)
            } else {
                if full {
                    vec.reserve(STEP);
                    self.initialized = 0;
                }
                self.poll_spare(vec, reader, cx)
            };
            match ready!(result) {
                result if interrupted(&result) => {}
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// One read into the stack, appended to the vector.
    fn poll_probe<R>(&mut self, vec: &mut Vec<u8>, reader: &mut R, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        R: AsyncRead + Unpin + ?Sized,
    {
        let mut memory = [MaybeUninit::uninit(); STEP];
        let mut buf = ReadBuf::uninit(&mut memory);
        ready!(Pin::new(reader).poll_read(cx, &mut buf))?;
        vec.extend_from_slice(buf.filled());
        self.initialized = 0;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// One read into the spare capacity of the vector.
    fn poll_spare<R>(&mut self, vec: &mut Vec<u8>, reader: &mut R, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        R: AsyncRead + Unpin + ?Sized,
    {
        // SAFETY: that many bytes of the spare capacity are initialised (I1).
        let lent = unsafe {
            lend(vec.spare_capacity_mut(), self.initialized, |buf| {
                Pin::new(reader).poll_read(cx, buf)
            })
        };
        self.initialized = lent.initialized - lent.filled;
        let len = vec.len() + lent.filled;
        // SAFETY: the first `filled` bytes of the spare capacity are initialised, as `lend` says.
        unsafe { vec.set_len(len) };
        lent.result.map_ok(|()| lent.filled)
    }
}

/// Future of [`AsyncReadExt::read_to_end`](crate::AsyncReadExt::read_to_end).
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadToEnd<'a, R: ?Sized> {
    reader: &'a mut R,
    vec: &'a mut Vec<u8>,
    growing: Growing,
    start: usize,
}

impl<'a, R: ?Sized> ReadToEnd<'a, R> {
    pub(super) fn new(reader: &'a mut R, vec: &'a mut Vec<u8>) -> Self {
        let (growing, start) = (Growing::new(vec), vec.len());
        Self {
            reader,
            vec,
            growing,
            start,
        }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToEnd<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        ready!(me.growing.poll_to_end(me.vec, me.reader, cx))?;
        Poll::Ready(Ok(me.vec.len() - me.start))
    }
}

impl<R: ?Sized> fmt::Debug for ReadToEnd<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadToEnd")
            .field("read", &(self.vec.len() - self.start))
            .finish_non_exhaustive()
    }
}

/// Future of [`AsyncReadExt::read_to_string`](crate::AsyncReadExt::read_to_string).
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadToString<'a, R: ?Sized> {
    reader: &'a mut R,
    /// Empty until the end: its bytes are in `vec`, where they need not be UTF-8.
    output: &'a mut String,
    vec: Vec<u8>,
    growing: Growing,
    start: usize,
}

impl<'a, R: ?Sized> ReadToString<'a, R> {
    pub(super) fn new(reader: &'a mut R, output: &'a mut String) -> Self {
        let vec = mem::take(output).into_bytes();
        let (growing, start) = (Growing::new(&vec), vec.len());
        Self {
            reader,
            output,
            vec,
            growing,
            start,
        }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToString<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let result = ready!(me.growing.poll_to_end(&mut me.vec, me.reader, cx));
        let (mut bytes, start) = (mem::take(&mut me.vec), mem::take(&mut me.start));
        me.growing = Growing::new(&me.vec);
        if result.is_err() {
            bytes.truncate(start);
        }
        Poll::Ready(put_back(me.output, bytes, start, result))
    }
}

impl<R: ?Sized> fmt::Debug for ReadToString<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadToString")
            .field("read", &(self.vec.len() - self.start))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::pin::pin;

    use sprang_core::rng::Rng;

    use super::*;
    use crate::AsyncReadExt;
    use crate::testing::{Script, Step, block_on, give, numbered, poll_once};

    #[test]
    fn everything_arrives_whatever_the_pieces_and_the_capacity() {
        let mut rng = Rng::new(1);
        for round in 0..200 {
            let bytes = numbered(rng.below(400) as usize);
            let mut vec = Vec::with_capacity(rng.below(200) as usize);
            vec.extend_from_slice(b"before");
            let mut reader = Script::pieces(&mut rng, &bytes);
            assert_eq!(
                block_on(reader.read_to_end(&mut vec)).unwrap(),
                bytes.len(),
                "round {round}"
            );
            assert_eq!((&vec[..6], &vec[6..]), (&b"before"[..], &bytes[..]), "round {round}");
        }
    }

    #[test]
    fn a_vector_of_the_right_size_is_not_reallocated() {
        let bytes = numbered(100);
        let mut vec = Vec::with_capacity(100);
        assert_eq!(block_on((&bytes[..]).read_to_end(&mut vec)).unwrap(), 100);
        assert_eq!((vec.capacity(), vec), (100, bytes));
    }

    #[test]
    fn nothing_is_allocated_beyond_a_step_for_an_empty_reader() {
        let mut vec = Vec::new();
        assert_eq!(block_on((&b""[..]).read_to_end(&mut vec)).unwrap(), 0);
        assert_eq!(vec.capacity(), STEP);
    }

    #[test]
    fn bytes_are_zeroed_once_for_a_reader_that_wants_them_initialised() {
        struct Initialises(usize);
        impl AsyncRead for Initialises {
            fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                if self.0 > 0 {
                    assert_eq!(buf.initialized().len(), buf.remaining(), "read {}", self.0);
                }
                self.0 += 1;
                buf.initialize_unfilled()[0] = 7;
                buf.advance(usize::from(self.0 < 20));
                Poll::Ready(Ok(()))
            }
        }
        let mut vec = Vec::with_capacity(64);
        assert_eq!(block_on(Initialises(0).read_to_end(&mut vec)).unwrap(), 19);
        assert_eq!(vec, [7; 19]);
    }

    #[test]
    fn an_error_leaves_what_was_read_before_in_the_vector() {
        let mut reader = Script::reads([give(b"ab"), Step::Fail(ErrorKind::TimedOut), give(b"cd")]);
        let mut vec = Vec::new();
        assert_eq!(
            block_on(reader.read_to_end(&mut vec)).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        assert_eq!(vec, b"ab");
    }

    #[test]
    fn a_dropped_read_to_end_leaves_what_was_read_in_the_vector() {
        let mut reader = Script::reads([give(b"ab"), Step::Wait, give(b"cd")]);
        let mut vec = Vec::new();
        assert!(poll_once(pin!(reader.read_to_end(&mut vec))).is_pending());
        assert_eq!(vec, b"ab");
        assert_eq!(block_on(reader.read_to_end(&mut vec)).unwrap(), 2);
        assert_eq!(vec, b"abcd");
    }

    #[test]
    fn a_character_may_arrive_in_two_pieces() {
        let mut reader = Script::reads([give(b"\xc3"), Step::Wait, give(b"\xa4")]);
        let mut text = String::from("a");
        assert_eq!(block_on(reader.read_to_string(&mut text)).unwrap(), 2);
        assert_eq!(text, "aä");
    }

    #[test]
    fn a_string_is_as_before_after_any_error() {
        for steps in [
            vec![give(b"ok\xff")],
            vec![give(b"ok"), Step::Fail(ErrorKind::TimedOut)],
            vec![give(b"\xc3"), Step::Fail(ErrorKind::TimedOut)],
        ] {
            let expected = if steps.len() == 1 {
                ErrorKind::InvalidData
            } else {
                ErrorKind::TimedOut
            };
            let mut text = String::from("before");
            let error = block_on(Script::reads(steps).read_to_string(&mut text)).unwrap_err();
            assert_eq!((error.kind(), text.as_str()), (expected, "before"));
        }
    }
}
