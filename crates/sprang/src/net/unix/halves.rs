//! The halves of a Unix stream.
//!
//! Called by: `UnixStream::split` and `UnixStream::into_split`. Calls: `net::halves`, which makes the types, and `stream`.

use super::SocketAddr;
use super::stream::UnixStream;

crate::net::halves::halves!(UnixStream, SocketAddr);
