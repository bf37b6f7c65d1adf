//! What the unit tests share: a stream that does what a script says, and ways to poll.
//!
//! Called by: the `tests` modules of this crate.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

pub(crate) use futures::executor::block_on;
use sprang_core::primitive::sync::atomic::{AtomicUsize, Ordering};
use sprang_core::rng::Rng;

use crate::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// What the next operation does.
#[derive(Debug)]
pub(crate) enum Step {
    /// A read returns (at most) these bytes; what does not fit is left for the next one.
    Give(Vec<u8>),
    /// A write takes at most that many bytes.
    Take(usize),
    /// The operation is pending; the task is woken at once.
    Wait,
    Fail(ErrorKind),
}

pub(crate) fn give(bytes: &[u8]) -> Step {
    Step::Give(bytes.to_vec())
}

/// A stream with a script for each direction. After its script, a read is at the end of the stream and a write takes
/// everything.
#[derive(Debug, Default)]
pub(crate) struct Script {
    reads: VecDeque<Step>,
    writes: VecDeque<Step>,
    pub(crate) written: Vec<u8>,
    pub(crate) write_calls: usize,
    pub(crate) flushes: usize,
    pub(crate) shutdowns: usize,
    vectored: bool,
    pub(crate) seeks: Vec<SeekFrom>,
    seek_waits: usize,
    seek_waits_left: usize,
}

impl Script {
    pub(crate) fn reads(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            reads: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    pub(crate) fn writes(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            writes: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Takes vectored writes from now on.
    pub(crate) fn vectored(mut self) -> Self {
        self.vectored = true;
        self
    }

    /// Each seek is pending `waits` times from now on.
    pub(crate) fn slow_seeks(mut self, waits: usize) -> Self {
        self.seek_waits = waits;
        self
    }

    /// `bytes` in pieces of random lengths, with waits and interruptions between them.
    pub(crate) fn pieces(rng: &mut Rng, mut bytes: &[u8]) -> Self {
        let mut steps = Vec::new();
        while !bytes.is_empty() {
            match rng.below(4) {
                0 => steps.push(Step::Wait),
                1 => steps.push(Step::Fail(ErrorKind::Interrupted)),
                _ => {
                    let (piece, rest) = bytes.split_at((1 + rng.below(40) as usize).min(bytes.len()));
                    steps.push(give(piece));
                    bytes = rest;
                }
            }
        }
        Self::reads(steps)
    }

    /// Writes that take few bytes, wait, and are interrupted.
    pub(crate) fn slow_writes(rng: &mut Rng, steps: usize) -> Self {
        Self::writes((0..steps).map(|_| match rng.below(4) {
            0 => Step::Wait,
            1 => Step::Fail(ErrorKind::Interrupted),
            _ => Step::Take(1 + rng.below(30) as usize),
        }))
    }

    pub(crate) fn reads_left(&self) -> usize {
        self.reads.len()
    }

    fn take(&mut self, bytes: &[u8], most: usize) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(most);
        self.written.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }
}

fn wait<T>(cx: &mut Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.reads.pop_front() {
            None => Poll::Ready(Ok(())),
            Some(Step::Give(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buf.remaining()));
                buf.put_slice(&bytes);
                if !rest.is_empty() {
                    self.reads.push_front(Step::Give(rest));
                }
                Poll::Ready(Ok(()))
            }
            Some(Step::Wait) => wait(cx),
            Some(Step::Fail(kind)) => Poll::Ready(Err(kind.into())),
            Some(step @ Step::Take(_)) => panic!("{step:?} in a script of reads"),
        }
    }
}

impl AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write_calls += 1;
        match self.writes.pop_front() {
            None => self.take(buf, usize::MAX),
            Some(Step::Take(most)) => self.take(buf, most),
            Some(Step::Wait) => wait(cx),
            Some(Step::Fail(kind)) => Poll::Ready(Err(kind.into())),
            Some(step @ Step::Give(_)) => panic!("{step:?} in a script of writes"),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shutdowns += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = bufs.iter().flat_map(|buf| buf.iter().copied()).collect::<Vec<_>>();
        assert!(self.vectored, "a vectored write that the stream did not ask for");
        self.poll_write(cx, &bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }
}

impl AsyncSeek for Script {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        if let SeekFrom::Current(i64::MAX) = position {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.seeks.push(position);
        self.seek_waits_left = self.seek_waits;
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if self.seek_waits_left > 0 {
            self.seek_waits_left -= 1;
            return wait(cx);
        }
        Poll::Ready(Ok(self.seeks.len() as u64))
    }
}

/// Polls once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (wakes.clone(), wakes.into())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Bytes that tell their place.
pub(crate) fn numbered(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}
