//! Copying a reader into a writer: [`copy`], [`copy_buf`], [`copy_bidirectional`].
//!
//! Data flow: called by users; [`copy`] is one [`Transfer`], [`copy_bidirectional`] two of them, each followed by the
//! shutdown of its writer. [`copy_buf`] needs no buffer of its own.
//!
//! Rules that all three keep
//! - R1: when the reader has nothing to read and something was written, the writer is flushed before the task waits.
//!   Otherwise the other side might wait for bytes that sit in the writer's buffer.
//! - R2: each poll spends one unit of the task's budget, so that a reader and a writer that are always ready cannot
//!   keep the worker.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sprang_core::coop;

use crate::adaptors::DEFAULT_CAPACITY;
use crate::ext::interrupted;
use crate::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

/// Copies everything up to the end of `reader` to `writer`, flushes it, and returns the number of bytes.
///
/// It holds a buffer of 8 KiB on the heap. Where the reader has a buffer, [`copy_buf`] does without it.
///
/// # Errors
///
/// What the reader and the writer report, except `Interrupted`, which is tried again; `WriteZero` if the writer takes
/// no more bytes. How much was copied is not known then.
///
/// # Panics
///
/// If the writer says that it took more bytes than it was given.
///
/// # Cancel safety
///
/// Not cancel safe: what was read and not yet written is lost with the future.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let mut reader: &[u8] = b"hello";
/// let mut writer = Vec::new();
/// assert_eq!(sprang_io::copy(&mut reader, &mut writer).await?, 5);
/// assert_eq!(writer, b"hello");
/// # Ok(()) })
/// # }
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut transfer = Transfer::new(DEFAULT_CAPACITY);
    poll_fn(|cx| transfer.poll(cx, Pin::new(&mut *reader), Pin::new(&mut *writer))).await
}

/// Copies everything up to the end of `reader` to `writer` straight out of the reader's buffer, flushes it, and returns
/// the number of bytes.
///
/// # Errors
///
/// Those of [`copy`]. What was not written stays in the reader.
///
/// # Cancel safety
///
/// If the future is dropped, what was not written stays in the reader, and another call goes on from there. How much
/// was copied is not known then.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let mut reader: &[u8] = b"hello";
/// let mut writer = Vec::new();
/// assert_eq!(sprang_io::copy_buf(&mut reader, &mut writer).await?, 5);
/// assert_eq!(writer, b"hello");
/// # Ok(()) })
/// # }
/// ```
pub async fn copy_buf<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut copied = 0;
    let mut need_flush = false;
    poll_fn(|cx| poll_copy_buf(cx, reader, writer, &mut copied, &mut need_flush)).await
}

fn poll_copy_buf<R, W>(
    cx: &mut Context<'_>,
    reader: &mut R,
    writer: &mut W,
    copied: &mut u64,
    need_flush: &mut bool,
) -> Poll<io::Result<u64>>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let (mut reader, mut writer) = (Pin::new(reader), Pin::new(writer));
    let unit = ready!(coop::poll_proceed(cx));
    loop {
        let Poll::Ready(result) = reader.as_mut().poll_fill_buf(cx) else {
            if *need_flush {
                ready!(writer.poll_flush(cx))?;
                *need_flush = false;
            }
            return Poll::Pending;
        };
        if interrupted(&result) {
            continue;
        }
        unit.made_progress();
        let bytes = result?;
        if bytes.is_empty() {
            ready!(writer.poll_flush(cx))?;
            return Poll::Ready(Ok(*copied));
        }
        let result = ready!(writer.as_mut().poll_write(cx, bytes));
        if interrupted(&result) {
            continue;
        }
        let written = result?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *copied += written as u64;
        *need_flush = true;
        reader.as_mut().consume(written);
    }
}

/// Copies in both directions between `a` and `b` until both are at their end, and returns the numbers of bytes from `a`
/// to `b` and from `b` to `a`.
///
/// When one of them is at its end, the other one is shut down for writing, and its direction goes on. It holds two
/// buffers of 8 KiB on the heap.
///
/// # Errors
///
/// What either stream reports, except `Interrupted`, which is tried again; `WriteZero` if one takes no more bytes. An
/// error in one direction ends the other one at once.
///
/// # Cancel safety
///
/// Not cancel safe: what was read and not yet written is lost with the future.
///
/// # Examples
///
/// ```
/// use sprang_io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional, duplex};
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let (mut client, mut proxy_in) = duplex(64);
/// let (mut proxy_out, mut server) = duplex(64);
/// client.write_all(b"request").await?;
/// client.shutdown().await?;
/// server.write_all(b"response").await?;
/// server.shutdown().await?;
/// assert_eq!(copy_bidirectional(&mut proxy_in, &mut proxy_out).await?, (7, 8));
/// # Ok(()) })
/// # }
/// ```
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    copy_bidirectional_with_sizes(a, b, DEFAULT_CAPACITY, DEFAULT_CAPACITY).await
}

/// [`copy_bidirectional`] with buffers of as many bytes.
///
/// # Errors
///
/// Those of [`copy_bidirectional`].
///
/// # Panics
///
/// The future panics if one of the sizes is 0.
///
/// # Cancel safety
///
/// Not cancel safe: what was read and not yet written is lost with the future.
pub async fn copy_bidirectional_with_sizes<A, B>(
    a: &mut A,
    b: &mut B,
    a_to_b_buf_size: usize,
    b_to_a_buf_size: usize,
) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    assert!(a_to_b_buf_size > 0, "`a_to_b_buf_size` must be greater than 0");
    assert!(b_to_a_buf_size > 0, "`b_to_a_buf_size` must be greater than 0");
    let mut a_to_b = Direction::Copying(Transfer::new(a_to_b_buf_size));
    let mut b_to_a = Direction::Copying(Transfer::new(b_to_a_buf_size));
    poll_fn(|cx| {
        // Both directions go on at each poll, whatever the first one says. One that is done says so again.
        let there = a_to_b.poll(cx, a, b)?;
        let back = b_to_a.poll(cx, b, a)?;
        Poll::Ready(Ok((ready!(there), ready!(back))))
    })
    .await
}

/// One direction of [`copy_bidirectional`].
enum Direction {
    Copying(Transfer),
    ShuttingDown(u64),
    Done(u64),
}

impl Direction {
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            *self = match self {
                Direction::Copying(transfer) => {
                    let copied = ready!(transfer.poll(cx, Pin::new(&mut *reader), Pin::new(&mut *writer)))?;
                    Direction::ShuttingDown(copied)
                }
                Direction::ShuttingDown(copied) => {
                    ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                    Direction::Done(*copied)
                }
                Direction::Done(copied) => return Poll::Ready(Ok(*copied)),
            }
        }
    }
}

/// Bytes on their way from a reader to a writer: `buf[start..end]` was read and not yet written.
struct Transfer {
    buf: Box<[u8]>,
    start: usize,
    end: usize,
    copied: u64,
    read_done: bool,
    need_flush: bool,
}

impl Transfer {
    fn new(capacity: usize) -> Self {
        let buf = vec![0; capacity].into_boxed_slice();
        Self {
            buf,
            start: 0,
            end: 0,
            copied: 0,
            read_done: false,
            need_flush: false,
        }
    }

    fn can_read(&self) -> bool {
        !self.read_done && self.end < self.buf.len()
    }

    /// One read, appended to what is in the buffer.
    fn poll_fill<R>(&mut self, cx: &mut Context<'_>, mut reader: Pin<&mut R>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + ?Sized,
    {
        loop {
            let mut buf = ReadBuf::new(&mut self.buf[self.end..]);
            let result = ready!(reader.as_mut().poll_read(cx, &mut buf));
            if interrupted(&result) {
                continue;
            }
            result?;
            let read = buf.filled().len();
            self.read_done = read == 0;
            self.end += read;
            return Poll::Ready(Ok(()));
        }
    }

    /// One write of what is in the buffer.
    fn poll_drain<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        loop {
            let Poll::Ready(result) = writer.as_mut().poll_write(cx, &self.buf[self.start..self.end]) else {
                // The time is used to read more, so that the next write can be a larger one.
                if self.can_read() {
                    ready!(self.poll_fill(cx, reader))?;
                }
                return Poll::Pending;
            };
            if interrupted(&result) {
                continue;
            }
            let written = result?;
            if written == 0 {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::WriteZero,
                    "write zero byte into writer",
                )));
            }
            assert!(
                written <= self.end - self.start,
                "the writer took more bytes than it was given"
            );
            self.start += written;
            self.copied += written as u64;
            self.need_flush = true;
            return Poll::Ready(Ok(()));
        }
    }

    /// Copies until the end of the reader, flushes the writer, and returns the number of bytes.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            if self.can_read() {
                match self.poll_fill(cx, reader.as_mut()) {
                    Poll::Ready(result) => {
                        unit.made_progress();
                        result?;
                    }
                    // What is in the buffer can be written meanwhile.
                    Poll::Pending if self.start < self.end => {}
                    Poll::Pending => {
                        if self.need_flush {
                            ready!(writer.poll_flush(cx))?;
                            unit.made_progress();
                            self.need_flush = false;
                        }
                        return Poll::Pending;
                    }
                }
            }
            while self.start < self.end {
                ready!(self.poll_drain(cx, reader.as_mut(), writer.as_mut()))?;
                unit.made_progress();
            }
            self.start = 0;
            self.end = 0;
            if self.read_done {
                ready!(writer.poll_flush(cx))?;
                unit.made_progress();
                return Poll::Ready(Ok(self.copied));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::pin::pin;
    use std::task::Waker;

    use sprang_core::rng::Rng;

    use super::*;
    use crate::testing::{Script, Step, block_on, give, numbered, poll_once};
    use crate::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, duplex, repeat, sink};

    #[test]
    fn everything_arrives_in_order_whatever_the_pieces() {
        let mut rng = Rng::new(7);
        for round in 0..200 {
            let bytes = numbered(rng.below(500) as usize);
            let mut reader = Script::pieces(&mut rng, &bytes);
            let mut writer = Script::slow_writes(&mut rng, 40);
            let copied = if round % 2 == 0 {
                let mut transfer = Transfer::new(1 + rng.below(60) as usize);
                block_on(poll_fn(|cx| {
                    transfer.poll(cx, Pin::new(&mut reader), Pin::new(&mut writer))
                }))
            } else {
                let capacity = 1 + rng.below(60) as usize;
                block_on(copy_buf(&mut BufReader::with_capacity(capacity, reader), &mut writer))
            };
            assert_eq!(
                (copied.unwrap(), &writer.written),
                (bytes.len() as u64, &bytes),
                "round {round}"
            );
            assert!(writer.flushes > 0);
        }
    }

    #[test]
    fn a_full_writer_is_waited_for_while_the_buffer_fills_up() {
        let mut reader = Script::reads([give(b"ab"), give(b"cd"), give(b"ef")]);
        let mut writer = Script::writes([Step::Wait]);
        assert_eq!(block_on(copy(&mut reader, &mut writer)).unwrap(), 6);
        assert_eq!((writer.written.as_slice(), writer.write_calls), (&b"abcdef"[..], 2));
    }

    #[test]
    fn the_writer_is_flushed_before_the_reader_is_waited_for() {
        let mut writer = BufWriter::new(Script::default());
        let mut reader = Script::reads([give(b"ab"), Step::Wait, Step::Wait, give(b"c")]);
        {
            let mut copying = pin!(copy(&mut reader, &mut writer));
            assert!(poll_once(copying.as_mut()).is_pending());
            assert!(poll_once(copying.as_mut()).is_pending());
            assert_eq!(block_on(copying).unwrap(), 3);
        }
        assert_eq!((writer.get_ref().flushes, writer.get_ref().write_calls), (2, 2));
        let mut writer = BufWriter::new(Script::default());
        let mut reader = BufReader::new(Script::reads([give(b"ab"), Step::Wait]));
        assert!(poll_once(pin!(copy_buf(&mut reader, &mut writer))).is_pending());
        assert_eq!(writer.get_ref().written, b"ab");
    }

    #[test]
    fn errors_of_both_sides_are_reported() {
        let failing_read = || Script::reads([give(b"ab"), Step::Fail(ErrorKind::TimedOut)]);
        let error = block_on(copy(&mut failing_read(), &mut Vec::new())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let error = block_on(copy_buf(&mut BufReader::new(failing_read()), &mut Vec::new())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        for (step, kind) in [
            (Step::Fail(ErrorKind::BrokenPipe), ErrorKind::BrokenPipe),
            (Step::Take(0), ErrorKind::WriteZero),
        ] {
            let error = block_on(copy(&mut &b"abc"[..], &mut Script::writes([step]))).unwrap_err();
            assert_eq!(error.kind(), kind);
        }
        let error = block_on(copy_buf(&mut &b"abc"[..], &mut Script::writes([Step::Take(0)]))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
    }

    #[test]
    fn a_dropped_copy_buf_leaves_the_rest_in_the_reader() {
        let mut reader = &b"abcdef"[..];
        let mut writer = Script::writes([Step::Take(2), Step::Wait]);
        assert!(poll_once(pin!(copy_buf(&mut reader, &mut writer))).is_pending());
        assert_eq!(reader, b"cdef");
        assert_eq!(block_on(copy_buf(&mut reader, &mut writer)).unwrap(), 4);
        assert_eq!(writer.written, b"abcdef");
    }

    #[test]
    fn a_copy_without_end_gives_the_worker_back() {
        coop::budget(|| {
            let mut cx = Context::from_waker(Waker::noop());
            let (mut source, mut target) = (repeat(1), sink());
            assert!(pin!(copy(&mut source, &mut target)).poll(&mut cx).is_pending());
            assert!(!coop::has_budget_remaining());
        });
    }

    #[test]
    #[should_panic(expected = "took more bytes than it was given")]
    fn a_writer_that_lies_is_found_out() {
        struct Lies;
        impl AsyncWrite for Lies {
            fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                Poll::Ready(Ok(buf.len() + 1))
            }
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
        let _ = block_on(copy(&mut &b"abc"[..], &mut Lies));
    }

    #[test]
    fn one_direction_goes_on_after_the_other_has_ended() {
        let mut a = Script::reads([give(b"from a")]);
        let mut b = Script::reads([Step::Wait, Step::Wait, give(b"from b, "), Step::Wait, give(b"late")]);
        assert_eq!(block_on(copy_bidirectional(&mut a, &mut b)).unwrap(), (6, 12));
        assert_eq!((a.written.as_slice(), a.shutdowns), (&b"from b, late"[..], 1));
        assert_eq!((b.written.as_slice(), b.shutdowns), (&b"from a"[..], 1));
    }

    #[test]
    fn an_error_in_one_direction_ends_both() {
        let mut a = Script::reads([Step::Wait, give(b"late")]);
        let mut b = Script::reads([Step::Fail(ErrorKind::ConnectionReset)]);
        let error = block_on(copy_bidirectional(&mut a, &mut b)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(b.written, b"");
    }

    #[test]
    fn a_proxy_of_small_pipes_carries_a_large_echo() {
        let (client, mut proxy_in) = duplex(7);
        let (mut proxy_out, server) = duplex(5);
        let bytes = numbered(1_000);
        let (mut client_reads, mut client_writes) = crate::split(client);
        let (mut server_reads, mut server_writes) = crate::split(server);
        let mut seen = Vec::new();
        block_on(async {
            let (proxied, echoed, written, read) = futures::join!(
                copy_bidirectional_with_sizes(&mut proxy_in, &mut proxy_out, 3, 4),
                async {
                    let copied = copy(&mut server_reads, &mut server_writes).await;
                    server_writes.shutdown().await.and(copied)
                },
                async {
                    client_writes.write_all(&bytes).await?;
                    client_writes.shutdown().await
                },
                client_reads.read_to_end(&mut seen),
            );
            assert_eq!(
                (proxied.unwrap(), echoed.unwrap(), read.unwrap()),
                ((1_000, 1_000), 1_000, 1_000)
            );
            written.unwrap();
        });
        assert_eq!(seen, bytes);
    }

    #[test]
    #[should_panic(expected = "`b_to_a_buf_size` must be greater than 0")]
    fn a_direction_without_a_buffer_panics() {
        let _ = block_on(copy_bidirectional_with_sizes(
            &mut Script::default(),
            &mut Script::default(),
            1,
            0,
        ));
    }
}
