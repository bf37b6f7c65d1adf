//! A TCP echo server, as everybody writes it.

use std::net::SocketAddr;
use std::time::Instant;

use super::burn::Burners;
use super::rt::{
    self,
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::Runtime,
};
use crate::clients::{self, Attic, Client, MESSAGE};
use crate::meter;
use crate::report::Quantiles;
use crate::{Unit, Workload, timed};

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "echo_1",
        "64 bytes there and back over TCP, 1 connection",
        MESSAGES,
        |rounds| echo::<MESSAGE>(rounds, 1),
    )
    .rounds(1)
    .ratio(1.05)
    .of_floor(0.9),
    Workload::new(
        "echo_64",
        "64 bytes there and back over TCP, 64 connections",
        MESSAGES,
        |rounds| echo::<MESSAGE>(rounds, 64),
    )
    .rounds(5)
    .ratio(1.05)
    .of_floor(0.9),
    Workload::new(
        "echo_1000",
        "64 bytes there and back over TCP, 1000 connections",
        MESSAGES,
        |rounds| echo::<MESSAGE>(rounds, 1000),
    )
    .rounds(5)
    .ratio(1.05)
    .of_floor(0.9),
    Workload::new(
        "echo_1k_buf",
        "64 bytes there and back over TCP, 64 connections, read into a buffer of 1 KiB",
        MESSAGES,
        |rounds| echo::<1024>(rounds, 64),
    )
    .rounds(5)
    .ratio(1.05)
    .of_floor(0.9),
    Workload::new(
        "echo_burn_p99",
        "the 99th percentile of an echo beside four tasks that burn 100 µs a poll",
        1,
        beside_burners,
    )
    .once(Unit::QuantileUs)
    .ratio(1.0),
    Workload::new(
        "idle_connection",
        "memory of the server's side of a connection that idles, one of 10,000",
        IDLE as u64,
        idle_connections,
    )
    .once(Unit::Bytes)
    .ratio(1.0),
];

/// Messages in a round, over all connections.
const MESSAGES: u64 = 32_000;
const IDLE: usize = 10_000;

/// A server that reads into buffers of so many bytes on the runtime, the client on this thread.
fn echo<const BUFFER: usize>(rounds: u32, connections: usize) -> f64 {
    let runtime = super::runtime();
    let server = start_server::<BUFFER>(&runtime);
    let mut client = Client::connect(server, connections).expect("the server accepts");
    timed(rounds, || {
        client
            .run(MESSAGES / connections as u64)
            .expect("the server echoes every message");
    })
}

/// Starts an echo server; its address.
pub(super) fn start_server<const BUFFER: usize>(runtime: &Runtime) -> SocketAddr {
    let listener = runtime
        .block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))))
        .expect("a free port");
    let server = listener.local_addr().expect("the listener is bound");
    runtime.spawn(serve::<BUFFER>(listener));
    server
}

async fn serve<const BUFFER: usize>(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("the clients are few");
        stream.set_nodelay(true).expect("the socket is open");
        rt::spawn(async move {
            let mut buffer = [0; BUFFER];
            loop {
                // A client that has gone has reset its connection.
                match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(read) => stream.write_all(&buffer[..read]).await.expect("the client reads"),
                }
            }
        });
    }
}

/// The 99th percentile in microseconds.
fn beside_burners(rounds: u32) -> f64 {
    const ROUND_TRIPS: u64 = 3000;
    let runtime = super::runtime();
    let mut client = clients::connect(start_server::<MESSAGE>(&runtime)).expect("the server accepts");
    let burners = Burners::start(&runtime);
    let mut sum_us = 0.0;
    for _ in 0..rounds {
        let times_us = (0..ROUND_TRIPS).map(|number| {
            let start = Instant::now();
            clients::round_trip(&mut client, number);
            start.elapsed().as_secs_f64() * 1e6
        });
        sum_us += Quantiles::of(times_us).at(0.99);
    }
    runtime.block_on(burners.stop());
    sum_us
}

/// The memory of so many times [`IDLE`] connections, beside a tenth as many that were there before.
fn idle_connections(rounds: u32) -> f64 {
    meter::raise_limit_of_files();
    let runtime = super::runtime();
    let server = start_server::<MESSAGE>(&runtime);
    let attic = Attic::new().expect("a pair of sockets");
    let mut batch = Vec::with_capacity(Attic::BATCH);
    let mut connect = |connections: usize| {
        for _ in 0..connections / Attic::BATCH {
            for _ in 0..Attic::BATCH {
                let mut client = clients::connect(server).expect("the server accepts");
                clients::round_trip(&mut client, 0);
                batch.push(client);
            }
            attic.take(&batch).expect("the attic has room");
            batch.clear();
        }
    };
    connect(IDLE / 10);
    let before = meter::resident_bytes();
    connect(rounds as usize * IDLE);
    meter::resident_bytes() - before
}
