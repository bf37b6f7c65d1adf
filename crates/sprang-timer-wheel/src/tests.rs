//! Tests of timers, handle and driver together, over inner drivers that need no reactor.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use sprang_core::park::{Driver as Park, Timers, Unpark, Wait};
use sprang_core::primitive::sync::{Condvar, Mutex};
use sprang_core::slot;

use crate::{Clock, Driver, Handle, Timer, set_current};

const MS: Duration = Duration::from_millis(1);

/// An inner driver that blocks the thread, and the unparker of it.
#[derive(Debug, Default)]
struct Gate {
    unparked: Mutex<bool>,
    changed: Condvar,
}

impl Unpark for Gate {
    fn unpark(&self) {
        *self.unparked.lock() = true;
        self.changed.notify_one();
    }
}

#[derive(Debug)]
struct ParkThread(Arc<Gate>);

impl Park for ParkThread {
    fn park(&mut self, wait: Wait) {
        let mut unparked = self.0.unparked.lock();
        if !*unparked {
            match wait {
                Wait::Poll => {}
                Wait::Until(at) => drop(self.0.changed.wait_until(&mut unparked, at)),
                Wait::Forever => self.0.changed.wait(&mut unparked),
            }
        }
        *unparked = false;
    }

    fn shutdown(&mut self) {}
}

/// An inner driver that notes what it is asked, delivers the events it was given, and returns.
#[derive(Debug, Default, Clone)]
struct Recorder {
    parks: Arc<Mutex<Vec<Wait>>>,
    events: Arc<AtomicUsize>,
    delivered: usize,
}

impl Recorder {
    fn take(&self) -> Vec<Wait> {
        std::mem::take(&mut self.parks.lock())
    }
}

impl Park for Recorder {
    fn park(&mut self, wait: Wait) {
        self.parks.lock().push(wait);
        self.delivered += self.events.swap(0, SeqCst);
    }

    fn delivered(&self) -> u64 {
        self.delivered as u64
    }

    fn shutdown(&mut self) {}
}

#[derive(Debug, Default)]
struct Counter(AtomicUsize);

impl Counter {
    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Unpark for Counter {
    fn unpark(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn blocking(clock: Clock, lanes: usize) -> (Driver<ParkThread>, Handle) {
    let gate = Arc::new(Gate::default());
    let handle = Handle::new(clock, lanes, gate.clone());
    (Driver::new(ParkThread(gate), handle.clone()), handle)
}

/// A paused handle, its driver over a recorder, and the count of unparks of the inner driver.
fn paused(lanes: usize) -> (Driver<Recorder>, Handle, Recorder, Arc<Counter>) {
    let unparks = Arc::new(Counter::default());
    let handle = Handle::new(Clock::new(true, true), lanes, unparks.clone());
    let recorder = Recorder::default();
    (Driver::new(recorder.clone(), handle.clone()), handle, recorder, unparks)
}

fn timer(handle: &Handle, after: Duration) -> Pin<Box<Timer>> {
    Box::pin(Timer::new(handle, handle.now() + after))
}

fn poll(timer: &mut Pin<Box<Timer>>, counter: &Arc<Counter>) -> Poll<()> {
    let waker = Waker::from(Arc::clone(counter));
    timer.as_mut().poll(&mut Context::from_waker(&waker))
}

/// Runs `f` as if on the worker of a lane.
fn on_lane<R>(lane: usize, f: impl FnOnce() -> R) -> R {
    let before = slot::lane();
    slot::set_lane(lane);
    let result = f();
    slot::set_lane(before);
    result
}

/// Polls a future, parking in the driver whenever it pends.
fn block_on<P: Park, T>(driver: &mut Driver<P>, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => driver.park(Wait::Forever),
        }
    }
}

#[test]
fn no_timer_fires_before_its_deadline() {
    let (mut driver, handle) = blocking(Clock::new(false, false), 1);
    for micros in [1, 300, 999, 1_000, 1_001, 2_500, 7_777] {
        let deadline = Instant::now() + Duration::from_micros(micros);
        let mut timer = Box::pin(Timer::new(&handle, deadline));
        block_on(&mut driver, poll_fn(|cx| timer.as_mut().poll(cx)));
        assert!(Instant::now() >= deadline);
        assert!(timer.is_elapsed());
    }
}

#[test]
fn a_deadline_already_past_is_ready_without_the_wheel() {
    let (_driver, handle, _, _) = paused(1);
    let counter = Arc::default();
    for deadline in [handle.now(), handle.now() - MS] {
        let mut timer = Box::pin(Timer::new(&handle, deadline));
        assert!(!timer.is_elapsed());
        assert!(poll(&mut timer, &counter).is_ready());
        assert!(timer.is_elapsed());
    }
    assert_eq!(handle.unserved_deadline(), None);
}

#[test]
fn a_far_deadline_that_passed_before_the_first_poll_is_ready_on_a_paused_clock() {
    let (_driver, handle, _, _) = paused(1);
    let outer = set_current(Some(handle.clone()));
    let deadline = handle.now() + 5_000 * MS;
    let mut timer = Box::pin(Timer::in_current(5_000 * MS, deadline).unwrap());
    set_current(outer);
    handle.clock().advance(5_000 * MS).unwrap();
    assert!(poll(&mut timer, &Arc::default()).is_ready());
}

#[test]
fn a_far_deadline_that_passed_before_the_first_poll_fires_at_the_next_look() {
    let (mut driver, handle) = blocking(Clock::new(false, false), 1);
    let outer = set_current(Some(handle.clone()));
    // As if the thread had been held up for ten seconds between the two.
    let deadline = Instant::now() - 5_000 * MS;
    let mut timer = Box::pin(Timer::in_current(5_000 * MS, deadline).unwrap());
    set_current(outer);
    let counter = Arc::default();
    assert!(poll(&mut timer, &counter).is_pending());
    driver.park(Wait::Forever);
    assert!(poll(&mut timer, &counter).is_ready());
}

#[test]
fn timers_of_one_deadline_are_ready_together_on_a_clock_that_was_paused_within_a_tick() {
    let (mut driver, handle, _, _) = paused(1);
    handle.clock().advance(MS / 3).unwrap();
    let deadline = handle.now() + 2 * MS;
    let counter = Arc::default();
    let [mut filed, mut sooner, mut late] =
        [deadline, deadline - MS, deadline].map(|at| Box::pin(Timer::new(&handle, at)));
    assert!(poll(&mut filed, &counter).is_pending());
    assert!(poll(&mut sooner, &counter).is_pending());
    while poll(&mut sooner, &counter).is_pending() {
        driver.park(Wait::Forever);
    }
    while poll(&mut late, &counter).is_pending() {
        driver.park(Wait::Forever);
    }
    assert!(poll(&mut filed, &counter).is_ready());
}

#[test]
fn a_dropped_timer_lets_go_of_its_waker() {
    let (_driver, handle, _, _) = paused(1);
    let counter = Arc::new(Counter::default());
    let mut timer = timer(&handle, 5 * MS);
    assert!(poll(&mut timer, &counter).is_pending());
    assert_eq!(Arc::strong_count(&counter), 2);
    drop(timer);
    assert_eq!(Arc::strong_count(&counter), 1);
    handle.clock().advance(10 * MS).unwrap();
    handle.fire_due();
    assert_eq!(counter.get(), 0);
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_woken() {
    let (_driver, handle, _, _) = paused(1);
    let counters: [Arc<Counter>; 2] = Default::default();
    let mut timer = timer(&handle, 5 * MS);
    for counter in [&counters[0], &counters[0], &counters[1]] {
        assert!(poll(&mut timer, counter).is_pending());
    }
    assert_eq!(Arc::strong_count(&counters[0]), 1);
    handle.clock().advance(5 * MS).unwrap();
    handle.fire_due();
    assert_eq!(counters.each_ref().map(|counter| counter.get()), [0, 1]);
}

#[test]
fn a_reset_timer_fires_at_its_new_deadline_and_wakes_the_same_task() {
    for (first, second) in [(5, 20), (20, 5), (5, 5_000), (5_000, 5)] {
        let (_driver, handle, _, _) = paused(1);
        let start = handle.now();
        let counter = Arc::default();
        let mut timer = timer(&handle, first * MS);
        assert!(poll(&mut timer, &counter).is_pending());
        timer.as_mut().reset(start + second * MS);
        assert_eq!(timer.deadline(), start + second * MS);
        handle.clock().advance((second - 1) * MS).unwrap();
        handle.fire_due();
        assert!(poll(&mut timer, &counter).is_pending());
        assert_eq!(counter.get(), 0);
        handle.clock().advance(MS).unwrap();
        handle.fire_due();
        assert_eq!(counter.get(), 1);
        assert!(poll(&mut timer, &counter).is_ready());
    }
}

#[test]
fn a_timer_reset_to_the_past_is_ready_and_wakes_its_task() {
    let (_driver, handle, _, _) = paused(1);
    let counter = Arc::default();
    let mut timer = timer(&handle, 5 * MS);
    assert!(poll(&mut timer, &counter).is_pending());
    timer.as_mut().reset(handle.now());
    assert_eq!(counter.get(), 1);
    assert!(timer.is_elapsed());
    timer.as_mut().reset(handle.now() + MS);
    assert!(!timer.is_elapsed());
    assert!(poll(&mut timer, &counter).is_pending());
}

#[test]
fn a_reset_arms_a_timer_that_was_never_polled() {
    let (_driver, handle, _, _) = paused(1);
    let mut timer = timer(&handle, 5 * MS);
    timer.as_mut().reset(handle.now() + 3 * MS);
    handle.clock().advance(3 * MS).unwrap();
    handle.fire_due();
    assert!(timer.is_elapsed());
}

#[test]
fn a_disarmed_timer_does_not_fire_before_it_is_polled() {
    let (_driver, handle, _, _) = paused(1);
    let counter = Arc::default();
    let mut timer = timer(&handle, 5 * MS);
    assert!(poll(&mut timer, &counter).is_pending());
    timer.as_mut().disarm(handle.now() + 3 * MS);
    handle.clock().advance(10 * MS).unwrap();
    handle.fire_due();
    assert_eq!(counter.get(), 0);
    assert!(!timer.is_elapsed());
    assert!(poll(&mut timer, &counter).is_ready());
}

#[test]
fn deadlines_out_of_all_range_wait_for_ever() {
    let (mut driver, handle, recorder, _) = paused(1);
    handle.clock().resume().unwrap();
    let far = [u64::MAX / 4, 40 * 365 * 86_400, 1 << 33].map(Duration::from_secs);
    let counter = Arc::default();
    let mut timers: Vec<_> = far
        .iter()
        .filter_map(|after| handle.now().checked_add(*after))
        .map(|deadline| Box::pin(Timer::new(&handle, deadline)))
        .collect();
    for timer in &mut timers {
        assert!(poll(timer, &counter).is_pending());
    }
    driver.park(Wait::Forever);
    assert!(matches!(recorder.take()[..], [Wait::Until(at)] if at > handle.now() + Duration::from_secs(86_400)));
    assert_eq!(counter.get(), 0);
}

#[test]
fn a_paused_clock_jumps_from_deadline_to_deadline() {
    let (mut driver, handle, recorder, _) = paused(1);
    let start = handle.now();
    let counters: [Arc<Counter>; 3] = Default::default();
    let mut timers = [700, 5, 90_000].map(|ms| timer(&handle, ms * MS));
    for (timer, counter) in timers.iter_mut().zip(&counters) {
        assert!(poll(timer, counter).is_pending());
    }
    for (fired, at) in [([0, 1, 0], 5), ([1, 1, 0], 700), ([1, 1, 1], 90_000)] {
        while counters.each_ref().map(|counter| counter.get()) != fired {
            driver.park(Wait::Forever);
        }
        assert_eq!(handle.now(), start + at * MS);
    }
    assert!(recorder.take().iter().all(|wait| *wait == Wait::Poll));
    driver.park(Wait::Forever);
    assert_eq!(recorder.take(), [Wait::Poll, Wait::Forever]);
    assert_eq!(handle.now(), start + 90_000 * MS);
}

#[test]
fn a_cancelled_timer_does_not_move_a_paused_clock() {
    let (mut driver, handle, recorder, _) = paused(1);
    let start = handle.now();
    let counter = Arc::default();
    let mut cancelled = timer(&handle, 5 * MS);
    assert!(poll(&mut cancelled, &counter).is_pending());
    drop(cancelled);
    driver.park(Wait::Forever);
    assert_eq!(handle.now(), start);
    assert_eq!(recorder.take(), [Wait::Poll, Wait::Forever]);
}

#[test]
fn a_paused_clock_stands_still_when_the_driver_was_unparked_or_only_looked_at() {
    let (mut driver, handle, _, _) = paused(1);
    let start = handle.now();
    let counter = Arc::default();
    let mut timer = timer(&handle, 5 * MS);
    assert!(poll(&mut timer, &counter).is_pending());
    driver.park(Wait::Poll);
    assert_eq!(handle.now(), start);
    handle.unpark();
    driver.park(Wait::Forever);
    assert_eq!(handle.now(), start);
    driver.park(Wait::Forever);
    assert_eq!(handle.now(), start + 5 * MS);
}

#[test]
fn a_paused_clock_stands_still_when_an_event_was_delivered() {
    let (mut driver, handle, recorder, _) = paused(1);
    let start = handle.now();
    let counter = Arc::default();
    let mut timer = timer(&handle, 5 * MS);
    assert!(poll(&mut timer, &counter).is_pending());
    recorder.events.store(1, SeqCst);
    driver.park(Wait::Forever);
    assert_eq!(handle.now(), start);
    driver.park(Wait::Forever);
    assert_eq!(handle.now(), start + 5 * MS);
}

#[test]
fn a_paused_clock_stands_still_while_it_is_inhibited() {
    let (mut driver, handle, recorder, unparks) = paused(1);
    let start = handle.now();
    let counter = Arc::default();
    let mut timer = timer(&handle, 5 * MS);
    assert!(poll(&mut timer, &counter).is_pending());
    let inhibit = handle.inhibit_auto_advance();
    driver.park(Wait::Forever);
    assert_eq!(handle.now(), start);
    assert!(matches!(recorder.take()[..], [Wait::Until(_)]));
    let before = unparks.get();
    drop(inhibit);
    assert_eq!(unparks.get(), before + 1, "the driver was not told");
    driver.park(Wait::Forever);
    driver.park(Wait::Forever);
    assert_eq!(handle.now(), start + 5 * MS);
}

#[test]
fn a_clock_that_was_advanced_and_resumed_waits_in_real_time() {
    let (mut driver, handle) = blocking(Clock::new(true, true), 1);
    handle.clock().advance(Duration::from_secs(1_000_000)).unwrap();
    handle.clock().resume().unwrap();
    let deadline = handle.now() + 3 * MS;
    let mut timer = Box::pin(Timer::new(&handle, deadline));
    block_on(&mut driver, poll_fn(|cx| timer.as_mut().poll(cx)));
    assert!(handle.now() >= deadline);
    assert!(handle.now() < deadline + Duration::from_secs(1_000));
}

#[test]
fn shutdown_wakes_all_timers_and_they_pend_for_good() {
    let (mut driver, handle, _, _) = paused(2);
    let counters: [Arc<Counter>; 40] = std::array::from_fn(|_| Arc::default());
    let mut timers: Vec<_> = (1..=40)
        .map(|i| on_lane(i as usize, || timer(&handle, i * 10 * MS)))
        .collect();
    let mut idle = timer(&handle, 5 * MS);
    for (timer, counter) in timers.iter_mut().zip(&counters) {
        assert!(poll(timer, counter).is_pending());
    }
    driver.shutdown();
    driver.shutdown();
    handle.clock().advance(Duration::from_secs(9)).unwrap();
    driver.park(Wait::Poll);
    drop((driver, handle));
    for (timer, counter) in timers.iter_mut().zip(&counters) {
        assert_eq!((counter.get(), Arc::strong_count(counter)), (1, 1));
        assert!(poll(timer, counter).is_pending());
        let later = timer.deadline() + Duration::from_secs(3_600);
        timer.as_mut().reset(later);
        assert!(poll(timer, counter).is_pending());
        assert!(!timer.is_elapsed());
    }
    let later = idle.deadline() + Duration::from_secs(3_600);
    idle.as_mut().disarm(later);
    assert!(poll(&mut idle, &counters[0]).is_pending());
    assert_eq!(Arc::strong_count(&counters[0]), 1);
}

#[test]
fn an_armed_timer_outlives_its_runtime() {
    let counter = Arc::new(Counter::default());
    let timers: Vec<_> = (0..2_000)
        .map(|_| {
            let (driver, handle) = blocking(Clock::new(true, true), 3);
            let mut timer = timer(&handle, 5 * MS);
            assert!(poll(&mut timer, &counter).is_pending());
            drop((driver, handle));
            timer
        })
        .collect();
    drop(timers);
    assert_eq!(Arc::strong_count(&counter), 1);
}

struct PanicOnWake;

impl Wake for PanicOnWake {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[test]
fn a_panicking_waker_does_not_lose_other_timers() {
    for shut_down in [false, true] {
        let (mut driver, handle, _, _) = paused(2);
        let counter = Arc::new(Counter::default());
        let mut timers: Vec<_> = (0..100).map(|i| on_lane(i, || timer(&handle, 5 * MS))).collect();
        for (i, timer) in timers.iter_mut().enumerate() {
            let pending = match i {
                // One in each lane.
                0 | 1 => {
                    let waker = Waker::from(Arc::new(PanicOnWake));
                    timer.as_mut().poll(&mut Context::from_waker(&waker))
                }
                _ => poll(timer, &counter),
            };
            assert!(pending.is_pending());
        }
        handle.clock().advance(5 * MS).unwrap();
        let mut look = || {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match shut_down {
                true => driver.shutdown(),
                false => driver.park(Wait::Poll),
            }))
        };
        assert!(look().is_err());
        if !shut_down {
            while look().is_err() {}
        }
        assert_eq!(counter.get(), 98);
        assert_eq!(Arc::strong_count(&counter), 1);
    }
}

#[test]
fn an_earlier_timer_from_an_outside_thread_wakes_the_driver() {
    let (mut driver, handle) = blocking(Clock::new(false, false), 2);
    let counter = Arc::new(Counter::default());
    let armed = handle.clone();
    let arming = std::thread::spawn({
        let counter = counter.clone();
        move || {
            let mut timer = timer(&armed, 2 * MS);
            assert!(poll(&mut timer, &counter).is_pending());
            timer
        }
    });
    // Without the unpark the first of these parks would last for ever.
    while counter.get() == 0 {
        driver.park(Wait::Forever);
    }
    assert!(arming.join().unwrap().is_elapsed());
}

#[test]
fn arming_unparks_only_for_an_earlier_deadline_from_an_outside_thread() {
    let (_driver, handle, _, unparks) = paused(3);
    let (_other_driver, other, _, _) = paused(3);
    let counter = Arc::default();
    let mut kept = Vec::new();
    let mut arm = |lane: usize, served: &Handle, ms: u32| {
        let before = unparks.get();
        let mut timer = timer(&handle, ms * MS);
        on_lane(lane, || {
            served.serve();
            assert!(poll(&mut timer, &counter).is_pending());
        });
        kept.push(timer);
        unparks.get() - before
    };

    assert_eq!(arm(0, &handle, 5_000), 0, "nobody is parked");
    handle.announce_park();
    assert_eq!(arm(0, &handle, 6_000), 0, "the driver wakes up earlier");
    assert_eq!(arm(0, &handle, 4_000), 1, "an outside thread makes no promise");
    assert_eq!(arm(1, &handle, 3_000), 0, "a worker serves its timers itself");
    assert_eq!(
        arm(2, &other, 2_000),
        1,
        "the worker of another runtime does not serve this one"
    );
    handle.announce_awake();
    assert_eq!(arm(0, &handle, 1_000), 0, "nobody is parked");
}

#[test]
fn a_deadline_is_unserved_until_the_driver_sleeps_no_longer() {
    let (_driver, handle, _, _) = paused(3);
    let real = |after: u32| Some(handle.now() + after * MS);
    let counter = Arc::default();
    assert_eq!(handle.unserved_deadline(), None);
    let mut first = timer(&handle, 10 * MS);
    assert!(on_lane(1, || poll(&mut first, &counter)).is_pending());
    assert!(handle.unserved_deadline() >= real(10), "nobody is parked in the driver");
    handle.announce_park();
    assert_eq!(handle.unserved_deadline(), None);
    let mut second = timer(&handle, 4 * MS);
    assert!(on_lane(2, || poll(&mut second, &counter)).is_pending());
    assert!(handle.unserved_deadline() >= real(4));
    handle.announce_awake();
    handle.announce_park();
    assert_eq!(handle.unserved_deadline(), None);
}

/// Two threads fire at once, and the one that looked at the clock first comes last.
#[test]
fn a_late_look_at_the_clock_fires_what_a_later_one_has_made_due() {
    let (_driver, handle, _, _) = paused(1);
    handle.lane().fire(20);
    let counter = Arc::new(Counter::default());
    let mut timer = timer(&handle, 8 * MS);
    assert!(poll(&mut timer, &counter).is_pending());
    handle.lane().fire(5);
    assert_eq!(counter.get(), 1);
    assert!(poll(&mut timer, &counter).is_ready());
}

#[test]
fn a_timer_is_armed_in_the_lane_of_the_thread_that_polls_it() {
    let (_driver, handle, _, _) = paused(2);
    let counter = Arc::default();
    let mut timer = timer(&handle, 10 * MS);
    let outer = set_current(Some(handle.clone()));
    on_lane(1, || assert!(poll(&mut timer, &counter).is_pending()));
    set_current(outer);
    let [outside, worker] = [0, 1].map(|lane| on_lane(lane, || handle.lane().next()));
    assert_eq!((outside, worker), (u64::MAX, 10));
    handle.clock().advance(10 * MS).unwrap();
    handle.fire_due();
    assert_eq!(counter.get(), 1);
}

#[test]
fn the_ambient_clock_is_the_current_handles() {
    let (_driver, handle, _, _) = paused(1);
    handle.clock().advance(Duration::from_secs(500)).unwrap();
    let outer = set_current(Some(handle.clone()));
    assert_eq!(crate::now(), handle.now());
    set_current(outer);
    assert!(crate::now() < handle.now());
}
