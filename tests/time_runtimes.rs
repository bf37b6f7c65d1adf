//! Timers and the runtimes that they belong to: sleeps that move to other threads and other runtimes, and that outlive
//! their own.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures::executor;
use sprang::runtime::Runtime;
use sprang::sync::mpsc;
use sprang::time::{Sleep, sleep, sleep_until, timeout};
use sprang_tests::{bounded, current_thread, multi_thread, on_each};

const MS: Duration = Duration::from_millis(1);

fn sleep_of(runtime: &Runtime, duration: Duration) -> Pin<Box<Sleep>> {
    let _context = runtime.enter();
    Box::pin(sleep(duration))
}

fn poll(sleep: &mut Pin<Box<Sleep>>) -> Poll<()> {
    sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_sleep_that_no_runtime_polls_is_fired_by_its_own() {
    bounded(|| {
        let runtime = multi_thread(2);
        let start = Instant::now();
        let sleep = sleep_of(&runtime, 5 * MS);
        executor::block_on(sleep);
        assert!(start.elapsed() >= 5 * MS);
    });
}

#[test]
fn a_sleep_that_another_runtime_polls_is_fired_by_its_own() {
    let own = multi_thread(1);
    let handle = own.handle().clone();
    on_each(move |other| {
        let start = Instant::now();
        let context = handle.enter();
        let sleep = sleep(5 * MS);
        drop(context);
        other.block_on(async { sprang::spawn(sleep).await.unwrap() });
        assert!(start.elapsed() >= 5 * MS);
    });
    drop(own);
}

#[test]
fn an_armed_sleep_can_move_to_another_thread() {
    bounded(|| {
        let runtime = multi_thread(2);
        let start = Instant::now();
        let (sender, armed) = channel();
        runtime.spawn(async move {
            let mut sleep = Box::pin(sleep(20 * MS));
            let first = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
            assert!(first.is_pending());
            sender.send(sleep).unwrap();
        });
        let armed = armed.recv().unwrap();
        thread::spawn(move || executor::block_on(armed)).join().unwrap();
        assert!(start.elapsed() >= 20 * MS);
    });
}

#[test]
fn a_sleep_outlives_its_runtime_and_pends() {
    on_each(|runtime| {
        let mut idle = sleep_of(&runtime, Duration::from_secs(3_600));
        let mut armed = sleep_of(&runtime, Duration::from_secs(3_600));
        let mut due = sleep_of(&runtime, Duration::ZERO);
        assert!(poll(&mut armed).is_pending());
        drop(runtime);
        // No other runtime takes them over.
        let another = current_thread();
        let context = another.enter();
        assert!(poll(&mut idle).is_pending());
        assert!(poll(&mut armed).is_pending());
        assert!(poll(&mut due).is_ready());
        drop(context);
        for sleep in [&mut idle, &mut armed] {
            sleep.as_mut().reset(sprang::time::Instant::from_std(Instant::now()));
            assert!(poll(sleep).is_ready());
            let later = sleep.deadline() + Duration::from_secs(3_600);
            sleep.as_mut().reset(later);
            assert!(poll(sleep).is_pending());
        }
    });
}

#[test]
fn thousands_of_runtimes_leave_their_sleeps_behind() {
    bounded(|| {
        let mut sleeps: Vec<_> = (0..3_000)
            .map(|number| {
                let runtime = current_thread();
                let mut sleep = sleep_of(&runtime, Duration::from_secs(3_600));
                if number % 2 == 0 {
                    assert!(poll(&mut sleep).is_pending());
                }
                runtime.block_on(async { timeout(Duration::ZERO, pending::<()>()).await.unwrap_err() });
                sleep
            })
            .collect();
        assert!(sleeps.iter_mut().all(|sleep| poll(sleep).is_pending()));
    });
}

#[test]
fn plain_threads_share_the_timers_of_a_runtime() {
    on_each(|runtime| {
        thread::scope(|scope| {
            let (done, mut all_done) = mpsc::channel::<()>(1);
            for thread in 0..8 {
                let handle = runtime.handle().clone();
                let done = done.clone();
                scope.spawn(move || {
                    let _done = done;
                    handle.block_on(async {
                        for round in 0..20 {
                            let deadline = sprang::time::Instant::now() + MS * ((thread + round) % 5);
                            sleep_until(deadline).await;
                            assert!(sprang::time::Instant::now() >= deadline, "woken too early");
                        }
                    });
                });
            }
            drop(done);
            // A current-thread runtime needs somebody to drive it.
            assert_eq!(runtime.block_on(all_done.recv()), None);
        });
    });
}
