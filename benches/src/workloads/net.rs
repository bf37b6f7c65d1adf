//! TCP in bulk, connections, UDP.

use std::net::SocketAddr;

use super::rt::{
    self,
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};
use super::{on_worker, runtime};
use crate::{Workload, clients};

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "bulk",
        "1 MiB from one task to another over TCP, in writes and reads of 64 KiB",
        BULK_MIB,
        |rounds| on_worker(rounds, bulk),
    )
    .rounds(16)
    .ratio(1.0),
    Workload::new(
        "accept_close",
        "a connection of one of four threads accepted and closed",
        CONNECTIONS,
        accept_and_close,
    )
    .ratio(1.05),
    Workload::new(
        "udp_ping_pong",
        "a datagram of 64 bytes to another task and back",
        DATAGRAMS,
        |rounds| on_worker(rounds, udp_ping_pong),
    )
    .ratio(1.05),
    Workload::new(
        "udp_echo",
        "a datagram of 64 bytes to a task and back, from a thread outside the runtime",
        DATAGRAMS,
        udp_echo,
    )
    .ratio(1.05),
];

/// So that sixteen rounds are 1 GiB.
const BULK_MIB: u64 = 64;
const BLOCK: usize = 64 << 10;
const CONNECTIONS: u64 = 4000;
const DATAGRAMS: u64 = 10_000;
const DATAGRAM: usize = 64;

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn bulk() {
    let listener = TcpListener::bind(any_port()).await.expect("a free port");
    let server = listener.local_addr().expect("the listener is bound");
    let blocks = (BULK_MIB << 20) / BLOCK as u64;
    let sender = rt::spawn(async move {
        let mut stream = TcpStream::connect(server).await.expect("the other task accepts");
        let mut block = vec![b'.'; BLOCK];
        for number in 0..blocks {
            block[..8].copy_from_slice(&number.to_le_bytes());
            stream.write_all(&block).await.expect("the other task reads");
        }
    });
    let (mut stream, _) = listener.accept().await.expect("the other task connects");
    let mut block = vec![0; BLOCK];
    for number in 0..blocks {
        stream.read_exact(&mut block).await.expect("the other task writes");
        assert_eq!(block[..8], number.to_le_bytes());
    }
    assert_eq!(stream.read(&mut block).await.expect("the other task closes"), 0);
    sender.await.unwrap();
}

/// The runtime closes first.
fn accept_and_close(rounds: u32) -> f64 {
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind(any_port())).expect("a free port");
    let server = listener.local_addr().expect("the listener is bound");
    runtime.spawn(async move {
        loop {
            drop(listener.accept().await.expect("the clients are few"));
        }
    });
    clients::connection_rounds(server, rounds, CONNECTIONS)
}

async fn udp_ping_pong() {
    let ping = UdpSocket::bind(any_port()).await.expect("a free port");
    let pong = UdpSocket::bind(any_port()).await.expect("a free port");
    ping.connect(pong.local_addr().expect("the socket is bound"))
        .await
        .expect("an address");
    let other = rt::spawn(async move {
        for _ in 0..DATAGRAMS {
            echo_one(&pong).await;
        }
    });
    for number in 0..DATAGRAMS {
        let mut datagram = [b'.'; DATAGRAM];
        datagram[..8].copy_from_slice(&number.to_le_bytes());
        ping.send(&datagram).await.expect("the other task receives");
        let mut echo = [0; DATAGRAM];
        ping.recv(&mut echo).await.expect("the other task sends");
        assert_eq!(echo, datagram);
    }
    other.await.unwrap();
}

async fn echo_one(socket: &UdpSocket) {
    let mut datagram = [0; DATAGRAM];
    let (received, peer) = socket.recv_from(&mut datagram).await.expect("the peer is there");
    socket
        .send_to(&datagram[..received], peer)
        .await
        .expect("the peer is there");
}

fn udp_echo(rounds: u32) -> f64 {
    let runtime = runtime();
    let socket = runtime.block_on(UdpSocket::bind(any_port())).expect("a free port");
    let server = socket.local_addr().expect("the socket is bound");
    runtime.spawn(async move {
        loop {
            echo_one(&socket).await;
        }
    });
    clients::udp_rounds(server, rounds, DATAGRAMS)
}
