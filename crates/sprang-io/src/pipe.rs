//! Pipes in memory: [`duplex`] for both directions, [`simplex`] for one.
//!
//! Data flow: a [`SimplexStream`] is one direction, a bounded queue of bytes with a waiting reader and a waiting writer.
//! A [`DuplexStream`] shares two of them with its peer, each behind a lock; [`simplex`] shares one by
//! [`split`](crate::split()).
//!
//! Invariants
//! - I1: `queue.len() <= capacity`.
//! - I2: a reader waits only while the queue is empty and open, a writer only while it is full and open: whoever
//!   changes that takes the waker out and wakes it.
//! - I3: no waker is woken or dropped under the lock of a [`DuplexStream`]; they leave it in [`Aftermath`]. One is cloned
//!   under it, before anything is changed.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use sprang_core::coop;
use sprang_core::primitive::sync::{Arc, Mutex};
use sprang_core::wake_batch::WakeBatch;

use crate::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf, split};

/// Two streams in memory: what is written to one is read from the other. Each direction holds at most `max_buf_size`
/// bytes; a writer waits while it is full.
///
/// When one of them is dropped, the other one reads what is left and is then at its end; writing to it fails with
/// `BrokenPipe`. A shutdown ends one direction alone.
///
/// # Panics
///
/// If `max_buf_size` is 0.
///
/// # Examples
///
/// ```
/// use sprang_io::{AsyncReadExt, AsyncWriteExt, duplex};
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let (mut client, mut server) = duplex(64);
/// client.write_all(b"ping").await?;
/// let mut request = [0; 4];
/// server.read_exact(&mut request).await?;
/// assert_eq!(&request, b"ping");
/// drop(server);
/// assert_eq!(client.read(&mut request).await?, 0);
/// # Ok(()) })
/// # }
/// ```
#[track_caller]
pub fn duplex(max_buf_size: usize) -> (DuplexStream, DuplexStream) {
    let there = Arc::new(Mutex::new(SimplexStream::new_unsplit(max_buf_size)));
    let back = Arc::new(Mutex::new(SimplexStream::new_unsplit(max_buf_size)));
    let first = DuplexStream {
        read: there.clone(),
        write: back.clone(),
    };
    (
        first,
        DuplexStream {
            read: back,
            write: there,
        },
    )
}

/// A reader and a writer in memory: what is written to one is read from the other. The pipe holds at most
/// `max_buf_size` bytes; the writer waits while it is full.
///
/// Unlike the ends of a [`duplex`], a half that is dropped does not close the pipe: shut the writer down to end it.
///
/// # Panics
///
/// If `max_buf_size` is 0.
///
/// # Examples
///
/// ```
/// use sprang_io::{AsyncReadExt, AsyncWriteExt, simplex};
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let (mut reader, mut writer) = simplex(64);
/// writer.write_all(b"hello").await?;
/// writer.shutdown().await?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # Ok(()) })
/// # }
/// ```
#[track_caller]
pub fn simplex(max_buf_size: usize) -> (ReadHalf<SimplexStream>, WriteHalf<SimplexStream>) {
    split(SimplexStream::new_unsplit(max_buf_size))
}

/// One end of a pipe for both directions. Made by [`duplex`].
#[derive(Debug)]
pub struct DuplexStream {
    read: Arc<Mutex<SimplexStream>>,
    write: Arc<Mutex<SimplexStream>>,
}

// A panic under the lock leaves a whole queue behind: bytes and wakers are changed after everything that can panic.
impl UnwindSafe for DuplexStream {}
impl RefUnwindSafe for DuplexStream {}

/// A pipe in memory for one direction, unsplit: what is written to it is read from it.
///
/// See [`simplex`] for its halves.
#[derive(Debug)]
pub struct SimplexStream {
    queue: VecDeque<u8>,
    capacity: usize,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What is left to do with wakers once the lock is released (I3).
#[derive(Default)]
struct Aftermath {
    wake: Option<Waker>,
    /// Is only dropped.
    replaced: Option<Waker>,
}

impl Aftermath {
    /// Puts the task of `cx` into `slot`.
    fn wait(&mut self, slot: &mut Option<Waker>, cx: &Context<'_>) {
        if !slot.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.replaced = slot.replace(cx.waker().clone());
        }
    }
}

/// Runs one operation on a pipe, within the task's budget, and wakes the other side after it.
fn poll_pipe<T>(cx: &mut Context<'_>, operation: impl FnOnce(&mut Context<'_>, &mut Aftermath) -> Poll<T>) -> Poll<T> {
    let unit = ready!(coop::poll_proceed(cx));
    let mut aftermath = Aftermath::default();
    let result = operation(cx, &mut aftermath);
    if result.is_ready() {
        unit.made_progress();
    }
    if let Some(waker) = aftermath.wake.take() {
        waker.wake();
    }
    result
}

impl SimplexStream {
    /// A pipe that holds at most `max_buf_size` bytes, and reads back what is written to it.
    ///
    /// # Panics
    ///
    /// If `max_buf_size` is 0.
    #[track_caller]
    pub fn new_unsplit(max_buf_size: usize) -> SimplexStream {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        SimplexStream {
            queue: VecDeque::new(),
            capacity: max_buf_size,
            closed: false,
            reader: None,
            writer: None,
        }
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>, after: &mut Aftermath) -> Poll<()> {
        if buf.remaining() == 0 {
            return Poll::Ready(());
        }
        if self.queue.is_empty() {
            if self.closed {
                return Poll::Ready(());
            }
            after.wait(&mut self.reader, cx);
            return Poll::Pending;
        }
        let (front, back) = self.queue.as_slices();
        let from_front = front.len().min(buf.remaining());
        buf.put_slice(&front[..from_front]);
        let from_back = back.len().min(buf.remaining());
        buf.put_slice(&back[..from_back]);
        self.queue.drain(..from_front + from_back);
        after.wake = self.writer.take();
        Poll::Ready(())
    }

    fn poll_put(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        after: &mut Aftermath,
    ) -> Poll<io::Result<usize>> {
        if self.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let before = self.queue.len();
        if before == self.capacity {
            after.wait(&mut self.writer, cx);
            return Poll::Pending;
        }
        for buf in bufs {
            let room = self.capacity - self.queue.len();
            self.queue.extend(&buf[..buf.len().min(room)]);
        }
        after.wake = self.reader.take();
        Poll::Ready(Ok(self.queue.len() - before))
    }

    /// Ends the pipe. Returns who waits for something to read, and who waits for room.
    #[must_use]
    fn close(&mut self) -> [Option<Waker>; 2] {
        self.closed = true;
        [self.reader.take(), self.writer.take()]
    }
}

/// Wakes all, also if one of them panics.
fn wake_all(wakers: impl IntoIterator<Item = Option<Waker>>) {
    let mut batch = WakeBatch::new();
    wakers.into_iter().flatten().for_each(|waker| batch.push(waker));
    batch.wake_all();
}

impl AsyncRead for SimplexStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_pipe(cx, |cx, after| self.get_mut().poll_take(cx, buf, after)).map(Ok)
    }
}

impl AsyncWrite for SimplexStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        wake_all(self.get_mut().close());
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_pipe(cx, |cx, after| self.get_mut().poll_put(cx, bufs, after))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_pipe(cx, |cx, after| self.read.lock().poll_take(cx, buf, after)).map(Ok)
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let waiting = self.write.lock().close();
        wake_all(waiting);
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_pipe(cx, |cx, after| self.write.lock().poll_put(cx, bufs, after))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        let [peer_reads, own_write] = self.write.lock().close();
        let [own_read, peer_writes] = self.read.lock().close();
        wake_all([peer_reads, peer_writes]);
        drop((own_write, own_read));
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::task::Wake;

    use super::*;
    use crate::testing::{Wakes, block_on, numbered, poll_once};
    use crate::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn bytes_cross_between_threads_in_order_however_small_the_pipe() {
        for capacity in [1, 7, 64] {
            let (mut client, mut server) = duplex(capacity);
            let bytes = numbered(3_000);
            let echo = std::thread::spawn(move || {
                let (mut reader, mut writer) = split(&mut server);
                block_on(crate::copy(&mut reader, &mut writer)).unwrap()
            });
            let (mut reader, mut writer) = split(&mut client);
            let mut seen = Vec::new();
            block_on(async {
                let writing = async {
                    writer.write_all(&bytes).await?;
                    writer.shutdown().await
                };
                let (written, read) = futures::join!(writing, reader.read_to_end(&mut seen));
                written.and(read).unwrap();
            });
            assert_eq!((seen, echo.join().unwrap()), (bytes, 3_000));
        }
    }

    #[test]
    fn a_reader_is_woken_by_bytes_and_a_writer_by_room() {
        let (mut client, mut server) = duplex(2);
        let (reader_wakes, reader) = Wakes::new();
        let (writer_wakes, writer) = Wakes::new();
        let mut memory = [0; 1];
        {
            let mut reading = pin!(server.read(&mut memory));
            assert!(reading.as_mut().poll(&mut Context::from_waker(&reader)).is_pending());
            assert!(reading.as_mut().poll(&mut Context::from_waker(&reader)).is_pending());
        }
        let mut writing = pin!(client.write_all(b"abc"));
        assert!(writing.as_mut().poll(&mut Context::from_waker(&writer)).is_pending());
        assert_eq!((reader_wakes.count(), writer_wakes.count()), (1, 0));
        assert_eq!(block_on(server.read(&mut memory)).unwrap(), 1);
        assert_eq!((reader_wakes.count(), writer_wakes.count()), (1, 1));
        assert!(poll_once(writing).is_ready());
    }

    #[test]
    fn the_last_waker_is_the_one_that_is_woken() {
        let (mut client, mut server) = duplex(2);
        let (first_wakes, first) = Wakes::new();
        let (second_wakes, second) = Wakes::new();
        for waker in [&first, &second] {
            assert!(
                pin!(server.read(&mut [0; 1]))
                    .poll(&mut Context::from_waker(waker))
                    .is_pending()
            );
        }
        drop(first);
        assert_eq!(
            std::sync::Arc::strong_count(&first_wakes),
            1,
            "the replaced waker is still held"
        );
        block_on(client.write_all(b"a")).unwrap();
        assert_eq!((first_wakes.count(), second_wakes.count()), (0, 1));
    }

    #[test]
    fn a_dropped_end_ends_reads_after_what_is_left_and_breaks_writes() {
        let (mut client, mut server) = duplex(4);
        block_on(client.write_all(b"ab")).unwrap();
        drop(client);
        assert_eq!(block_on(server.write(b"x")).unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut text = String::new();
        assert_eq!(block_on(server.read_to_string(&mut text)).unwrap(), 2);
    }

    #[test]
    fn a_dropped_end_wakes_the_reader_and_the_writer_of_its_peer() {
        let (mut client, server) = duplex(1);
        block_on(client.write_all(b"a")).unwrap();
        let (wakes, waker) = Wakes::new();
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(client.write_all(b"b")).poll(&mut cx).is_pending());
        assert!(pin!(client.read_u8()).poll(&mut cx).is_pending());
        drop(server);
        assert_eq!(wakes.count(), 2);
    }

    #[test]
    fn a_dropped_end_gives_up_its_own_waker_without_waking_it() {
        let (_client, mut server) = duplex(1);
        let (wakes, waker) = Wakes::new();
        assert!(
            pin!(server.read_u8())
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop((server, waker));
        assert_eq!((wakes.count(), std::sync::Arc::strong_count(&wakes)), (0, 1));
    }

    #[test]
    fn a_shutdown_ends_one_direction_alone() {
        let (mut client, mut server) = duplex(4);
        block_on(client.shutdown()).unwrap();
        assert_eq!(block_on(server.read(&mut [0; 1])).unwrap(), 0);
        assert_eq!(block_on(client.write(b"x")).unwrap_err().kind(), ErrorKind::BrokenPipe);
        block_on(server.write_all(b"ok")).unwrap();
        assert_eq!(block_on(client.read_u16()).unwrap(), u16::from_be_bytes(*b"ok"));
    }

    #[test]
    fn a_vectored_write_takes_what_fits() {
        let (mut client, mut server) = duplex(3);
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")];
        assert_eq!(block_on(client.write_vectored(&slices)).unwrap(), 3);
        assert!(poll_once(pin!(client.write_vectored(&slices))).is_pending());
        assert_eq!(block_on(client.write_vectored(&[IoSlice::new(b"")])).unwrap(), 0);
        assert_eq!(block_on(server.read(&mut [0; 8])).unwrap(), 3);
    }

    #[test]
    fn operations_on_no_bytes_are_ready_at_once() {
        let (mut client, _server) = duplex(1);
        assert_eq!(block_on(client.read(&mut [])).unwrap(), 0);
        block_on(client.write_all(b"a")).unwrap();
        assert_eq!(block_on(client.write(b"")).unwrap(), 0);
    }

    #[test]
    fn a_stream_that_is_always_ready_gives_the_worker_back() {
        let (mut client, mut server) = duplex(1);
        let mut rounds = 0;
        coop::budget(|| {
            while poll_once(pin!(client.write_u8(1))).is_ready() && poll_once(pin!(server.read_u8())).is_ready() {
                rounds += 1;
            }
        });
        assert_eq!(rounds, usize::from(coop::BUDGET) / 2);
    }

    #[test]
    fn a_waker_may_use_the_pipe_and_may_panic() {
        struct Reads(Mutex<Option<DuplexStream>>);
        impl Wake for Reads {
            fn wake(self: std::sync::Arc<Self>) {
                let mut server = self.0.lock().take().unwrap();
                assert_eq!(block_on(server.read_u8()).unwrap(), b'a');
                panic!("in a waker");
            }
        }
        let (mut client, mut server) = duplex(1);
        let reads = std::sync::Arc::new(Reads(Mutex::default()));
        let waker = reads.clone().into();
        assert!(
            pin!(server.read_u8())
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        *reads.0.lock() = Some(server);
        assert!(catch_unwind(AssertUnwindSafe(|| block_on(client.write(b"a")))).is_err());
        assert_eq!(block_on(client.write(b"b")).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn an_unsplit_pipe_reads_back_what_is_written() {
        let mut pipe = SimplexStream::new_unsplit(4);
        block_on(pipe.write_all(b"abc")).unwrap();
        block_on(pipe.shutdown()).unwrap();
        let mut text = String::new();
        block_on(pipe.read_to_string(&mut text)).unwrap();
        assert_eq!(text, "abc");
    }

    #[test]
    #[should_panic(expected = "greater than 0")]
    fn a_pipe_without_room_panics() {
        let _ = duplex(0);
    }
}
