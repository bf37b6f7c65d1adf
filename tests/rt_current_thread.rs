//! What only the current-thread runtime promises: one thread, the order of wake-ups, and who drives.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use sprang::runtime::{Builder, Runtime, RuntimeFlavor};
use sprang::sync::oneshot;
use sprang::task::yield_now;
use sprang::time::{Instant, sleep};
use sprang_tests::{Counter, PATIENCE, bounded, current_thread};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u32>>>);

impl Log {
    fn add(&self, entry: u32) {
        self.0.lock().unwrap().push(entry);
    }

    fn entries(&self) -> Vec<u32> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn every_task_runs_on_the_thread_that_blocks() {
    bounded(|| {
        let runtime = current_thread();
        assert_eq!(runtime.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
        let spawned_before = runtime.spawn(async { thread::current().id() });
        let ids = runtime.block_on(async {
            [
                spawned_before.await,
                sprang::spawn(async { thread::current().id() }).await,
            ]
        });
        assert!(ids.into_iter().all(|id| id.unwrap() == thread::current().id()));
    });
}

#[test]
fn tasks_run_in_the_order_of_their_wake_ups() {
    bounded(|| {
        let runtime = current_thread();
        let log = Log::default();
        for number in 0..20 {
            let log = log.clone();
            drop(runtime.spawn(async move {
                log.add(number);
                yield_now().await;
                log.add(100 + number);
                let spawned = log.clone();
                sprang::spawn(async move { spawned.add(200 + number) }).await.unwrap();
                log.add(300 + number);
            }));
        }
        let finished = || log.entries().len() == 80;
        runtime.block_on(async {
            while !finished() {
                yield_now().await;
            }
        });
        let expected: Vec<_> = [0, 100, 200, 300]
            .iter()
            .flat_map(|base| (0..20).map(move |number| base + number))
            .collect();
        assert_eq!(log.entries(), expected);
    });
}

#[test]
fn nothing_runs_while_nobody_blocks() {
    bounded(|| {
        let runtime = current_thread();
        let ran = Counter::default();
        let count = ran.clone();
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let task = runtime.spawn(async move {
            count.add();
            may_go_on.await.unwrap();
            count.add();
        });
        // `Handle::block_on` polls its own future only.
        assert_eq!(runtime.handle().block_on(async { 1 }), 1);
        assert_eq!(ran.get(), 0);
        runtime.block_on(yield_now());
        assert_eq!(ran.get(), 1);
        go_on.send(()).unwrap();
        assert_eq!(ran.get(), 1);
        runtime.block_on(task).unwrap();
        assert_eq!(ran.get(), 2);
    });
}

/// Has a thread drive the runtime until told otherwise, and waits until it does.
fn driving(runtime: &Arc<Runtime>) -> (thread::JoinHandle<()>, oneshot::Sender<bool>) {
    let (stop, stopped) = oneshot::channel::<bool>();
    let (started, has_started) = channel();
    let runtime = Arc::clone(runtime);
    let thread = thread::spawn(move || {
        runtime.block_on(async {
            // Only tasks are driven, so this one's end shows who drives.
            sprang::spawn(async {}).await.unwrap();
            started.send(()).unwrap();
            assert!(stopped.await.unwrap(), "as it was told to");
        });
    });
    has_started.recv_timeout(PATIENCE).unwrap();
    (thread, stop)
}

#[test]
fn who_waits_takes_over_when_the_driving_thread_is_done() {
    for ends_well in [true, false] {
        bounded(move || {
            let runtime = Arc::new(current_thread());
            let (first, stop) = driving(&runtime);
            // They wait for what needs somebody to drive, long after the first one has gone.
            let (arrived, arrivals) = channel();
            let others: Vec<_> = (0..3)
                .map(|number| {
                    let (runtime, arrived) = (Arc::clone(&runtime), arrived.clone());
                    thread::spawn(move || {
                        let mut arrived = Some(arrived);
                        runtime.block_on(async {
                            let (go_on, may_go_on) = oneshot::channel();
                            arrived.take().unwrap().send(go_on).unwrap();
                            may_go_on.await.unwrap();
                            sleep(Duration::from_millis(number)).await;
                            sprang::spawn(yield_now()).await.unwrap();
                        });
                    })
                })
                .collect();
            let go_on: Vec<oneshot::Sender<()>> = (0..3).map(|_| arrivals.recv_timeout(PATIENCE).unwrap()).collect();
            stop.send(ends_well).unwrap();
            assert_eq!(first.join().is_ok(), ends_well);
            go_on.into_iter().for_each(|go_on| go_on.send(()).unwrap());
            others.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

#[test]
fn who_does_not_drive_is_woken_by_the_tasks_all_the_same() {
    bounded(|| {
        let runtime = Arc::new(current_thread());
        let (first, stop) = driving(&runtime);
        for _ in 0..200 {
            // Woken by the thread that drives.
            let task = runtime.spawn(async {
                yield_now().await;
                thread::current().id()
            });
            assert_ne!(runtime.block_on(task).unwrap(), thread::current().id());
        }
        stop.send(true).unwrap();
        first.join().unwrap();
        let task = runtime.spawn(async { thread::current().id() });
        assert_eq!(runtime.block_on(task).unwrap(), thread::current().id());
    });
}

#[test]
fn a_spawn_from_outside_ends_the_sleep_of_the_driving_thread() {
    bounded(|| {
        let runtime = Arc::new(current_thread());
        let (first, stop) = driving(&runtime);
        for number in 0..500 {
            let (sender, receiver) = channel();
            drop(runtime.spawn(async move { sender.send(number).unwrap() }));
            assert_eq!(receiver.recv_timeout(PATIENCE / 2).expect("nobody was woken"), number);
        }
        stop.send(true).unwrap();
        first.join().unwrap();
    });
}

#[test]
fn block_on_inside_of_a_thread_that_a_task_started() {
    bounded(|| {
        let (outer, inner) = (current_thread(), Arc::new(current_thread()));
        let output = outer.block_on(async {
            let other = Arc::clone(&inner);
            let thread = thread::spawn(move || other.block_on(async { sprang::spawn(async { 2 }).await.unwrap() }));
            thread.join().unwrap() + sprang::spawn(async { 1 }).await.unwrap()
        });
        assert_eq!(output, 3);
        // Both guards and runtimes are as they were.
        assert_eq!(inner.block_on(async { sprang::spawn(async { 4 }).await.unwrap() }), 4);
    });
}

#[test]
fn the_root_future_and_the_tasks_take_turns() {
    bounded(|| {
        let runtime = current_thread();
        let polls = Counter::default();
        let count = polls.clone();
        drop(runtime.spawn(poll_fn(move |cx| {
            count.add();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })));
        let mut seen = 0;
        runtime.block_on(poll_fn(|cx| {
            // The root is always ready to go on; the task must be polled in between nevertheless.
            seen += 1;
            cx.waker().wake_by_ref();
            if polls.get() >= 1_000 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        assert!((2..=1_000).contains(&seen), "{seen}");
    });
}

#[test]
fn a_panicking_root_leaves_its_tasks_queued() {
    bounded(|| {
        let runtime = current_thread();
        let log = Log::default();
        let task_log = log.clone();
        let task = runtime.spawn(async move {
            task_log.add(1);
            yield_now().await;
            task_log.add(2);
        });
        let caught = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                yield_now().await;
                panic!("in the root");
            })
        }));
        assert!(caught.is_err());
        runtime.block_on(task).unwrap();
        assert_eq!(log.entries(), [1, 2]);
    });
}

#[test]
fn paused_time_runs_ahead_only_when_nothing_else_can() {
    bounded(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let log = Log::default();
        runtime.block_on(async {
            let start = Instant::now();
            for number in [3, 1, 2] {
                let log = log.clone();
                drop(sprang::spawn(async move {
                    sleep(Duration::from_secs(3_600 * u64::from(number))).await;
                    log.add(number);
                }));
            }
            // Work, which takes no time.
            for _ in 0..1_000 {
                yield_now().await;
            }
            assert_eq!(start.elapsed(), Duration::ZERO);
            sleep(Duration::from_secs(9_000)).await;
            assert_eq!(log.entries(), [1, 2]);
            sleep(Duration::from_secs(9_000)).await;
            assert_eq!(log.entries(), [1, 2, 3]);
            assert_eq!(start.elapsed(), Duration::from_secs(18_000));
        });
    });
}

#[test]
fn intervals_of_one_poll_serve_everything() {
    bounded(|| {
        let mut builder = Builder::new_current_thread();
        let runtime = builder
            .enable_all()
            .event_interval(1)
            .global_queue_interval(1)
            .build()
            .unwrap();
        drop(runtime.spawn(pending::<()>()));
        drop(runtime.spawn(async {
            loop {
                yield_now().await;
            }
        }));
        for _ in 0..20 {
            runtime
                .block_on(runtime.spawn(async { sleep(Duration::from_micros(10)).await }))
                .unwrap();
        }
    });
}
