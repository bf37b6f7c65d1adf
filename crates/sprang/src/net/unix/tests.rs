//! Tests of Unix sockets.

use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net;
use std::pin::pin;

use sprang_io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use sprang_reactor::Interest;

use super::*;
use crate::net::testing::{Folder, Rt, block_on, in_own_process, join, open_descriptors, poll_once};
use crate::net::{UnixDatagram, UnixListener, UnixSocket, UnixStream};

fn would_block<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    result.unwrap_err().kind() == io::ErrorKind::WouldBlock
}

/// Closes a socket at once. Dropping it does so a bit later if another test is just starting a process, which has a copy
/// of the descriptor for a moment.
fn close(socket: &impl std::os::fd::AsFd) {
    socket2::SockRef::from(socket).shutdown(Shutdown::Both).unwrap();
}

/// An abstract name of this test's own.
fn abstract_name(name: &str) -> String {
    format!("\0sprang-{}-{name}", std::process::id())
}

#[test]
fn bytes_go_both_ways_at_once() {
    let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    block_on(async {
        let (client, server) = UnixStream::pair().unwrap();
        let exchange = async |stream: UnixStream| {
            let (mut read, mut write) = stream.into_split();
            let mut received = Vec::new();
            let writing = async {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            };
            join(writing, async { read.read_to_end(&mut received).await.unwrap() }).await;
            received
        };
        let (a, b) = join(exchange(client), exchange(server)).await;
        assert!(a == sent && b == sent);
    });
}

#[test]
fn a_path_is_bound_to_and_connected_to() {
    let folder = Folder::new();
    let path = folder.path("socket");
    block_on(async {
        assert_eq!(
            UnixStream::connect(&path).await.unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let (client, accepted) = join(UnixStream::connect(&path), listener.accept()).await;
        let (mut server, peer) = accepted.unwrap();
        let mut client = client.unwrap();
        assert!(peer.is_unnamed() && client.local_addr().unwrap().is_unnamed());
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        assert!(listener.take_error().unwrap().is_none() && client.take_error().unwrap().is_none());
        close(&listener);
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let too_long = "x".repeat(200);
        assert_eq!(
            UnixListener::bind(&too_long).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    });
}

#[test]
fn an_abstract_name_is_bound_to_and_connected_to() {
    block_on(async {
        let name = abstract_name("stream");
        let listener = UnixListener::bind(&name).unwrap();
        let addr = listener.local_addr().unwrap();
        assert_eq!(addr.as_abstract_name(), Some(&name.as_bytes()[1..]));
        assert!(addr.as_pathname().is_none() && !addr.is_unnamed());
        UnixStream::connect(&name).await.unwrap();
        let client = UnixStream::connect_addr(&addr).await.unwrap();
        for _ in 0..2 {
            listener.accept().await.unwrap();
        }
        let peer = net::SocketAddr::from(client.peer_addr().unwrap());
        assert_eq!(SocketAddr::from(peer).as_abstract_name(), addr.as_abstract_name());
        assert!(poll_once(&mut pin!(poll_fn(|cx| listener.poll_accept(cx)))).is_pending());
    });
}

#[test]
fn the_peer_has_the_credentials_of_its_process() {
    block_on(async {
        let (one, other) = UnixStream::pair().unwrap();
        let cred = one.peer_cred().unwrap();
        assert_eq!(cred, other.peer_cred().unwrap());
        assert_eq!(cred.pid(), Some(std::process::id() as pid_t));
        let own = std::fs::metadata("/proc/self").unwrap();
        use std::os::unix::fs::MetadataExt;
        assert_eq!((cred.uid(), cred.gid()), (own.uid(), own.gid()));
    });
}

#[test]
fn the_end_of_the_stream_is_seen_and_the_other_direction_goes_on() {
    block_on(async {
        let (client, mut server) = UnixStream::pair().unwrap();
        let (mut read, write) = client.into_split();
        drop(write);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.write_all(b"late").await.unwrap();
        let mut buf = [0; 4];
        read.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"late");
        close(read.as_ref());
        assert_eq!(server.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn unread_bytes_reset_the_connection() {
    block_on(async {
        let (one, mut other) = UnixStream::pair().unwrap();
        other.write_all(b"x").await.unwrap();
        let mut buf = [0];
        let (read, ()) = join(other.read(&mut buf), async { drop(one) }).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn only_halves_of_one_stream_reunite() {
    block_on(async {
        let (client, server) = UnixStream::pair().unwrap();
        let ((client_read, client_write), (server_read, server_write)) = (client.into_split(), server.into_split());
        let ReuniteError(client_read, server_write) = client_read.reunite(server_write).unwrap_err();
        let mut client = client_write.reunite(client_read).unwrap();
        let mut server = server_read.reunite(server_write).unwrap();
        let (_, mut write) = client.split();
        write.write_all(b"x").await.unwrap();
        let (mut read, _) = server.split();
        assert_eq!(read.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn transfers_of_nothing_return_zero_and_take_nothing() {
    block_on(async {
        let (mut client, mut server) = UnixStream::pair().unwrap();
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn try_operations_say_when_they_would_block() {
    block_on(async {
        let (client, server) = UnixStream::pair().unwrap();
        assert!(would_block(server.try_read(&mut [0])));
        let text = [io::IoSlice::new(b"ab"), io::IoSlice::new(b"cd")];
        assert_eq!(client.try_write_vectored(&text).unwrap(), 4);
        server.readable().await.unwrap();
        let mut start = [0; 1];
        let read = server.try_read_vectored(&mut [io::IoSliceMut::new(&mut start)]);
        assert_eq!(read.unwrap(), 1);
        let mut rest = Vec::with_capacity(8);
        assert_eq!(server.try_read_buf(&mut rest).unwrap(), 3);
        assert_eq!((&start[..], &rest[..]), (&b"a"[..], &b"bcd"[..]));
        while client.try_write(&[0; 1 << 16]).is_ok() {}
        assert!(would_block(client.try_write(b"x")));
        let refused = server.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::Other.into()));
        assert!(refused.is_err());
        assert_eq!(server.async_io(Interest::READABLE, || Ok(7)).await.unwrap(), 7);
    });
}

/// Sends `bytes` together with a descriptor.
fn send_with_descriptor(stream: &UnixStream, bytes: &[u8]) {
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // Aligned as control messages are.
    let mut control = [0_u64; 8];
    // SAFETY: all zero is a message without address, data and control messages.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: computes a number.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(4) } as _;
    // SAFETY: the control buffer has room for one.
    let header = unsafe { &mut *libc::CMSG_FIRSTHDR(&raw const message) };
    header.cmsg_level = libc::SOL_SOCKET;
    header.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: computes a number.
    header.cmsg_len = unsafe { libc::CMSG_LEN(4) } as _;
    // SAFETY: the data of the control message is one descriptor.
    unsafe {
        libc::CMSG_DATA(header)
            .cast::<i32>()
            .write_unaligned(stream.as_raw_fd())
    };
    // SAFETY: the message and all that it points to are there.
    let sent = unsafe { libc::sendmsg(stream.as_raw_fd(), &raw const message, 0) };
    assert_eq!(sent, bytes.len() as isize);
}

#[test]
fn a_message_with_descriptors_does_not_hide_the_one_behind_it() {
    block_on(async {
        let (sender, mut receiver) = UnixStream::pair().unwrap();
        for _ in 0..2 {
            send_with_descriptor(&sender, b"abc");
        }
        let mut buf = [0; 64];
        assert_eq!(receiver.read(&mut buf).await.unwrap(), 3, "the kernel stops there");
        assert_eq!(receiver.read(&mut buf).await.unwrap(), 3);
    });
}

#[test]
fn sockets_leave_no_descriptor_and_no_slot_behind() {
    in_own_process(|| {
        let folder = Folder::new();
        let before = open_descriptors();
        let mut rt = Rt::new();
        for round in 0..10 {
            rt.block_on(async {
                let (one, other) = UnixStream::pair().unwrap();
                let _halves = one.into_split();
                let mut other = UnixStream::from_std(other.into_std().unwrap()).unwrap();
                assert!(poll_once(&mut pin!(other.read_u8())).is_pending());
                let path = folder.path(&round.to_string());
                let _listener = UnixListener::bind(&path).unwrap().into_std().unwrap();
                assert!(UnixDatagram::bind(&path).is_err());
                let _datagrams = UnixDatagram::pair().unwrap();
                assert!(UnixStream::connect(folder.path("none")).await.is_err());
            });
        }
        let counts = rt.handle.counts();
        assert_eq!(counts.registered, counts.deregistered);
        drop(rt);
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_socket_outlives_its_runtime_and_errs() {
    let mut rt = Rt::new();
    let (mut one, other) = rt.block_on(async { UnixStream::pair().unwrap() });
    let (datagram, _) = rt.block_on(async { UnixDatagram::pair().unwrap() });
    let listener = rt.block_on(async { UnixListener::bind(abstract_name("outlives")).unwrap() });
    drop(rt);
    block_on(async {
        assert!(one.read_u8().await.is_err() && one.write(b"x").await.is_err());
        assert!(listener.accept().await.is_err());
        assert!(datagram.recv(&mut [0]).await.is_err() && datagram.send(b"x").await.is_err());
        let mut other = UnixStream::try_from(other.into_std().unwrap()).unwrap();
        let mut one = UnixStream::try_from(one.into_std().unwrap()).unwrap();
        one.write_all(b"x").await.unwrap();
        assert_eq!(
            other.read_u8().await.unwrap(),
            b'x',
            "a new runtime can take the sockets over"
        );
        let listener = UnixListener::try_from(listener.into_std().unwrap()).unwrap();
        UnixStream::connect_addr(&listener.local_addr().unwrap()).await.unwrap();
        listener.accept().await.unwrap();
    });
}

#[test]
fn a_configured_socket_listens_connects_and_sends() {
    let folder = Folder::new();
    block_on(async {
        let (to, from) = (folder.path("to"), folder.path("from"));
        let listening = UnixSocket::new_stream().unwrap();
        listening.bind(&to).unwrap();
        let listener = listening.listen(8).unwrap();
        let connecting = UnixSocket::new_stream().unwrap();
        connecting.bind(&from).unwrap();
        let (_client, accepted) = join(connecting.connect(&to), listener.accept()).await;
        assert_eq!(accepted.unwrap().1.as_pathname(), Some(&*from));
        let socket = UnixSocket::new_datagram().unwrap();
        socket.bind(abstract_name("configured")).unwrap();
        socket.datagram().unwrap();
        for stream_or_datagram in [true, false] {
            let new = || {
                if stream_or_datagram {
                    UnixSocket::new_stream()
                } else {
                    UnixSocket::new_datagram()
                }
                .unwrap()
            };
            assert_eq!(new().datagram().is_err(), stream_or_datagram);
            assert!(new().listen(1).is_ok() == stream_or_datagram || stream_or_datagram);
            assert!(new().connect(&to).await.is_ok() == stream_or_datagram);
        }
    });
}

#[test]
fn datagrams_go_to_the_connected_peer_and_wait_for_room() {
    block_on(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut sent = 0_u32;
        one.writable().await.unwrap();
        while one.try_send(&sent.to_le_bytes()).is_ok() {
            sent += 1;
        }
        assert!(would_block(one.try_send(b"x")));
        let mut buf = [0; 8];
        let receive_all = async {
            for number in 0..=sent {
                assert_eq!(other.recv(&mut buf).await.unwrap(), 4);
                assert_eq!(buf[..4], number.to_le_bytes(), "none is lost or overtaken");
            }
        };
        let (waited, ()) = join(one.send(&sent.to_le_bytes()), receive_all).await;
        assert_eq!(waited.unwrap(), 4);
        one.shutdown(Shutdown::Write).unwrap();
        assert_eq!(one.send(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn every_way_to_receive_a_datagram_says_who_sent_it() {
    let folder = Folder::new();
    block_on(async {
        let path = folder.path("server");
        let server = UnixDatagram::bind(&path).unwrap();
        let named = UnixDatagram::bind(folder.path("client")).unwrap();
        let name = abstract_name("datagram");
        let abstractly = UnixDatagram::bind(&name).unwrap();
        let unnamed = UnixDatagram::unbound().unwrap();
        let mut buf = [0; 8];
        for socket in [&named, &abstractly, &unnamed] {
            assert_eq!(socket.send_to(b"abc", &path).await.unwrap(), 3);
        }
        let (n, from) = server.recv_from(&mut buf).await.unwrap();
        assert_eq!((n, from.as_pathname()), (3, Some(&*folder.path("client"))));
        let (n, from) = server.recv_buf_from(&mut Vec::with_capacity(8)).await.unwrap();
        assert_eq!((n, from.as_abstract_name()), (3, Some(&name.as_bytes()[1..])));
        let (n, from) = server.try_recv_from(&mut buf).unwrap();
        assert!(n == 3 && from.is_unnamed());
        assert!(would_block(server.try_recv_from(&mut buf)));

        unnamed.connect(&path).unwrap();
        assert_eq!(unnamed.peer_addr().unwrap().as_pathname(), Some(&*path));
        for _ in 0..4 {
            unnamed.send(b"abc").await.unwrap();
        }
        let mut room = ReadBuf::new(&mut buf);
        let from = poll_fn(|cx| server.poll_recv_from(cx, &mut room)).await.unwrap();
        poll_fn(|cx| server.poll_recv(cx, &mut room)).await.unwrap();
        assert!(from.is_unnamed());
        assert_eq!(room.filled(), b"abcabc");
        let mut vec = Vec::with_capacity(8);
        assert_eq!(server.recv_buf(&mut vec).await.unwrap(), 3);
        assert_eq!(server.try_recv_buf(&mut vec).unwrap(), 3);
        assert!(would_block(server.try_recv_buf_from(&mut vec)));
        assert!(would_block(server.try_recv(&mut buf)));

        server.send_to(b"x", &name).await.unwrap();
        assert_eq!(abstractly.recv(&mut buf).await.unwrap(), 1);
        assert_eq!(poll_fn(|cx| server.poll_send_to(cx, b"x", &name)).await.unwrap(), 1);
        assert_eq!(server.try_send_to(b"x", &name).unwrap(), 1);
        assert_eq!(poll_fn(|cx| unnamed.poll_send(cx, b"x")).await.unwrap(), 1);
        let gone = UnixDatagram::unbound().unwrap().connect(folder.path("none"));
        assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::NotFound);
    });
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "a socket in blocking mode")]
fn a_socket_in_blocking_mode_is_refused() {
    block_on(async {
        let _ = UnixDatagram::from_std(net::UnixDatagram::unbound().unwrap());
    });
}

#[test]
fn sockets_cross_threads() {
    fn everywhere<T: Send + Sync + Unpin + std::panic::UnwindSafe>() {}

    everywhere::<UnixListener>();
    everywhere::<UnixStream>();
    everywhere::<UnixDatagram>();
    everywhere::<UnixSocket>();
    everywhere::<OwnedReadHalf>();
    everywhere::<OwnedWriteHalf>();
    everywhere::<pipe::Sender>();
    everywhere::<pipe::Receiver>();
}
