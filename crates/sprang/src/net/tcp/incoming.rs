//! The connections of a TCP listener, as a stream.
//!
//! Called by: `TcpListener::incoming`. Calls: `net::incoming`, which makes the type, and `listener`.

use super::listener::TcpListener;
use super::stream::TcpStream;

crate::net::incoming::incoming!(TcpListener, TcpStream);
