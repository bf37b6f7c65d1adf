//! Sends its input to a server, and prints what comes back: `cargo run --example echo_client [ADDRESS]`.
//!
//! Purpose: to read and to write one connection at the same time. A client that first sent everything would never end
//! if it sent much: the server waits until its answers are taken, the client until the server takes more.
//! Start `cargo run --example echo_server` first; Ctrl-D ends the input.

use std::env;

use sprang::io::{self, AsyncWriteExt};
use sprang::net::TcpStream;

#[sprang::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7879".to_owned());
    let mut stream = TcpStream::connect(address).await?;
    let (mut reader, mut writer) = stream.split();

    let send = async {
        io::copy(&mut io::stdin(), &mut writer).await?;
        // Tells the server that this was all; what it answers can still be read.
        writer.shutdown().await
    };
    let receive = async {
        io::copy(&mut reader, &mut io::stdout()).await?;
        Ok(())
    };

    // The server has the last word: a `send` that is done does not match, and the other branch is waited for.
    sprang::select! {
        Err(error) = send => Err(error),
        received = receive => received,
    }
}
