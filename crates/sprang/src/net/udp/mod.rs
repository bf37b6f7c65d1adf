//! UDP: the datagrams of a batch.
//!
//! The socket itself is [`UdpSocket`](super::UdpSocket).

#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code, reason = "asks libc for what neither std nor socket2 offers")]
mod batch;
mod options;
pub(crate) mod socket;

#[cfg(test)]
mod tests;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use batch::{Incoming, Outgoing};
