//! Tests of UDP over the loopback interface.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;

use sprang_io::ReadBuf;
use sprang_reactor::Interest;

use crate::net::UdpSocket;
use crate::net::testing::{Rt, block_on, join, poll_once};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Two sockets that are connected to each other.
async fn pair() -> (UdpSocket, UdpSocket) {
    let one = UdpSocket::bind(LOOPBACK).await.unwrap();
    let other = UdpSocket::bind(LOOPBACK).await.unwrap();
    one.connect(other.local_addr().unwrap()).await.unwrap();
    other.connect(one.local_addr().unwrap()).await.unwrap();
    (one, other)
}

/// A socket that is connected to a port which nobody is bound to.
async fn sender_to_nobody() -> UdpSocket {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    socket.connect((Ipv4Addr::LOCALHOST, 1)).await.unwrap();
    socket
}

fn would_block<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    result.unwrap_err().kind() == io::ErrorKind::WouldBlock
}

#[test]
fn datagrams_go_to_the_connected_peer_and_come_from_it() {
    block_on(async {
        let (one, other) = pair().await;
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        let mut buf = [0; 8];
        let (received, sent) = join(other.recv(&mut buf), one.send(b"ping")).await;
        assert_eq!((received.unwrap(), sent.unwrap()), (4, 4));
        assert_eq!(&buf[..4], b"ping");
        let stranger = UdpSocket::bind(LOOPBACK).await.unwrap();
        stranger.send_to(b"x", other.local_addr().unwrap()).await.unwrap();
        one.send(b"pong").await.unwrap();
        let (n, from) = other.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..n], from), (&b"pong"[..], one.local_addr().unwrap()));
    });
}

#[test]
fn datagrams_go_to_any_address() {
    block_on(async {
        for ip in [Ipv4Addr::LOCALHOST.into(), std::net::IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let one = UdpSocket::bind((ip, 0)).await.unwrap();
            let other = UdpSocket::bind((ip, 0)).await.unwrap();
            assert_eq!(one.send_to(b"hello", other.local_addr().unwrap()).await.unwrap(), 5);
            let mut buf = [0; 8];
            let (n, from) = other.recv_from(&mut buf).await.unwrap();
            assert_eq!((&buf[..n], from), (&b"hello"[..], one.local_addr().unwrap()));
        }
        let none: &[SocketAddr] = &[];
        let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
        assert_eq!(
            socket.send_to(b"", none).await.unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(
            socket.connect(none).await.unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(
            UdpSocket::bind(none).await.unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        let unconnected = socket.send(b"x").await.unwrap_err();
        assert_eq!(unconnected.raw_os_error(), Some(libc::EDESTADDRREQ));
        assert_eq!(socket.peer_addr().unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn every_way_to_receive_keeps_to_the_room_that_there_is() {
    block_on(async {
        let (one, other) = pair().await;
        let from = one.local_addr().unwrap();
        let send = async || assert_eq!(one.send(b"abcdef").await.unwrap(), 6);
        let mut buf = [0; 4];

        send().await;
        assert_eq!(other.recv(&mut buf).await.unwrap(), 4, "the rest is cut off");
        send().await;
        let mut vec = Vec::with_capacity(16);
        assert_eq!(other.recv_buf(&mut vec).await.unwrap(), 6);
        assert_eq!(vec, b"abcdef");
        send().await;
        let mut vec = vec![b'x'];
        vec.reserve_exact(16);
        assert_eq!(other.recv_buf_from(&mut vec).await.unwrap(), (6, from));
        assert_eq!(vec, b"xabcdef", "what was there stays");
        send().await;
        let mut room = [MaybeUninit::uninit(); 5];
        let mut room = ReadBuf::uninit(&mut room);
        std::future::poll_fn(|cx| other.poll_recv(cx, &mut room)).await.unwrap();
        assert_eq!(room.filled(), b"abcde");
        send().await;
        let mut room = ReadBuf::new(&mut buf);
        let sender = std::future::poll_fn(|cx| other.poll_recv_from(cx, &mut room)).await;
        assert_eq!((room.filled(), sender.unwrap()), (&b"abcd"[..], from));

        // The next datagram is there, and the socket known to be ready, once it has been waited for.
        for _ in 0..4 {
            send().await;
        }
        other.readable().await.unwrap();
        assert_eq!(other.try_recv(&mut buf).unwrap(), 4);
        assert_eq!(other.try_recv_from(&mut buf).unwrap(), (4, from));
        let mut vec = Vec::with_capacity(16);
        assert_eq!(other.try_recv_buf(&mut vec).unwrap(), 6);
        assert_eq!(other.try_recv_buf_from(&mut vec).unwrap(), (6, from));
        assert_eq!(vec, b"abcdefabcdef");
        assert!(would_block(other.try_recv(&mut buf)));
        assert!(poll_once(&mut pin!(other.recv(&mut buf))).is_pending());
    });
}

#[test]
fn every_way_to_peek_leaves_the_datagram() {
    block_on(async {
        let (one, other) = pair().await;
        let from = one.local_addr().unwrap();
        let mut buf = [0; 8];
        assert!(would_block(other.try_peek_sender()));
        one.send(b"abc").await.unwrap();
        assert_eq!(other.peek(&mut buf).await.unwrap(), 3);
        assert_eq!(other.peek_from(&mut buf).await.unwrap(), (3, from));
        assert_eq!(other.peek_sender().await.unwrap(), from);
        assert_eq!(other.try_peek(&mut buf).unwrap(), 3);
        assert_eq!(other.try_peek_from(&mut buf).unwrap(), (3, from));
        assert_eq!(other.try_peek_sender().unwrap(), from);
        let mut room = ReadBuf::new(&mut buf);
        std::future::poll_fn(|cx| other.poll_peek(cx, &mut room)).await.unwrap();
        std::future::poll_fn(|cx| other.poll_peek_from(cx, &mut room))
            .await
            .unwrap();
        assert_eq!(room.filled(), b"abcabc");
        assert_eq!(
            std::future::poll_fn(|cx| other.poll_peek_sender(cx)).await.unwrap(),
            from
        );
        assert_eq!(other.recv(&mut buf).await.unwrap(), 3);
        assert!(poll_once(&mut pin!(other.peek_sender())).is_pending());
    });
}

#[test]
fn an_empty_datagram_is_received_and_no_room_takes_one() {
    block_on(async {
        let (one, other) = pair().await;
        let mut buf = [0; 8];
        assert_eq!(one.send(b"").await.unwrap(), 0);
        one.send(b"lost").await.unwrap();
        one.send(b"abc").await.unwrap();
        assert_eq!(other.recv(&mut buf).await.unwrap(), 0);
        assert_eq!(other.recv(&mut []).await.unwrap(), 0);
        assert_eq!(other.recv(&mut buf).await.unwrap(), 3);
        let too_long = vec![0; 1 << 16];
        assert_eq!(
            one.send(&too_long).await.unwrap_err().raw_os_error(),
            Some(libc::EMSGSIZE)
        );
    });
}

#[test]
fn a_closed_port_is_an_error_of_the_receive_that_waits() {
    block_on(async {
        let one = sender_to_nobody().await;
        let mut buf = [0; 8];
        let (received, sent) = join(one.recv(&mut buf), one.send(b"x")).await;
        sent.unwrap();
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(
            poll_once(&mut pin!(one.recv(&mut buf))).is_pending(),
            "the error is reported once"
        );
    });
}

#[test]
fn a_cancelled_receive_loses_no_datagram() {
    block_on(async {
        let (one, other) = pair().await;
        let mut buf = [0; 8];
        assert!(poll_once(&mut pin!(other.recv(&mut buf))).is_pending());
        one.send(b"abc").await.unwrap();
        assert_eq!(other.recv(&mut buf).await.unwrap(), 3);
    });
}

#[test]
fn an_operation_of_the_callers_own_waits_for_readiness() {
    block_on(async {
        let (one, other) = pair().await;
        let receive = || socket2::SockRef::from(&other).recv(&mut [MaybeUninit::uninit(); 4]);
        assert!(would_block(other.try_io(Interest::READABLE, receive)));
        let (received, sent) = join(other.async_io(Interest::READABLE, receive), one.send(b"abc")).await;
        assert_eq!((received.unwrap(), sent.unwrap()), (3, 3));
        let refused = other.try_io(Interest::WRITABLE, || Err::<(), _>(io::ErrorKind::Other.into()));
        assert!(refused.is_err());
    });
}

#[test]
fn options_are_those_of_the_socket() {
    block_on(async {
        let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
        let socket_v6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
        for on in [true, false] {
            socket.set_broadcast(on).unwrap();
            assert_eq!(socket.broadcast().unwrap(), on);
            socket.set_multicast_loop_v4(on).unwrap();
            assert_eq!(socket.multicast_loop_v4().unwrap(), on);
            socket_v6.set_multicast_loop_v6(on).unwrap();
            assert_eq!(socket_v6.multicast_loop_v6().unwrap(), on);
        }
        socket.set_ttl(7).unwrap();
        socket.set_multicast_ttl_v4(9).unwrap();
        assert_eq!((socket.ttl().unwrap(), socket.multicast_ttl_v4().unwrap()), (7, 9));
        socket.set_tos_v4(0x10).unwrap();
        socket_v6.set_tclass_v6(0x20).unwrap();
        assert_eq!((socket.tos_v4().unwrap(), socket_v6.tclass_v6().unwrap()), (0x10, 0x20));
        assert_eq!(socket.device().unwrap(), None);
        assert!(socket.take_error().unwrap().is_none());
    });
}

#[test]
fn a_group_is_received_from_while_it_is_joined() {
    block_on(async {
        let group = Ipv4Addr::new(239, 255, 77, 1);
        let member = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let sender = UdpSocket::bind(LOOPBACK).await.unwrap();
        socket2::SockRef::from(&sender)
            .set_multicast_if_v4(&Ipv4Addr::LOCALHOST)
            .unwrap();
        let to = (group, member.local_addr().unwrap().port());
        member.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        sender.send_to(b"all", to).await.unwrap();
        assert_eq!(member.recv(&mut [0; 8]).await.unwrap(), 3);
        member.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        assert!(
            member.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).is_err(),
            "it has left"
        );
    });
}

#[test]
fn a_socket_outlives_its_runtime_and_errs() {
    let mut rt = Rt::new();
    let (one, other) = rt.block_on(pair());
    drop(rt);
    block_on(async {
        assert!(one.send(b"x").await.is_err());
        assert!(other.recv(&mut [0]).await.is_err());
        let (one, other) = (
            one.into_std().unwrap(),
            UdpSocket::from_std(other.into_std().unwrap()).unwrap(),
        );
        one.send(b"x").unwrap();
        assert_eq!(
            other.recv(&mut [0]).await.unwrap(),
            1,
            "a new runtime can take the socket over"
        );
    });
}

#[test]
fn a_socket_can_be_shared_by_tasks_that_wait_for_both_directions() {
    block_on(async {
        let (one, other) = pair().await;
        let mut buffers = [[0; 1]; 2];
        let [first, second] = &mut buffers;
        let receives = join(other.recv(first), other.recv(second));
        let sends = join(one.send(b"a"), one.send(b"b"));
        let ((a, b), _) = join(receives, sends).await;
        assert_eq!((a.unwrap(), b.unwrap()), (1, 1));
        assert_ne!(buffers[0], buffers[1]);
        assert!(matches!(poll_once(&mut pin!(other.writable())), Poll::Ready(Ok(()))));
    });
}

#[test]
fn sockets_and_their_futures_cross_threads() {
    fn everywhere<T: Send + Sync + Unpin + std::panic::UnwindSafe>() {}
    fn sendable<T: Send>(value: T) -> T {
        value
    }

    everywhere::<UdpSocket>();
    block_on(sendable(async {
        let socket = sendable(UdpSocket::bind(LOOPBACK)).await.unwrap();
        let addr = socket.local_addr().unwrap();
        sendable(socket.send_to(b"x", addr)).await.unwrap();
        sendable(socket.recv_from(&mut [0])).await.unwrap();
        sendable(socket.writable()).await.unwrap();
    }));
}

mod batches {
    use std::num::NonZeroU16;

    use super::*;
    use crate::net::udp::{Incoming, Outgoing};

    /// Receives `number` datagrams, in as many batches as it takes.
    async fn receive(socket: &UdpSocket, number: usize) -> Vec<(Vec<u8>, SocketAddr)> {
        let mut received = Vec::new();
        while received.len() < number {
            let mut bufs = vec![[0; 70_000]; 50];
            let mut batch: Vec<_> = bufs.iter_mut().map(|buf| Incoming::new(buf)).collect();
            let n = socket.recv_batch(&mut batch).await.unwrap();
            assert!(0 < n && n <= batch.len());
            for incoming in &batch[..n] {
                let sender = incoming.sender().unwrap();
                received.extend(incoming.datagrams().map(|datagram| (datagram.to_vec(), sender)));
            }
            assert!(
                batch[n..]
                    .iter()
                    .all(|rest| rest.payload().is_empty() && rest.sender().is_none())
            );
        }
        received
    }

    async fn send_all(socket: &UdpSocket, mut batch: &[Outgoing<'_>]) {
        while !batch.is_empty() {
            let sent = socket.send_batch(batch).await.unwrap();
            assert!(0 < sent && sent <= batch.len());
            batch = &batch[sent..];
        }
    }

    #[test]
    fn a_batch_goes_and_comes_in_order_with_its_senders() {
        block_on(async {
            let receiver = UdpSocket::bind(LOOPBACK).await.unwrap();
            let to = receiver.local_addr().unwrap();
            let payloads: Vec<_> = (1..=100_u8).map(|i| vec![i; i.into()]).collect();
            let one = UdpSocket::bind(LOOPBACK).await.unwrap();
            let batch: Vec<_> = payloads.iter().map(|payload| Outgoing::new(payload).to(to)).collect();
            send_all(&one, &batch).await;
            let connected = UdpSocket::bind(LOOPBACK).await.unwrap();
            connected.connect(to).await.unwrap();
            let batch: Vec<_> = payloads.iter().map(|payload| Outgoing::new(payload)).collect();
            send_all(&connected, &batch).await;
            let mut received = receive(&receiver, 200).await.into_iter();
            for socket in [&one, &connected] {
                for payload in &payloads {
                    assert_eq!(
                        received.next().unwrap(),
                        (payload.clone(), socket.local_addr().unwrap())
                    );
                }
            }
            assert!(received.next().is_none());
        });
    }

    #[test]
    fn one_call_takes_many_datagrams_each_to_its_own_target() {
        block_on(async {
            let receivers = [
                UdpSocket::bind(LOOPBACK).await.unwrap(),
                UdpSocket::bind(LOOPBACK).await.unwrap(),
            ];
            let targets = [0, 1].map(|i| receivers[i].local_addr().unwrap());
            let sender = UdpSocket::bind(LOOPBACK).await.unwrap();
            let payloads: Vec<_> = (0..30_u8).map(|i| [i]).collect();
            let batch = payloads.iter().zip(targets.into_iter().cycle());
            let batch: Vec<_> = batch.map(|(payload, to)| Outgoing::new(payload).to(to)).collect();
            assert_eq!(sender.send_batch(&batch).await.unwrap(), 30);
            for (first, receiver) in receivers.iter().enumerate() {
                let mut bufs = [[0; 8]; 32];
                let (mut received, mut calls) = (Vec::new(), 0);
                while received.len() < 15 {
                    let mut batch = bufs.each_mut().map(|buf| Incoming::new(buf));
                    let n = receiver.recv_batch(&mut batch).await.unwrap();
                    received.extend(batch[..n].iter().map(|incoming| usize::from(incoming.payload()[0])));
                    calls += 1;
                }
                assert!(received.into_iter().eq((first..30).step_by(2)));
                assert!(calls < 15, "one datagram a call");
            }
        });
    }

    #[test]
    fn a_batch_waits_for_its_first_datagram_only() {
        block_on(async {
            let (one, other) = pair().await;
            let mut bufs = [[0; 8]; 4];
            let mut batch = bufs.each_mut().map(|buf| Incoming::new(buf));
            assert!(would_block(other.try_recv_batch(&mut batch)));
            let (received, sent) = join(other.recv_batch(&mut batch), one.send(b"abc")).await;
            assert_eq!((received.unwrap(), sent.unwrap()), (1, 3));
            assert!(would_block(other.try_recv_batch(&mut batch)));
            assert_eq!(other.recv_batch(&mut []).await.unwrap(), 0);
            assert_eq!(
                (one.send_batch(&[]).await.unwrap(), one.try_send_batch(&[]).unwrap()),
                (0, 0)
            );
        });
    }

    #[test]
    fn a_datagram_that_is_too_long_for_its_room_or_the_network_is_told_of() {
        block_on(async {
            let (one, other) = pair().await;
            one.writable().await.unwrap();
            assert_eq!(
                one.try_send_batch(&[Outgoing::new(b"abcdef"), Outgoing::new(b"")])
                    .unwrap(),
                2
            );
            let mut bufs = [[0; 4]; 2];
            let mut batch = bufs.each_mut().map(|buf| Incoming::new(buf));
            assert_eq!(other.recv_batch(&mut batch).await.unwrap(), 2);
            assert_eq!((batch[0].payload(), batch[0].is_truncated()), (&b"abcd"[..], true));
            assert_eq!((batch[1].payload(), batch[1].is_truncated()), (&b""[..], false));
            assert_eq!(batch[1].datagrams().count(), 0);
            let too_long = vec![0; 1 << 16];
            let error = one.send_batch(&[Outgoing::new(&too_long)]).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
            let short = one.send_batch(&[Outgoing::new(b"x"), Outgoing::new(&too_long)]).await;
            assert_eq!(short.unwrap(), 1, "what was sent before is told of first");
        });
    }

    #[test]
    fn a_closed_port_is_an_error_of_the_batch_that_waits() {
        block_on(async {
            let one = sender_to_nobody().await;
            let mut buf = [0; 8];
            let mut batch = [Incoming::new(&mut buf)];
            let (received, sent) = join(one.recv_batch(&mut batch), one.send(b"x")).await;
            sent.unwrap();
            assert_eq!(received.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        });
    }

    /// The kernel splits what is sent, and merges what is received where that is asked for. It may also not merge.
    #[test]
    fn segments_are_split_and_merged_by_the_kernel() {
        block_on(async {
            let text: Vec<u8> = (0..10_500_u32).map(|i| (i % 251) as u8).collect();
            let size = NonZeroU16::new(1_000).unwrap();
            for merge in [false, true] {
                let (one, other) = pair().await;
                other.set_gro(merge).unwrap();
                send_all(&one, &[Outgoing::new(&text).in_segments(size)]).await;
                let received = receive(&other, 11).await;
                assert_eq!(received.len(), 11);
                assert!(
                    received
                        .iter()
                        .map(|(datagram, _)| &datagram[..])
                        .eq(text.chunks(1_000))
                );
            }
            let (one, other) = pair().await;
            other.set_gro(true).unwrap();
            send_all(&one, &[Outgoing::new(&text).in_segments(size)]).await;
            let mut buf = vec![0; 1 << 16];
            let mut batch = [Incoming::new(&mut buf)];
            other.recv_batch(&mut batch).await.unwrap();
            assert_eq!(batch[0].payload().len(), text.len(), "loopback merges all of it");
            assert_eq!(batch[0].datagrams().count(), 11);
        });
    }
}
