//! Sockets and pipes for async tasks.
//!
//! | type | what it is |
//! |---|---|
//! | [`TcpListener`], [`UnixListener`] | a socket that accepts connections |
//! | [`TcpStream`], [`UnixStream`] | a connection |
//! | [`UdpSocket`], [`UnixDatagram`] | a socket for datagrams |
//! | [`TcpSocket`], [`UnixSocket`] | a socket to configure before it connects or listens |
//! | [`tcp`], [`unix`] | the halves of a stream that was split; addresses and credentials of Unix |
//! | [`udp`] | datagrams that go and come in batches |
//! | [`unix::pipe`] | pipes |
//! | [`ToSocketAddrs`], [`lookup_host`] | names and addresses |
//!
//! Any other file descriptor that can be waited for goes into an [`AsyncFd`](crate::io::unix::AsyncFd).
//!
//! Sockets belong to the runtime in whose context they were created: it must have its I/O driver enabled, and when it
//! is shut down, what waits on them gets an error. They can be used from every other thread and runtime.
//!
//! With the feature `futures-io`, streams, their halves and pipes implement the `AsyncRead` and `AsyncWrite` of
//! `futures::io`, too. Where the extension traits of both are in scope, a call such as `stream.read(…)` is ambiguous:
//! import those of one. Where the ones of `futures::io` are, `stream.split()` is theirs: write
//! `TcpStream::split(&mut stream)` for the halves of [`tcp`].
//
// Data flow: task → a socket type → `byte_stream`, `receive` → `sprang_reactor::PollEvented` (wait, budget) → mio,
// socket2 (system call). Nothing here keeps state of its own: readiness and waiters live in the reactor, everything else
// in the kernel.

#![deny(unsafe_code)]

mod addr;
mod byte_stream;
mod halves;
#[cfg(feature = "stream")]
mod incoming;
mod readiness;
#[allow(unsafe_code, reason = "receives into memory that is not initialised")]
mod receive;
mod resolve;
pub mod tcp;
#[cfg(test)]
pub(crate) mod testing;
pub mod udp;
#[cfg(unix)]
pub mod unix;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::listener::TcpListener;
pub use tcp::socket::TcpSocket;
pub use tcp::stream::TcpStream;
pub use udp::socket::UdpSocket;
#[cfg(unix)]
pub use unix::{datagram::UnixDatagram, listener::UnixListener, socket::UnixSocket, stream::UnixStream};

/// Catches a socket in blocking mode, which would block its worker.
#[track_caller]
fn debug_assert_nonblocking(socket: &impl std::os::fd::AsFd) -> std::io::Result<()> {
    if cfg!(debug_assertions) {
        assert!(
            socket2::SockRef::from(socket).nonblocking()?,
            "a socket in blocking mode cannot be used with the runtime: call `set_nonblocking(true)` on it first"
        );
    }
    Ok(())
}
