//! Traits, helpers and types for asynchronous reading and writing.
//!
//! Purpose: [`AsyncRead`], [`AsyncWrite`] and what is built on them. The traits and adaptors know no runtime; sockets
//! that implement them are in [`net`](crate::net), and any other file descriptor goes into a
//! [`unix::AsyncFd`].

pub use sprang_io::*;

#[cfg(feature = "net")]
pub use sprang_reactor::{Interest, Ready};

#[cfg(all(feature = "net", unix))]
#[allow(unsafe_code, reason = "descriptors that their owners vouch for")]
pub mod unix;
