//! Operations that block, done for a task by the runtime's own blocking threads.
//!
//! Purpose: the hop of a call to such a thread and back, by itself or as one of a series that shares a buffer.
//!
//! Called by: `fs`, `stdio`. Calls: `runtime::blocking`.
//!
//! Invariants:
//! - I1: the bytes of a [`Buf`] outside of its range are left over from earlier use, and nobody sees them.
//! - I2: of a [`Series`] at most one operation is under way; the buffer is with it, and comes back with its outcome.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::mem;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sprang_core::coop;
use sprang_scheduler::blocking::AtClose;

use super::ReadBuf;
use crate::runtime::Handle;
use crate::runtime::blocking::ended;
use crate::task::{JoinError, JoinHandle};

/// The most bytes that go along with one hop, unless it is set otherwise.
pub(crate) const MAX_BUF_SIZE: usize = 2 * 1024 * 1024;

/// Begins to run `call` on a blocking thread. It is dropped if it is still queued when the runtime ends.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub(crate) fn start<R, F>(call: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Handle::with_current(|handle| handle.spawn_own_blocking(call, AtClose::Drop))
}

/// Whether calls are not run any more, since the runtime has ended.
///
/// # Panics
///
/// Outside of a runtime.
#[cfg_attr(not(feature = "fs"), expect(dead_code, reason = "for files"))]
#[track_caller]
pub(crate) fn is_refused() -> bool {
    Handle::with_current(Handle::refuses_own_blocking)
}

/// Operations with a buffer, one after the other.
#[derive(Debug)]
pub(crate) struct Series<O> {
    under_way: Option<JoinHandle<(O, Buf)>>,
    /// Empty while an operation is under way.
    pub(crate) buf: Buf,
}

impl<O: Send + 'static> Series<O> {
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins an operation. There must be none under way. It is dropped if it is still queued when the runtime ends.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub(crate) fn start(&mut self, operation: impl FnOnce(&mut Buf) -> O + Send + 'static) {
        self.under_way = Some(start(Self::with_buf(mem::take(&mut self.buf), operation)));
    }

    /// As [`start`](Self::start), for what is done even if it is still queued when the runtime ends.
    ///
    /// # Errors
    ///
    /// If the runtime has ended.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub(crate) fn promise(&mut self, operation: impl FnOnce(&mut Buf) -> O + Send + 'static) -> io::Result<()> {
        let call = Self::with_buf(mem::take(&mut self.buf), operation);
        Handle::with_current(|handle| {
            if handle.refuses_own_blocking() {
                return Err(ended());
            }
            self.under_way = Some(handle.spawn_own_blocking(call, AtClose::Run));
            Ok(())
        })
    }

    fn with_buf(mut buf: Buf, operation: impl FnOnce(&mut Buf) -> O) -> impl FnOnce() -> (O, Buf) {
        move || {
            let outcome = operation(&mut buf);
            (outcome, buf)
        }
    }

    /// Waits for the operation under way, if there is one.
    ///
    /// # Errors
    ///
    /// If it was not done.
    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<O>>> {
        let Some(under_way) = &mut self.under_way else {
            return Poll::Ready(Ok(None));
        };
        let ended = ready!(Pin::new(under_way).poll(cx));
        self.under_way = None;
        let (outcome, buf) = ended.map_err(not_run)?;
        self.buf = buf;
        Poll::Ready(Ok(Some(outcome)))
    }

    /// Hands out what the buffer holds, if that is something or nothing is wanted, within the task's budget.
    pub(crate) fn poll_buffered(&mut self, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Option<Poll<()>> {
        if self.is_under_way() || (self.buf.is_empty() && dst.remaining() > 0) {
            return None;
        }
        Some(coop::poll_proceed(cx).map(|unit| {
            unit.made_progress();
            self.buf.take_into(dst);
        }))
    }
}

impl<O> Default for Series<O> {
    fn default() -> Self {
        Self {
            under_way: None,
            buf: Buf::default(),
        }
    }
}

/// Why a call has no result.
pub(crate) fn not_run(error: JoinError) -> io::Error {
    let Ok(payload) = error.try_into_panic() else {
        return ended();
    };
    match payload.downcast::<String>() {
        // Among others, that the OS refused a thread.
        Ok(reason) => io::Error::other(*reason),
        Err(_) => io::Error::other("the operation panicked"),
    }
}

/// Bytes that were read and not taken yet, or that are to be written.
#[derive(Default)]
pub(crate) struct Buf {
    bytes: Vec<u8>,
    range: Range<usize>,
}

impl Buf {
    pub(crate) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    pub(crate) fn clear(&mut self) {
        self.range = 0..0;
    }

    /// Moves as many bytes to `dst` as it has room for.
    pub(crate) fn take_into(&mut self, dst: &mut ReadBuf<'_>) {
        let n = self.len().min(dst.remaining());
        dst.put_slice(&self.bytes[self.range.start..][..n]);
        self.range.start += n;
    }

    /// Makes the buffer hold what one call of `reader` gives, at most `max` bytes.
    pub(crate) fn read_from(&mut self, reader: &mut impl Read, max: usize) -> io::Result<()> {
        self.clear();
        if self.bytes.len() < max {
            self.bytes = vec![0; max];
        }
        let n = loop {
            match reader.read(&mut self.bytes[..max]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.range = 0..n;
        Ok(())
    }

    /// Makes the buffer hold a copy of what the slices hold one after the other, or of its first `max` bytes; returns
    /// how many.
    pub(crate) fn copy_from(&mut self, slices: &[IoSlice<'_>], max: usize) -> usize {
        self.bytes.clear();
        for slice in slices {
            let room = max - self.bytes.len();
            self.bytes.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        self.range = 0..self.bytes.len();
        self.len()
    }

    /// Writes all that the buffer holds, and empties it even if that fails.
    pub(crate) fn write_to(&mut self, writer: &mut impl Write) -> io::Result<()> {
        let range = mem::take(&mut self.range);
        writer.write_all(&self.bytes[range])
    }
}

impl fmt::Debug for Buf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buf").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(buf: &mut Buf, room: usize) -> Vec<u8> {
        let mut dst = vec![0; room];
        let mut dst = ReadBuf::new(&mut dst);
        buf.take_into(&mut dst);
        dst.filled().to_vec()
    }

    #[test]
    fn a_buffer_shows_only_what_was_put_in_last() {
        let mut buf = Buf::default();
        assert_eq!(buf.copy_from(&[IoSlice::new(b"abcdef")], 4), 4);
        let mut written = Vec::new();
        buf.write_to(&mut written).unwrap();
        assert_eq!(written, b"abcd");
        assert!(buf.is_empty());

        buf.read_from(&mut &b"xyz"[..], 2).unwrap();
        assert_eq!(taken(&mut buf, 1), b"x");
        assert_eq!(taken(&mut buf, 9), b"y");
        assert_eq!(taken(&mut buf, 9), b"");

        let slices = [b"12".as_slice(), b"", b"34", b"56"].map(IoSlice::new);
        assert_eq!(buf.copy_from(&slices, 3), 3);
        assert_eq!(taken(&mut buf, 9), b"123");
    }

    #[test]
    fn a_read_that_is_interrupted_is_repeated_and_one_that_fails_leaves_nothing() {
        struct Script(Vec<io::Result<u8>>);
        impl Read for Script {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                buf[0] = self.0.remove(0)?;
                Ok(1)
            }
        }
        let mut script = Script(vec![
            Ok(b'a'),
            Err(io::ErrorKind::Interrupted.into()),
            Ok(b'b'),
            Err(io::ErrorKind::NotFound.into()),
        ]);
        let mut buf = Buf::default();
        buf.read_from(&mut script, 8).unwrap();
        buf.read_from(&mut script, 8).unwrap();
        assert_eq!(taken(&mut buf, 8), b"b");
        buf.copy_from(&[IoSlice::new(b"old")], 3);
        let error = buf.read_from(&mut script, 8).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(buf.is_empty());
    }
}
