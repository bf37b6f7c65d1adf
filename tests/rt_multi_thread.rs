//! What only the multi-thread runtime promises: tasks on all workers at once, stealing, waking.

use std::collections::HashSet;
use std::future::{pending, poll_fn};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use sprang::net::TcpListener;
use sprang::runtime::{Builder, RuntimeFlavor};
use sprang::sync::{Notify, mpsc, oneshot};
use sprang::task::yield_now;
use sprang::time::{sleep, timeout};
use sprang_tests::{Counter, PATIENCE, bounded, eventually, multi_thread};

#[test]
fn workers_have_their_names_and_are_as_many_as_asked_for() {
    bounded(|| {
        const WORKERS: usize = 5;
        let numbers = Counter::default();
        let count = numbers.clone();
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(WORKERS).thread_name_fn(move || {
            count.add();
            format!("worker {}", count.get())
        });
        let runtime = builder.build().unwrap();
        assert_eq!(runtime.handle().runtime_flavor(), RuntimeFlavor::MultiThread);
        let (names, barrier) = (Arc::new(Mutex::new(HashSet::new())), Arc::new(Barrier::new(WORKERS)));
        let tasks: Vec<_> = (0..WORKERS)
            .map(|_| {
                let (names, barrier) = (Arc::clone(&names), Arc::clone(&barrier));
                runtime.spawn(async move {
                    // All of them run at the same time, or none gets any further.
                    barrier.wait();
                    names
                        .lock()
                        .unwrap()
                        .insert(thread::current().name().map(str::to_owned));
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
        let expected: HashSet<_> = (1..=WORKERS).map(|number| Some(format!("worker {number}"))).collect();
        assert_eq!(*names.lock().unwrap(), expected);
        assert_eq!(numbers.get(), WORKERS);
        let runtime = builder.thread_name("all the same").worker_threads(1).build().unwrap();
        let name = runtime.spawn(async { thread::current().name().map(str::to_owned) });
        assert_eq!(runtime.block_on(name).unwrap().unwrap(), "all the same");
    });
}

#[test]
fn the_stack_is_as_large_as_asked_for() {
    fn recurse(depth: usize) -> usize {
        let bytes = std::hint::black_box([depth as u8; 1024]);
        if depth == 0 {
            0
        } else {
            recurse(depth - 1) + usize::from(bytes[1023] == depth as u8)
        }
    }
    bounded(|| {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_stack_size(64 << 20).build().unwrap();
        assert_eq!(
            runtime.block_on(runtime.spawn(async { recurse(10_000) })).unwrap(),
            10_000
        );
    });
}

#[test]
fn the_future_of_block_on_stays_on_its_thread() {
    bounded(|| {
        let runtime = multi_thread(2);
        let this = thread::current().id();
        runtime.block_on(async {
            for _ in 0..100 {
                assert_eq!(thread::current().id(), this);
                let other = sprang::spawn(async { thread::current().id() }).await.unwrap();
                assert_ne!(other, this);
            }
        });
    });
}

#[test]
fn what_a_blocked_task_queued_is_run_by_the_others() {
    bounded(|| {
        for _ in 0..50 {
            let runtime = multi_thread(2);
            let task = runtime.spawn(async {
                let (sender, receiver) = channel();
                // The first goes to the LIFO slot, the second to the queue, and wakes the other worker. When that has
                // run the second it searches again, and takes the first.
                for number in 0..2 {
                    let sender = sender.clone();
                    drop(sprang::spawn(async move { sender.send(number).unwrap() }));
                }
                let mut ran = [(); 2].map(|()| receiver.recv_timeout(PATIENCE / 2).expect("stuck behind a long poll"));
                ran.sort_unstable();
                assert_eq!(ran, [0, 1]);
            });
            runtime.block_on(task).unwrap();
        }
    });
}

#[test]
fn a_woken_task_is_not_stuck_behind_a_long_poll_while_a_worker_searches() {
    bounded(|| {
        let runtime = multi_thread(2);
        let notify = Arc::new(Notify::new());
        let (sender, receiver) = channel();
        let waiting = runtime.spawn({
            let notify = Arc::clone(&notify);
            async move {
                notify.notified().await;
                sender.send(()).unwrap();
            }
        });
        let (started, has_started) = channel();
        let blocked = runtime.spawn(async move {
            yield_now().await;
            notify.notify_one();
            started.send(()).unwrap();
            receiver.recv_timeout(PATIENCE / 2).expect("stuck behind a long poll");
        });
        has_started.recv_timeout(PATIENCE).unwrap();
        // Work from outside makes the other worker search, again and again.
        while !waiting.is_finished() && !blocked.is_finished() {
            runtime.block_on(runtime.spawn(async {})).unwrap();
        }
        runtime.block_on(blocked).unwrap();
        runtime.block_on(waiting).unwrap();
    });
}

#[test]
fn as_many_tasks_as_workers_may_block_at_once() {
    bounded(|| {
        const WORKERS: usize = 4;
        let runtime = multi_thread(WORKERS);
        for _ in 0..100 {
            // All spawned by one task, so that the other workers have to steal them.
            let all = runtime.spawn(async {
                let barrier = Arc::new(Barrier::new(WORKERS));
                let tasks: Vec<_> = (0..WORKERS)
                    .map(|_| {
                        let barrier = Arc::clone(&barrier);
                        sprang::spawn(async move {
                            {
                                barrier.wait();
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            runtime.block_on(all).unwrap();
        }
    });
}

#[test]
fn timers_and_tasks_go_on_beside_a_blocked_worker() {
    bounded(|| {
        let runtime = multi_thread(2);
        let (started, has_started) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let blocked = runtime.spawn(async move {
            started.send(()).unwrap();
            may_go_on.recv_timeout(PATIENCE).unwrap();
        });
        has_started.recv_timeout(PATIENCE).unwrap();
        let beside = runtime.spawn(async {
            for _ in 0..5 {
                sleep(Duration::from_millis(1)).await;
                sprang::spawn(yield_now()).await.unwrap();
            }
        });
        runtime
            .block_on(async { timeout(PATIENCE / 2, beside).await })
            .expect("not served")
            .unwrap();
        go_on.send(()).unwrap();
        runtime.block_on(blocked).unwrap();
    });
}

#[test]
fn no_wake_up_is_lost_between_idle_and_busy() {
    bounded(|| {
        for workers in [1, 2, 4] {
            let runtime = multi_thread(workers);
            // From outside, into a runtime that is going to sleep at that moment.
            for _ in 0..2_000 {
                runtime.block_on(runtime.spawn(async {})).unwrap();
            }
            // From two threads at once.
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for _ in 0..1_000 {
                            let (message, received) = oneshot::channel();
                            let task = runtime.spawn(async move { message.send(1).unwrap() });
                            assert_eq!(runtime.block_on(received).unwrap(), 1);
                            runtime.block_on(task).unwrap();
                        }
                    });
                }
            });
        }
    });
}

#[test]
fn messages_reach_their_tasks_on_whatever_worker() {
    bounded(|| {
        const RING: usize = 50;
        let runtime = multi_thread(4);
        let total = runtime.block_on(async {
            let (first, mut last) = mpsc::channel::<usize>(4);
            let mut tasks = Vec::new();
            for _ in 0..RING {
                let (sender, receiver) = mpsc::channel(4);
                let mut before = std::mem::replace(&mut last, receiver);
                tasks.push(sprang::spawn(async move {
                    while let Some(number) = before.recv().await {
                        sender.send(number + 1).await.unwrap();
                    }
                }));
            }
            let feeding = sprang::spawn(async move {
                for _ in 0..200 {
                    first.send(0).await.unwrap();
                }
            });
            let mut total = 0;
            while let Some(number) = last.recv().await {
                total += number;
            }
            feeding.await.unwrap();
            for task in tasks {
                task.await.unwrap();
            }
            total
        });
        assert_eq!(total, 200 * RING);
    });
}

#[test]
fn intervals_of_one_poll_serve_everything() {
    bounded(|| {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .enable_all()
            .event_interval(1)
            .global_queue_interval(1);
        let runtime = builder.build().unwrap();
        for _ in 0..4 {
            drop(runtime.spawn(async {
                loop {
                    yield_now().await;
                }
            }));
        }
        drop(runtime.spawn(pending::<()>()));
        for _ in 0..100 {
            runtime.block_on(runtime.spawn(sleep_shortly())).unwrap();
        }
    });
}

async fn sleep_shortly() {
    sleep(Duration::from_micros(10)).await;
}

#[test]
fn a_running_task_is_waited_for() {
    bounded(|| {
        let runtime = multi_thread(2);
        let dropped = Counter::default();
        let guard = dropped.count_drop();
        let (started, has_started) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let (reached, count) = (Counter::default(), Counter::default());
        let (at_await, beyond) = (reached.clone(), count.clone());
        let task = runtime.spawn(async move {
            let _guard = guard;
            started.send(()).unwrap();
            may_go_on.recv_timeout(PATIENCE).unwrap();
            at_await.add();
            yield_now().await;
            beyond.add();
        });
        has_started.recv_timeout(PATIENCE).unwrap();
        let handle = runtime.handle().clone();
        let dropping = thread::spawn(move || drop(runtime));
        eventually("the runtime ends", || handle.spawn(pending::<()>()).is_finished());
        assert!(!dropping.is_finished());
        assert_eq!(dropped.get(), 0);
        go_on.send(()).unwrap();
        dropping.join().unwrap();
        assert_eq!((reached.get(), dropped.get()), (1, 1));
        let ended = futures::executor::block_on(task);
        assert_eq!(ended.is_ok(), count.get() == 1);
    });
}

#[test]
fn shutdown_timeout_does_not_wait_for_a_blocked_task() {
    bounded(|| {
        let runtime = multi_thread(2);
        let (dropped, handle) = (Counter::default(), runtime.handle().clone());
        let (idle, guard) = (dropped.count_drop(), dropped.count_drop());
        let (started, has_started) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let blocked = runtime.spawn(async move {
            let _guard = guard;
            started.send(()).unwrap();
            may_go_on.recv_timeout(PATIENCE).unwrap();
        });
        drop(runtime.spawn(async move {
            let _guard = idle;
            pending::<()>().await;
        }));
        has_started.recv_timeout(PATIENCE).unwrap();
        let start = Instant::now();
        runtime.shutdown_timeout(Duration::from_millis(20));
        assert!((Duration::from_millis(20)..PATIENCE / 2).contains(&start.elapsed()));
        assert!(handle.spawn(async {}).is_finished(), "the runtime has not ended");
        go_on.send(()).unwrap();
        futures::executor::block_on(blocked).unwrap();
        eventually("both are dropped", || dropped.get() == 2);
    });
}

#[test]
fn callbacks_of_threads_are_called_once_a_thread() {
    bounded(|| {
        let (started, stopped) = (Counter::default(), Counter::default());
        let (count_start, count_stop) = (started.clone(), stopped.clone());
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(3).on_thread_start(move || count_start.add());
        builder.on_thread_stop(move || count_stop.add());
        let runtime = builder.build().unwrap();
        eventually("all threads start", || started.get() == 3);
        assert_eq!(stopped.get(), 0);
        drop(runtime);
        assert_eq!((started.get(), stopped.get()), (3, 3));
    });
}

#[test]
fn nothing_starves_beside_a_worker_that_came_back_from_a_long_poll() {
    bounded(|| {
        let runtime = multi_thread(1);
        // While it blocks, another thread goes on, with a task that leaves no gap in its queue …
        let (started, has_started) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let blocked = runtime.spawn(async move {
            started.send(()).unwrap();
            may_go_on.recv_timeout(PATIENCE).unwrap();
        });
        has_started.recv_timeout(PATIENCE).unwrap();
        let polls = Counter::default();
        let count = polls.clone();
        drop(runtime.spawn(poll_fn(move |cx| {
            count.add();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })));
        eventually("somebody else takes over", || polls.get() > 0);
        go_on.send(()).unwrap();
        runtime.block_on(blocked).unwrap();
        // … and the worker that comes back may be the one that I/O and timers arrive at.
        let served = async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            for _ in 0..20 {
                let client = thread::spawn(move || std::net::TcpStream::connect(address).unwrap());
                listener.accept().await.unwrap();
                client.join().unwrap();
                sleep(Duration::from_millis(1)).await;
                sprang::spawn(yield_now()).await.unwrap();
            }
        };
        let task = runtime.spawn(async move { timeout(PATIENCE / 2, served).await });
        runtime.block_on(task).unwrap().expect("tasks starve");
    });
}
