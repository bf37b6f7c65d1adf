//! A chat room: `cargo run --example chat_server [ADDRESS]`.
//!
//! Purpose: a `broadcast` channel gives each guest's task what all the others say. Enter the room, several times, by
//! `cargo run --example echo_client 127.0.0.1:7880`; Ctrl-C closes it.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use sprang::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use sprang::net::{TcpListener, TcpStream};
use sprang::signal::ctrl_c;
use sprang::sync::broadcast::{self, error::RecvError};

/// How many messages a guest may be behind before some are lost for it.
const BACKLOG: usize = 64;

/// A line of the conversation, and whose it is.
#[derive(Clone)]
struct Message {
    from: SocketAddr,
    // Each receiver gets a clone: of a pointer, then, and not of the text.
    line: Arc<str>,
}

/// The room, seen by one guest.
struct Guest {
    address: SocketAddr,
    room: broadcast::Sender<Message>,
}

impl Guest {
    /// Says something to the others.
    fn say(&self, line: String) {
        let (from, line) = (self.address, line.into());
        // An error says that nobody is there to hear it.
        let _ = self.room.send(Message { from, line });
    }

    /// Keeps a guest in the room for as long as its connection lives.
    async fn visit(&self, mut stream: TcpStream) -> io::Result<()> {
        let (reader, mut writer) = stream.split();
        let mut lines = BufReader::new(reader).lines();
        writer.write_all(b"What is your name?\n").await?;
        let Some(name) = lines.next_line().await? else {
            return Ok(());
        };

        let mut messages = self.room.subscribe();
        writer.write_all(format!("Welcome, {name}!\n").as_bytes()).await?;
        self.say(format!("{name} has come in"));
        let talked = loop {
            sprang::select! {
                line = lines.next_line() => match line {
                    Ok(Some(line)) => self.say(format!("{name}: {line}")),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                },
                message = messages.recv() => {
                    let line = match message {
                        Ok(message) if message.from == self.address => continue,
                        Ok(message) => format!("{}\n", message.line),
                        Err(RecvError::Lagged(missed)) => format!("({missed} messages are lost)\n"),
                        Err(RecvError::Closed) => break Ok(()),
                    };
                    if let Err(error) = writer.write_all(line.as_bytes()).await {
                        break Err(error);
                    }
                }
            }
        };
        self.say(format!("{name} has left"));
        talked
    }
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    let (room, _) = broadcast::channel(BACKLOG);
    loop {
        let (stream, address) = listener.accept().await?;
        let guest = Guest {
            address,
            room: room.clone(),
        };
        sprang::spawn(async move {
            if let Err(error) = guest.visit(stream).await {
                eprintln!("{address} is lost: {error}");
            }
        });
    }
}

#[sprang::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7880".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);

    sprang::select! {
        served = serve(listener) => served,
        interrupted = ctrl_c() => interrupted,
    }
}
