//! The standard streams of the process, in processes of their own.

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::pin;
use std::process::{Child, Output, Stdio};
use std::task::{Context, Poll, Waker};
use std::thread;

use sprang::fs::File;
use sprang::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, stderr, stdin, stdout};
use sprang::runtime::Builder;
use sprang_tests::temp::TempDir;
use sprang_tests::{FLAVOURS, bounded, child, eventually, is_child};

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn start(test: &str) -> Child {
    let mut command = child(test, "");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[track_caller]
fn succeeded(child: Child) -> Output {
    let output = bounded(|| child.wait_with_output()).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

const LINES: usize = 2_000;

fn lines(stream: &str) -> String {
    (0..LINES).map(|line| format!("{stream} {line}\n")).collect()
}

#[test]
fn what_is_written_comes_out_whole_and_in_order() {
    if is_child() {
        for flavour in FLAVOURS {
            flavour().block_on(async {
                let (mut out, mut err) = (stdout(), stderr());
                for line in 0..LINES {
                    out.write_all(format!("out {line}\n").as_bytes()).await.unwrap();
                    err.write_all(format!("err {line}\n").as_bytes()).await.unwrap();
                }
                out.write_all(b"no line break").await.unwrap();
                out.flush().await.unwrap();
                // Past `std`, which would give out what it still holds.
                std::fs::write("/proc/self/fd/1", "\nthe end\n").unwrap();
                err.shutdown().await.unwrap();
                assert_eq!((out.as_raw_fd(), err.as_raw_fd(), stdin().as_raw_fd()), (1, 2, 0));
                assert_eq!(out.as_fd().as_raw_fd(), 1);
            });
        }
        return;
    }
    let output = succeeded(start("what_is_written_comes_out_whole_and_in_order"));
    let out = String::from_utf8(output.stdout).unwrap();
    let expected = lines("out") + "no line break\nthe end\n";
    assert!(out.contains(&expected.repeat(FLAVOURS.len())), "{out}");
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains(&lines("err").repeat(FLAVOURS.len())), "{err}");
}

#[test]
fn the_end_of_the_runtime_writes_what_was_buffered() {
    if is_child() {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).max_blocking_threads(1).build().unwrap();
        let (reader, release) = std::io::pipe().unwrap();
        runtime.spawn(async move { File::from(OwnedFd::from(reader)).read_u8().await });
        let metrics = runtime.metrics();
        eventually("the only thread is occupied", || {
            metrics.num_blocking_threads() == 1 && metrics.blocking_queue_depth() == 0
        });
        runtime
            .block_on(async { stdout().write_all(b"buffered\n").await })
            .unwrap();
        let mut dropped = Box::pin(sprang::fs::read("/dev/null"));
        let context = runtime.enter();
        assert!(poll_once(dropped.as_mut()).is_pending());
        drop(context);
        let ending = thread::spawn(move || drop(runtime));
        // The queue has been emptied of all that is not promised.
        futures::executor::block_on(dropped).unwrap_err();
        drop(release);
        ending.join().unwrap();
        return;
    }
    let output = succeeded(start("the_end_of_the_runtime_writes_what_was_buffered"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("buffered\n"));
}

#[test]
fn the_error_of_a_write_is_given_by_the_next_operation() {
    if is_child() {
        FLAVOURS[0]().block_on(async {
            let closed = |result: std::io::Result<()>| assert_eq!(result.unwrap_err().kind(), ErrorKind::BrokenPipe);
            println!("ready");
            assert_eq!(stdin().read(&mut [0]).await.unwrap(), 0, "the other side is closed");
            let mut out = stdout();
            out.write_all(b"lost\n").await.expect("it is only buffered");
            closed(out.flush().await);
            out.write_all(b"lost\n").await.expect("the error was given");
            closed(out.write_all(b"lost, too\n").await);
        });
        // The harness would fail to write its report.
        std::process::exit(0);
    }
    let mut child = start("the_error_of_a_write_is_given_by_the_next_operation");
    let mut said = Vec::new();
    // Once the harness has written what it has to.
    while !said.ends_with(b"ready\n") {
        let mut byte = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    drop(child.stdout.take());
    drop(child.stdin.take());
    succeeded(child);
}

#[test]
fn input_is_read_whole_though_reads_are_cancelled() {
    if is_child() {
        for flavour in FLAVOURS {
            flavour().block_on(async {
                let mut input = stdin();
                assert!(poll_once(input.read(&mut [0; 8])).is_pending());
                stderr().write_all(b"?").await.unwrap();
                let mut lines = BufReader::new(input).lines();
                for line in 0..LINES {
                    let read = lines.next_line().await.unwrap();
                    assert_eq!(read.as_deref(), Some(format!("in {line}").as_str()));
                }
            });
        }
        FLAVOURS[0]().block_on(async {
            assert_eq!(stdin().read(&mut []).await.unwrap(), 0);
            assert_eq!(stdin().read(&mut [0]).await.unwrap(), 0, "the end");
        });
        return;
    }
    let mut child = start("input_is_read_whole_though_reads_are_cancelled");
    let mut input = child.stdin.take().unwrap();
    for _ in FLAVOURS {
        let asked = child.stderr.as_mut().unwrap().read_exact(&mut [0]);
        asked.unwrap();
        input.write_all(lines("in").as_bytes()).unwrap();
    }
    drop(input);
    succeeded(child);
}

#[test]
fn a_read_that_waits_for_a_pipe_keeps_neither_a_thread_nor_the_end() {
    if is_child() {
        for flavour in FLAVOURS {
            let runtime = flavour();
            let reading = runtime.spawn(async { stdin().read(&mut [0; 8]).await });
            runtime.block_on(async {
                let mut input = stdin();
                assert!(poll_once(input.read(&mut [0; 8])).is_pending());
                sprang::task::yield_now().await;
            });
            assert_eq!(runtime.metrics().num_blocking_threads(), 0);
            drop(runtime);
            assert!(futures::executor::block_on(reading).unwrap_err().is_cancelled());
        }
        return;
    }
    let mut child = start("a_read_that_waits_for_a_pipe_keeps_neither_a_thread_nor_the_end");
    // Open for as long as the child is there.
    let input = child.stdin.take();
    succeeded(child);
    drop(input);
}

#[test]
fn handles_share_the_input_and_none_reads_ahead() {
    if is_child() {
        for flavour in FLAVOURS {
            flavour().block_on(async {
                let mut inputs = [stdin(), stdin(), stdin()];
                for number in 0..30 {
                    assert_eq!(inputs[number % 3].read_u8().await.unwrap(), number as u8);
                }
            });
        }
        // What is left is `std`'s.
        let mut rest = String::new();
        std::io::stdin().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "rest");
        return;
    }
    let mut child = start("handles_share_the_input_and_none_reads_ahead");
    let mut input = child.stdin.take().unwrap();
    for _ in FLAVOURS {
        input.write_all(&(0..30).collect::<Vec<_>>()).unwrap();
    }
    input.write_all(b"rest").unwrap();
    drop(input);
    succeeded(child);
}

#[test]
fn a_file_is_read_to_its_end() {
    if is_child() {
        for flavour in FLAVOURS {
            flavour().block_on(async {
                let mut text = String::new();
                stdin().read_to_string(&mut text).await.unwrap();
                assert_eq!(text, lines("in"));
            });
            std::io::Seek::rewind(&mut std::fs::File::from(stdin().as_fd().try_clone_to_owned().unwrap())).unwrap();
        }
        return;
    }
    let dir = TempDir::new();
    std::fs::write(dir.join("in"), lines("in")).unwrap();
    let mut command = child("a_file_is_read_to_its_end", "");
    command.stdin(std::fs::File::open(dir.join("in")).unwrap());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    succeeded(command.spawn().unwrap());
}

#[test]
fn a_handle_reads_in_one_runtime_after_another() {
    if is_child() {
        // One of them is driven at a time.
        let (first, second) = (FLAVOURS[0](), FLAVOURS[0]());
        let mut input = stdin();
        for runtime in [&first, &second, &first] {
            runtime.block_on(async {
                assert!(poll_once(input.read_u8()).is_pending());
                stderr().write_all(b"?").await.unwrap();
                assert_eq!(input.read_u8().await.unwrap(), b'!');
            });
        }
        return;
    }
    let mut child = start("a_handle_reads_in_one_runtime_after_another");
    let mut input = child.stdin.take().unwrap();
    for _ in 0..3 {
        let asked = child.stderr.as_mut().unwrap().read_exact(&mut [0]);
        asked.unwrap();
        input.write_all(b"!").unwrap();
    }
    succeeded(child);
    drop(input);
}
