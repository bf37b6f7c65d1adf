//! Models of the protocols of timers: who fires, who resets, who drops, and who sleeps how long.
//!
//! The clocks are paused, so that a model runs the same way each time.

use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use sprang_core::park::{Timers, Unpark};
use sprang_core::primitive::sync::Arc;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::Relaxed;
use sprang_core::primitive::{model, thread};
use sprang_core::slot;

use crate::entry::State;
use crate::{Clock, Handle, Timer};

const TICK: Duration = Duration::from_millis(1);

/// Counts wakes, or unparks.
#[derive(Debug)]
struct Counter(AtomicUsize);

impl Counter {
    fn new() -> StdArc<Self> {
        StdArc::new(Self(AtomicUsize::new(0)))
    }

    fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Wake for Counter {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Unpark for Counter {
    fn unpark(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A runtime with one lane and one timer in it, armed to be due at tick 1.
struct Setup {
    handle: Handle,
    start: Instant,
    timer: Pin<Box<Timer>>,
    wakes: StdArc<Counter>,
}

impl Setup {
    fn new() -> Self {
        let handle = Handle::new(Clock::new(true, true), 1, Counter::new());
        let start = handle.now();
        let mut setup = Self {
            timer: Box::pin(Timer::new(&handle, start + TICK)),
            handle,
            start,
            wakes: Counter::new(),
        };
        assert!(setup.poll().is_pending());
        setup
    }

    fn poll(&mut self) -> Poll<()> {
        let waker = Waker::from(StdArc::clone(&self.wakes));
        self.timer.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// What the owner may do without the lock once it sees the entry not armed, as it does when it frees it.
    fn reuse_the_slot_if_not_armed(&self) {
        let entry = self.timer.entry();
        if !matches!(entry.state(), State::Armed(_)) {
            // SAFETY: we own the entry, and it is not armed (entry I3).
            unsafe { entry.set_waker(None) };
        }
    }

    /// Another thread fires what is due at `tick`.
    fn fire(&self, tick: u64) -> thread::JoinHandle<()> {
        let lane = Arc::clone(self.handle.lane());
        thread::spawn(move || lane.fire(tick))
    }
}

#[test]
fn firing_against_an_owner_that_looks() {
    model(|| {
        let setup = Setup::new();
        let firing = setup.fire(1);
        // Without it loom, which remembers one access to an atomic, does not let the firing come first.
        thread::yield_now();
        setup.reuse_the_slot_if_not_armed();
        firing.join().unwrap();
        assert!(setup.timer.is_elapsed());
    });
}

#[test]
fn firing_against_drop() {
    model(|| {
        let setup = Setup::new();
        let firing = setup.fire(1);
        let wakes = setup.wakes;
        drop(setup.timer);
        firing.join().unwrap();
        assert!(wakes.get() <= 1);
        assert_eq!(StdArc::strong_count(&wakes), 1, "the waker was leaked");
    });
}

#[test]
fn firing_against_a_poll_by_another_task() {
    model(|| {
        let mut setup = Setup::new();
        let firing = setup.fire(1);
        let other = Counter::new();
        let first = std::mem::replace(&mut setup.wakes, StdArc::clone(&other));
        let polled = setup.poll();
        firing.join().unwrap();
        assert!(polled.is_ready() || other.get() == 1, "the second task was not woken");
        setup.reuse_the_slot_if_not_armed();
        assert_eq!(StdArc::strong_count(&first), 1, "the waker was leaked");
        assert!(setup.poll().is_ready());
    });
}

#[test]
fn firing_against_a_forward_reset() {
    model(|| {
        let mut setup = Setup::new();
        let firing = setup.fire(1);
        setup.timer.as_mut().reset(setup.start + 70 * TICK);
        let kept = setup.poll();
        firing.join().unwrap();
        assert!(kept.is_pending(), "fired by the old deadline");
        assert!(setup.poll().is_pending());
        let woken_early = setup.wakes.get();
        assert!(woken_early <= 1);
        setup.handle.lane().fire(69);
        assert!(setup.poll().is_pending());
        setup.handle.lane().fire(70);
        assert!(setup.poll().is_ready());
        assert_eq!(setup.wakes.get(), woken_early + 1, "the new deadline woke nobody");
    });
}

#[test]
fn firing_against_a_backward_reset() {
    model(|| {
        let mut setup = Setup::new();
        setup.timer.as_mut().reset(setup.start + 70 * TICK);
        let firing = setup.fire(70);
        setup.timer.as_mut().reset(setup.start + 2 * TICK);
        let polled = setup.poll();
        firing.join().unwrap();
        // The firing thread passed the new deadline, if it did not fire before.
        setup.handle.lane().fire(70);
        assert!(
            polled.is_ready() || setup.wakes.get() >= 1,
            "the new deadline woke nobody"
        );
        assert!(setup.poll().is_ready());
    });
}

#[test]
fn firing_twice_at_once_wakes_once() {
    model(|| {
        let mut setup = Setup::new();
        let firing = [setup.fire(1), setup.fire(1)];
        for thread in firing {
            thread.join().unwrap();
        }
        assert_eq!(setup.wakes.get(), 1);
        assert!(setup.poll().is_ready());
    });
}

#[test]
fn closing_against_a_reset_and_a_poll() {
    model(|| {
        let mut setup = Setup::new();
        let closed = setup.handle.clone();
        let closing = thread::spawn(move || closed.close());
        setup.reuse_the_slot_if_not_armed();
        setup.timer.as_mut().reset(setup.start + 70 * TICK);
        assert!(setup.poll().is_pending());
        closing.join().unwrap();
        assert!(setup.poll().is_pending());
        assert_eq!(StdArc::strong_count(&setup.wakes), 1, "a closed timer keeps a waker");
        setup.handle.lane().fire(70);
        assert!(!setup.timer.is_elapsed());
    });
}

#[test]
fn closing_against_firing_against_drop() {
    model(|| {
        let setup = Setup::new();
        let closed = setup.handle.clone();
        let closing = thread::spawn(move || closed.close());
        let firing = setup.fire(1);
        let wakes = setup.wakes;
        drop(setup.timer);
        closing.join().unwrap();
        firing.join().unwrap();
        assert!(wakes.get() <= 1);
        assert_eq!(StdArc::strong_count(&wakes), 1, "the waker was leaked");
    });
}

fn arm(handle: &Handle, deadline: Instant) -> Pin<Box<Timer>> {
    let mut timer = Box::pin(Timer::new(handle, deadline));
    assert!(
        timer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    timer
}

#[test]
fn an_outside_thread_never_loses_an_earlier_deadline() {
    model(|| {
        let unparks = Counter::new();
        let handle = Handle::new(Clock::new(true, true), 1, unparks.clone());
        let start = handle.now();
        let arming = handle.clone();
        let arming = thread::spawn(move || arm(&arming, start + TICK));
        let until = handle.announce_park();
        let timer = arming.join().unwrap();
        assert!(until == 1 || unparks.get() == 1, "the driver sleeps too long");
        drop(timer);
    });
}

#[test]
fn a_worker_never_loses_an_earlier_deadline() {
    model(|| {
        slot::set_lane(0);
        let handle = Handle::new(Clock::new(true, true), 2, Counter::new());
        let start = handle.now();
        // The driver is parked until tick 1, for the sake of a timer of its own lane.
        let other = arm(&handle, start + TICK);
        let lane = Arc::clone(handle.lane());
        assert_eq!(handle.announce_park(), 1);
        let worker = handle.clone();
        let worker = thread::spawn(move || {
            slot::set_lane(1);
            worker.serve();
            // No look at the driver here, but before going to sleep.
            let timer = arm(&worker, start + 2 * TICK);
            (timer, worker.unserved_deadline())
        });
        handle.announce_awake();
        lane.fire(1);
        let until = handle.announce_park();
        let (timer, unserved) = worker.join().unwrap();
        assert!(until == 2 || unserved.is_some(), "both sleep too long");
        drop((timer, other));
    });
}
