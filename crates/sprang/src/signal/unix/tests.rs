//! Tests of signals: each test has a kind of signal of its own, since all run in one process.

use super::*;
use crate::net::testing::{Rt, block_on, in_own_process, poll_once};
use crate::runtime::{Builder, Runtime};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

fn raise(kind: SignalKind) {
    // SAFETY: the signal has a handler of ours.
    assert_eq!(unsafe { libc::raise(kind.0) }, 0);
}

#[test]
fn every_listener_of_every_runtime_receives_a_signal() {
    let kind = SignalKind::user_defined1();
    let other = SignalKind::user_defined2();
    let (mut first, mut second) = (Rt::new(), Rt::new());
    let mut listeners = first.block_on(async { [kind, kind, other].map(|kind| signal(kind).unwrap()) });
    let mut elsewhere = second.block_on(async { signal(kind).unwrap() });
    raise(kind);
    let [one, two, unrelated] = &mut listeners;
    assert_eq!(first.block_on(one.recv()), Some(()));
    assert_eq!(first.block_on(two.recv()), Some(()));
    assert_eq!(second.block_on(elsewhere.recv()), Some(()));
    first.turn();
    assert!(poll_once(&mut pin!(unrelated.recv())).is_pending());
}

#[test]
fn signals_that_nobody_waited_for_are_received_once() {
    let kind = SignalKind::hangup();
    let mut rt = Rt::new();
    let mut listener = rt.block_on(async { signal(kind).unwrap() });
    for _ in 0..3 {
        // More than a pipe has room for.
        for _ in 0..100_000 {
            raise(kind);
        }
        assert_eq!(rt.block_on(listener.recv()), Some(()));
        rt.turn();
        assert!(poll_once(&mut pin!(listener.recv())).is_pending());
    }
}

#[test]
fn a_signal_wakes_a_task_that_waits() {
    let kind = SignalKind::window_change();
    let (ready, started) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        block_on(async move {
            let mut listener = signal(kind).unwrap();
            ready.send(()).unwrap();
            listener.recv().await
        })
    });
    started.recv().unwrap();
    raise(kind);
    assert_eq!(waiting.join().unwrap(), Some(()));
}

#[test]
fn a_dropped_listener_leaves_the_others() {
    let kind = SignalKind::alarm();
    let mut rt = Rt::new();
    let (mut staying, leaving) = rt.block_on(async { (signal(kind).unwrap(), signal(kind).unwrap()) });
    let bell = Arc::downgrade(&leaving.bell);
    drop(leaving);
    assert!(
        bell.upgrade().is_none(),
        "the handler keeps the pipe of a listener that is gone"
    );
    raise(kind);
    assert_eq!(rt.block_on(staying.recv()), Some(()));
    drop(staying);
    let counts = rt.handle.counts();
    assert_eq!(counts.registered, counts.deregistered);
}

#[test]
fn a_signal_between_two_listeners_is_received_by_the_second() {
    let kind = SignalKind::pipe();
    let runtime = crate::runtime::Runtime::new().unwrap();
    let task = runtime.spawn(async move {
        drop(signal(kind).unwrap());
        raise(kind);
        let mut next = signal(kind).unwrap();
        let received = crate::time::timeout(Duration::from_secs(10), next.recv()).await;
        received.expect("the signal is lost").unwrap();
        drop(next);
        // Not once more, and not after others had their turn.
        drop(signal(kind).unwrap());
        raise(kind);
        crate::task::yield_now().await;
        let mut late = signal(kind).unwrap();
        crate::task::yield_now().await;
        poll_once(&mut pin!(late.recv())).is_pending()
    });
    assert!(runtime.block_on(task).unwrap());
    drop(runtime);
    assert!(LINGERING.lock().unwrap().iter().all(|lingering| {
        lingering
            .upgrade()
            .is_none_or(|lingering| lingering.signum != kind.as_raw_value())
    }));
}

/// What `kind` does now: the address of a handler, or `SIG_DFL`, or `SIG_IGN`.
fn handler(kind: SignalKind) -> libc::sighandler_t {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is set, and the call writes to memory of ours.
    let result = unsafe { libc::sigaction(kind.0, std::ptr::null(), action.as_mut_ptr()) };
    assert_eq!(result, 0);
    // SAFETY: the call has written it.
    unsafe { action.assume_init() }.sa_sigaction
}

fn set_handler(kind: SignalKind, handler: libc::sighandler_t) {
    // SAFETY: the handlers of these tests do nothing but count.
    assert_ne!(unsafe { libc::signal(kind.0, handler) }, libc::SIG_ERR);
}

#[test]
fn the_last_listener_restores_what_the_signal_did_if_that_was_asked_for() {
    in_own_process(|| {
        let kind = SignalKind::terminate();
        let mut rt = Rt::new();
        // Each time anew, and whoever is the last of them.
        for _ in 0..3 {
            assert_eq!(handler(kind), libc::SIG_DFL);
            let (mut plain, asking) =
                rt.block_on(async { (signal(kind).unwrap(), signal_with_restore(kind).unwrap()) });
            drop(asking);
            raise(kind);
            assert_eq!(rt.block_on(plain.recv()), Some(()));
            assert_ne!(handler(kind), libc::SIG_DFL, "there is a listener");
            drop(plain);
        }
        assert_eq!(handler(kind), libc::SIG_DFL);
        // Who does not ask leaves it away, and who asks afterwards gets it back.
        drop(rt.block_on(async { signal(kind).unwrap() }));
        assert_ne!(handler(kind), libc::SIG_DFL);
        drop(rt.block_on(async { signal_with_restore(kind).unwrap() }));
        assert_eq!(handler(kind), libc::SIG_DFL);
    });
}

#[test]
fn what_is_restored_is_what_the_program_had_set() {
    in_own_process(|| {
        let kind = SignalKind::user_defined1();
        let mut rt = Rt::new();
        let mut listen = || rt.block_on(async { signal_with_restore(kind).unwrap() });
        set_handler(kind, libc::SIG_IGN);
        drop(listen());
        assert_eq!(handler(kind), libc::SIG_IGN);
        // Set between two listeners.
        set_handler(kind, libc::SIG_DFL);
        let mut listener = listen();
        raise(kind);
        assert_eq!(rt.block_on(listener.recv()), Some(()));
        drop(listener);
        assert_eq!(handler(kind), libc::SIG_DFL);
        // Set while there is one: it stays.
        let listener = rt.block_on(async { signal_with_restore(kind).unwrap() });
        set_handler(kind, libc::SIG_IGN);
        drop(listener);
        assert_eq!(handler(kind), libc::SIG_IGN);
    });
}

#[test]
fn a_signal_that_is_restored_ends_the_process() {
    const MARK: &str = "SPRANG_TEST_ENDED_BY_SIGNAL";
    let kind = SignalKind::interrupt();
    if std::env::var_os(MARK).is_some() {
        Runtime::new().unwrap().block_on(async {
            let mut listener = signal_with_restore(kind).unwrap();
            raise(kind);
            listener.recv().await.unwrap();
            drop(listener);
            raise(kind);
        });
        unreachable!("the process has ended");
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let name = std::thread::current().name().unwrap().to_owned();
    command.args(["--exact", &name, "--test-threads=1"]).env(MARK, "1");
    let output = command.process_group(0).output().unwrap();
    assert_eq!(output.status.signal(), Some(kind.0), "{output:?}");
}

#[test]
fn a_storm_of_signals_leaves_everybody_alive() {
    const STORM: usize = 100_000;

    in_own_process(|| {
        let kind = SignalKind::user_defined1();
        let runtimes = [2, 1].map(|workers| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers).enable_all().build().unwrap()
        });
        let is_over = Arc::new(AtomicBool::new(false));
        // It stays from before the storm until after it.
        let mut witness = runtimes[0].block_on(async { signal(kind).unwrap() });
        let mut staying = Vec::new();
        let mut coming_and_going = Vec::new();
        for runtime in &runtimes {
            let is_done = Arc::clone(&is_over);
            let mut listener = runtime.block_on(async { signal(kind).unwrap() });
            staying.push(runtime.spawn(async move {
                loop {
                    listener.recv().await.unwrap();
                    if is_done.load(SeqCst) {
                        break;
                    }
                }
            }));
            let is_done = Arc::clone(&is_over);
            coming_and_going.push(runtime.spawn(async move {
                while !is_done.load(SeqCst) {
                    let mut listener = signal_with_restore(kind).unwrap();
                    let _ = crate::time::timeout(Duration::from_millis(1), listener.recv()).await;
                    drop(listener);
                    crate::task::yield_now().await;
                }
            }));
        }
        let storm = std::thread::spawn(move || {
            for _ in 0..STORM {
                // To the process: whichever thread it finds.
                // SAFETY: the signal has a handler of ours.
                assert_eq!(unsafe { libc::kill(libc::getpid(), kind.0) }, 0);
            }
        });
        // A runtime that ends in the middle of it.
        let ended = Runtime::new().unwrap();
        let listener = ended.block_on(async {
            let mut listener = signal(kind).unwrap();
            listener.recv().await.unwrap();
            listener
        });
        drop(ended);
        drop(listener);

        storm.join().unwrap();
        is_over.store(true, SeqCst);
        raise(kind);
        let [first, second] = &runtimes;
        for (task, runtime) in staying.into_iter().zip([first, second]) {
            let received = runtime.block_on(async { crate::time::timeout(Duration::from_secs(10), task).await });
            received.expect("no notice of the last signal").unwrap();
        }
        for (task, runtime) in coming_and_going.into_iter().zip([first, second]) {
            runtime.block_on(task).unwrap();
        }
        first.block_on(async {
            witness.recv().await.unwrap();
            // And one by one again.
            for _ in 0..100 {
                raise(kind);
                witness.recv().await.unwrap();
            }
        });
    });
}

#[test]
fn a_listener_whose_runtime_is_gone_receives_no_more() {
    let kind = SignalKind::io();
    let mut rt = Rt::new();
    let mut listener = rt.block_on(async { signal(kind).unwrap() });
    drop(rt);
    raise(kind);
    assert_eq!(block_on(listener.recv()), None);
}

#[test]
fn signals_that_cannot_be_handled_are_refused() {
    let refused = signal_hook_registry::FORBIDDEN.iter().chain(&[-1, 0, 1_000]);
    block_on(async {
        for signum in refused {
            assert!(signal(SignalKind::from_raw(*signum)).is_err(), "{signum}");
        }
    });
}

#[test]
fn a_kind_is_its_number() {
    assert_eq!(SignalKind::from(2), SignalKind::interrupt());
    assert_eq!(c_int::from(SignalKind::interrupt()), libc::SIGINT);
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn listening_outside_of_a_runtime_panics() {
    let _ = signal(SignalKind::user_defined1());
}

#[test]
fn listeners_cross_threads() {
    fn everywhere<T: Send + Sync + Unpin>() {}

    everywhere::<Signal>();
    everywhere::<SignalKind>();
}
