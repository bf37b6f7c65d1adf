//! Commands and their children: what is set reaches the child, what it writes comes back, and its end is told once to
//! whoever asks, in this runtime or another.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{Command as StdCommand, Stdio};
use std::task::{Context, Waker};

use sprang::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use sprang::process::{Child, Command};
use sprang_tests::{bounded, current_thread, multi_thread, on_each};

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

/// A child that ends when its standard input does.
fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

async fn text(command: &mut Command) -> String {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Polls once, and drops the future.
fn is_pending<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

#[test]
fn the_status_and_both_streams_come_back() {
    on_each(|rt| {
        rt.block_on(async {
            let output = sh("echo out; echo err >&2; exit 3").output().await.unwrap();
            assert_eq!(output.status.code(), Some(3));
            assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"err\n"[..]));
            assert!(sh("exit 0").status().await.unwrap().success());
            let streams = sh("exit 0").stdout(Stdio::null()).spawn().unwrap();
            let output = streams.wait_with_output().await.unwrap();
            assert!(output.stdout.is_empty() && output.stderr.is_empty());
        });
    });
}

#[test]
fn status_closes_the_streams_that_are_piped() {
    on_each(|rt| {
        rt.block_on(async {
            let mut command = sh("cat; exec yes");
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            assert_eq!(command.status().await.unwrap().signal(), Some(13));
        });
    });
}

#[test]
fn what_is_set_reaches_the_child() {
    on_each(|rt| {
        rt.block_on(async {
            let mut command = sh("echo $0 $1 $2 $A $B $C; pwd");
            command
                .args(["zero", "one", "two"])
                .env("A", "a")
                .envs([("B", "b"), ("C", "c")]);
            command.env_remove("C").current_dir("/");
            assert_eq!(text(&mut command).await, "zero one two a b\n/\n");
            assert_eq!(
                text(Command::new("/usr/bin/env").env_clear().env("A", "a")).await,
                "A=a\n"
            );
            assert_eq!(text(sh("echo $0").arg0("named")).await, "named\n");
            // The fifth field of `stat` is the process group; the shell's name has no blanks.
            let own_group = sh("read pid name state parent group rest < /proc/$$/stat; echo $(($$ - group))")
                .process_group(0)
                .output();
            assert_eq!(own_group.await.unwrap().stdout, b"0\n");
        });
    });
}

#[test]
fn the_user_and_group_are_set_if_they_may_be() {
    bounded(|| {
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        multi_thread(1).block_on(async {
            let output = sh("id -u; id -g").uid(65_533).gid(65_532).output().await;
            match output {
                Ok(output) if is_root => assert_eq!(output.stdout, b"65533\n65532\n"),
                Err(error) if !is_root => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
                other => panic!("{other:?}"),
            }
        });
    });
}

#[test]
fn a_command_turns_into_stds_and_back() {
    bounded(|| {
        let mut command = Command::from(StdCommand::new("sh"));
        assert!(!command.get_kill_on_drop());
        assert!(command.kill_on_drop(true).get_kill_on_drop());
        command.as_std_mut().arg("-c").arg("exit 4");
        assert_eq!(command.as_std().get_args().count(), 2);
        let status = current_thread().block_on(async { command.spawn().unwrap().wait().await.unwrap() });
        assert_eq!(status.code(), Some(4));
        assert_eq!(command.into_std().get_program(), "sh");
    });
}

#[test]
fn a_closure_can_do_the_spawning() {
    on_each(|rt| {
        rt.block_on(async {
            let mut command = sh("exit 5");
            let mut child = command.spawn_with(StdCommand::spawn).unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(5));
            let error = command.spawn_with(|_| Err(io::Error::other("no"))).unwrap_err();
            assert_eq!(error.to_string(), "no");
        });
    });
}

#[test]
fn more_than_the_pipes_hold_goes_through_a_child() {
    on_each(|rt| {
        let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
        rt.block_on(async {
            let mut child = cat().spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let bytes = sent.clone();
            let writer = sprang::spawn(async move { stdin.write_all(&bytes).await });
            let output = child.wait_with_output().await.unwrap();
            writer.await.unwrap().unwrap();
            assert!(output.stdout == sent);
        });
    });
}

#[test]
fn a_conversation_goes_line_by_line() {
    on_each(|rt| {
        rt.block_on(async {
            let mut child = cat().spawn().unwrap();
            let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let mut lines = BufReader::new(stdout).lines();
            for word in ["one", "two", "three"] {
                let line = [io::IoSlice::new(word.as_bytes()), io::IoSlice::new(b"\n")];
                assert_eq!(stdin.write_vectored(&line).await.unwrap(), word.len() + 1);
                assert_eq!(lines.next_line().await.unwrap().unwrap(), word);
            }
            stdin.shutdown().await.unwrap();
            assert!(is_pending(lines.next_line()), "a shutdown does not close the pipe");
            drop(stdin);
            assert_eq!(lines.next_line().await.unwrap(), None);
            assert!(child.wait().await.unwrap().success());
        });
    });
}

#[test]
fn the_output_of_one_child_is_the_input_of_another() {
    on_each(|rt| {
        rt.block_on(async {
            let mut first = sh("echo hello").stdout(Stdio::piped()).spawn().unwrap();
            let pipe: Stdio = first.stdout.take().unwrap().try_into().unwrap();
            let upper = text(Command::new("tr").args(["a-z", "A-Z"]).stdin(pipe)).await;
            assert_eq!(upper, "HELLO\n");
            assert!(first.wait().await.unwrap().success());

            let mut reader = cat().spawn().unwrap();
            let pipe: OwnedFd = reader.stdin.take().unwrap().into_owned_fd().unwrap();
            assert!(sh("echo hello").stdout(pipe).status().await.unwrap().success());
            assert_eq!(reader.wait_with_output().await.unwrap().stdout, b"hello\n");
        });
    });
}

#[test]
fn streams_that_std_made_are_taken_over() {
    on_each(|rt| {
        rt.block_on(async {
            let mut command = StdCommand::new("sh");
            command.args(["-c", "read x; echo $x; echo $x >&2"]);
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut stdin = sprang::process::ChildStdin::from_std(child.stdin.take().unwrap()).unwrap();
            let mut stdout = sprang::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
            let mut stderr = sprang::process::ChildStderr::from_std(child.stderr.take().unwrap()).unwrap();
            assert!(is_pending(stdout.read_u8()), "it does not block");
            stdin.write_all(b"hello\n").await.unwrap();
            for stream in [&mut stdout as &mut (dyn sprang::io::AsyncRead + Unpin), &mut stderr] {
                let mut line = String::new();
                stream.read_to_string(&mut line).await.unwrap();
                assert_eq!(line, "hello\n");
            }
            child.wait().unwrap();
        });
    });
}

#[test]
fn wait_closes_stdin_and_try_wait_does_not() {
    on_each(|rt| {
        rt.block_on(async {
            let mut child = cat().spawn().unwrap();
            assert_eq!(child.try_wait().unwrap(), None);
            child.stdin.as_mut().unwrap().write_all(b"x").await.unwrap();
            let id = child.id().unwrap();
            assert!(fs::metadata(format!("/proc/{id}")).is_ok());
            assert!(child.wait().await.unwrap().success());
            assert!(child.stdin.is_none());
        });
    });
}

#[test]
fn the_end_is_told_whenever_it_is_asked_for() {
    on_each(|rt| {
        rt.block_on(async {
            let mut child = sh("exit 6").spawn().unwrap();
            assert!(child.id().is_some());
            for _ in 0..2 {
                assert_eq!(child.wait().await.unwrap().code(), Some(6));
                assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(6));
            }
            assert_eq!(child.id(), None);
            child.start_kill().unwrap();
            child.kill().await.unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(6));
        });
    });
}

#[test]
fn try_wait_sees_the_end_without_a_runtime() {
    bounded(|| {
        let mut child = current_thread().block_on(async { cat().spawn().unwrap() });
        assert_eq!(child.try_wait().unwrap(), None);
        drop(child.stdin.take());
        sprang_tests::eventually("the end", || child.try_wait().unwrap().is_some());
        assert_eq!(child.id(), None);
    });
}

#[test]
fn a_wait_that_was_dropped_loses_nothing() {
    on_each(|rt| {
        rt.block_on(async {
            let mut child = cat().spawn().unwrap();
            let stdin = child.stdin.take();
            for _ in 0..3 {
                assert!(is_pending(child.wait()));
                sprang::task::yield_now().await;
            }
            drop(stdin);
            assert!(child.wait().await.unwrap().success());
        });
    });
}

#[test]
fn a_child_is_waited_for_while_its_pipe_is_held_by_a_grandchild() {
    on_each(|rt| {
        rt.block_on(async {
            let script = "sleep 1000 & echo $!";
            let mut child = sh(script).stdout(Stdio::piped()).spawn().unwrap();
            assert!(child.wait().await.unwrap().success());
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let grandchild = lines.next_line().await.unwrap().unwrap();
            assert!(is_pending(lines.next_line()), "the grandchild has the pipe");
            assert!(Command::new("kill").arg(grandchild).status().await.unwrap().success());
            assert_eq!(lines.next_line().await.unwrap(), None);
        });
    });
}

#[test]
fn another_runtime_takes_over_when_the_first_is_gone() {
    on_each(|rt| {
        let mut child = rt.block_on(async { cat().spawn().unwrap() });
        let stdin = child.stdin.take();
        // The waiter is told of the end of its runtime.
        let waiter = rt.block_on(async move {
            assert!(is_pending(child.wait()));
            child
        });
        drop(rt);
        let waits = std::thread::spawn(|| current_thread().block_on(finish(waiter)));
        drop(stdin);
        assert!(waits.join().unwrap().success());
    });
}

async fn finish(mut child: Child) -> std::process::ExitStatus {
    child.wait().await.unwrap()
}

#[test]
fn without_any_runtime_a_wait_is_an_error_until_the_child_has_ended() {
    on_each(|rt| {
        let mut child = rt.block_on(async { cat().spawn().unwrap() });
        drop(rt);
        let stdin = child.stdin.take();
        assert!(futures::executor::block_on(child.wait()).is_err());
        drop(stdin);
        sprang_tests::eventually("the end", || {
            futures::executor::block_on(child.wait()).is_ok_and(|status| status.success())
        });
    });
}

#[test]
fn a_signal_that_ends_a_child_is_its_status() {
    on_each(|rt| {
        rt.block_on(async {
            let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
            child.kill().await.unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(9));
            let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
            let id = child.id().unwrap().to_string();
            assert!(
                Command::new("kill")
                    .args(["-TERM", &id])
                    .status()
                    .await
                    .unwrap()
                    .success()
            );
            assert_eq!(child.wait().await.unwrap().signal(), Some(15));
        });
    });
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn spawning_outside_of_a_runtime_panics() {
    let _ = Command::new("true").spawn();
}
