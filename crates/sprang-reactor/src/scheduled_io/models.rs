//! Models of the readiness protocol: each runs under loom, and as a unit test without it.

use super::*;
use sprang_core::primitive::sync::Arc;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::{model, thread};
use std::pin::pin;
use std::task::Wake;

/// Counts wake-ups.
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn counter() -> (std::sync::Arc<Count>, Waker) {
    let count = std::sync::Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(std::sync::Arc::clone(&count));
    (count, waker)
}

/// What the driver does with an event.
fn deliver(io: &ScheduledIo, ready: Ready) {
    io.set_ready(ready);
    wake(io, ready);
}

fn wake(io: &ScheduledIo, ready: Ready) {
    let mut batch = WakeBatch::new();
    while !io.collect(ready, &mut batch) {
        batch.wake_all();
    }
    batch.wake_all();
}

fn driving(io: &Arc<ScheduledIo>, drive: fn(&ScheduledIo)) -> thread::JoinHandle<()> {
    let io = Arc::clone(io);
    thread::spawn(move || drive(&io))
}

#[test]
fn an_event_is_never_missed_by_a_poll() {
    model(|| {
        let io = Arc::new(ScheduledIo::default());
        let (count, waker) = counter();
        let driver = driving(&io, |io| deliver(io, Ready::READABLE));
        let poll = io.poll_ready(&mut Context::from_waker(&waker), Direction::Read);
        driver.join().unwrap();
        assert!(poll.is_ready() || count.0.load(Relaxed) == 1, "the wake-up was lost");
    });
}

#[test]
fn an_event_is_never_missed_by_a_listed_waiter() {
    model(|| {
        let io = Arc::new(ScheduledIo::default());
        let (count, waker) = counter();
        let driver = driving(&io, |io| deliver(io, Ready::READABLE));
        let mut cx = Context::from_waker(&waker);
        let mut readiness = pin!(io.readiness(Interest::READABLE));
        let poll = readiness.as_mut().poll(&mut cx);
        driver.join().unwrap();
        if poll.is_pending() {
            assert_eq!(count.0.load(Relaxed), 1, "the wake-up was lost");
            assert!(readiness.as_mut().poll(&mut cx).is_ready());
        }
    });
}

#[test]
fn a_clear_never_erases_a_newer_event() {
    model(|| {
        let io = Arc::new(ScheduledIo::default());
        // The kernel's side: data that has arrived and was not read.
        let arrived = Arc::new(AtomicUsize::new(1));
        io.set_ready(Ready::READABLE);
        let driver = thread::spawn({
            let (io, arrived) = (Arc::clone(&io), Arc::clone(&arrived));
            move || {
                arrived.fetch_add(1, Relaxed);
                deliver(&io, Ready::READABLE);
            }
        });
        let (count, waker) = counter();
        let mut cx = Context::from_waker(&waker);
        let Poll::Ready(event) = io.poll_ready(&mut cx, Direction::Read) else {
            panic!("the resource is ready");
        };
        arrived.swap(0, Relaxed);
        io.clear_ready(event);
        let poll = io.poll_ready(&mut cx, Direction::Read);
        driver.join().unwrap();
        if arrived.load(Relaxed) > 0 {
            assert!(
                poll.is_ready() || count.0.load(Relaxed) == 1,
                "the second event was lost"
            );
        }
    });
}

#[test]
fn a_waiter_dropped_against_its_wake_is_unlinked_once() {
    model(|| {
        let io = Arc::new(ScheduledIo::default());
        let (count, waker) = counter();
        let mut cx = Context::from_waker(&waker);
        let mut staying = pin!(io.readiness(Interest::WRITABLE));
        assert!(staying.as_mut().poll(&mut cx).is_pending());
        let mut leaving = Box::pin(io.readiness(Interest::READABLE));
        assert!(
            leaving
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        let driver = driving(&io, |io| deliver(io, Ready::READABLE));
        drop(leaving);
        driver.join().unwrap();
        deliver(&io, Ready::WRITABLE);
        assert_eq!(count.0.load(Relaxed), 1, "the waiter that stayed was lost");
        assert!(staying.as_mut().poll(&mut cx).is_ready());
    });
}

#[test]
fn shutdown_reaches_every_waiter() {
    model(|| {
        let io = Arc::new(ScheduledIo::default());
        let (count, waker) = counter();
        let driver = driving(&io, |io| {
            io.shut_down();
            wake(io, Ready::ALL);
        });
        let mut cx = Context::from_waker(&waker);
        let mut readiness = pin!(io.readiness(Interest::ERROR));
        let polls = [
            io.poll_ready(&mut cx, Direction::Read),
            io.poll_ready(&mut cx, Direction::Write),
            readiness.as_mut().poll(&mut cx),
        ];
        driver.join().unwrap();
        let pending = polls.iter().filter(|poll| poll.is_pending()).count();
        assert_eq!(count.0.load(Relaxed), pending, "a waiter was not woken");
        assert!(io.poll_ready(&mut cx, Direction::Read).is_ready());
        assert!(readiness.as_mut().poll(&mut cx).is_ready());
    });
}
