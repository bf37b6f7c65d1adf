//! No process stays a zombie: not when its child is dropped, before or during a wait, nor when its runtime is.
//!
//! Each test runs in a process of its own, which has no other children, and counts them through `/proc`.

use std::fs;
use std::future::pending;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use sprang::io::AsyncWriteExt;
use sprang::process::{Child, ChildStdin, Command};
use sprang_tests::{bounded, child, current_thread, eventually, is_child, multi_thread, on_each};

/// Runs the test's body in a process of its own.
#[track_caller]
fn alone(test: &str, body: impl FnOnce() + Send + 'static) {
    if is_child() {
        return bounded(body);
    }
    let output = child(test, "").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

/// The states of this process's children.
fn children() -> Vec<char> {
    let processes = fs::read_dir("/proc").unwrap();
    let parent = std::process::id().to_string();
    processes
        .filter_map(|entry| {
            // A process may go while it is looked at. Its name is in parentheses; state and parent come after it.
            let stat = fs::read_to_string(entry.unwrap().path().join("stat")).ok()?;
            let mut fields = stat.rsplit(')').next()?.split_whitespace();
            let state = fields.next()?.chars().next()?;
            (fields.next()? == parent).then_some(state)
        })
        .collect()
}

/// Those that run, and those that have ended and that nobody has waited for.
fn living_and_zombies() -> (usize, usize) {
    let children = children();
    let zombies = children.iter().filter(|state| **state == 'Z').count();
    (children.len() - zombies, zombies)
}

#[track_caller]
fn eventually_left(living: usize) {
    eventually(&format!("{living} children, and no zombie"), || {
        living_and_zombies() == (living, 0)
    });
}

fn threads_named(name: &str) -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads
        .filter(|thread| {
            let name_of = |path: std::path::PathBuf| fs::read_to_string(path.join("comm"));
            name_of(thread.as_ref().unwrap().path()).is_ok_and(|comm| comm.trim_end() == name)
        })
        .count()
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A child that ends when its standard input does.
fn cat() -> Child {
    Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits with a future that has been polled before it is dropped.
async fn begin_wait(child: &mut Child) {
    let mut wait = std::pin::pin!(child.wait());
    std::future::poll_fn(|cx| {
        assert!(wait.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
}

fn take_input(child: &mut Child) -> ChildStdin {
    child.stdin.take().unwrap()
}

#[test]
fn a_child_that_is_dropped_runs_on_and_is_reaped_in_the_end() {
    alone("a_child_that_is_dropped_runs_on_and_is_reaped_in_the_end", || {
        on_each(|rt| {
            rt.block_on(async {
                let mut child = cat();
                let mut input = take_input(&mut child);
                drop(child);
                assert_eq!(living_and_zombies(), (1, 0));
                input.write_all(b"x").await.unwrap();
                drop(input);
                eventually_left(0);
            });
        });
    });
}

#[test]
fn one_that_has_ended_before_it_is_dropped_needs_no_thread() {
    alone("one_that_has_ended_before_it_is_dropped_needs_no_thread", || {
        current_thread().block_on(async {
            let mut child = cat();
            drop(take_input(&mut child));
            eventually("it has ended", || living_and_zombies() == (0, 1));
            drop(child);
            assert_eq!(living_and_zombies(), (0, 0));
            assert_eq!(threads_named("sprang-reaper"), 0);
        });
    });
}

#[test]
fn kill_on_drop_kills_and_reaps() {
    alone("kill_on_drop_kills_and_reaps", || {
        on_each(|rt| {
            rt.block_on(async {
                let mut sleep = Command::new("sleep");
                let child = sleep.arg("1000").kill_on_drop(true).spawn().unwrap();
                assert_eq!(living_and_zombies(), (1, 0));
                drop(child);
                eventually_left(0);
                // The futures own a child, too.
                drop(sleep.status());
                drop(sleep.output());
                eventually_left(0);
            });
        });
    });
}

#[test]
fn a_child_dropped_during_a_wait_is_reaped() {
    alone("a_child_dropped_during_a_wait_is_reaped", || {
        on_each(|rt| {
            rt.block_on(async {
                let mut child = cat();
                let input = take_input(&mut child);
                begin_wait(&mut child).await;
                drop(child);
                drop(input);
                eventually_left(0);
                // And with the task that waits.
                let mut child = cat();
                let input = take_input(&mut child);
                let task = sprang::spawn(async move { child.wait().await });
                sprang::task::yield_now().await;
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
                drop(input);
                eventually_left(0);
            });
        });
    });
}

#[test]
fn children_outlive_their_runtime_and_are_reaped() {
    alone("children_outlive_their_runtime_and_are_reaped", || {
        on_each(|rt| {
            let (inputs, kept) = mpsc::channel();
            for _ in 0..10 {
                let inputs = inputs.clone();
                rt.block_on(rt.spawn(async move {
                    let mut child = cat();
                    inputs.send(take_input(&mut child)).unwrap();
                    sprang::spawn(async move {
                        begin_wait(&mut child).await;
                        pending::<()>().await;
                    });
                }))
                .unwrap();
            }
            drop(rt);
            assert_eq!(living_and_zombies(), (10, 0));
            for left in (0..10).rev() {
                drop(kept.recv().unwrap());
                eventually_left(left);
            }
        });
    });
}

#[test]
fn a_child_dropped_after_its_runtime_is_reaped() {
    alone("a_child_dropped_after_its_runtime_is_reaped", || {
        on_each(|rt| {
            let mut child = rt.block_on(async { cat() });
            let input = take_input(&mut child);
            drop(rt);
            drop(child);
            drop(input);
            eventually_left(0);
        });
    });
}

#[test]
fn an_orphan_is_reaped_while_an_older_one_lives() {
    alone("an_orphan_is_reaped_while_an_older_one_lives", || {
        current_thread().block_on(async {
            let mut older = cat();
            let input = take_input(&mut older);
            drop(older);
            for _ in 0..20 {
                // The thread sleeps, without having been told of the next one.
                eventually("the thread sleeps", || threads_named("sprang-reaper") == 1);
                drop(cat());
                eventually_left(1);
            }
            drop(input);
            eventually_left(0);
        });
    });
}

#[test]
fn two_hundred_at_once_end_and_nothing_is_left_of_them() {
    alone("two_hundred_at_once_end_and_nothing_is_left_of_them", || {
        let rt = multi_thread(2);
        // What std and the reactor set up once is there already.
        rt.block_on(async { cat().wait().await.unwrap() });
        let before = open_descriptors();
        rt.block_on(async {
            let mut waits = Vec::new();
            let mut inputs = Vec::new();
            for i in 0..200 {
                let mut child = Command::new("sh");
                child
                    .args(["-c", &format!("read x; exit {}", i % 7)])
                    .stdin(Stdio::piped());
                let mut child = child.spawn().unwrap();
                inputs.push(take_input(&mut child));
                // Half of them are waited for, the others let go: before a wait, or during one.
                waits.push((
                    i % 7,
                    sprang::spawn(async move {
                        match i % 4 {
                            0 => begin_wait(&mut child).await,
                            1 => {}
                            _ => return child.wait().await.unwrap().code(),
                        }
                        None
                    }),
                ));
            }
            assert_eq!(living_and_zombies(), (200, 0));
            drop(inputs);
            let mut told = 0;
            for (code, wait) in waits {
                if let Some(told_code) = wait.await.unwrap() {
                    assert_eq!(told_code, code);
                    told += 1;
                }
            }
            assert_eq!(told, 100);
            eventually_left(0);
        });
        eventually("the thread has ended", || threads_named("sprang-reaper") == 0);
        eventually("no descriptor is left", || open_descriptors() == before);
    });
}

#[test]
fn threads_that_spawn_and_drop_at_once_leave_nothing() {
    alone("threads_that_spawn_and_drop_at_once_leave_nothing", || {
        let rt = multi_thread(2);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let _runtime = rt.enter();
                    for i in 0..50 {
                        let mut command = Command::new("true");
                        drop(command.kill_on_drop(i % 2 == 0).spawn().unwrap());
                    }
                });
            }
        });
        drop(rt);
        eventually_left(0);
        eventually("the thread has ended", || threads_named("sprang-reaper") == 0);
    });
}
