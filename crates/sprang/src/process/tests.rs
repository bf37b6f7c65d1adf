//! Tests of what cannot be seen from outside: the way without pidfds, a reaper that the OS refuses, what is unsafe.

use std::future::poll_fn;
use std::io;
use std::process::{Command as StdCommand, Stdio};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, WaitOptions, getrlimit, setrlimit, waitpid};

use super::running::Running;
use super::*;
use crate::net::testing::{Rt, block_on, in_own_process};

fn cat() -> StdCommand {
    let mut command = StdCommand::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id as i32).unwrap()
}

/// Whether the process is in the system's table, as a zombie or not.
fn exists(id: u32) -> bool {
    std::fs::exists(format!("/proc/{id}")).unwrap()
}

#[track_caller]
fn eventually(what: &str, mut state: impl FnMut() -> bool) {
    let start = Instant::now();
    while !state() {
        assert!(start.elapsed() < Duration::from_secs(10), "never came to be: {what}");
        std::thread::yield_now();
    }
}

/// A process whose end `SIGCHLD` tells.
fn running_by_signal() -> Running {
    let mut running = Running::new(cat().spawn().unwrap());
    running.watch_by_signal();
    running
}

fn poll_once(running: &mut Running) -> Poll<io::Result<std::process::ExitStatus>> {
    running.poll_wait(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn without_a_pidfd_sigchld_tells_of_the_end() {
    let mut rt = Rt::new();
    rt.block_on(async {
        let mut all: Vec<_> = (0..10).map(|_| running_by_signal()).collect();
        for running in &mut all {
            assert!(poll_once(running).is_pending());
        }
        for running in &mut all {
            drop(running.child().stdin.take());
            assert!(poll_fn(|cx| running.poll_wait(cx)).await.unwrap().success());
        }
    });
    let counts = rt.handle.counts();
    assert_eq!(counts.registered, counts.deregistered);
}

#[test]
fn without_a_pidfd_an_orphan_is_reaped_likewise() {
    block_on(async {
        let mut running = running_by_signal();
        let id = running.id();
        let input = running.child().stdin.take();
        running.set_kill_on_drop(false);
        drop(running);
        assert!(exists(id));
        drop(input);
        eventually("it is reaped", || !exists(id));
    });
}

#[test]
fn without_a_pidfd_another_runtime_takes_over_too() {
    let mut running = block_on(async { running_by_signal() });
    block_on(async {
        assert!(poll_once(&mut running).is_pending());
        drop(running.child().stdin.take());
        assert!(poll_fn(|cx| running.poll_wait(cx)).await.unwrap().success());
    });
}

#[test]
fn what_is_not_watched_is_killed_and_reaped() {
    let mut child = cat().spawn().unwrap();
    let _input = child.stdin.take();
    let id = child.id();
    drop(Running::new(child));
    eventually("it is killed and reaped", || !exists(id));
}

#[test]
fn a_child_that_somebody_else_has_waited_for_is_an_error() {
    block_on(async {
        let mut child = Command::from(cat()).spawn().unwrap();
        let id = child.id().unwrap();
        drop(child.stdin.take());
        waitpid(Some(pid(id)), WaitOptions::empty()).unwrap();
        for _ in 0..2 {
            assert!(child.wait().await.is_err());
            assert!(child.try_wait().is_err());
        }
    });
}

#[test]
fn a_spawn_in_a_runtime_that_is_gone_leaves_no_process() {
    let mut rt = Rt::new();
    let handle = rt.handle.clone();
    rt.block_on(async {});
    drop(rt);
    let outer = sprang_reactor::set_current(Some(handle));
    let mut id = 0;
    let spawned = Command::from(cat()).spawn_with(|command| {
        let child = command.spawn()?;
        id = child.id();
        Ok(child)
    });
    sprang_reactor::set_current(outer);
    assert!(sprang_reactor::is_gone(&spawned.unwrap_err()));
    eventually("it is killed and reaped", || !exists(id));
}

#[test]
fn a_reaper_that_was_refused_is_tried_again() {
    in_own_process(|| {
        block_on(async {
            let mut children = [cat(), cat()].map(|command| Command::from(command).spawn().unwrap());
            let ids = children.each_ref().map(|child| child.id().unwrap());
            let inputs = children.each_mut().map(|child| child.stdin.take());
            let [first, second] = children;
            // No room for the stack of another thread.
            let before = getrlimit(Resource::As);
            let refused = Rlimit {
                current: Some(0),
                ..before
            };
            setrlimit(Resource::As, refused).unwrap();
            drop(first);
            setrlimit(Resource::As, before).unwrap();
            drop(inputs);
            eventually("both have ended", || ids.iter().all(|id| is_zombie(*id)));
            // The next spawn is such an occasion.
            let mut child = Command::from(cat()).spawn().unwrap();
            eventually("the first is reaped", || !exists(ids[0]));
            drop(second);
            assert!(!exists(ids[1]));
            child.kill().await.unwrap();
        });
    });
}

fn is_zombie(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().trim_start().starts_with('Z')
}

#[test]
fn what_runs_before_the_program_can_refuse_it() {
    block_on(async {
        let mut command = Command::new("true");
        // SAFETY: the closure makes an error of a number, without an allocation.
        unsafe { command.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EDOM))) };
        let error = command.spawn().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EDOM));
    });
}

#[test]
fn children_and_their_futures_cross_threads() {
    fn everywhere<T: Send + Sync>(_: &T) {}

    block_on(async {
        let mut command = Command::new("true");
        everywhere(&command);
        everywhere(&command.status());
        let mut child = command.spawn().unwrap();
        everywhere(&child);
        everywhere(&child.wait());
        fn output_crosses() {
            fn sends<T: Send>(_: impl FnOnce(Child) -> T) {}
            sends(Child::wait_with_output);
        }
        output_crosses();
        assert!(child.wait().await.unwrap().success());
    });
}
