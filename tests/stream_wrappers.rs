//! The streams of `sprang::stream::wrappers`: what each gives, when it ends, and what it leaves alone.

use std::fs;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use sprang::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use sprang::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use sprang::signal::unix::{SignalKind, signal};
use sprang::stream::Stream;
use sprang::stream::wrappers::errors::BroadcastStreamRecvError::Lagged;
use sprang::stream::wrappers::{
    BroadcastStream, IntervalStream, JoinSetStream, LinesStream, ReadDirStream, ReceiverStream, SignalStream,
    SplitStream, TcpListenerStream, UnboundedReceiverStream, UnixListenerStream, WatchStream,
};
use sprang::sync::{broadcast, mpsc, watch};
use sprang::task::{self, JoinSet};
use sprang::time::{self, Instant};
use sprang_tests::temp::TempDir;
use sprang_tests::{bounded, current_thread, on_each};

/// Whether the stream has neither an item nor an end.
fn is_pending(stream: &mut (impl Stream + Unpin)) -> bool {
    stream
        .poll_next_unpin(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

#[test]
fn a_receivers_stream_ends_when_it_has_given_all_that_was_sent() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (sender, receiver) = mpsc::channel(2);
            let task = sprang::spawn(async move {
                for number in 0..1_000 {
                    sender.send(number).await.unwrap();
                }
            });
            let numbers: Vec<u32> = ReceiverStream::new(receiver).collect().await;
            assert!(numbers.into_iter().eq(0..1_000));
            task.await.unwrap();

            let (sender, receiver) = mpsc::unbounded_channel();
            let task = sprang::spawn(async move { (0..1_000).for_each(|number| sender.send(number).unwrap()) });
            let numbers: Vec<u32> = UnboundedReceiverStream::from(receiver).collect().await;
            assert!(numbers.into_iter().eq(0..1_000));
            task.await.unwrap();
        });
    });
}

#[sprang::test]
async fn a_closed_receivers_stream_knows_how_many_items_may_come() {
    let (sender, receiver) = mpsc::channel(4);
    let mut messages = ReceiverStream::new(receiver);
    sender.send(1).await.unwrap();
    let permit = sender.reserve().await.unwrap();
    assert_eq!(messages.size_hint(), (1, None));
    messages.close();
    assert_eq!(messages.size_hint(), (1, Some(2)));
    assert!(sender.send(3).await.is_err());
    permit.send(2);
    assert_eq!(messages.size_hint(), (2, Some(2)));
    assert_eq!(messages.as_ref().len(), 2);
    assert_eq!(messages.by_ref().collect::<Vec<_>>().await, [1, 2]);
    assert_eq!(messages.size_hint(), (0, Some(0)));

    let (sender, receiver) = mpsc::unbounded_channel();
    let mut messages = UnboundedReceiverStream::new(receiver);
    sender.send(1).unwrap();
    assert_eq!(messages.size_hint(), (1, None));
    messages.close();
    assert_eq!(messages.size_hint(), (1, Some(1)));
    assert!(sender.send(2).is_err());
    assert_eq!((messages.next().await, messages.next().await), (Some(1), None));
}

#[sprang::test]
async fn what_was_wrapped_comes_out_with_what_it_has() {
    let (sender, receiver) = mpsc::channel(4);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let mut messages = ReceiverStream::from(receiver);
    assert_eq!(messages.next().await, Some(1));
    assert_eq!(messages.as_mut().try_recv(), Ok(2));
    sender.try_send(3).unwrap();
    assert_eq!(messages.into_inner().recv().await, Some(3));
}

#[sprang::test]
async fn a_broadcast_stream_says_what_it_has_missed_and_goes_on() {
    let (sender, receiver) = broadcast::channel(2);
    let mut messages = BroadcastStream::new(receiver);
    assert!(is_pending(&mut messages));
    for number in 0..5 {
        sender.send(number).unwrap();
    }
    assert_eq!(messages.next().await, Some(Err(Lagged(3))));
    assert_eq!(messages.next().await, Some(Ok(3)));
    assert_eq!(messages.next().await, Some(Ok(4)));
    assert!(is_pending(&mut messages));
    drop(sender);
    assert_eq!(messages.next().await, None);
    assert_eq!(messages.next().await, None);
}

#[test]
fn a_broadcast_stream_wakes_its_task_for_each_message() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (sender, receiver) = broadcast::channel(4);
            let (taken, mut takings) = mpsc::channel(1);
            let task = sprang::spawn(async move {
                let mut messages = BroadcastStream::new(receiver);
                while let Some(number) = messages.next().await {
                    taken.send(number.unwrap()).await.unwrap();
                }
            });
            for number in 0..100 {
                sender.send(number).unwrap();
                assert_eq!(takings.recv().await, Some(number));
            }
            drop(sender);
            task.await.unwrap();
        });
    });
}

#[sprang::test]
async fn a_watch_stream_gives_the_newest_value_and_each_once() {
    let (sender, receiver) = watch::channel(0);
    let mut values = WatchStream::new(receiver.clone());
    let mut changes = WatchStream::from_changes(receiver);
    assert_eq!(values.next().await, Some(0));
    assert!(is_pending(&mut values));
    assert!(is_pending(&mut changes));
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!((values.next().await, changes.next().await), (Some(2), Some(2)));
    assert!(is_pending(&mut values));
    sender.send(3).unwrap();
    drop(sender);
    assert_eq!((values.next().await, values.next().await), (Some(3), None));
    assert_eq!((changes.next().await, changes.next().await), (Some(3), None));
}

#[test]
fn the_streams_can_be_sent_and_shared() {
    fn shared<T: Send + Sync + Unpin>() {}
    shared::<ReceiverStream<String>>();
    shared::<UnboundedReceiverStream<String>>();
    shared::<BroadcastStream<String>>();
    shared::<WatchStream<String>>();
    shared::<IntervalStream>();
    shared::<JoinSetStream<String>>();
    shared::<TcpListenerStream>();
    shared::<UnixListenerStream>();
    shared::<ReadDirStream>();
    shared::<SignalStream>();
    shared::<LinesStream<&[u8]>>();
    shared::<SplitStream<&[u8]>>();
}

#[sprang::test(start_paused = true)]
async fn an_intervals_stream_gives_the_times_of_its_ticks() {
    const PERIOD: Duration = Duration::from_secs(1);
    let start = Instant::now();
    let ticks = IntervalStream::new(time::interval(PERIOD));
    let ticks: Vec<_> = ticks.take(3).map(|tick| tick - start).collect().await;
    assert_eq!(ticks, [Duration::ZERO, PERIOD, 2 * PERIOD]);
    assert_eq!(start.elapsed(), 2 * PERIOD);
}

#[test]
fn a_join_sets_stream_gives_the_output_of_each_task() {
    on_each(|runtime| {
        runtime.block_on(async {
            let tasks: JoinSet<u32> = (0..100).map(|number| async move { number }).collect();
            let mut outputs = JoinSetStream::new(tasks);
            assert_eq!(outputs.size_hint(), (100, Some(100)));
            let mut numbers: Vec<u32> = outputs.by_ref().try_collect().await.unwrap();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..100));

            outputs.as_mut().spawn(async { panic!("on purpose") });
            let error = outputs.next().await.unwrap().unwrap_err();
            assert!(error.is_panic());
            assert!(outputs.next().await.is_none());
        });
    });
}

#[sprang::test]
async fn lines_and_segments_end_with_the_data_or_begin_with_its_error() {
    let lines = LinesStream::new(b"one\r\ntwo\n\nfour".lines());
    assert_eq!(lines.try_collect::<Vec<_>>().await.unwrap(), ["one", "two", "", "four"]);

    let segments = SplitStream::new(AsyncBufReadExt::split(&b"one,two"[..], b','));
    assert_eq!(segments.try_collect::<Vec<_>>().await.unwrap(), [b"one", b"two"]);

    let mut lines = LinesStream::new((&b"\xff\nafter"[..]).lines());
    assert_eq!(
        lines.next().await.unwrap().unwrap_err().kind(),
        io::ErrorKind::InvalidData
    );
    assert_eq!(lines.next().await.unwrap().unwrap(), "after");
}

#[test]
fn lines_come_when_they_are_complete() {
    bounded(|| {
        current_thread().block_on(async {
            let (mut writer, reader) = sprang::io::duplex(64);
            let mut lines = pin!(LinesStream::new(sprang::io::BufReader::new(reader).lines()));
            writer.write_all(b"on").await.unwrap();
            assert!(lines.next().now_or_never().is_none());
            writer.write_all(b"e\ntwo").await.unwrap();
            assert_eq!(lines.next().await.unwrap().unwrap(), "one");
            drop(writer);
            assert_eq!(lines.next().await.unwrap().unwrap(), "two");
            assert!(lines.next().await.is_none());
        });
    });
}

#[test]
fn a_listeners_stream_gives_connections() {
    on_each(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = sprang::spawn(TcpListenerStream::new(listener).take(10).try_for_each_concurrent(
                None,
                async |mut socket| {
                    let number = socket.read_u32().await?;
                    socket.write_u32(number + 1).await
                },
            ));
            let answers = stream::iter(0..10).then(async |number| {
                let mut socket = TcpStream::connect(address).await?;
                socket.write_u32(number).await?;
                socket.read_u32().await
            });
            assert!(answers.try_collect::<Vec<_>>().await.unwrap().into_iter().eq(1..=10));
            server.await.unwrap().unwrap();
        });
    });
}

#[test]
fn a_unix_listeners_stream_gives_connections() {
    on_each(|runtime| {
        let folder = TempDir::new();
        runtime.block_on(async {
            let path = folder.join("socket");
            let mut connections = UnixListenerStream::new(UnixListener::bind(&path).unwrap());
            let (client, server) = futures::join!(UnixStream::connect(&path), connections.next());
            client.unwrap().write_u32(7).await.unwrap();
            assert_eq!(server.unwrap().unwrap().read_u32().await.unwrap(), 7);
        });
    });
}

#[test]
fn a_directorys_stream_gives_each_entry_once() {
    on_each(|runtime| {
        let folder = TempDir::new();
        for number in 0..100 {
            fs::write(folder.join(number.to_string()), "").unwrap();
        }
        runtime.block_on(async {
            let entries = ReadDirStream::new(sprang::fs::read_dir(folder.path()).await.unwrap());
            let names = entries.map_ok(|entry| entry.file_name().into_string().unwrap().parse::<u32>().unwrap());
            let mut numbers: Vec<_> = names.try_collect().await.unwrap();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..100));
        });
    });
}

#[test]
fn a_signals_stream_has_an_item_for_a_signal_and_ends_with_its_runtime() {
    bounded(|| {
        let runtime = current_thread();
        let mut signals = runtime.block_on(async {
            let mut signals = SignalStream::new(signal(SignalKind::user_defined1()).unwrap());
            assert!(is_pending(&mut signals));
            // To this very process, which has replaced what the signal would do.
            let killed = sprang::process::Command::new("kill")
                .args(["-USR1", &std::process::id().to_string()])
                .status();
            assert!(killed.await.unwrap().success());
            assert_eq!(signals.next().await, Some(()));
            signals
        });
        drop(runtime);
        assert_eq!(signals.next().now_or_never(), Some(None));
    });
}

#[test]
fn a_stream_of_ready_items_lets_other_tasks_run() {
    bounded(|| {
        current_thread().block_on(async {
            const ITEMS: u64 = 10_000;
            let (sender, receiver) = mpsc::unbounded_channel();
            (0..ITEMS).for_each(|number| sender.send(number).unwrap());
            drop(sender);
            let mut messages = UnboundedReceiverStream::new(receiver);
            let polls = task::spawn(async move {
                let mut polls = 0;
                let mut all = pin!(messages.by_ref().count());
                let count = poll_fn(|cx| {
                    polls += 1;
                    all.as_mut().poll(cx)
                });
                assert_eq!(count.await as u64, ITEMS);
                polls
            });
            assert!(polls.await.unwrap() > 50);
        });
    });
}

#[test]
fn a_stream_without_an_item_is_pending() {
    let (_sender, receiver) = mpsc::channel::<()>(1);
    let mut messages = ReceiverStream::new(receiver);
    let next = pin!(messages.next());
    assert_eq!(next.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
}
