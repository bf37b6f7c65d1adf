//! Tests of `time` over the timer engine alone, with a paused clock and no scheduler.

use std::future::{pending, poll_fn};
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::coop;
use sprang_core::park::{Driver as Park, Unpark, Wait};
use sprang_timer_wheel::{Clock, Driver, Handle, set_current};

use super::*;

const MS: Duration = Duration::from_millis(1);

/// An inner driver with no events.
#[derive(Debug)]
struct Nothing;

impl Park for Nothing {
    fn park(&mut self, wait: Wait) {
        assert_ne!(wait, Wait::Forever, "nothing would ever happen");
    }

    fn shutdown(&mut self) {}
}

impl Unpark for Nothing {
    fn unpark(&self) {}
}

/// Whether the one task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// Runs a future inside of a runtime of one task, whose clock is paused and jumps to the next deadline.
fn run<T>(future: impl Future<Output = T>) -> T {
    let handle = Handle::new(Clock::new(true, true), 1, Arc::new(Nothing));
    let mut driver = Driver::new(Nothing, handle.clone());
    let outer = set_current(Some(handle));
    let mut future = pin!(future);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let output = loop {
        if let Poll::Ready(output) = coop::budget(|| future.as_mut().poll(&mut cx)) {
            break output;
        }
        driver.park(if woken.0.swap(false, Relaxed) {
            Wait::Poll
        } else {
            Wait::Forever
        });
    };
    set_current(outer);
    output
}

/// Polls once, outside of any task.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_sleep_lasts_as_long_as_it_should() {
    run(async {
        let start = Instant::now();
        for ms in [0, 1, 70, 5_000, 86_400_000] {
            let before = Instant::now();
            sleep(ms * MS).await;
            assert_eq!(before.elapsed(), ms * MS);
        }
        sleep_until(start).await;
        assert_eq!(start.elapsed(), 86_405_071 * MS);
    });
}

#[test]
fn a_sleep_without_end_does_not_end() {
    run(async {
        let mut forever = pin!(sleep(Duration::MAX));
        assert!(poll_once(forever.as_mut()).is_pending());
        assert!(forever.deadline() > Instant::now() + Duration::from_secs(29 * 365 * 86_400));
        assert!(timeout(Duration::from_secs(86_400), forever.as_mut()).await.is_err());
        assert!(!forever.is_elapsed());
    });
}

#[test]
fn a_sleep_outside_of_a_runtime_panics_and_names_its_caller() {
    let (sent, location) = std::sync::mpsc::channel();
    let sent = std::sync::Mutex::new(sent);
    std::thread::spawn(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let file = info.location().map(|location| location.file().to_owned());
            // The main thread may have failed meanwhile.
            let _ = sent.lock().unwrap().send(file);
        }));
        assert!(catch_unwind(|| sleep(MS)).is_err());
        assert!(catch_unwind(|| timeout(MS, pending::<()>())).is_err());
        assert!(catch_unwind(|| interval(MS)).is_err());
        std::panic::set_hook(before);
    })
    .join()
    .unwrap();
    let files: Vec<_> = location.into_iter().flatten().collect();
    assert!(files.len() >= 3);
    assert!(files.iter().all(|file| file.ends_with("tests.rs")), "{files:?}");
}

#[test]
fn a_reset_moves_the_deadline() {
    run(async {
        let start = Instant::now();
        let mut sleep = pin!(sleep(5 * MS));
        assert!(poll_once(sleep.as_mut()).is_pending());
        sleep.as_mut().reset(start + 900 * MS);
        sleep.as_mut().await;
        assert_eq!(start.elapsed(), 900 * MS);
        sleep.as_mut().reset(start + 901 * MS);
        assert!(!sleep.is_elapsed());
        sleep.as_mut().await;
        assert_eq!(start.elapsed(), 901 * MS);
    });
}

#[test]
fn a_ready_sleep_spends_the_budget() {
    run(async {
        let mut sleep = pin!(sleep(Duration::ZERO));
        coop::budget(|| {
            for _ in 0..coop::BUDGET {
                assert!(poll_once(sleep.as_mut()).is_ready());
            }
            assert!(poll_once(sleep.as_mut()).is_pending());
        });
    });
}

#[test]
fn a_timeout_polls_its_future_first() {
    run(async {
        assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7));
        assert_eq!(
            timeout(Duration::ZERO, pending::<()>()).await,
            Err(error::Elapsed::new())
        );
        assert_eq!(timeout(Duration::MAX, async { 7 }).await, Ok(7));
        let start = Instant::now();
        let late = timeout_at(start + 3 * MS, sleep(4 * MS)).await.unwrap_err();
        assert_eq!(start.elapsed(), 3 * MS);
        assert_eq!(std::io::Error::from(late).kind(), std::io::ErrorKind::TimedOut);
        timeout(5 * MS, sleep(4 * MS)).await.unwrap();
    });
}

#[test]
fn a_future_that_uses_up_the_budget_does_not_hide_the_limit() {
    run(async {
        let greedy = poll_fn(|cx| {
            while let Poll::Ready(unit) = coop::poll_proceed(cx) {
                unit.made_progress();
            }
            Poll::<()>::Pending
        });
        let mut limited = pin!(timeout(10 * MS, greedy));
        assert!(coop::budget(|| poll_once(limited.as_mut())).is_pending());
        advance(10 * MS).await;
        assert!(coop::budget(|| poll_once(limited.as_mut())).is_ready());
    });
}

#[test]
fn a_timeout_gives_its_future_back() {
    run(async {
        let mut limited = timeout(MS, std::future::ready(3));
        *limited.get_mut() = std::future::ready(4);
        assert_eq!(limited.get_ref().clone().await, 4);
        assert_eq!(limited.into_inner().await, 4);
    });
}

#[test]
fn an_interval_ticks_on_schedule() {
    run(async {
        let start = Instant::now();
        let mut interval = interval(10 * MS);
        for tick in 0..5 {
            assert_eq!(interval.tick().await, start + tick * 10 * MS);
            sleep(tick * MS).await;
        }
        interval.reset();
        assert_eq!(interval.tick().await, start + 54 * MS);
        interval.reset_immediately();
        assert_eq!(interval.tick().await, start + 54 * MS);
        interval.reset_after(3 * MS);
        assert_eq!(interval.tick().await, start + 57 * MS);
        interval.reset_at(start + 60 * MS);
        assert_eq!(interval.tick().await, start + 60 * MS);
    });
}

#[test]
fn missed_ticks_are_followed_up_as_told() {
    let late = [
        (MissedTickBehavior::Burst, [10, 20, 30, 40]),
        (MissedTickBehavior::Delay, [10, 47, 57, 67]),
        (MissedTickBehavior::Skip, [10, 40, 50, 60]),
    ];
    for (behavior, ticks) in late {
        run(async {
            let start = Instant::now();
            let mut interval = interval(10 * MS);
            interval.set_missed_tick_behavior(behavior);
            interval.tick().await;
            sleep(37 * MS).await;
            for tick in ticks {
                assert_eq!(interval.tick().await - start, tick * MS, "{behavior:?}");
            }
        });
    }
}

#[test]
fn an_interval_without_a_period_panics() {
    run(async {
        assert!(catch_unwind(|| interval(Duration::ZERO)).is_err());
        assert_eq!(interval(Duration::MAX).period(), FAR);
    });
}

#[test]
fn time_is_paused_advanced_and_resumed() {
    run(async {
        let start = Instant::now();
        advance(Duration::from_secs(1)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert!(catch_unwind(pause).is_err());
        resume();
        assert!(catch_unwind(resume).is_err());
        pause();
    });
    assert!(catch_unwind(pause).is_err());
}

#[test]
fn types_keep_the_auto_traits_they_are_known_for() {
    fn send_and_sync<T: Send + Sync>() {}
    fn unpin<T: Unpin>() {}
    send_and_sync::<Sleep>();
    send_and_sync::<Timeout<u8>>();
    send_and_sync::<Interval>();
    unpin::<Interval>();
}
