//! Models of registration, delivery, deregistration and the end: each runs under loom, and as a unit test without it.

use std::sync::Arc as Counted;
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::primitive::sync::Arc;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::Relaxed;
use sprang_core::primitive::{model, thread};

use super::*;
use crate::scheduled_io::Direction;

/// Counts wake-ups.
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Counted<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn counter() -> (Counted<Count>, Waker) {
    let count = Counted::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Counted::clone(&count));
    (count, waker)
}

/// One poll for `direction`: whether it is over, and whether the task is woken if not.
struct Polled {
    is_ready: bool,
    woken: Counted<Count>,
}

fn poll(io: &ScheduledIo, direction: Direction) -> Polled {
    let (woken, waker) = counter();
    let polled = io.poll_ready(&mut Context::from_waker(&waker), direction);
    Polled {
        is_ready: polled.is_ready(),
        woken,
    }
}

impl Polled {
    fn is_served(&self) -> bool {
        self.is_ready || self.woken.0.load(Relaxed) == 1
    }
}

fn spawn<T: Send + 'static>(
    resources: &Arc<Resources>,
    body: impl FnOnce(&Resources) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let resources = Arc::clone(resources);
    thread::spawn(move || body(&resources))
}

#[test]
fn a_registration_against_the_end_is_refused_or_ended() {
    model(|| {
        let resources = Arc::new(Resources::new());
        let driver = spawn(&resources, Resources::close);
        let wait = resources
            .insert()
            .map(|(io, token)| (poll(&io, Direction::Read), io, token));
        driver.join().unwrap();
        if let Ok((polled, io, token)) = wait {
            assert!(polled.is_served(), "a wait that nobody ends");
            let (_, waker) = counter();
            let Poll::Ready(event) = io.poll_ready(&mut Context::from_waker(&waker), Direction::Read) else {
                panic!("the resource does not know of the end");
            };
            assert!(event.is_shut_down());
            resources.remove(token);
        }
        let counts = resources.counts();
        assert_eq!(counts.registered, counts.deregistered, "a slot was left");
    });
}

#[test]
fn a_resource_is_removed_against_its_event_and_the_next_user_of_its_slot_is_left_alone() {
    model(|| {
        let resources = Arc::new(Resources::new());
        let (_old, token) = resources.insert().unwrap();
        let driver = spawn(&resources, move |resources| {
            resources.deliver([(token, Ready::READABLE)].into_iter());
        });
        resources.remove(token);
        let (new, _) = resources.insert().unwrap();
        let polled = poll(&new, Direction::Read);
        driver.join().unwrap();
        assert!(!polled.is_served(), "the event of the resource before");
    });
}

#[test]
fn two_tasks_that_wait_for_the_two_directions_are_both_woken() {
    model(|| {
        let resources = Arc::new(Resources::new());
        let (io, token) = resources.insert().unwrap();
        let driver = spawn(&resources, move |resources| {
            resources.deliver([(token, Ready::READABLE), (token, Ready::WRITABLE)].into_iter());
        });
        let writer = {
            let io = Counted::clone(&io);
            thread::spawn(move || poll(&io, Direction::Write))
        };
        let reader = poll(&io, Direction::Read);
        let writer = writer.join().unwrap();
        driver.join().unwrap();
        assert!(reader.is_served() && writer.is_served(), "a wake-up was lost");
    });
}

#[test]
fn a_resource_removed_against_the_end_frees_its_slot_once() {
    model(|| {
        let resources = Arc::new(Resources::new());
        let (io, token) = resources.insert().unwrap();
        let driver = spawn(&resources, Resources::close);
        let polled = poll(&io, Direction::Write);
        resources.remove(token);
        driver.join().unwrap();
        // As who removes a resource does: the driver knows of it no longer.
        let mut wakeups = Wakeups::new();
        assert!(io.collect(Ready::ALL, &mut wakeups.batch));
        wakeups.finish();
        assert!(polled.is_served(), "the waiter was lost");
        let counts = resources.counts();
        assert_eq!((counts.registered, counts.deregistered), (1, 1));
    });
}
