//! What talks to the servers of the network workloads from outside.
//!
//! Purpose: plain threads and sockets, the same for all runtimes, so that of two measurements only the servers differ.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt};

use crate::timed;

mod echo;

pub use echo::{Client, MESSAGE};

/// A socket that blocks.
///
/// It is reset when it is closed, so that no run leaves its ports to the next one in TIME_WAIT.
///
/// # Errors
///
/// Those of the system's calls.
pub fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
    Ok(stream)
}

/// One message and its echo, over a socket that blocks.
///
/// # Panics
///
/// If what comes back differs, or nothing does.
#[track_caller]
pub fn round_trip(client: &mut TcpStream, number: u64) {
    let mut message = [b'.'; MESSAGE];
    message[..8].copy_from_slice(&number.to_le_bytes());
    client.write_all(&message).expect("the server reads");
    let mut reply = [0; MESSAGE];
    client.read_exact(&mut reply).expect("the server replies");
    assert_eq!(reply, message);
}

/// Keeps sockets open that nobody uses any more, without a descriptor each.
///
/// They wait as messages in the queue of a Unix socket, since both ends of ten thousand connections are more than the
/// descriptors that a process may have.
#[derive(Debug)]
pub struct Attic {
    into: UnixStream,
    /// The other end, which is never read.
    _queue: UnixStream,
}

impl Attic {
    /// Sockets to be taken at once, at most: the kernel's limit for one message.
    pub const BATCH: usize = 250;

    /// An empty one.
    ///
    /// # Errors
    ///
    /// Those of the system's calls.
    pub fn new() -> io::Result<Self> {
        let (into, queue) = UnixStream::pair()?;
        into.set_nonblocking(true)?;
        Ok(Self { into, _queue: queue })
    }

    /// Takes sockets in.
    ///
    /// # Errors
    ///
    /// Those of the system's calls; when its queue is full, too.
    pub fn take(&self, sockets: &[TcpStream]) -> io::Result<()> {
        let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
        let message = SendAncillaryMessage::ScmRights(&descriptors);
        let mut space = vec![std::mem::MaybeUninit::uninit(); message.size()];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(message), "there is space for one message");
        sendmsg(
            &self.into,
            &[io::IoSlice::new(b".")],
            &mut ancillary,
            SendFlags::empty(),
        )?;
        Ok(())
    }
}

/// Times `rounds` rounds, after one more, of so many connections that four threads open and the server closes.
///
/// # Panics
///
/// If a connection does not come about, or ends in another way.
pub(crate) fn connection_rounds(server: SocketAddr, rounds: u32, connections: u64) -> f64 {
    const THREADS: u64 = 4;
    timed(rounds, || {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..connections / THREADS {
                        let mut client = connect(server).expect("the server accepts");
                        assert_eq!(client.read(&mut [0]).expect("the server closes"), 0);
                    }
                });
            }
        });
    })
}

/// Times `rounds` rounds, after one more, of so many datagrams to a server and back, over a socket that blocks.
///
/// # Panics
///
/// If what comes back differs, or nothing does.
pub(crate) fn udp_rounds(server: SocketAddr, rounds: u32, datagrams: u64) -> f64 {
    let client = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    client.connect(server).expect("an address");
    timed(rounds, || {
        for number in 0..datagrams {
            let mut datagram = [b'.'; MESSAGE];
            datagram[..8].copy_from_slice(&number.to_le_bytes());
            client.send(&datagram).expect("the server receives");
            let mut echo = [0; MESSAGE];
            client.recv(&mut echo).expect("the server sends");
            assert_eq!(echo, datagram);
        }
    })
}
