//! [`BufWriter`]: fewer and larger writes.
//!
//! Invariants
//! - I1: `buf` never grows beyond the capacity it was made with.
//! - I2: `written <= buf.len()`; `buf[..written]` was taken by the inner writer during a flush that is not complete, so
//!   that a flush that is dropped and begun again writes no byte twice.

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::DEFAULT_CAPACITY;
use crate::ext::interrupted;
use crate::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

pin_project! {
    /// A writer with a buffer, which turns many small writes into few large ones.
    ///
    /// A write at least as large as the buffer goes straight to the inner writer, after what is in the buffer. **What
    /// is in the buffer is lost when the `BufWriter` is dropped**, since nothing can be awaited there: call `flush` or
    /// `shutdown` before. Reads go through to the inner stream.
    ///
    /// ```
    /// use sprang_io::{AsyncWriteExt, BufWriter};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # futures::executor::block_on(async {
    /// let mut writer = BufWriter::new(Vec::new());
    /// writer.write_all(b"hello").await?;
    /// assert_eq!((writer.get_ref().as_slice(), writer.buffer()), (&b""[..], &b"hello"[..]));
    /// writer.flush().await?;
    /// assert_eq!(writer.into_inner(), b"hello");
    /// # Ok(()) })
    /// # }
    /// ```
    pub struct BufWriter<W> {
        #[pin]
        pub(super) inner: W,
        pub(super) state: WriteState,
    }
}

/// The buffer of a [`BufWriter`], apart from what it writes to.
pub(super) struct WriteState {
    buf: Vec<u8>,
    written: usize,
    seek: Seek,
}

/// How far a seek has come.
#[derive(Clone, Copy)]
enum Seek {
    Idle,
    Wanted(SeekFrom),
    Moving,
}

impl<W: AsyncWrite> BufWriter<W> {
    /// A writer with a buffer of 8 KiB.
    pub fn new(inner: W) -> Self {
        Self::with_capacity(DEFAULT_CAPACITY, inner)
    }

    /// A writer with a buffer of `cap` bytes.
    pub fn with_capacity(cap: usize, inner: W) -> Self {
        Self {
            inner,
            state: WriteState {
                buf: Vec::with_capacity(cap),
                written: 0,
                seek: Seek::Idle,
            },
        }
    }

    /// The inner writer.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The inner writer, mutably. What is written to it directly comes before the bytes in the buffer.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The inner writer, pinned. What is written to it directly comes before the bytes in the buffer.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut W> {
        self.project().inner
    }

    /// The inner writer. What is left in the buffer is lost.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// The bytes in the buffer that the inner writer has not taken yet.
    pub fn buffer(&self) -> &[u8] {
        &self.state.buf[self.state.written..]
    }

    /// Writes out the buffer, without a flush of the inner writer.
    fn poll_drain(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut me = self.project();
        let state = me.state;
        let mut outcome = Ok(());
        while state.written < state.buf.len() {
            let result = ready!(me.inner.as_mut().poll_write(cx, &state.buf[state.written..]));
            if interrupted(&result) {
                continue;
            }
            match result {
                Ok(0) => {
                    outcome = Err(io::Error::new(
                        io::ErrorKind::WriteZero,
                        "failed to write the buffered data",
                    ))
                }
                Ok(n) => {
                    state.written += n;
                    continue;
                }
                Err(error) => outcome = Err(error),
            }
            break;
        }
        state.buf.drain(..state.written);
        state.written = 0;
        Poll::Ready(outcome)
    }
}

impl WriteState {
    /// Bytes that fit into the buffer.
    #[inline]
    fn room(&self) -> usize {
        self.buf.capacity() - self.buf.len()
    }
}

impl<W: AsyncWrite> AsyncWrite for BufWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.len() > self.state.room() {
            ready!(self.as_mut().poll_drain(cx))?;
        }
        let me = self.project();
        if buf.len() >= me.state.buf.capacity() {
            return me.inner.poll_write(cx, buf);
        }
        me.state.buf.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_drain(cx))?;
        self.get_pin_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_drain(cx))?;
        self.get_pin_mut().poll_shutdown(cx)
    }

    /// Takes all slices or, where the inner writer would take only one of them at a time, as many whole ones as fit.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.inner.is_write_vectored() {
            let Some(first) = bufs.iter().position(|buf| !buf.is_empty()) else {
                return Poll::Ready(Ok(0));
            };
            let mut taken = ready!(self.as_mut().poll_write(cx, &bufs[first]))?;
            if taken == bufs[first].len() {
                let state = self.project().state;
                for buf in &bufs[first + 1..] {
                    if buf.len() > state.room() {
                        break;
                    }
                    state.buf.extend_from_slice(buf);
                    taken += buf.len();
                }
            }
            return Poll::Ready(Ok(taken));
        }
        let total = bufs.iter().fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        if total > self.state.room() {
            ready!(self.as_mut().poll_drain(cx))?;
        }
        let me = self.project();
        if total >= me.state.buf.capacity() {
            return me.inner.poll_write_vectored(cx, bufs);
        }
        bufs.iter().for_each(|buf| me.state.buf.extend_from_slice(buf));
        Poll::Ready(Ok(total))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl<W: AsyncWrite + AsyncSeek> AsyncSeek for BufWriter<W> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        // The buffer must be written out before, which may have to wait.
        self.project().state.seek = Seek::Wanted(position);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if matches!(self.state.seek, Seek::Idle) {
            return self.project().inner.poll_complete(cx);
        }
        ready!(self.as_mut().poll_drain(cx))?;
        let mut me = self.project();
        if let Seek::Wanted(position) = me.state.seek {
            ready!(me.inner.as_mut().poll_complete(cx))?;
            me.state.seek = Seek::Idle;
            me.inner.as_mut().start_seek(position)?;
            me.state.seek = Seek::Moving;
        }
        let result = ready!(me.inner.poll_complete(cx));
        me.state.seek = Seek::Idle;
        Poll::Ready(result)
    }
}

impl<W: AsyncWrite + AsyncRead> AsyncRead for BufWriter<W> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_pin_mut().poll_read(cx, buf)
    }
}

impl<W: AsyncWrite + AsyncBufRead> AsyncBufRead for BufWriter<W> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_pin_mut().poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.get_pin_mut().consume(amt);
    }
}

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = &self.state;
        f.debug_struct("BufWriter")
            .field("writer", &self.inner)
            .field(
                "buffer",
                &format_args!("{}/{}", state.buf.len() - state.written, state.buf.capacity()),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use sprang_core::rng::Rng;

    use super::*;
    use crate::testing::{Script, Step, block_on, numbered, poll_once};
    use crate::{AsyncSeekExt, AsyncWriteExt};

    #[test]
    fn what_arrives_does_not_depend_on_pieces_and_sizes() {
        let mut rng = Rng::new(4);
        for round in 0..400 {
            let bytes = numbered(rng.below(300) as usize);
            let script = Script::slow_writes(&mut rng, 30);
            let script = if rng.below(2) == 0 { script } else { script.vectored() };
            let mut writer = BufWriter::with_capacity(rng.below(50) as usize, script);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (first, after) = rest.split_at(rng.below(40).min(rest.len() as u32) as usize);
                let second = &after[..rng.below(20).min(after.len() as u32) as usize];
                let taken = match rng.below(3) {
                    0 => block_on(writer.write(first)),
                    1 => block_on(writer.flush()).map(|()| 0),
                    _ => {
                        block_on(writer.write_vectored(&[IoSlice::new(b""), IoSlice::new(first), IoSlice::new(second)]))
                    }
                };
                // A large write may be interrupted: it goes straight to the inner writer.
                rest = &rest[taken.unwrap_or(0)..];
            }
            block_on(writer.shutdown()).unwrap();
            assert_eq!(writer.get_ref().written, bytes, "round {round}");
            assert_eq!(writer.get_ref().shutdowns, 1);
        }
    }

    #[test]
    fn small_writes_reach_the_inner_writer_as_one() {
        let mut writer = BufWriter::with_capacity(8, Script::default());
        for byte in *b"abcdefgh" {
            block_on(writer.write_u8(byte)).unwrap();
        }
        assert_eq!((writer.get_ref().write_calls, writer.buffer()), (0, &b"abcdefgh"[..]));
        block_on(writer.flush()).unwrap();
        assert_eq!((writer.get_ref().write_calls, writer.get_ref().flushes), (1, 1));
    }

    #[test]
    fn a_large_write_comes_after_the_buffer() {
        let mut writer = BufWriter::with_capacity(4, Script::default());
        block_on(writer.write_all(b"ab")).unwrap();
        block_on(writer.write_all(b"cdefgh")).unwrap();
        assert_eq!(
            (writer.get_ref().written.as_slice(), writer.buffer()),
            (&b"abcdefgh"[..], &b""[..])
        );
    }

    #[test]
    fn a_dropped_flush_writes_no_byte_twice() {
        let mut writer = BufWriter::new(Script::writes([Step::Take(2), Step::Wait, Step::Take(1)]));
        block_on(writer.write_all(b"abcdef")).unwrap();
        assert!(poll_once(pin!(writer.flush())).is_pending());
        assert_eq!(writer.buffer(), b"cdef");
        block_on(writer.flush()).unwrap();
        assert_eq!(writer.get_ref().written, b"abcdef");
    }

    #[test]
    fn a_failed_flush_keeps_what_was_not_written() {
        for (failure, kind) in [
            (Step::Fail(io::ErrorKind::TimedOut), io::ErrorKind::TimedOut),
            (Step::Take(0), io::ErrorKind::WriteZero),
        ] {
            let mut writer = BufWriter::new(Script::writes([Step::Take(2), failure]));
            block_on(writer.write_all(b"abcdef")).unwrap();
            assert_eq!(block_on(writer.flush()).unwrap_err().kind(), kind);
            assert_eq!(writer.buffer(), b"cdef");
            block_on(writer.flush()).unwrap();
            assert_eq!(writer.get_ref().written, b"abcdef");
        }
    }

    #[test]
    fn slices_are_gathered_whether_the_inner_writer_does_or_not() {
        let slices = [
            IoSlice::new(b""),
            IoSlice::new(b"ab"),
            IoSlice::new(b"cd"),
            IoSlice::new(b"efgh"),
        ];
        let mut plain = BufWriter::with_capacity(6, Script::default());
        assert_eq!(block_on(plain.write_vectored(&slices)).unwrap(), 4);
        assert_eq!((plain.buffer(), plain.get_ref().write_calls), (&b"abcd"[..], 0));
        let mut vectored = BufWriter::with_capacity(6, Script::default().vectored());
        assert_eq!(block_on(vectored.write_vectored(&slices)).unwrap(), 8);
        assert_eq!((vectored.buffer(), vectored.get_ref().write_calls), (&b""[..], 1));
        assert_eq!(block_on(plain.write_vectored(&[IoSlice::new(b"")])).unwrap(), 0);
    }

    #[test]
    fn a_seek_comes_after_the_buffer() {
        let mut writer = BufWriter::new(Script::writes([Step::Take(1), Step::Wait]).slow_seeks(2));
        block_on(writer.write_all(b"abc")).unwrap();
        block_on(writer.seek(SeekFrom::Start(9))).unwrap();
        assert_eq!(writer.get_ref().written, b"abc");
        assert_eq!(writer.get_ref().seeks, [SeekFrom::Start(9)]);
        assert!(block_on(writer.seek(SeekFrom::Current(i64::MAX))).is_err());
        block_on(writer.rewind()).unwrap();
        assert_eq!(writer.get_ref().seeks, [SeekFrom::Start(9), SeekFrom::Start(0)]);
    }

    #[test]
    fn a_seek_waits_for_the_one_before() {
        let mut writer = BufWriter::new(Script::default().slow_seeks(3));
        for target in [SeekFrom::Start(1), SeekFrom::Start(2)] {
            Pin::new(&mut writer).start_seek(target).unwrap();
            assert!(poll_once(pin!(poll_fn(|cx| Pin::new(&mut writer).poll_complete(cx)))).is_pending());
        }
        assert_eq!(writer.get_ref().seeks, [SeekFrom::Start(1)]);
    }
}
