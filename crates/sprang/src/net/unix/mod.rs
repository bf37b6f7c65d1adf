//! Unix sockets and pipes: addresses, credentials, the halves of a stream.
//!
//! The sockets themselves are [`UnixListener`](super::UnixListener), [`UnixStream`](super::UnixStream),
//! [`UnixDatagram`](super::UnixDatagram) and [`UnixSocket`](super::UnixSocket).

mod addr;
pub(crate) mod datagram;
mod halves;
#[cfg(feature = "stream")]
mod incoming;
pub(crate) mod listener;
#[allow(unsafe_code, reason = "asks libc for what std does not offer")]
pub mod pipe;
#[allow(unsafe_code, reason = "`FromRawFd`, whose caller vouches for the descriptor")]
pub(crate) mod socket;
pub(crate) mod stream;
#[allow(unsafe_code, reason = "asks libc for what std does not offer")]
mod ucred;

#[cfg(test)]
#[allow(unsafe_code, reason = "sends what std cannot send")]
mod tests;

pub use addr::SocketAddr;
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
#[cfg(feature = "stream")]
pub use incoming::Incoming;
pub use ucred::UCred;

/// The number of a user.
#[allow(non_camel_case_types, reason = "the name of the C type")]
pub type uid_t = u32;

/// The number of a group.
#[allow(non_camel_case_types, reason = "the name of the C type")]
pub type gid_t = u32;

/// The number of a process.
#[allow(non_camel_case_types, reason = "the name of the C type")]
pub type pid_t = i32;
