//! Where a file is being read or written: the operation under way, and the bytes that were read ahead.
//!
//! Purpose: the order of operations on one file, of which only one runs at a time, on a blocking thread, and may be
//! abandoned by whoever waits for it.
//!
//! Called by: `file`. Calls: `io::offload`, `cached`, `ahead`.
//!
//! Invariants:
//! - I1: at most one operation is under way, and the buffer is with it (`offload`, I2).
//! - I2: the OS's position is ahead of the user's by as many bytes as the buffer holds. Whatever uses the position first
//!   goes back by as many.
//! - I3: an error of a write is reported once, by the next operation that can report it: a write, a flush, a sync. Only a
//!   write that was copied while the failing one was under way (`ahead`) comes before that, and is not done.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSlice, Seek, SeekFrom};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::ahead::{self, Ahead};
use super::cached::Cached;
use crate::io::ReadBuf;
use crate::io::offload::Series;

#[derive(Debug, Default)]
pub(super) struct Cursor {
    operations: Series<Outcome>,
    cached: Cached,
    /// What goes along with large writes.
    ahead: Option<Arc<Ahead>>,
    write_error: Option<io::Error>,
    /// Where the last seek went.
    position: u64,
}

/// What became of an operation.
#[derive(Debug)]
enum Outcome {
    Read(io::Result<()>),
    Write(io::Result<()>),
    Seek(io::Result<u64>),
    SetLen(io::Result<()>),
}

impl Cursor {
    /// Reads at most `max` bytes: what is in memory at once, else ahead.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        file: &Arc<File>,
        dst: &mut ReadBuf<'_>,
        max: usize,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(buffered) = self.operations.poll_buffered(cx, dst) {
                return buffered.map(Ok);
            }
            if !self.operations.is_under_way() {
                if ready!(self.cached.poll_read(cx, file, dst, max)) {
                    return Poll::Ready(Ok(()));
                }
                let (file, max) = (Arc::clone(file), max.min(dst.remaining()));
                self.operations
                    .start(move |buf| Outcome::Read(buf.read_from(&mut &*file, max)));
            }
            match ready!(self.poll_outcome(cx))? {
                Some(Outcome::Read(result)) => {
                    self.operations.buf.take_into(dst);
                    return Poll::Ready(result);
                }
                Some(Outcome::Write(Err(error))) => self.write_error = Some(error),
                _ => {}
            }
        }
    }

    /// Waits for the operation under way, and begins to write the bytes, at most `max`; returns how many that are.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        file: &Arc<File>,
        bufs: &[IoSlice<'_>],
        max: usize,
    ) -> Poll<io::Result<usize>> {
        let is_large = bufs.iter().map(|buf| buf.len()).sum::<usize>().min(max) >= ahead::WORTHWHILE;
        if is_large
            && self.operations.is_under_way()
            && let Some(ahead) = &self.ahead
            && let Some(n) = ready!(ahead.poll_fill(cx, bufs, max))
        {
            return Poll::Ready(Ok(n));
        }
        ready!(self.poll_flush(cx))?;
        let back = self.way_back();
        let n = self.operations.buf.copy_from(bufs, max);
        let file = Arc::clone(file);
        let ahead = is_large.then(|| Arc::clone(self.ahead.get_or_insert_default()));
        if let Some(ahead) = &ahead {
            ahead.open();
        }
        self.operations.promise(move |buf| {
            let result = go_back(&file, back).and_then(|()| match ahead {
                Some(ahead) => ahead.write(&file, buf),
                None => buf.write_to(&mut &*file),
            });
            // They would pass for bytes read ahead, had it been given up before the write (I2).
            buf.clear();
            Outcome::Write(result)
        })?;
        Poll::Ready(Ok(n))
    }

    /// Waits for the operation under way, and reports the error of a write.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.write_error.take() {
            return Poll::Ready(Err(error));
        }
        match ready!(self.poll_outcome(cx))? {
            Some(Outcome::Write(result)) => Poll::Ready(result),
            _ => Poll::Ready(Ok(())),
        }
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Waits for the operation under way, whose error is reported later.
    pub(super) async fn settle(&mut self) {
        if let Err(error) = self.flush().await {
            self.write_error = Some(error);
        }
    }

    pub(super) fn start_seek(&mut self, file: &Arc<File>, to: SeekFrom) -> io::Result<()> {
        if self.operations.is_under_way() {
            return Err(io::Error::other(
                "an operation is under way: call `poll_complete` before `start_seek`",
            ));
        }
        let back = self.way_back();
        let file = Arc::clone(file);
        self.operations
            .start(move |_| Outcome::Seek(go_back(&file, back).and_then(|()| (&*file).seek(to))));
        Ok(())
    }

    /// Waits for the operation under way, and returns where the last seek went.
    pub(super) fn poll_complete(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match ready!(self.poll_outcome(cx))? {
            Some(Outcome::Seek(result)) => return Poll::Ready(result),
            Some(Outcome::Write(Err(error))) => self.write_error = Some(error),
            _ => {}
        }
        Poll::Ready(Ok(self.position))
    }

    /// Sets the length of the file, after the operation under way.
    pub(super) async fn set_len(&mut self, file: &Arc<File>, len: u64) -> io::Result<()> {
        self.settle().await;
        // What was read ahead may be cut off.
        let back = self.way_back();
        let file = Arc::clone(file);
        self.operations
            .start(move |_| Outcome::SetLen(go_back(&file, back).and_then(|()| file.set_len(len))));
        match poll_fn(|cx| self.poll_outcome(cx)).await? {
            Some(Outcome::SetLen(result)) => result,
            _ => unreachable!("nothing else was begun"),
        }
    }

    /// Waits for the operation under way, if there is one.
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Outcome>>> {
        let outcome = ready!(self.operations.poll_outcome(cx));
        if let Some(ahead) = &self.ahead {
            ahead.close();
        }
        let outcome = outcome?;
        if let Some(Outcome::Seek(Ok(position))) = outcome {
            self.position = position;
        }
        Poll::Ready(Ok(outcome))
    }

    /// Forgets what was read ahead, and returns by how much the OS's position has to go back for it.
    fn way_back(&mut self) -> i64 {
        let ahead = i64::try_from(self.operations.buf.len()).expect("a buffer is smaller than the memory");
        self.operations.buf.clear();
        -ahead
    }
}

fn go_back(mut file: &File, by: i64) -> io::Result<()> {
    match by {
        // Not every file can seek.
        0 => Ok(()),
        _ => file.seek(SeekFrom::Current(by)).map(drop),
    }
}
