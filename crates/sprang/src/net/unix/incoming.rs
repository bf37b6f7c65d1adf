//! The connections of a Unix listener, as a stream.
//!
//! Called by: `UnixListener::incoming`. Calls: `net::incoming`, which makes the type, and `listener`.

use super::listener::UnixListener;
use super::stream::UnixStream;

crate::net::incoming::incoming!(UnixListener, UnixStream);
