//! The client of the TCP echo workloads.
//!
//! Purpose: drives an echo server over any number of connections from one plain thread with an epoll of its own, so
//! that of two measurements only the servers differ.
//!
//! Data flow: the main thread of the workload calls [`Client::run`] while the server runs on the workers. Each connection
//! has one message under way; its next one is sent when the last has come back and was compared.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// Bytes of a message.
pub const MESSAGE: usize = 64;

/// A number of connections to one server.
#[derive(Debug)]
pub struct Client {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// Messages that were sent so far.
    sent: u64,
    /// Messages still to be sent in this run.
    left: u64,
    /// What has come back of the message under way.
    received: usize,
    buffer: [u8; MESSAGE],
}

impl Client {
    /// Connects to the server.
    ///
    /// # Errors
    ///
    /// Those of the system's calls.
    pub fn connect(server: SocketAddr, connections: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..connections)
            .map(|index| {
                let stream = std::net::TcpStream::connect(server)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                poll.registry()
                    .register(&mut stream, Token(index), Interest::READABLE)?;
                Ok(Connection {
                    stream,
                    sent: 0,
                    left: 0,
                    received: 0,
                    buffer: [0; MESSAGE],
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            connections,
        })
    }

    /// Sends `messages` over each connection, and waits for and compares each answer.
    ///
    /// # Errors
    ///
    /// Those of the system's calls, an end of a connection, an answer that differs.
    pub fn run(&mut self, messages: u64) -> io::Result<()> {
        for connection in &mut self.connections {
            connection.left = messages;
            connection.send_next()?;
        }
        let mut busy = self.connections.len();
        while busy > 0 {
            self.poll.poll(&mut self.events, None)?;
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                if connection.under_way() && connection.proceed()? {
                    busy -= 1;
                }
            }
        }
        Ok(())
    }
}

impl Connection {
    fn under_way(&self) -> bool {
        self.received < MESSAGE
    }

    fn message(&self) -> [u8; MESSAGE] {
        let mut message = [b'.'; MESSAGE];
        message[..8].copy_from_slice(&self.sent.to_le_bytes());
        message
    }

    fn send_next(&mut self) -> io::Result<()> {
        self.sent += 1;
        self.left -= 1;
        self.received = 0;
        // One small message under way always fits into the socket's buffer.
        self.stream.write_all(&self.message())
    }

    /// Reads what is there, and sends on; whether all messages have come back.
    fn proceed(&mut self) -> io::Result<bool> {
        loop {
            match self.stream.read(&mut self.buffer[self.received..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.received += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.received == MESSAGE {
                if self.buffer != self.message() {
                    return Err(io::Error::other("an echo differs from the message"));
                }
                if self.left == 0 {
                    return Ok(true);
                }
                self.send_next()?;
            }
        }
    }
}
