//! TCP in bulk, connections and UDP with sockets that block.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use crate::{Workload, clients, timed};

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new("bulk", "from one thread to another", BULK_MIB, |rounds| {
        timed(rounds, bulk)
    }),
    Workload::new("accept_close", "in one thread", CONNECTIONS, accept_and_close),
    Workload::new("udp_echo", "from one thread to another and back", DATAGRAMS, udp_echo),
];

const BULK_MIB: u64 = 64;
const BLOCK: usize = 64 << 10;
const CONNECTIONS: u64 = 4000;
const DATAGRAMS: u64 = 10_000;

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn bulk() {
    let listener = TcpListener::bind(any_port()).expect("a free port");
    let server = listener.local_addr().expect("the listener is bound");
    let blocks = (BULK_MIB << 20) / BLOCK as u64;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = TcpStream::connect(server).expect("the other thread accepts");
            let mut block = vec![b'.'; BLOCK];
            for number in 0..blocks {
                block[..8].copy_from_slice(&number.to_le_bytes());
                stream.write_all(&block).expect("the other thread reads");
            }
        });
        let (mut stream, _) = listener.accept().expect("the other thread connects");
        let mut block = vec![0; BLOCK];
        for number in 0..blocks {
            stream.read_exact(&mut block).expect("the other thread writes");
            assert_eq!(block[..8], number.to_le_bytes());
        }
    });
}

fn accept_and_close(rounds: u32) -> f64 {
    let listener = TcpListener::bind(any_port()).expect("a free port");
    let server = listener.local_addr().expect("the listener is bound");
    thread::spawn(move || {
        loop {
            drop(listener.accept().expect("the clients are few"));
        }
    });
    clients::connection_rounds(server, rounds, CONNECTIONS)
}

fn udp_echo(rounds: u32) -> f64 {
    let socket = UdpSocket::bind(any_port()).expect("a free port");
    let server = socket.local_addr().expect("the socket is bound");
    thread::spawn(move || {
        let mut datagram = [0; clients::MESSAGE];
        loop {
            let (received, peer) = socket.recv_from(&mut datagram).expect("the peer is there");
            socket.send_to(&datagram[..received], peer).expect("the peer is there");
        }
    });
    clients::udp_rounds(server, rounds, DATAGRAMS)
}
