//! A TCP echo server around epoll.
//!
//! Purpose: the floor of the echo workloads. Threads with an epoll instance of their own share the connections;
//! level-triggered, one `recv` and one `send` for each event, no timers, no tasks. Whether one thread or two are faster
//! depends on the machine and on the number of connections: a round with each says which is measured.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use crate::Workload;
use crate::clients::{Client, MESSAGE};
use crate::meter::Meter;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new("echo_1", "bare epoll, 1 connection", MESSAGES, |rounds| {
        fastest::<MESSAGE>(rounds, 1)
    }),
    Workload::new("echo_64", "bare epoll, 64 connections", MESSAGES, |rounds| {
        fastest::<MESSAGE>(rounds, 64)
    }),
    Workload::new("echo_1000", "bare epoll, 1000 connections", MESSAGES, |rounds| {
        fastest::<MESSAGE>(rounds, 1000)
    }),
    Workload::new(
        "echo_1k_buf",
        "bare epoll, 64 connections, a buffer of 1 KiB",
        MESSAGES,
        |rounds| fastest::<1024>(rounds, 64),
    ),
];

const MESSAGES: u64 = 32_000;

/// The time with the number of threads that was faster in a round before.
fn fastest<const BUFFER: usize>(rounds: u32, connections: usize) -> f64 {
    let mut servers = [1, 2].map(|threads| {
        let server = start_server::<BUFFER>(threads).expect("a server can be started");
        let mut client = Client::connect(server, connections).expect("the server accepts");
        echo(&mut client, 1, connections);
        (echo(&mut client, 1, connections), client)
    });
    let [(one, _), (two, _)] = servers;
    echo(&mut servers[usize::from(two < one)].1, rounds, connections)
}

fn echo(client: &mut Client, rounds: u32, connections: usize) -> f64 {
    let meter = Meter::start();
    for _ in 0..rounds {
        client
            .run(MESSAGES / connections as u64)
            .expect("the server echoes every message");
    }
    meter.stop()
}

/// What a thread waits for, and its connections by the number in their events.
struct Loop {
    epoll: OwnedFd,
    connections: Mutex<Vec<Arc<TcpStream>>>,
}

/// Starts a server that ends with the process; its address.
pub(crate) fn start_server<const BUFFER: usize>(threads: usize) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let server = listener.local_addr()?;
    let loops = (0..threads)
        .map(|_| {
            let own = Arc::new(Loop {
                epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
                connections: Mutex::default(),
            });
            let shared = Arc::clone(&own);
            thread::Builder::new().spawn(move || serve::<BUFFER>(&own))?;
            Ok(shared)
        })
        .collect::<io::Result<Vec<_>>>()?;
    thread::Builder::new().spawn(move || {
        for (stream, to) in listener.incoming().zip(loops.iter().cycle()) {
            let added = stream.and_then(|stream| to.add(stream));
            added.expect("the clients are few");
        }
    })?;
    Ok(server)
}

impl Loop {
    fn add(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let stream = Arc::new(stream);
        let mut connections = self.connections.lock().expect("no thread panics");
        let number = epoll::EventData::new_u64(connections.len() as u64);
        connections.push(Arc::clone(&stream));
        epoll::add(&self.epoll, &*stream, number, epoll::EventFlags::IN)?;
        Ok(())
    }
}

fn serve<const BUFFER: usize>(own: &Loop) {
    let mut events = Vec::with_capacity(256);
    let mut buffer = [0; BUFFER];
    // Those that were looked up before: no lock for them.
    let mut known: Vec<Arc<TcpStream>> = Vec::new();
    loop {
        match epoll::wait(&own.epoll, spare_capacity(&mut events), None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => panic!("epoll does not wait: {error}"),
        }
        for event in events.drain(..) {
            let number = event.data.u64() as usize;
            if number >= known.len() {
                let all = own.connections.lock().expect("no thread panics");
                known.extend_from_slice(&all[known.len()..]);
            }
            let mut stream = &*known[number];
            match stream.read(&mut buffer) {
                // A client that has gone has reset its connection.
                Ok(0) | Err(_) => epoll::delete(&own.epoll, stream).expect("it is registered"),
                Ok(read) => stream.write_all(&buffer[..read]).expect("the client reads"),
            }
        }
    }
}
