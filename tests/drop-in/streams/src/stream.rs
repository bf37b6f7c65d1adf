//! tokio-stream: the combinators and the wrappers.

use std::time::Duration;

use support::on_each;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, interval};
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::wrappers::{
    BroadcastStream, IntervalStream, LinesStream, ReceiverStream, TcpListenerStream, UnboundedReceiverStream,
    UnixListenerStream, WatchStream,
};
use tokio_stream::{StreamExt, StreamMap};

#[test]
fn a_map_of_streams_yields_everything_of_each() {
    on_each(async || {
        let mut map = StreamMap::new();
        for key in 0..10 {
            let (sender, receiver) = mpsc::channel(1);
            map.insert(key, ReceiverStream::new(receiver));
            tokio::spawn(async move {
                for number in 0..20 {
                    sender.send(number).await.unwrap();
                }
            });
        }
        let mut next = [0; 10];
        while let Some((key, number)) = map.next().await {
            assert_eq!(number, next[key]);
            next[key] += 1;
        }
        assert_eq!(next, [20; 10]);
    });
}

#[test]
fn merged_streams_are_chunked_by_time() {
    on_each(async || {
        let (sender, receiver) = mpsc::unbounded_channel();
        let numbers = tokio_stream::iter(0..5).merge(UnboundedReceiverStream::new(receiver));
        let mut chunks = std::pin::pin!(numbers.chunks_timeout(100, Duration::from_millis(20)));
        let first = chunks.next().await.unwrap();
        assert_eq!(first, [0, 1, 2, 3, 4]);
        sender.send(5).unwrap();
        drop(sender);
        assert_eq!(chunks.next().await.unwrap(), [5]);
        assert!(chunks.next().await.is_none());
    });
}

#[tokio::test(start_paused = true)]
async fn time_shapes_a_stream() {
    let start = Instant::now();
    let ticks = IntervalStream::new(interval(Duration::from_secs(1))).take(5);
    let mut ticks = std::pin::pin!(ticks.throttle(Duration::from_secs(3)));
    let mut count = 0;
    while ticks.next().await.is_some() {
        count += 1;
    }
    assert_eq!((count, start.elapsed().as_secs()), (5, 15));

    let mut silent = std::pin::pin!(tokio_stream::pending::<()>().timeout(Duration::from_secs(1)));
    assert!(silent.next().await.unwrap().is_err());
}

#[test]
fn a_slow_reader_of_a_broadcast_is_told_what_it_missed() {
    on_each(async || {
        let (sender, receiver) = broadcast::channel(4);
        for number in 0..6 {
            sender.send(number).unwrap();
        }
        drop(sender);
        let received: Vec<_> = BroadcastStream::new(receiver).collect().await;
        assert_eq!(
            received,
            [Err(BroadcastStreamRecvError::Lagged(2)), Ok(2), Ok(3), Ok(4), Ok(5)]
        );
    });
}

#[test]
fn a_watched_value_is_a_stream_of_its_latest() {
    on_each(async || {
        let (sender, receiver) = watch::channel(0);
        let mut values = WatchStream::new(receiver);
        assert_eq!(values.next().await, Some(0));
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert_eq!(values.next().await, Some(2));
        drop(sender);
        assert_eq!(values.next().await, None);
    });
}

#[test]
fn listeners_are_streams_of_connections() {
    on_each(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients = tokio::spawn(async move {
            for number in 0..10 {
                let stream = TcpStream::connect(address).await.unwrap();
                stream.writable().await.unwrap();
                assert_eq!(stream.try_write(format!("{number}\n").as_bytes()).unwrap(), 2);
            }
        });
        let connections = TcpListenerStream::new(listener).take(10);
        let lines = connections.then(async |stream| {
            let mut lines = LinesStream::new(BufReader::new(stream.unwrap()).lines());
            lines.next().await.unwrap().unwrap()
        });
        let lines: Vec<String> = lines.collect().await;
        assert_eq!(lines, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        clients.await.unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let mut connections = UnixListenerStream::new(UnixListener::bind(&path).unwrap());
        let (client, server) = tokio::join!(UnixStream::connect(&path), connections.next());
        assert!(client.is_ok() && server.unwrap().is_ok());
    });
}
