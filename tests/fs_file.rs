//! `fs::File`: the order of its operations, what becomes of those that are cancelled, and when errors are reported.
//!
//! A pipe serves as a file whose operations end when the test wants them to.

use std::fs::File as StdFile;
use std::future::Future;
use std::io::{ErrorKind, IoSlice, PipeReader, PipeWriter, Read, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;

use sprang::fs::{self, File};
use sprang::io::{AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite, AsyncWriteExt};
use sprang::runtime::{Builder, Runtime, is_rt_shutdown_err};
use sprang::task::yield_now;
use sprang_tests::temp::TempDir;
use sprang_tests::{Counter, bounded, eventually, on_each};

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A file to read from, and what it reads.
fn reader() -> (File, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    (File::from(OwnedFd::from(reader)), writer)
}

/// A file to write to, which is full, and what was written, and what fills it.
fn full_writer() -> (File, PipeReader, Vec<u8>) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // A pipe takes a page whole or not at all.
    let fill = vec![b'.'; 64 * 1024];
    writer.write_all(&fill).unwrap();
    (File::from(OwnedFd::from(writer)), reader, fill)
}

/// A runtime with one thread for files, and what keeps that thread until it is dropped.
fn occupied() -> (Runtime, PipeWriter) {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).max_blocking_threads(1).build().unwrap();
    let (mut file, writer) = reader();
    runtime.spawn(async move { file.read_u8().await });
    let metrics = runtime.metrics();
    eventually("the thread reads", || {
        metrics.num_blocking_threads() == 1 && metrics.blocking_queue_depth() == 0
    });
    (runtime, writer)
}

#[test]
fn what_was_written_is_read_again() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            let contents: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
            let mut file = File::create_new(dir.join("file")).await.unwrap();
            file.set_max_buf_size(10_000);
            file.write_all(&contents).await.unwrap();
            file.rewind().await.unwrap();
            let mut read = Vec::new();
            assert_eq!(file.read_to_end(&mut read).await.unwrap(), contents.len());
            assert!(read == contents);
            assert_eq!(file.read(&mut [0; 8]).await.unwrap(), 0, "the end");
            drop(file);
            assert!(fs::read(dir.join("file")).await.unwrap() == contents);
        });
    });
}

#[test]
fn no_operation_moves_more_than_the_buffer_holds() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            let mut file = File::create_new(dir.join("file")).await.unwrap();
            file.set_max_buf_size(4);
            assert_eq!(file.write(b"abcdef").await.unwrap(), 4);
            let slices = [b"1".as_slice(), b"", b"23", b"456"].map(IoSlice::new);
            assert!(file.is_write_vectored());
            assert_eq!(file.write_vectored(&slices).await.unwrap(), 4);
            file.rewind().await.unwrap();
            let mut buf = [0; 9];
            assert_eq!(file.read(&mut buf).await.unwrap(), 4);
            assert_eq!(&buf[..4], b"abcd");
            let clone = file.try_clone().await.unwrap();
            assert_eq!(clone.max_buf_size(), 4);
            let mut file = File::from_std(clone.into_std().await);
            assert_eq!(file.read(&mut buf).await.unwrap(), 4, "the clone has the same position");
            assert_eq!(&buf[..4], b"1234");
        });
    });
}

#[test]
fn a_write_and_a_flush_wait_for_the_write_before() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (mut file, mut reader, mut expected) = full_writer();
            file.write_all(b"first ").await.expect("it is only buffered");
            assert!(poll_once(file.flush()).is_pending());
            assert!(poll_once(file.write(b"other")).is_pending());
            assert!(poll_once(file.shutdown()).is_pending());
            assert!(poll_once(file.sync_all()).is_pending());
            let file = file.try_into_std().expect_err("a thread uses it");
            let (read, into_std) = (
                thread::spawn(move || {
                    let mut read = Vec::new();
                    reader.read_to_end(&mut read).unwrap();
                    read
                }),
                async {
                    let mut file = file;
                    file.write_all(b"second").await.unwrap();
                    file.flush().await.unwrap();
                    file.try_into_std().expect("no thread uses it after a flush")
                },
            );
            drop(into_std.await);
            expected.extend(b"first second");
            assert!(read.join().unwrap() == expected);
        });
    });
}

#[test]
fn a_read_that_is_cancelled_loses_nothing() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (mut file, mut writer) = reader();
            assert!(poll_once(file.read(&mut [0; 8])).is_pending());
            writer.write_all(b"abcdefgh").unwrap();
            let mut buf = [0; 3];
            for expected in [b"abc".as_slice(), b"def", b"gh"] {
                let n = file.read(&mut buf).await.unwrap();
                assert_eq!(&buf[..n], expected);
            }
        });
    });
}

/// Leaves a read of four bytes behind on a file that has six, then does something.
fn after_a_cancelled_read(then: impl AsyncFnOnce(&mut File) + Send + 'static) -> Vec<u8> {
    bounded(|| {
        let dir = TempDir::new();
        let path = dir.join("file");
        std::fs::write(&path, "").unwrap();
        let (runtime, release) = occupied();
        runtime.block_on(async {
            let std = StdFile::options().read(true).write(true).open(&path).unwrap();
            let mut file = File::from_std(std);
            // A thread has to say that this is the end; when it gets to it, it is not.
            assert!(poll_once(file.read(&mut [0; 4])).is_pending());
            std::fs::write(&path, "abcdef").unwrap();
            drop(release);
            then(&mut file).await;
            file.flush().await.unwrap();
        });
        std::fs::read(&path).unwrap()
    })
}

#[test]
fn the_position_is_where_the_task_stands_whatever_was_read_ahead() {
    let unchanged = after_a_cancelled_read(async |file| {
        assert_eq!(file.stream_position().await.unwrap(), 0);
        assert_eq!(file.read_u8().await.unwrap(), b'a');
    });
    assert_eq!(unchanged, b"abcdef");

    let overwritten = after_a_cancelled_read(async |file| file.write_all(b"X").await.unwrap());
    assert_eq!(overwritten, b"Xbcdef");

    let cut = after_a_cancelled_read(async |file| {
        file.set_len(2).await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "ab", "what was cut off is not read");
    });
    assert_eq!(cut, b"ab");

    let unchanged = after_a_cancelled_read(async |file| {
        let error = file.seek(SeekFrom::Current(-1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "abcdef", "a seek that failed moved nothing");
    });
    assert_eq!(unchanged, b"abcdef");
}

#[test]
fn a_seek_goes_where_it_says_and_waits_its_turn() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            let mut file = File::create_new(dir.join("file")).await.unwrap();
            file.write_all(b"abcdef").await.unwrap();
            assert_eq!(file.seek(SeekFrom::End(-2)).await.unwrap(), 4);
            assert_eq!(file.read_u8().await.unwrap(), b'e');
            assert_eq!(file.seek(SeekFrom::Current(-4)).await.unwrap(), 1);
            assert_eq!(file.read_u8().await.unwrap(), b'b');
            assert_eq!(file.seek(SeekFrom::Start(9)).await.unwrap(), 9);
            assert_eq!(file.read(&mut [0]).await.unwrap(), 0);

            let (mut file, _writer) = reader();
            assert!(poll_once(file.read(&mut [0])).is_pending());
            let error = Pin::new(&mut file).start_seek(SeekFrom::Start(0)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Other);
            assert!(poll_once(file.rewind()).is_pending());
        });
    });
}

#[test]
fn the_length_is_set_after_the_write_before() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            let mut file = File::create_new(dir.join("file")).await.unwrap();
            file.write_all(b"abcdef").await.unwrap();
            file.set_len(3).await.unwrap();
            assert_eq!(fs::read(dir.join("file")).await.unwrap(), b"abc");
            file.set_len(5).await.unwrap();
            assert_eq!(file.metadata().await.unwrap().len(), 5);
            file.sync_data().await.unwrap();
            assert_eq!(fs::read(dir.join("file")).await.unwrap(), b"abc\0\0");
        });
    });
}

#[test]
fn the_error_of_a_write_is_reported_once_by_what_comes_next() {
    async fn full() -> File {
        let mut file = File::options().read(true).write(true).open("/dev/full").await.unwrap();
        file.write_all(b"lost").await.expect("it is only buffered");
        file
    }
    #[track_caller]
    fn no_room<T: std::fmt::Debug>(result: std::io::Result<T>) {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
    }
    on_each(|runtime| {
        runtime.block_on(async {
            let mut file = full().await;
            no_room(file.flush().await);
            file.flush().await.unwrap();

            no_room(full().await.write(b"more").await);
            no_room(full().await.shutdown().await);
            no_room(full().await.sync_all().await);
            no_room(full().await.sync_data().await);

            // What cannot report it leaves it for later.
            let mut file = full().await;
            assert_eq!(file.read_u8().await.unwrap(), 0);
            no_room(file.flush().await);
            file.flush().await.unwrap();

            let mut file = full().await;
            file.rewind().await.unwrap();
            no_room(file.write(b"more").await);
            file.flush().await.unwrap();

            let mut file = full().await;
            drop(file.try_clone().await.unwrap());
            no_room(file.flush().await);
            file.flush().await.unwrap();
        });
    });
}

#[test]
fn the_end_of_the_runtime_writes_what_was_buffered() {
    bounded(|| {
        let dir = TempDir::new();
        let path = dir.join("file");
        let mut file = File::from_std(StdFile::create(&path).unwrap());
        let (runtime, release) = occupied();
        runtime.block_on(file.write_all(b"buffered")).unwrap();
        drop(file);
        let mut read = Box::pin(fs::read(path.clone()));
        let context = runtime.enter();
        assert!(poll_once(read.as_mut()).is_pending());
        drop(context);
        let ending = thread::spawn(move || drop(runtime));
        let error = futures::executor::block_on(read).unwrap_err();
        assert!(is_rt_shutdown_err(&error));
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        drop(release);
        ending.join().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"buffered");
    });
}

#[test]
fn a_file_that_is_still_used_is_handed_out_all_the_same() {
    bounded(|| {
        let dir = TempDir::new();
        let (runtime, release) = occupied();
        let file = File::from_std(StdFile::create(dir.join("file")).unwrap());
        let mut std = runtime.block_on(async {
            assert!(poll_once(file.metadata()).is_pending());
            file.into_std().await
        });
        std.write_all(b"written").unwrap();
        assert_eq!(std::fs::read(dir.join("file")).unwrap(), b"written");
        drop(release);
    });
}

#[test]
fn bytes_that_were_read_ahead_are_handed_out_within_the_budget() {
    on_each(|runtime| {
        runtime.block_on(async {
            const BYTES: usize = 1000;
            let (mut file, mut writer) = reader();
            assert!(poll_once(file.read(&mut [0; BYTES])).is_pending());
            writer.write_all(&[0; BYTES]).unwrap();
            file.read_u8().await.unwrap();
            let turns = Counter::default();
            let count = turns.clone();
            let mut others = pin!(async {
                loop {
                    count.add();
                    yield_now().await;
                }
            });
            let mut read = pin!(async {
                for _ in 1..BYTES {
                    file.read_u8().await.unwrap();
                }
            });
            std::future::poll_fn(|cx| {
                let _: Poll<()> = others.as_mut().poll(cx);
                read.as_mut().poll(cx)
            })
            .await;
            assert!(turns.get() >= 7, "{} turns for {BYTES} bytes", turns.get());
        });
    });
}

#[test]
fn large_reads_from_memory_are_paid_for_from_the_budget() {
    on_each(|runtime| {
        runtime.block_on(async {
            let turns = Counter::default();
            let count = turns.clone();
            let mut others = pin!(async {
                loop {
                    count.add();
                    yield_now().await;
                }
            });
            let mut read = pin!(async {
                // 4 MiB by 64 operations.
                let mut bytes = vec![0; 64 * 1024];
                for _ in 0..64 {
                    // The text of this program.
                    let mut file = File::from_std(StdFile::open(std::env::current_exe().unwrap()).unwrap());
                    file.read_exact(&mut bytes).await.unwrap();
                }
            });
            std::future::poll_fn(|cx| {
                let _: Poll<()> = others.as_mut().poll(cx);
                read.as_mut().poll(cx)
            })
            .await;
            assert!(turns.get() >= 4, "{} turns", turns.get());
        });
    });
}

/// So much that a pipe does not take it at once, and that it is taken ahead.
const LARGE: usize = 128 * 1024;

fn large(number: u8) -> Vec<u8> {
    vec![number; LARGE]
}

#[test]
fn a_large_write_is_taken_while_the_one_before_it_is_written() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (reader, writer) = std::io::pipe().unwrap();
            let mut file = File::from(OwnedFd::from(writer));
            let read = |count| {
                let mut reader = reader.try_clone().unwrap();
                thread::spawn(move || {
                    let mut bytes = vec![0; count * LARGE];
                    reader.read_exact(&mut bytes).unwrap();
                    bytes
                })
            };
            assert_eq!(file.write(&large(1)).await.unwrap(), LARGE);
            let taken = poll_once(file.write(&large(2)));
            assert!(matches!(taken, Poll::Ready(Ok(LARGE))));
            assert!(poll_once(file.write(&large(9))).is_pending(), "there is room for one");
            assert!(poll_once(file.write(b"small")).is_pending());
            assert!(poll_once(file.flush()).is_pending());
            // Nobody reads the second one, so that the thread does not end.
            let first = read(1);
            assert_eq!(file.write(&large(3)).await.unwrap(), LARGE);
            assert!(first.join().unwrap() == large(1));
            assert!(poll_once(file.write(&large(9))).is_pending());
            let rest = read(2);
            file.flush().await.unwrap();
            assert!(rest.join().unwrap() == [large(2), large(3)].concat());
            let end = read(1);
            file.write_all(&large(4)).await.unwrap();
            file.flush().await.unwrap();
            assert!(end.join().unwrap() == large(4));
        });
    });
}

#[test]
fn large_and_small_writes_come_out_in_order_though_nobody_waits() {
    on_each(|runtime| {
        let dir = TempDir::new();
        let mut expected = Vec::new();
        let mut file = File::from_std(StdFile::create(dir.join("file")).unwrap());
        runtime.block_on(async {
            for number in 0..100_u8 {
                let len = [LARGE, 10, LARGE, LARGE / 2, LARGE][usize::from(number) % 5];
                let bytes = vec![number; len];
                file.write_all(&bytes).await.unwrap();
                expected.extend(bytes);
                if number == 50 {
                    assert_eq!(file.stream_position().await.unwrap(), expected.len() as u64);
                    assert_eq!(file.metadata().await.unwrap().len(), expected.len() as u64);
                }
            }
        });
        drop((file, runtime));
        assert!(std::fs::read(dir.join("file")).unwrap() == expected);
    });
}

#[test]
fn a_large_write_that_fails_takes_the_one_behind_it_along() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (reader, writer) = std::io::pipe().unwrap();
            let mut file = File::from(OwnedFd::from(writer));
            assert_eq!(file.write(&large(1)).await.unwrap(), LARGE);
            assert_eq!(file.write(&large(2)).await.unwrap(), LARGE);
            drop(reader);
            assert_eq!(file.flush().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            file.flush().await.expect("it is reported once");
            file.write_all(&large(3)).await.expect("it is only buffered");
            // Taken before the failure, or refused after it: one error in any case.
            let error = match file.write_all(&large(4)).await {
                Ok(()) => file.flush().await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            file.flush().await.unwrap();
        });
    });
}
