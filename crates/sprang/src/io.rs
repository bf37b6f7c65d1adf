//! Traits, helpers and types for asynchronous reading and writing.
//!
//! Purpose: [`AsyncRead`], [`AsyncWrite`] and what is built on them. The traits and adaptors know no runtime; sockets
//! that implement them are in [`net`](crate::net).

pub use sprang_io::*;

#[cfg(feature = "net")]
pub use sprang_reactor::{Interest, Ready};
