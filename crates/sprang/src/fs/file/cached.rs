//! Reads of what the OS has in memory already.
//!
//! Purpose: such a read takes no longer than a copy, so that the hop to a blocking thread, and the copy out of its buffer,
//! can be spared. Linux is asked to read only if it need not wait (`RWF_NOWAIT`).
//!
//! Called by: `cursor`. Calls: `preadv2`.
//!
//! Invariants:
//! - I1: an end of the file, or an error, is never taken from here: the blocking thread that reads next finds it as well.
//!   (Linux 5.9 and 5.10 say "the end" where they should say that they would have to wait.)
//! - I2: a task copies no more than about [`MAX`] bytes twice before others have their turn: bytes are paid for from its
//!   budget.

use std::fs::File;
use std::task::{Context, Poll, ready};

use sprang_core::coop;

use crate::io::{ReadBuf, offload};

/// The most bytes that are read at a time.
const MAX: usize = 1024 * 1024;

/// Bytes that cost as much of a task's budget as any other operation. A whole budget is [`MAX`].
const BYTES_PER_UNIT: usize = MAX / coop::BUDGET as usize;

/// Whether it is worth a try with a file.
#[derive(Debug, Default)]
pub(super) struct Cached {
    /// The file, or the OS, cannot do it.
    is_refused: bool,
}

impl Cached {
    /// Reads at most `max` bytes from where the file stands; false if they are not there, or may not be.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        dst: &mut ReadBuf<'_>,
        max: usize,
    ) -> Poll<bool> {
        if self.is_refused || offload::is_refused() {
            return Poll::Ready(false);
        }
        let unit = ready!(coop::poll_proceed(cx));
        let len = dst.remaining().min(max).min(MAX);
        match read_now(file, dst.initialize_unfilled_to(len)) {
            Ok(n) if n > 0 => {
                unit.made_progress();
                dst.advance(n);
                pay_for(n, cx);
                Poll::Ready(true)
            }
            Ok(_) | Err(Refusal::WouldWait) => Poll::Ready(false),
            Err(Refusal::ForGood) => {
                self.is_refused = true;
                Poll::Ready(false)
            }
        }
    }
}

/// Takes from the task's budget what `n` bytes cost besides the first unit.
fn pay_for(n: usize, cx: &mut Context<'_>) {
    for _ in 0..n / BYTES_PER_UNIT {
        if !coop::has_budget_remaining() {
            return;
        }
        if let Poll::Ready(unit) = coop::poll_proceed(cx) {
            unit.made_progress();
        }
    }
}

/// Why nothing was read.
enum Refusal {
    WouldWait,
    ForGood,
}

#[cfg(target_os = "linux")]
fn read_now(file: &File, dst: &mut [u8]) -> Result<usize, Refusal> {
    use std::io::IoSliceMut;

    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    // From where it stands, and on from there: what the offset of all ones means.
    match preadv2(file, &mut [IoSliceMut::new(dst)], u64::MAX, ReadWriteFlags::NOWAIT) {
        Ok(n) => Ok(n),
        Err(Errno::AGAIN | Errno::INTR) => Err(Refusal::WouldWait),
        Err(_) => Err(Refusal::ForGood),
    }
}

#[cfg(not(target_os = "linux"))]
fn read_now(_: &File, _: &mut [u8]) -> Result<usize, Refusal> {
    Err(Refusal::ForGood)
}
