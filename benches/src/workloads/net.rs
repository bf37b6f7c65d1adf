//! TCP.

use std::net::SocketAddr;

use super::rt::{
    self,
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::Runtime,
};
use crate::echo::{Client, MESSAGE};
use crate::meter::Meter;

/// Messages in a round, over all connections.
pub(super) const MESSAGES: u64 = 32_000;

/// An echo server on the runtime, the client on this thread.
pub(super) fn echo(rounds: u32, connections: u32) -> f64 {
    let runtime = super::runtime();
    let server = start_server(&runtime);
    let mut client = Client::connect(server, connections as usize).expect("the server accepts");
    let mut round = || {
        client
            .run(MESSAGES / u64::from(connections))
            .expect("the server echoes every message")
    };
    round();
    let meter = Meter::start();
    for _ in 0..rounds {
        round();
    }
    meter.stop()
}

/// Starts an echo server; its address.
pub(super) fn start_server(runtime: &Runtime) -> SocketAddr {
    let listener = runtime
        .block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))))
        .expect("a free port");
    let server = listener.local_addr().expect("the listener is bound");
    runtime.spawn(serve(listener));
    server
}

async fn serve(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("the clients are few");
        stream.set_nodelay(true).expect("the socket is open");
        rt::spawn(async move {
            let mut buffer = [0; MESSAGE];
            loop {
                match stream
                    .read(&mut buffer)
                    .await
                    .expect("the client closes in an orderly way")
                {
                    0 => break,
                    read => stream.write_all(&buffer[..read]).await.expect("the client reads"),
                }
            }
        });
    }
}
