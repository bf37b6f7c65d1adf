//! Traits, helpers and types for asynchronous reading and writing.
//!
//! Purpose: [`AsyncRead`], [`AsyncWrite`] and what is built on them. The traits and adaptors know no runtime; sockets
//! that implement them are in [`net`](crate::net), files in [`fs`](crate::fs), and any other file descriptor goes into a
//! [`unix::AsyncFd`]. The streams of the process are here: [`stdin`], [`stdout`], [`stderr`].

pub use sprang_io::*;

#[cfg(feature = "net")]
pub use sprang_reactor::{Interest, Ready};
#[cfg(feature = "io-std")]
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(any(feature = "fs", feature = "io-std"))]
pub(crate) mod offload;
#[cfg(feature = "io-std")]
mod stdio;

#[cfg(all(feature = "net", unix))]
#[allow(unsafe_code, reason = "descriptors that their owners vouch for")]
pub mod unix;
