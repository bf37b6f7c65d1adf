//! Bytes to be written after those that are being written.
//!
//! Purpose: large writes one after the other. The task copies the next one while a blocking thread writes the one before,
//! and that thread goes on with it; otherwise copies and writes would take turns.
//!
//! Called by: `cursor`, for the task and for the thread.
//!
//! Invariants:
//! - I1: what is in `next` is written by the thread, or dropped because a write before it failed: while `is_open` is set,
//!   the thread looks at `next` before it ends. It clears `is_open` under the lock, with nothing left in `next`.
//! - I2: the task that waits for room is woken when there is some, or when the thread ends.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use sprang_core::coop;

use crate::io::offload::Buf;

/// The least bytes whose copy is worth the effort. The error of a write comes one write later for those that follow.
pub(super) const WORTHWHILE: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Empty if there is room.
    next: Buf,
    is_open: bool,
    waker: Option<Waker>,
}

impl Ahead {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a thread that is about to [write](Self::write).
    pub(super) fn open(&self) {
        self.lock().is_open = true;
    }

    /// For a thread that is no more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_open = false;
        state.next.clear();
    }

    /// Copies the bytes, at most `max`, for the thread; returns how many that are, or `None` if there is no thread, or no
    /// room: in that case the task is woken when there is.
    pub(super) fn poll_fill(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>], max: usize) -> Poll<Option<usize>> {
        let unit = ready!(coop::poll_proceed(cx));
        // Cloned and dropped without the lock: a waker may be anybody's.
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        if !state.is_open {
            return Poll::Ready(None);
        }
        if state.next.is_empty() {
            unit.made_progress();
            return Poll::Ready(Some(state.next.copy_from(bufs, max)));
        }
        mem::swap(&mut state.waker, &mut waker);
        Poll::Ready(None)
    }

    /// Writes all that `buf` holds, and whatever comes meanwhile, until a write fails or nothing is left.
    pub(super) fn write(&self, file: &File, buf: &mut Buf) -> io::Result<()> {
        loop {
            let result = buf.write_to(&mut &*file);
            let mut state = self.lock();
            let goes_on = result.is_ok() && !state.next.is_empty();
            if goes_on {
                mem::swap(buf, &mut state.next);
            } else {
                state.next.clear();
                state.is_open = false;
            }
            let waker = state.waker.take();
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
            if !goes_on {
                return result;
            }
        }
    }
}
