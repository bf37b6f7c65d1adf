//! Tests of the driver and of registrations, over real pipes and sockets.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use mio::unix::pipe;
use sprang_core::coop;
use sprang_core::park::Driver as _;
use sprang_core::wake_batch::CAPACITY;

use super::*;
use crate::poll_evented::PollEvented;
use crate::registration::Registration;
use crate::scheduled_io::Direction;

#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn driver() -> (Driver, Handle) {
    Driver::new(16).unwrap()
}

/// A pipe whose receiver is registered.
fn registered_pipe(handle: &Handle) -> (pipe::Sender, pipe::Receiver, Registration) {
    let (sender, mut receiver) = pipe::new().unwrap();
    let registration = Registration::new(&mut receiver, Interest::READABLE, handle.clone()).unwrap();
    (sender, receiver, registration)
}

#[test]
fn an_unpark_before_the_park_makes_it_return() {
    let (mut driver, handle) = driver();
    for _ in 0..3 {
        handle.unpark();
        handle.unpark();
        driver.park(Wait::Forever);
    }
}

#[test]
fn a_poll_does_not_take_the_unpark_of_the_next_park() {
    let (mut driver, handle) = driver();
    handle.unpark();
    driver.park(Wait::Poll);
    driver.park(Wait::Forever);
}

#[test]
fn an_unpark_wakes_a_parked_thread() {
    let (mut driver, handle) = driver();
    let parked = std::thread::spawn(move || {
        driver.park(Wait::Forever);
    });
    while !parked.is_finished() {
        handle.unpark();
        std::thread::yield_now();
    }
    parked.join().unwrap();
}

#[test]
fn a_turn_that_does_not_wait_takes_as_many_events_as_it_is_told() {
    let (mut driver, handle) = driver();
    driver.set_busy_capacity(2);
    let mut pipes: Vec<_> = (0..5).map(|_| registered_pipe(&handle)).collect();
    for (sender, ..) in &mut pipes {
        sender.write_all(b"x").unwrap();
    }
    let taken = |driver: &mut Driver, wait| {
        let before = handle.counts().ready;
        driver.park(wait);
        handle.counts().ready - before
    };
    assert_eq!(taken(&mut driver, Wait::Poll), 2);
    assert_eq!(taken(&mut driver, Wait::Forever), 3);
}

#[test]
fn a_timed_park_does_not_return_before_its_deadline() {
    let (mut driver, _handle) = driver();
    for micros in [100, 1_500, 3_000] {
        let deadline = Instant::now() + Duration::from_micros(micros);
        driver.park(Wait::Until(deadline));
        assert!(Instant::now() >= deadline);
    }
}

#[test]
fn an_event_wakes_the_waiters_of_its_direction() {
    let (mut driver, handle) = driver();
    let (mut sender, mut receiver, registration) = registered_pipe(&handle);
    let (polling, polling_waker) = Count::new();
    let (listed, listed_waker) = Count::new();
    let mut readiness = pin!(registration.readiness(Interest::READABLE));
    let mut listed_cx = Context::from_waker(&listed_waker);
    assert!(readiness.as_mut().poll(&mut listed_cx).is_pending());
    assert!(
        registration
            .poll_read_ready(&mut Context::from_waker(&polling_waker))
            .is_pending()
    );
    sender.write_all(b"x").unwrap();
    driver.park(Wait::Forever);
    assert_eq!((polling.get(), listed.get()), (1, 1));
    assert!(readiness.poll(&mut listed_cx).is_ready());
    assert!(
        registration
            .try_io(Interest::READABLE, || receiver.read(&mut [0]))
            .is_ok()
    );
    assert_eq!(handle.counts().ready, 1);
}

#[test]
fn an_operation_that_would_block_waits_for_the_next_event() {
    let (mut driver, handle) = driver();
    let (mut sender, mut receiver, registration) = registered_pipe(&handle);
    let mut poll = |buf: &mut [u8]| registration.poll_io(&mut noop(), Direction::Read, || receiver.read(buf));
    for byte in 0..3 {
        let mut buf = [9];
        assert!(poll(&mut buf).is_pending());
        sender.write_all(&[byte]).unwrap();
        driver.park(Wait::Forever);
        assert!(matches!(poll(&mut buf), Poll::Ready(Ok(1))));
        assert_eq!(buf, [byte]);
    }
}

#[test]
fn a_short_transfer_makes_no_second_system_call() {
    let (mut driver, handle) = driver();
    let (mut sender, mut receiver, registration) = registered_pipe(&handle);
    sender.write_all(b"abc").unwrap();
    driver.park(Wait::Forever);
    let mut calls = 0;
    let mut buf = [0; 2];
    for expected in [Some(2), Some(1), None] {
        let poll = registration.poll_transfer(&mut noop(), Direction::Read, buf.len(), || {
            calls += 1;
            receiver.read(&mut buf)
        });
        match expected {
            Some(n) => assert!(matches!(poll, Poll::Ready(Ok(read)) if read == n)),
            None => assert!(poll.is_pending()),
        }
    }
    assert_eq!(calls, 2);
}

#[test]
fn the_end_of_a_stream_stays_readable() {
    let (mut driver, handle) = driver();
    let (mut sender, mut receiver, registration) = registered_pipe(&handle);
    sender.write_all(b"x").unwrap();
    drop(sender);
    driver.park(Wait::Forever);
    let mut buf = [0; 8];
    for expected in [1, 0, 0] {
        let poll = registration.poll_transfer(&mut noop(), Direction::Read, buf.len(), || receiver.read(&mut buf));
        assert!(matches!(poll, Poll::Ready(Ok(n)) if n == expected));
    }
}

#[test]
fn each_operation_spends_the_budget() {
    let (mut driver, handle) = driver();
    let (mut sender, _receiver, registration) = registered_pipe(&handle);
    sender.write_all(b"x").unwrap();
    driver.park(Wait::Forever);
    coop::budget(|| {
        for _ in 0..coop::BUDGET {
            assert!(registration.poll_read_ready(&mut noop()).is_ready());
        }
        assert!(registration.poll_read_ready(&mut noop()).is_pending());
        let mut io = pin!(registration.async_io(Interest::READABLE, || Ok(())));
        assert!(io.as_mut().poll(&mut noop()).is_pending());
    });
}

#[test]
fn a_driver_that_ends_wakes_every_waiter_and_turns_waits_into_errors() {
    let (driver, handle) = driver();
    let (_sender, mut receiver, registration) = registered_pipe(&handle);
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    let mut readiness = pin!(registration.readiness(Interest::READABLE));
    assert!(readiness.as_mut().poll(&mut cx).is_pending());
    assert!(registration.poll_read_ready(&mut cx).is_pending());
    assert!(registration.poll_write_ready(&mut cx).is_pending());
    drop(driver);
    assert_eq!(count.get(), 3);
    assert!(matches!(readiness.poll(&mut cx), Poll::Ready(Err(_))));
    assert!(matches!(registration.poll_read_ready(&mut cx), Poll::Ready(Err(_))));
    assert!(registration.deregister(&mut receiver).is_ok());
    let (_sender, mut receiver) = pipe::new().unwrap();
    assert!(Registration::new(&mut receiver, Interest::READABLE, handle.clone()).is_err());
    handle.unpark();
}

#[test]
fn a_resource_that_is_dropped_wakes_who_waits_for_it() {
    let (mut driver, handle) = driver();
    let (_sender, receiver, registration) = registered_pipe(&handle);
    let (count, waker) = Count::new();
    assert!(
        registration
            .poll_read_ready(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(receiver);
    drop(registration);
    assert_eq!(count.get(), 1);
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "the waker leaked");
    driver.park(Wait::Poll);
}

#[test]
fn a_source_that_the_os_refuses_leaves_no_slot() {
    let (_driver, handle) = driver();
    // epoll refuses regular files.
    let regular = std::env::current_exe().and_then(std::fs::File::open).unwrap();
    for fd in [regular.as_raw_fd(), -1] {
        let refused = Registration::new(&mut mio::unix::SourceFd(&fd), Interest::READABLE, handle.clone());
        assert!(refused.is_err());
    }
    let counts = handle.counts();
    assert_eq!((counts.registered, counts.deregistered), (2, 2));
}

#[test]
fn an_evented_source_is_deregistered_before_it_is_closed() {
    let (mut driver, handle) = driver();
    let outer = set_current(Some(handle.clone()));
    let (mut sender, receiver) = std::os::unix::net::UnixStream::pair().unwrap();
    receiver.set_nonblocking(true).unwrap();
    let duplicate = receiver.try_clone().unwrap();
    drop(PollEvented::new(mio::net::UnixStream::from_std(receiver)).unwrap());
    sender.write_all(b"x").unwrap();
    driver.park(Wait::Poll);
    set_current(outer);
    drop(duplicate);
    let counts = handle.counts();
    assert_eq!((counts.registered, counts.deregistered, counts.ready), (1, 1, 0));
}

#[test]
fn a_source_handed_back_can_be_registered_with_another_driver() {
    let (_first, first) = driver();
    let (mut second, handle) = driver();
    let (mut sender, receiver) = pipe::new().unwrap();
    set_current(Some(first.clone()));
    let evented = PollEvented::with_interest(receiver, Interest::READABLE).unwrap();
    let receiver = evented.into_inner().unwrap();
    set_current(Some(handle));
    let evented = PollEvented::with_interest(receiver, Interest::READABLE).unwrap();
    set_current(None);
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    assert!(evented.registration().poll_read_ready(&mut cx).is_pending());
    sender.write_all(b"x").unwrap();
    second.park(Wait::Forever);
    assert_eq!(count.get(), 1);
    assert_eq!(first.counts().deregistered, 1);
}

#[test]
fn a_waker_that_panics_costs_no_other_waiter_its_event() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }

    let (mut driver, handle) = Driver::new(2 * CAPACITY).unwrap();
    // More than one batch holds.
    let mut pipes: Vec<_> = (0..CAPACITY + 4).map(|_| registered_pipe(&handle)).collect();
    let (count, waker) = Count::new();
    for (i, (sender, _, registration)) in pipes.iter_mut().enumerate() {
        let waker = if i == 0 {
            Waker::from(Arc::new(Panics))
        } else {
            waker.clone()
        };
        assert!(
            registration
                .poll_read_ready(&mut Context::from_waker(&waker))
                .is_pending()
        );
        sender.write_all(b"x").unwrap();
    }
    let caught = catch_unwind(AssertUnwindSafe(|| driver.park(Wait::Forever)));
    assert!(caught.is_err());
    assert_eq!(count.get(), pipes.len() - 1);
}

#[test]
fn a_thread_outside_of_a_runtime_gets_a_panic_that_names_the_reactor() {
    let (_sender, receiver) = pipe::new().unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| PollEvented::new(receiver)));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("no reactor running"), "{message}");
}
