//! Every transport carries bytes between tasks, on every flavour of runtime.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sprang::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use sprang::net::unix::pipe;
use sprang::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use sprang::runtime::Runtime;
use sprang::task::{JoinSet, yield_now};
use sprang_tests::on_each;

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const TASKS: u64 = 8;
const CHUNKS: usize = 40;

/// Sizes and bytes that look random and are the same for the same seed.
struct Bytes(u64);

impl Bytes {
    fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Up to `limit` bytes.
    fn chunk(&mut self, limit: u64) -> Vec<u8> {
        let len = self.number() % limit;
        (0..len).map(|_| self.number() as u8).collect()
    }
}

fn seeded(task: u64) -> Bytes {
    Bytes(0x9E37_79B9_7F4A_7C15 ^ (task + 1))
}

/// Runs `task` for each number on a task of its own.
fn on_tasks<F: Future<Output = ()> + Send + 'static>(runtime: &Runtime, task: impl Fn(u64) -> F) {
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            tasks.spawn(task(number));
        }
        tasks.join_all().await;
    });
}

/// Sends chunks of all sizes, and reads them elsewhere in pieces of other sizes.
async fn goes_through(
    task: u64,
    mut write: impl AsyncWrite + Unpin + Send + 'static,
    mut read: impl AsyncRead + Unpin,
) {
    let sending = sprang::spawn(async move {
        let mut bytes = seeded(task);
        let mut sent = Vec::new();
        for _ in 0..CHUNKS {
            let chunk = bytes.chunk(20_000);
            write.write_all(&chunk).await.unwrap();
            sent.extend(chunk);
        }
        write.shutdown().await.unwrap();
        sent
    });
    let mut sizes = seeded(task + TASKS);
    let mut received = Vec::new();
    let mut buf = vec![0; 30_000];
    loop {
        let room = 1 + sizes.number() as usize % (buf.len() - 1);
        match read.read(&mut buf[..room]).await.unwrap() {
            0 => break,
            n => received.extend_from_slice(&buf[..n]),
        }
        if sizes.number().is_multiple_of(4) {
            yield_now().await;
        }
    }
    assert!(received == sending.await.unwrap(), "bytes were lost or changed");
}

/// Reads until the end, and writes all of it back.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buf = vec![0; 10_000];
    loop {
        let n = stream.read(&mut buf).await.unwrap();
        if n == 0 {
            return stream.shutdown().await.unwrap();
        }
        stream.write_all(&buf[..n]).await.unwrap();
    }
}

#[test]
fn tcp_streams() {
    on_each(|runtime| {
        let listener = runtime.block_on(TcpListener::bind(LOOPBACK)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                sprang::spawn(echo(stream));
            }
        });
        on_tasks(&runtime, |task| async move {
            let (read, write) = TcpStream::connect(address).await.unwrap().into_split();
            goes_through(task, write, read).await;
        });
    });
}

#[test]
fn unix_streams() {
    on_each(|runtime| {
        let name = format!("\0sprang-echo-{}-{:?}", std::process::id(), std::thread::current().id());
        let listener = {
            let _entered = runtime.enter();
            UnixListener::bind(&name).unwrap()
        };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                sprang::spawn(echo(stream));
            }
        });
        on_tasks(&runtime, |task| {
            let name = name.clone();
            async move {
                let (read, write) = UnixStream::connect(name).await.unwrap().into_split();
                goes_through(task, write, read).await;
            }
        });
    });
}

#[test]
fn pipes() {
    on_each(|runtime| {
        on_tasks(&runtime, |task| async move {
            let (sender, receiver) = pipe::pipe().unwrap();
            goes_through(task, sender, receiver).await;
        });
    });
}

#[test]
fn unix_datagrams_in_order() {
    on_each(|runtime| {
        on_tasks(&runtime, |task| async move {
            let (sender, receiver) = UnixDatagram::pair().unwrap();
            let sending = sprang::spawn(async move {
                let mut bytes = seeded(task);
                for _ in 0..CHUNKS {
                    let chunk = bytes.chunk(20_000);
                    assert_eq!(sender.send(&chunk).await.unwrap(), chunk.len());
                }
            });
            let mut bytes = seeded(task);
            let mut buf = vec![0; 20_000];
            for _ in 0..CHUNKS {
                let n = receiver.recv(&mut buf).await.unwrap();
                assert!(buf[..n] == bytes.chunk(20_000));
            }
            sending.await.unwrap();
        });
    });
}

/// One socket serves all: some tasks receive from it and answer, while others ask.
#[test]
fn udp_requests_to_a_shared_socket() {
    async fn serve(socket: Arc<UdpSocket>) -> io::Result<()> {
        let mut buf = vec![0; 9_000];
        loop {
            let (n, from) = socket.recv_from(&mut buf).await?;
            socket.send_to(&buf[..n], from).await?;
        }
    }

    async fn ask(task: u64, address: SocketAddr) {
        let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
        socket.connect(address).await.unwrap();
        let mut bytes = seeded(task);
        for _ in 0..CHUNKS {
            let request = bytes.chunk(9_000);
            socket.send(&request).await.unwrap();
            let mut answer = Vec::with_capacity(9_000);
            socket.recv_buf(&mut answer).await.unwrap();
            assert!(answer == request);
        }
    }

    on_each(|runtime| {
        let socket = Arc::new(runtime.block_on(UdpSocket::bind(LOOPBACK)).unwrap());
        let address = socket.local_addr().unwrap();
        for _ in 0..3 {
            runtime.spawn(serve(Arc::clone(&socket)));
        }
        on_tasks(&runtime, |task| ask(task, address));
    });
}
