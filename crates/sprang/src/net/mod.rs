//! TCP sockets for async tasks.
//!
//! | type | what it is |
//! |---|---|
//! | [`TcpListener`] | a socket that accepts connections |
//! | [`TcpStream`] | a connection |
//! | [`TcpSocket`] | a socket to configure before it connects or listens |
//! | [`tcp`] | the halves of a stream that was split |
//! | [`ToSocketAddrs`], [`lookup_host`] | names and addresses |
//!
//! Sockets belong to the runtime in whose context they were created: it must have its I/O driver enabled, and when it
//! is shut down, what waits on them gets an error. They can be used from every other thread and runtime.
//
// Data flow: task → `tcp::*` → `sprang_reactor::PollEvented` (wait, budget) → mio (system call). Nothing here keeps
// state of its own: readiness and waiters live in the reactor, everything else in the kernel.

#![deny(unsafe_code)]

mod addr;
mod resolve;
pub mod tcp;
#[cfg(test)]
pub(crate) mod testing;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::listener::TcpListener;
pub use tcp::socket::TcpSocket;
pub use tcp::stream::TcpStream;
