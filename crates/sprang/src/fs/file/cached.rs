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

#[cfg(all(test, feature = "rt-multi-thread", target_os = "linux"))]
mod tests {
    use std::sync::mpsc::channel;

    use sprang_scheduler::blocking::AtClose;

    use super::*;
    use crate::io::AsyncReadExt;
    use crate::runtime::Builder;

    /// The text of this program, which is in memory.
    fn program() -> File {
        File::open(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn what_is_in_memory_is_read_though_no_thread_is_free() {
        if let Err(Refusal::ForGood) = read_now(&program(), &mut [0]) {
            // A file system without it.
            return;
        }
        const BYTES: usize = 300_000;
        let expected = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).max_blocking_threads(1).build().unwrap();
        let (release, released) = channel::<()>();
        let keeps = runtime
            .handle()
            .spawn_own_blocking(move || released.recv(), AtClose::Drop);
        let (say, said) = channel();
        runtime.spawn(async move {
            let mut bytes = vec![0; BYTES];
            let mut file = crate::fs::File::from_std(program());
            file.read_exact(&mut bytes[..1]).await.unwrap();
            file.read_exact(&mut bytes[1..]).await.unwrap();
            assert!(bytes == expected[..BYTES]);
            let mut file = crate::fs::File::from_std(program());
            file.set_max_buf_size(1000);
            assert_eq!(file.read(&mut bytes).await.unwrap(), 1000);
            say.send(()).unwrap();
        });
        let read = said.recv_timeout(std::time::Duration::from_secs(10));
        assert!(!keeps.is_finished());
        drop(release);
        read.expect("it waits for the thread");
    }
}
