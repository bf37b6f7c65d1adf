//! Tests of signals: each test has a kind of signal of its own, since all run in one process.

use super::*;
use crate::net::testing::{Rt, block_on, poll_once};
use std::pin::pin;
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
