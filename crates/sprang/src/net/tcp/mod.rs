//! TCP: listeners, streams, and the halves of a stream.

pub(crate) mod listener;
#[allow(unsafe_code, reason = "`FromRawFd`, whose caller vouches for the descriptor")]
pub(crate) mod socket;
#[allow(unsafe_code, reason = "reads into memory that is not initialised")]
pub(crate) mod stream;

mod split;
mod split_owned;

#[cfg(test)]
#[allow(unsafe_code, reason = "asks libc for what std does not offer")]
mod tests;

pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
