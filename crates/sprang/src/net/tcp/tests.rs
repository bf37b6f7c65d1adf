//! Tests of TCP over the loopback interface.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sprang_io::{AsyncReadExt, AsyncWriteExt};
use sprang_reactor::Interest;

use super::*;
use crate::net::testing::{Rt, block_on, in_own_process, join, open_descriptors, poll_once};
use crate::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Two ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (client, accepted) = join(TcpStream::connect(addr), listener.accept()).await;
    let (server, peer) = accepted.unwrap();
    let client = client.unwrap();
    assert_eq!(client.local_addr().unwrap(), peer);
    assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    (client, server)
}

#[test]
fn a_megabyte_goes_both_ways_at_once() {
    let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    block_on(async {
        let (client, server) = pair().await;
        let exchange = async |stream: TcpStream| {
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
fn a_borrowed_split_reads_and_writes() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let (mut read, mut write) = client.split();
        let (_, mut peer_write) = server.split();
        join(write.write_all(b"ping"), peer_write.write_all(b"pong"))
            .await
            .0
            .unwrap();
        let mut buf = [0; 4];
        read.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"pong");
        server.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"ping");
    });
}

#[test]
fn a_dropped_write_half_ends_the_stream_and_leaves_the_other_direction() {
    block_on(async {
        let (client, mut server) = pair().await;
        let (mut read, write) = client.into_split();
        drop(write);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.write_all(b"late").await.unwrap();
        let mut buf = [0; 4];
        read.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"late");
    });
}

#[test]
fn a_forgotten_write_half_leaves_the_stream_open() {
    block_on(async {
        let (client, server) = pair().await;
        let (read, write) = client.into_split();
        write.forget();
        assert_eq!(read.as_ref().try_write(b"x").unwrap(), 1);
        drop(server);
    });
}

#[test]
fn only_halves_of_one_stream_reunite() {
    block_on(async {
        let (client, server) = pair().await;
        let ((client_read, client_write), (server_read, server_write)) = (client.into_split(), server.into_split());
        let ReuniteError(client_read, server_write) = client_read.reunite(server_write).unwrap_err();
        let mut client = client_write.reunite(client_read).unwrap();
        let mut server = server_read.reunite(server_write).unwrap();
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn every_task_that_accepts_gets_a_connection() {
    block_on(async {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepts = join(listener.accept(), listener.accept());
        let connects = join(TcpStream::connect(addr), TcpStream::connect(addr));
        let ((a, b), _streams) = join(accepts, connects).await;
        assert_ne!(a.unwrap().1, b.unwrap().1);
    });
}

#[test]
fn a_cancelled_accept_loses_no_connection() {
    block_on(async {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        assert!(poll_once(&mut pin!(listener.accept())).is_pending());
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        listener.accept().await.unwrap();
        assert!(poll_once(&mut pin!(std::future::poll_fn(|cx| listener.poll_accept(cx)))).is_pending());
    });
}

#[test]
fn a_listener_out_of_descriptors_says_so_and_goes_on_once_there_are_some() {
    in_own_process(|| {
        let mut rt = Rt::new();
        rt.block_on(async {
            let listener = TcpListener::bind(LOOPBACK).await.unwrap();
            let clients = [(); 2].map(|()| std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
            wait_for_connection(&listener);
            let files = exhaust_descriptors();
            for _ in 0..2 {
                let error = listener.accept().await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            }
            drop(files);
            for _ in clients {
                listener.accept().await.unwrap();
            }
        });
        rt.turn();
        let counts = rt.handle.counts();
        assert_eq!(counts.registered, counts.deregistered);
        assert!(counts.ready < 8, "the driver spins: {counts:?}");
    });
}

/// Blocks until a connection can be accepted.
fn wait_for_connection(listener: &TcpListener) {
    let mut entry = libc::pollfd {
        fd: listener.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry.
    while unsafe { libc::poll(&raw mut entry, 1, -1) } != 1 {
        assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::Interrupted);
    }
}

/// Opens files until there are no descriptors left.
fn exhaust_descriptors() -> Vec<std::fs::File> {
    let limit = libc::rlimit {
        rlim_cur: 64,
        rlim_max: 64,
    };
    // SAFETY: a valid limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect()
}

#[test]
fn sockets_leave_no_descriptor_and_no_slot_behind() {
    in_own_process(|| {
        let before = open_descriptors();
        let mut rt = Rt::new();
        for _ in 0..20 {
            rt.block_on(async {
                let (client, server) = pair().await;
                let _halves = client.into_split();
                let std = server.into_std().unwrap();
                let mut server = TcpStream::from_std(std).unwrap();
                let read = pin!(server.read_u8());
                assert!(poll_once(&mut { read }).is_pending());
                assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, 1)).await.is_err());
            });
        }
        let counts = rt.handle.counts();
        assert_eq!(counts.registered, counts.deregistered);
        drop(rt);
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_reset_by_the_peer_is_an_error_of_the_read_that_waits() {
    block_on(async {
        let (client, mut server) = pair().await;
        client.set_zero_linger().unwrap();
        let mut buf = [0];
        let (read, ()) = join(server.read(&mut buf), async { drop(client) }).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(server.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    block_on(async {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let addr = listener.local_addr().unwrap();
        // Not dropped: another test may just be starting a process, which has a copy of the descriptor for a moment.
        socket2::SockRef::from(&listener)
            .shutdown(std::net::Shutdown::Both)
            .unwrap();
        let error = TcpStream::connect(addr).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn the_next_address_is_tried_when_one_fails() {
    block_on(async {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let refuses = (Ipv4Addr::LOCALHOST, 1).into();
        TcpStream::connect(&[refuses, addr][..]).await.unwrap();
        let none: &[SocketAddr] = &[];
        assert_eq!(
            TcpStream::connect(none).await.unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(
            TcpListener::bind(none).await.unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    });
}

#[test]
fn transfers_of_nothing_return_zero_and_take_nothing() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        assert_eq!(server.peek(&mut []).await.unwrap(), 0);
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn a_peek_takes_nothing() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        client.write_all(b"abc").await.unwrap();
        let mut buf = [0; 8];
        for _ in 0..2 {
            assert_eq!(server.peek(&mut buf).await.unwrap(), 3);
        }
        let mut room = [std::mem::MaybeUninit::uninit(); 2];
        let mut room = sprang_io::ReadBuf::uninit(&mut room);
        let peeked = std::future::poll_fn(|cx| server.poll_peek(cx, &mut room)).await;
        assert_eq!((peeked.unwrap(), room.filled()), (2, &b"ab"[..]));
        assert_eq!(server.read(&mut buf).await.unwrap(), 3);
    });
}

#[test]
fn try_operations_say_when_they_would_block() {
    block_on(async {
        let (client, server) = pair().await;
        let would_block = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        assert!(would_block(server.try_read(&mut [0]).unwrap_err()));
        client.writable().await.unwrap();
        assert_eq!(
            client
                .try_write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cd")])
                .unwrap(),
            4
        );
        server.readable().await.unwrap();
        let mut start = [0; 1];
        assert_eq!(
            server
                .try_read_vectored(&mut [io::IoSliceMut::new(&mut start)])
                .unwrap(),
            1
        );
        let mut rest = bytes::BytesMut::with_capacity(8);
        assert_eq!(server.try_read_buf(&mut rest).unwrap(), 3);
        assert_eq!((&start[..], &rest[..]), (&b"a"[..], &b"bcd"[..]));
        assert!(would_block(server.try_read(&mut [0]).unwrap_err()));
        // The kernel's buffers fill up in the end.
        while client.try_write(&[0; 1 << 16]).is_ok() {}
        assert!(would_block(client.try_write(b"x").unwrap_err()));
    });
}

#[test]
fn an_operation_of_the_callers_own_waits_for_readiness() {
    block_on(async {
        let (mut client, server) = pair().await;
        let mut calls = 0;
        let read = server.async_io(Interest::READABLE, || {
            calls += 1;
            socket2::SockRef::from(&server).recv(&mut [std::mem::MaybeUninit::uninit(); 4])
        });
        let (read, written) = join(read, client.write_all(b"abc")).await;
        written.unwrap();
        assert_eq!(read.unwrap(), 3);
        assert!(calls <= 2, "{calls}");
        let refused = server.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::Other.into()));
        assert!(refused.is_err());
    });
}

#[test]
fn ready_reports_the_end_of_the_stream() {
    block_on(async {
        let (client, server) = pair().await;
        // An accepted stream counts as ready until an operation says otherwise.
        assert!(server.try_read(&mut [0]).is_err());
        drop(client);
        let ready = server.ready(Interest::READABLE).await.unwrap();
        assert!(ready.is_readable() && ready.is_read_closed(), "{ready:?}");
    });
}

#[test]
fn a_socket_outlives_its_runtime_and_errs() {
    let mut rt = Rt::new();
    let (mut client, server) = rt.block_on(pair());
    let listener = rt.block_on(TcpListener::bind(LOOPBACK)).unwrap();
    drop(rt);
    block_on(async {
        assert!(client.read_u8().await.is_err());
        assert!(client.write(b"x").await.is_err());
        assert!(server.readable().await.is_err());
        assert!(listener.accept().await.is_err());
        assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
        let server = server.into_std().unwrap();
        let mut client = TcpStream::from_std(client.into_std().unwrap()).unwrap();
        (&server).write_all(b"x").unwrap();
        assert_eq!(
            client.read_u8().await.unwrap(),
            b'x',
            "a new runtime can take the socket over"
        );
    });
}

#[test]
fn a_socket_works_from_another_runtime() {
    let mut home = Rt::new();
    let (mut client, mut server) = home.block_on(pair());
    let elsewhere = std::thread::spawn(move || {
        block_on(async move {
            let byte = server.read_u8().await.unwrap();
            server.write_u8(byte + 1).await.unwrap();
        });
    });
    home.block_on(async {
        client.write_u8(1).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 2);
    });
    elsewhere.join().unwrap();
}

#[test]
fn sockets_of_std_come_and_go() {
    block_on(async {
        let listener = std::net::TcpListener::bind(LOOPBACK).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::try_from(listener).unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(b"x").await.unwrap();
        client.read_exact(&mut [0]).unwrap();
        let listener = listener.into_std().unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    });
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "a socket in blocking mode")]
fn a_socket_in_blocking_mode_is_refused() {
    block_on(async {
        let _ = TcpListener::from_std(std::net::TcpListener::bind(LOOPBACK).unwrap());
    });
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn binding_outside_of_a_runtime_panics() {
    let _ = poll_once(&mut pin!(TcpListener::bind(LOOPBACK)));
}

#[test]
fn options_are_those_of_the_socket() {
    block_on(async {
        let (client, _server) = pair().await;
        for on in [true, false] {
            client.set_nodelay(on).unwrap();
            assert_eq!(client.nodelay().unwrap(), on);
        }
        client.set_ttl(7).unwrap();
        assert_eq!(client.ttl().unwrap(), 7);
        assert_eq!(client.linger().unwrap(), None);
        client.set_zero_linger().unwrap();
        assert_eq!(client.linger().unwrap(), Some(std::time::Duration::ZERO));
        assert!(client.take_error().unwrap().is_none());
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_keepalive(true).unwrap();
        socket.set_reuseport(true).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_tos_v4(0x10).unwrap();
        socket.set_recv_buffer_size(10_000).unwrap();
        assert!(socket.keepalive().unwrap() && socket.reuseport().unwrap() && socket.nodelay().unwrap());
        assert_eq!(socket.tos_v4().unwrap(), 0x10);
        assert!(socket.recv_buffer_size().unwrap() >= 10_000);
    });
}

#[test]
fn a_configured_socket_listens_and_connects() {
    block_on(async {
        let listening = TcpSocket::new_v4().unwrap();
        listening.set_reuseaddr(true).unwrap();
        listening.bind(LOOPBACK.into()).unwrap();
        let listener = listening.listen(8).unwrap();
        let connecting = TcpSocket::new_v4().unwrap();
        connecting.bind(LOOPBACK.into()).unwrap();
        let from = connecting.local_addr().unwrap();
        let (client, accepted) = join(connecting.connect(listener.local_addr().unwrap()), listener.accept()).await;
        client.unwrap();
        assert_eq!(accepted.unwrap().1, from);
    });
}

#[test]
fn literals_resolve_at_once_and_names_are_looked_up() {
    fn at_once(host: impl ToSocketAddrs) -> Vec<SocketAddr> {
        match poll_once(&mut Box::pin(lookup_host(host))) {
            Poll::Ready(addrs) => addrs.unwrap().collect(),
            Poll::Pending => panic!("a literal was looked up"),
        }
    }

    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 80));
    assert_eq!(at_once("127.0.0.1:80"), [v4]);
    assert_eq!(at_once(String::from("[::1]:80")), [v6]);
    assert_eq!(at_once(("127.0.0.1", 80)), [v4]);
    assert_eq!(at_once((String::from("::1"), 80)), [v6]);
    assert_eq!(at_once((v6.ip(), 80)), [v6]);
    assert_eq!(at_once(&[v4, v6][..]), [v4, v6]);
    let found: Vec<_> = block_on(lookup_host("localhost:80")).unwrap().collect();
    assert!(found.contains(&v4) || found.contains(&v6), "{found:?}");
    assert!(block_on(lookup_host("no port and no such host")).is_err());
    drop(poll_once(&mut pin!(lookup_host("localhost:80"))));
}

#[test]
fn sockets_and_their_futures_cross_threads() {
    fn everywhere<T: Send + Sync + Unpin>() {}
    fn sendable<T: Send>(value: T) -> T {
        value
    }

    everywhere::<TcpListener>();
    everywhere::<TcpSocket>();
    everywhere::<TcpStream>();
    everywhere::<ReadHalf<'static>>();
    everywhere::<WriteHalf<'static>>();
    everywhere::<OwnedReadHalf>();
    everywhere::<OwnedWriteHalf>();
    block_on(sendable(async {
        let listener = sendable(TcpListener::bind("127.0.0.1:0")).await.unwrap();
        let connect = sendable(TcpStream::connect(listener.local_addr().unwrap()));
        let (stream, accepted) = sendable(join(connect, listener.accept())).await;
        let (stream, _accepted) = (stream.unwrap(), accepted.unwrap());
        sendable(stream.writable()).await.unwrap();
        sendable(stream.async_io(Interest::WRITABLE, || Ok(()))).await.unwrap();
    }));
}

#[test]
fn a_stream_dropped_behind_a_waiting_task_wakes_it() {
    struct Flag(std::sync::atomic::AtomicBool);

    impl std::task::Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    let flag = Arc::new(Flag(false.into()));
    block_on(async {
        let (client, _server) = pair().await;
        let waker = Waker::from(Arc::clone(&flag));
        // An accepted or connected stream may count as ready without being so.
        while client.try_read(&mut [0]).is_ok() {}
        assert!(client.poll_read_ready(&mut Context::from_waker(&waker)).is_pending());
        drop(client);
    });
    assert!(flag.0.load(std::sync::atomic::Ordering::Relaxed));
}
