//! [`BufReader`]: fewer and larger reads.
//!
//! Invariant I1: `start <= end <= buf.len()`; `buf[start..end]` was read from the inner reader and not yet from this
//! one.

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::DEFAULT_CAPACITY;
use crate::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

pin_project! {
    /// A reader with a buffer, which turns many small reads into few large ones.
    ///
    /// A read at least as large as the buffer goes straight to the inner reader when the buffer is empty. What is in
    /// the buffer is lost when the `BufReader` is dropped or taken apart, and when the position is moved. Writes and
    /// flushes go through to the inner stream.
    ///
    /// ```
    /// use sprang_io::{AsyncBufReadExt, BufReader};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # futures::executor::block_on(async {
    /// let mut reader = BufReader::new(&b"first\nsecond\n"[..]);
    /// let mut line = String::new();
    /// reader.read_line(&mut line).await?;
    /// assert_eq!(line, "first\n");
    /// assert_eq!(reader.buffer(), b"second\n");
    /// # Ok(()) })
    /// # }
    /// ```
    pub struct BufReader<R> {
        #[pin]
        pub(super) inner: R,
        pub(super) state: ReadState,
    }
}

/// The buffer of a [`BufReader`], apart from what it reads.
pub(super) struct ReadState {
    buf: Box<[u8]>,
    start: usize,
    end: usize,
    seek: Seek,
}

/// How far a seek has come.
#[derive(Clone, Copy)]
enum Seek {
    Idle,
    Wanted(SeekFrom),
    /// The inner reader moves; afterwards it has to move once more by that many bytes.
    Moving(Option<i64>),
}

impl<R: AsyncRead> BufReader<R> {
    /// A reader with a buffer of 8 KiB.
    pub fn new(inner: R) -> Self {
        Self::with_capacity(DEFAULT_CAPACITY, inner)
    }

    /// A reader with a buffer of `capacity` bytes.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    #[track_caller]
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        assert!(capacity > 0, "the capacity must be greater than zero");
        let buf = vec![0; capacity].into_boxed_slice();
        Self {
            inner,
            state: ReadState {
                buf,
                start: 0,
                end: 0,
                seek: Seek::Idle,
            },
        }
    }

    /// The inner reader.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The inner reader, mutably. What is read from it directly does not come after the bytes in the buffer.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The inner reader, pinned. What is read from it directly does not come after the bytes in the buffer.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// The inner reader. What is left in the buffer is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// The bytes in the buffer. Unlike `fill_buf`, it does not read when there are none.
    pub fn buffer(&self) -> &[u8] {
        self.state.unread()
    }
}

impl ReadState {
    #[inline]
    fn unread(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    #[inline]
    fn discard(&mut self) {
        self.start = 0;
        self.end = 0;
    }
}

impl<R: AsyncRead> AsyncRead for BufReader<R> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.state.start == self.state.end && buf.remaining() >= self.state.buf.len() {
            return self.get_pin_mut().poll_read(cx, buf);
        }
        ready!(self.as_mut().poll_fill_buf(cx))?;
        let state = self.project().state;
        let unread = state.unread();
        let taken = unread.len().min(buf.remaining());
        buf.put_slice(&unread[..taken]);
        state.start += taken;
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead> AsyncBufRead for BufReader<R> {
    #[inline]
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let me = self.project();
        let state = me.state;
        if state.start == state.end {
            let mut buf = ReadBuf::new(&mut state.buf);
            ready!(me.inner.poll_read(cx, &mut buf))?;
            state.end = buf.filled().len();
            state.start = 0;
        }
        Poll::Ready(Ok(state.unread()))
    }

    #[inline]
    fn consume(self: Pin<&mut Self>, amt: usize) {
        let state = self.project().state;
        state.start += amt.min(state.unread().len());
    }
}

/// Moving within the bytes of the buffer is a move of the inner reader too: the buffer is always given up.
impl<R: AsyncRead + AsyncSeek> AsyncSeek for BufReader<R> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        // The inner reader may have to move twice, with a wait in between, so that the first move waits for
        // `poll_complete` too.
        self.project().state.seek = Seek::Wanted(position);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let mut me = self.project();
        let state = me.state;
        loop {
            match state.seek {
                Seek::Idle => return me.inner.poll_complete(cx),
                Seek::Wanted(position) => {
                    // The inner reader is ahead by what is in the buffer. Where that makes the offset too small for an
                    // `i64`, it takes two moves.
                    let ahead = state.unread().len() as i64;
                    let (first, second) = match position {
                        SeekFrom::Current(offset) => match offset.checked_sub(ahead) {
                            Some(offset) => (SeekFrom::Current(offset), None),
                            None => (SeekFrom::Current(-ahead), Some(offset)),
                        },
                        absolute => (absolute, None),
                    };
                    state.seek = Seek::Idle;
                    me.inner.as_mut().start_seek(first)?;
                    state.seek = Seek::Moving(second);
                }
                Seek::Moving(second) => {
                    let result = ready!(me.inner.as_mut().poll_complete(cx));
                    state.seek = Seek::Idle;
                    let position = result?;
                    state.discard();
                    let Some(offset) = second else {
                        return Poll::Ready(Ok(position));
                    };
                    me.inner.as_mut().start_seek(SeekFrom::Current(offset))?;
                    state.seek = Seek::Moving(None);
                }
            }
        }
    }
}

impl<R: AsyncRead + AsyncWrite> AsyncWrite for BufReader<R> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_pin_mut().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_pin_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_pin_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_pin_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unread, capacity) = (self.state.unread().len(), self.state.buf.len());
        f.debug_struct("BufReader")
            .field("reader", &self.inner)
            .field("buffer", &format_args!("{unread}/{capacity}"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use sprang_core::rng::Rng;

    use super::*;
    use crate::testing::{Script, Step, block_on, give, numbered};
    use crate::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt};

    #[test]
    fn what_is_read_does_not_depend_on_pieces_and_sizes() {
        let mut rng = Rng::new(3);
        for round in 0..200 {
            let bytes = numbered(rng.below(300) as usize);
            let capacity = 1 + rng.below(50) as usize;
            let mut reader = BufReader::with_capacity(capacity, Script::pieces(&mut rng, &bytes));
            let mut seen = Vec::new();
            while seen.len() < bytes.len() {
                let mut part = vec![0; 1 + rng.below(60) as usize];
                if let Ok(read) = block_on(reader.read(&mut part)) {
                    seen.extend_from_slice(&part[..read]);
                }
            }
            assert_eq!(seen, bytes, "round {round}");
            assert_eq!(block_on(reader.read(&mut [0; 9])).unwrap(), 0);
        }
    }

    #[test]
    fn a_large_read_passes_by_an_empty_buffer_only() {
        let mut reader = BufReader::with_capacity(4, &b"abcdefghijkl"[..]);
        let mut large = [0; 8];
        assert_eq!(block_on(reader.read(&mut large)).unwrap(), 8);
        assert_eq!(reader.buffer(), b"");
        assert_eq!(block_on(reader.read_u8()).unwrap(), b'i');
        assert_eq!(reader.buffer(), b"jkl");
        assert_eq!(block_on(reader.read(&mut large)).unwrap(), 3);
    }

    #[test]
    fn an_error_leaves_the_buffer_usable() {
        let mut reader = BufReader::new(Script::reads([Step::Fail(io::ErrorKind::TimedOut), give(b"a")]));
        assert!(block_on(reader.read_u8()).is_err());
        assert_eq!(block_on(reader.read_u8()).unwrap(), b'a');
    }

    #[test]
    fn consuming_too_much_stops_at_the_end_of_the_buffer() {
        let mut reader = BufReader::with_capacity(4, &b"abcdef"[..]);
        block_on(reader.fill_buf()).unwrap();
        AsyncBufReadExt::consume(&mut reader, usize::MAX);
        assert_eq!(block_on(reader.fill_buf()).unwrap(), b"ef");
    }

    #[test]
    fn a_relative_seek_starts_from_what_was_read_and_not_from_what_was_buffered() {
        let mut reader = BufReader::new(io::Cursor::new(b"abcdef"));
        assert_eq!(block_on(reader.read_u16()).unwrap(), u16::from_be_bytes(*b"ab"));
        assert_eq!(block_on(reader.seek(SeekFrom::Current(1))).unwrap(), 3);
        assert_eq!(reader.buffer(), b"");
        assert_eq!(block_on(reader.read_u8()).unwrap(), b'd');
        assert_eq!(block_on(reader.seek(SeekFrom::End(-1))).unwrap(), 5);
        assert_eq!(block_on(reader.read_u8()).unwrap(), b'f');
    }

    #[test]
    fn an_offset_beyond_an_i64_takes_two_moves_across_waits() {
        let mut reader = BufReader::new(Script::reads([give(b"abc")]).slow_seeks(2));
        block_on(reader.read_u8()).unwrap();
        block_on(reader.seek(SeekFrom::Current(i64::MIN))).unwrap();
        assert_eq!(
            reader.get_ref().seeks,
            [SeekFrom::Current(-2), SeekFrom::Current(i64::MIN)]
        );
        assert_eq!(reader.buffer(), b"");
    }

    #[test]
    fn a_failed_seek_keeps_the_buffer() {
        let mut reader = BufReader::new(Script::reads([give(b"abc")]));
        block_on(reader.fill_buf()).unwrap();
        AsyncBufReadExt::consume(&mut reader, 3);
        assert!(block_on(reader.seek(SeekFrom::Current(i64::MAX))).is_err());
        assert!(block_on(reader.seek(SeekFrom::Start(0))).is_ok());
        let mut reader = BufReader::new(io::Cursor::new(b"abc"));
        block_on(reader.read_u8()).unwrap();
        assert!(block_on(reader.seek(SeekFrom::Current(-2))).is_err());
        assert_eq!(reader.buffer(), b"bc");
    }

    #[test]
    #[should_panic(expected = "greater than zero")]
    fn a_buffer_of_no_bytes_panics() {
        let _ = BufReader::with_capacity(0, &b""[..]);
    }
}
