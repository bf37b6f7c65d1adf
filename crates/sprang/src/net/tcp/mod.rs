//! TCP: listeners, streams, and the halves of a stream.

pub(crate) mod listener;
#[allow(unsafe_code, reason = "`FromRawFd`, whose caller vouches for the descriptor")]
pub(crate) mod socket;
pub(crate) mod stream;

mod halves;
#[cfg(feature = "stream")]
mod incoming;

#[cfg(test)]
#[allow(unsafe_code, reason = "asks libc for what std does not offer")]
mod tests;

pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
#[cfg(feature = "stream")]
pub use incoming::Incoming;
