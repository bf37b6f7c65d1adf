//! The extension traits: methods that return futures, for every reader, writer and seeker.
//!
//! Purpose: what users call. Each method makes a small future that polls the trait below it; the futures hold nothing
//! but borrows and a position, so they are `Send`, `Sync` and `Unpin` whenever what they borrow allows it.
//!
//! Data flow: called by users; calls the `poll_*` methods of `traits`. `numbers` holds the integers and floats of both
//! directions, `read_to_end` the growing of vectors.
//!
//! An [`Interrupted`](std::io::ErrorKind::Interrupted) error is tried again at once by the futures that make several
//! attempts (`read_exact`, `write_all`, …), as in `std`, and is returned by those that make one (`read`, `write`, …).

#![allow(
    unnameable_types,
    reason = "the futures are named in signatures, so that generic callers see their auto traits, but are not API"
)]

mod buf_read;
#[allow(unsafe_code, reason = "a borrow the compiler cannot follow")]
mod fill_buf;
mod numbers;
mod read;
#[allow(unsafe_code, reason = "hands uninitialised memory to a reader")]
mod read_buf;
#[allow(unsafe_code, reason = "hands the spare capacity of a vector to a reader")]
mod read_to_end;
mod seek;
mod write;

pub use buf_read::AsyncBufReadExt;
pub(crate) use buf_read::poll_read_until;
pub use read::AsyncReadExt;
pub use seek::AsyncSeekExt;
pub use write::AsyncWriteExt;

use std::io;

/// Whether an operation is to be tried again at once.
#[inline]
pub(crate) fn interrupted<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::Interrupted)
}
