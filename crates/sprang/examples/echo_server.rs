//! A server that sends back what it receives: `cargo run --example echo_server [ADDRESS]`.
//!
//! Purpose: the skeleton of a server: accept a client, spawn a task for it, accept the next one. Talk to it by
//! `cargo run --example echo_client`; Ctrl-C ends it.

use std::env;
use std::io;

use sprang::net::{TcpListener, TcpStream};
use sprang::signal::ctrl_c;

/// Sends back what a client sends, until it has said all it wanted to. Returns how many bytes that were.
async fn echo(mut stream: TcpStream) -> io::Result<u64> {
    let (mut reader, mut writer) = stream.split();
    sprang::io::copy(&mut reader, &mut writer).await
}

/// Serves any number of clients at a time.
async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        // An error here ends the server. The example `web_server` shows how to go on after those that pass.
        let (stream, client) = listener.accept().await?;
        sprang::spawn(async move {
            match echo(stream).await {
                Ok(bytes) => println!("{client} sent {bytes} bytes"),
                Err(error) => eprintln!("{client} is lost: {error}"),
            }
        });
    }
}

#[sprang::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7879".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);

    // When `main` returns the runtime ends, and drops the clients' tasks where they wait.
    sprang::select! {
        served = serve(listener) => served,
        interrupted = ctrl_c() => interrupted,
    }
}
