//! Faults around child processes: programs that cannot run, pipes that are closed, descriptors that are used up.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use sprang::io::{AsyncReadExt, AsyncWriteExt};
use sprang::process::Command;
use sprang_tests::{bounded, child, current_thread, eventually, is_child, on_each};

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).kill_on_drop(true);
    command
}

/// The numbers of this process's children, zombies too.
fn children() -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap();
    let ids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    ids.filter(|id: &u32| {
        // A process may go while it is looked at. Its name is in parentheses; state and parent come after it.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        fields.split_whitespace().nth(1) == Some(&std::process::id().to_string())
    })
    .collect()
}

#[test]
fn a_program_that_cannot_run_is_an_error() {
    on_each(|rt| {
        rt.block_on(async {
            let missing = Command::new("/nowhere/program").spawn().unwrap_err();
            assert_eq!(missing.kind(), io::ErrorKind::NotFound);
            let missing = Command::new("/nowhere/program").output().await.unwrap_err();
            assert_eq!(missing.kind(), io::ErrorKind::NotFound);
            let missing = sh("true").current_dir("/nowhere").status().await.unwrap_err();
            assert_eq!(missing.kind(), io::ErrorKind::NotFound);

            let path = std::env::temp_dir().join(format!("sprang-no-program-{}", std::process::id()));
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let refused = Command::new(&path).spawn().unwrap_err();
            fs::remove_file(&path).unwrap();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        });
    });
}

#[test]
fn a_child_that_closes_its_input_gives_an_error_and_no_signal() {
    on_each(|rt| {
        rt.block_on(async {
            let mut command = sh("exec 0<&-; echo closed; exec sleep 1000");
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = [0; 7];
            child.stdout.as_mut().unwrap().read_exact(&mut line).await.unwrap();
            // A child that another test is just spawning may have a copy of the other end for a moment.
            let error = loop {
                if let Err(error) = child.stdin.as_mut().unwrap().write_all(b"x").await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(child.try_wait().unwrap(), None);
            child.kill().await.unwrap();
        });
    });
}

#[test]
fn a_writer_that_waits_for_room_is_told_when_the_child_closes_its_input() {
    on_each(|rt| {
        rt.block_on(async {
            let mut child = sh("exec sleep 1000").stdin(Stdio::piped()).spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let writer = sprang::spawn(async move {
                loop {
                    if let Err(error) = stdin.write(&[0; 1 << 12]).await {
                        return error.kind();
                    }
                }
            });
            sprang::task::yield_now().await;
            child.kill().await.unwrap();
            assert_eq!(writer.await.unwrap(), io::ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn a_child_that_closes_its_output_ends_the_stream_and_runs_on() {
    on_each(|rt| {
        rt.block_on(async {
            let mut command = sh("echo last; exec sleep 1000 >&-");
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut text = String::new();
            child.stdout.as_mut().unwrap().read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "last\n");
            assert_eq!(child.try_wait().unwrap(), None);
            child.kill().await.unwrap();
        });
    });
}

#[test]
fn a_child_whose_output_nobody_reads_is_ended_by_sigpipe() {
    on_each(|rt| {
        rt.block_on(async {
            let mut child = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
            let mut start = [0; 2];
            child.stdout.as_mut().unwrap().read_exact(&mut start).await.unwrap();
            drop(child.stdout.take());
            assert_eq!(child.wait().await.unwrap().signal(), Some(13));
        });
    });
}

#[test]
fn output_waits_for_a_grandchild_that_keeps_the_pipe() {
    on_each(|rt| {
        rt.block_on(async {
            // The grandchild ends when its input does, after the child.
            let (input, gate) = io::pipe().unwrap();
            let mut command = sh("exec 3<&0; cat <&3 & exit 7");
            let output = command.stdin(input).output();
            drop(command);
            let output = sprang::spawn(output);
            for _ in 0..100 {
                sprang::task::yield_now().await;
            }
            assert!(!output.is_finished());
            let mut gate = sprang::net::unix::pipe::Sender::from_owned_fd(gate.into()).unwrap();
            gate.write_all(b"late").await.unwrap();
            drop(gate);
            let output = output.await.unwrap().unwrap();
            assert_eq!(output.status.code(), Some(7));
            assert_eq!(output.stdout, b"late");
        });
    });
}

#[test]
fn a_spawn_without_descriptors_leaves_no_process() {
    if !is_child() {
        let output = child("a_spawn_without_descriptors_leaves_no_process", "-n 64")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("1 passed"),
            "{output:?}"
        );
        return;
    }
    bounded(|| {
        current_thread().block_on(async {
            let mut files = Vec::new();
            for stdout in [Stdio::piped, Stdio::inherit] {
                let mut refused = 0;
                loop {
                    let none_left = loop {
                        match File::open("/dev/null") {
                            Ok(file) => files.push(file),
                            Err(error) => break error,
                        }
                    };
                    // One more each time, until there are enough.
                    files.truncate(files.len() - refused);
                    // It would keep this process's output open if it were left.
                    let spawned = Command::new("sleep").arg("20").stdout(stdout()).spawn();
                    // To look around takes some, too.
                    files.truncate(files.len() - 3);
                    let error = match spawned {
                        Ok(mut child) => break child.kill().await.unwrap(),
                        Err(error) => error,
                    };
                    assert_eq!(error.raw_os_error(), none_left.raw_os_error(), "{error}");
                    eventually("no process is left", || children().is_empty());
                    refused += 1;
                }
                assert!(refused > 0);
            }
        });
    });
}
