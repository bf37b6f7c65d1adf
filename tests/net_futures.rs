//! Sockets, pipes and listeners in the hands of the futures crates.
//!
//! What must hold: the traits of `futures::io` move the same bytes as ours and end streams as ours do; the connections
//! of a listener are a stream that goes on after errors.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::net::Ipv4Addr;

use futures::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy};
use futures::stream::FusedStream;
use futures::{StreamExt as _, future};

use sprang::net::unix::pipe;
use sprang::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use sprang_tests::{child, is_child, on_each};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// The two ends of a TCP connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, server)
}

/// Writes more than a pipe or a Unix socket has room for, to a reader that waits, in every way that the traits have.
async fn exchange(mut writer: impl AsyncWrite + Unpin, mut reader: impl AsyncRead + Unpin) {
    let bytes = (0..251).collect::<Vec<u8>>().repeat(4_000);
    let write = async {
        writer.write_all(&bytes).await.unwrap();
        writer.flush().await.unwrap();
        let (mut head, mut tail) = (&b"he"[..], &b"llo"[..]);
        while !head.is_empty() || !tail.is_empty() {
            let n = writer
                .write_vectored(&[IoSlice::new(head), IoSlice::new(tail)])
                .await
                .unwrap();
            assert!(n > 0);
            let of_head = n.min(head.len());
            (head, tail) = (&head[of_head..], &tail[n - of_head..]);
        }
        writer.close().await.unwrap();
        // The only way to end a pipe.
        drop(writer);
    };
    let read = async {
        let (mut first, mut second) = ([0; 1_000], [0; 9_000]);
        let mut received = Vec::new();
        loop {
            let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
            let n = reader.read_vectored(&mut bufs).await.unwrap();
            if n == 0 {
                break;
            }
            received.extend_from_slice(&first[..n.min(1_000)]);
            received.extend_from_slice(&second[..n.saturating_sub(1_000)]);
        }
        assert_eq!(reader.read(&mut first).await.unwrap(), 0, "the end stays");
        received
    };
    let ((), received) = future::join(write, read).await;
    let (payload, greeting) = received.split_at(bytes.len());
    assert!(payload == bytes, "other bytes have come");
    assert_eq!(greeting, b"hello");
}

#[test]
fn every_reader_and_writer_speaks_the_traits_of_futures() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (client, server) = connection().await;
            exchange(client, server).await;
            let (mut client, mut server) = connection().await;
            exchange(TcpStream::split(&mut client).1, TcpStream::split(&mut server).0).await;
            let (client, server) = connection().await;
            exchange(client.into_split().1, server.into_split().0).await;

            let (one, other) = UnixStream::pair().unwrap();
            exchange(one, other).await;
            let (mut one, mut other) = UnixStream::pair().unwrap();
            exchange(UnixStream::split(&mut one).1, UnixStream::split(&mut other).0).await;
            let (one, other) = UnixStream::pair().unwrap();
            exchange(one.into_split().1, other.into_split().0).await;

            let (sender, receiver) = pipe::pipe().unwrap();
            exchange(sender, receiver).await;
        });
    });
}

#[test]
fn one_vectored_read_fills_all_buffers() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (mut one, mut other) = UnixStream::pair().unwrap();
            let (mut first, mut second) = ([0; 2], [0; 8]);
            let write = async { one.write_all(b"hello").await.unwrap() };
            let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
            let (n, ()) = future::join(other.read_vectored(&mut bufs), write).await;
            assert_eq!((n.unwrap(), &first, &second[..3]), (5, b"he", &b"llo"[..]));
        });
    });
}

#[test]
fn a_server_of_futures_echoes_what_clients_send() {
    on_each(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind(LOOPBACK).await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = listener.incoming().take(10).for_each_concurrent(None, async |stream| {
                let (read, mut write) = stream.unwrap().into_split();
                assert_eq!(copy(read, &mut write).await.unwrap(), 100_000);
                write.close().await.unwrap();
            });
            let clients = (0..10).map(async |number| {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let (mut read, mut write) = TcpStream::split(&mut stream);
                let write = async {
                    write.write_all(&[number; 100_000]).await.unwrap();
                    write.close().await.unwrap();
                };
                let mut echo = Vec::new();
                let ((), end) = future::join(write, read.read_to_end(&mut echo)).await;
                end.unwrap();
                assert!(echo == [number; 100_000], "other bytes have come back");
            });
            future::join(server, future::join_all(clients)).await;
        });
    });
}

#[test]
fn connections_that_come_while_the_stream_waits_and_while_it_does_not_are_all_there() {
    on_each(|runtime| {
        runtime.block_on(async {
            let name = format!(
                "\0sprang-incoming-{}-{:?}",
                std::process::id(),
                std::thread::current().id()
            );
            let listener = UnixListener::bind(&name).unwrap();
            let mut incoming = listener.incoming();
            let mut before = UnixStream::connect(&name).await.unwrap();
            before.write_all(b"x").await.unwrap();
            let mut stream = incoming.next().await.unwrap().unwrap();
            stream.read_exact(&mut [0]).await.unwrap();

            let (next, connected) = future::join(incoming.next(), UnixStream::connect(&name)).await;
            let (mut stream, mut client) = (next.unwrap().unwrap(), connected.unwrap());
            stream.write_all(b"y").await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
            assert!(!incoming.is_terminated());
        });
    });
}

#[test]
fn a_stream_of_connections_goes_on_after_errors() {
    const TEST: &str = "a_stream_of_connections_goes_on_after_errors";
    if !is_child() {
        let output = child(TEST, "-n 64").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
        return;
    }
    const EMFILE: i32 = 24;
    on_each(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind(LOOPBACK).await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut incoming = listener.incoming();
            let _client = TcpStream::connect(address).await.unwrap();
            let files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            for _ in 0..3 {
                let error = incoming.next().await.unwrap().unwrap_err();
                assert_eq!(error.raw_os_error(), Some(EMFILE), "{error}");
            }
            drop(files);
            incoming.next().await.unwrap().unwrap();
        });
    });
}
