//! Tasks that block their worker: what else the worker was to do goes on elsewhere.
//!
//! Each test blocks a worker until a task has run that would be stranded behind it: it ends, or nobody came to the
//! rescue.

use std::io::{Read, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use sprang::io::AsyncReadExt;
use sprang::net::TcpListener;
use sprang::runtime::{BlockedPolicy, BlockedTask, Builder, Handle};
use sprang::sync::oneshot;
use sprang::task::{block_in_place, yield_now};
use sprang::time::sleep;
use sprang_tests::{PATIENCE, child, eventually, is_child, multi_thread};

/// Blocks the thread until the other side has sent.
fn block<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("nobody came to the rescue")
}

fn run<T: Send + 'static>(workers: usize, future: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = multi_thread(workers);
    runtime.block_on(async { sprang::spawn(future).await.unwrap() })
}

#[test]
fn a_task_in_the_lifo_slot_is_not_stranded() {
    run(1, async {
        let (sender, receiver) = mpsc::channel();
        sprang::spawn(async move { sender.send(()).unwrap() });
        block(&receiver);
    });
}

#[test]
fn tasks_in_the_local_queue_are_not_stranded() {
    run(2, async {
        let (sender, receiver) = mpsc::channel();
        for number in 0..100 {
            let sender: Sender<usize> = sender.clone();
            sprang::spawn(async move {
                yield_now().await;
                sender.send(number).unwrap();
            });
        }
        let mut numbers: Vec<usize> = (0..100).map(|_| block(&receiver)).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..100));
    });
}

/// Also a task that has yielded, and so waits for its worker to look at the driver.
#[test]
fn a_task_that_yielded_is_not_stranded() {
    run(1, async {
        let (sender, receiver) = mpsc::channel();
        let blocked = sprang::spawn(async move { block(&receiver) });
        yield_now().await;
        sender.send(()).unwrap();
        blocked.await.unwrap();
    });
}

/// A poll that goes on for long after another thread has taken over, which has gone to sleep meanwhile.
#[test]
fn a_task_that_comes_after_the_rescue_is_not_stranded() {
    if !is_child() {
        // In a process of its own: the monitor sees to all runtimes while one is active.
        let output = child("a_task_that_comes_after_the_rescue_is_not_stranded", "")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    for on_purpose in [false, true] {
        let runtime = multi_thread(1);
        let metrics = runtime.handle().metrics();
        let task = runtime.spawn(async move {
            let wait = || {
                eventually("the spare thread sleeps", || {
                    metrics.num_spare_workers() == 1 && metrics.worker_park_count(1) > 0
                });
            };
            if on_purpose {
                block_in_place(wait)
            } else {
                wait()
            }
            let (sender, receiver) = mpsc::channel();
            sprang::spawn(async move { sender.send(()).unwrap() });
            block(&receiver);
        });
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn tasks_from_outside_are_not_stranded_when_all_workers_block() {
    let runtime = multi_thread(2);
    let (sender, receiver) = mpsc::channel();
    let (blocked, all_blocked) = mpsc::channel();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (release, released) = mpsc::channel::<()>();
            let blocked = blocked.clone();
            let task = runtime.spawn(async move {
                blocked.send(()).unwrap();
                block(&released);
            });
            (release, task)
        })
        .collect();
    // Four tasks inside of a poll, on two workers.
    (0..4).for_each(|_| block(&all_blocked));
    runtime.spawn(async move { sender.send(()).unwrap() });
    block(&receiver);
    for (release, task) in tasks {
        release.send(()).unwrap();
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn timers_are_not_stranded() {
    run(1, async {
        let (sender, receiver) = mpsc::channel();
        let (armed, is_armed) = oneshot::channel();
        sprang::spawn(async move {
            let mut sleep = std::pin::pin!(sleep(Duration::from_millis(20)));
            let first = std::future::poll_fn(|cx| std::task::Poll::Ready(sleep.as_mut().poll(cx))).await;
            assert!(first.is_pending());
            armed.send(()).unwrap();
            sleep.await;
            sender.send(()).unwrap();
        });
        is_armed.await.unwrap();
        block(&receiver);
    });
}

#[test]
fn sockets_are_not_stranded() {
    run(1, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = mpsc::channel();
        let (waiting, is_waiting) = oneshot::channel();
        sprang::spawn(async move {
            waiting.send(()).unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = [0; 5];
            stream.read_exact(&mut text).await.unwrap();
            sender.send(text).unwrap();
        });
        is_waiting.await.unwrap();
        let client = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"hello").unwrap();
            // Until the other side is dropped.
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        assert_eq!(&block(&receiver), b"hello");
        client.join().unwrap();
    });
}

/// The worker comes back from its long poll when others use all permits, again and again.
#[test]
fn workers_that_come_back_find_their_place() {
    let runtime = multi_thread(2);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            runtime.spawn(async {
                for _ in 0..5 {
                    let (sender, receiver) = mpsc::channel();
                    sprang::spawn(async move { sender.send(()).unwrap() });
                    block(&receiver);
                    yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn a_report_says_which_task_blocks() {
    let (sender, reports) = mpsc::channel::<BlockedTask>();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .blocked_policy(BlockedPolicy::Report)
        .blocked_threshold(Duration::from_millis(2))
        .on_blocked_task(move |task| sender.send(task.clone()).unwrap_or_default())
        .build()
        .unwrap();
    let (release, released) = mpsc::channel::<()>();
    let line = line!() + 1;
    let task = runtime.spawn(async move { block(&released) });
    let report = block(&reports);
    assert_eq!(report.id, task.id());
    assert_eq!((report.spawned_at.file(), report.spawned_at.line()), (file!(), line));
    assert_eq!(report.worker, 0);
    assert!(report.duration >= Duration::from_millis(2));
    release.send(()).unwrap();
    runtime.block_on(task).unwrap();
    // Once a poll, however long it lasts.
    assert!(reports.try_recv().is_err());
}

#[test]
fn a_callback_that_panics_does_not_end_the_watch() {
    let (sender, reports) = mpsc::channel::<()>();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .on_blocked_task(move |_| {
            let _ = sender.send(());
            panic!("in the callback");
        })
        .build()
        .unwrap();
    for _ in 0..2 {
        let (release, released) = mpsc::channel::<()>();
        let task = runtime.spawn(async move { block(&released) });
        block(&reports);
        release.send(()).unwrap();
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn at_the_bound_of_spare_threads_tasks_wait_for_their_worker() {
    let (sender, reports) = mpsc::channel::<()>();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_spare_threads(0)
        .on_blocked_task(move |_| sender.send(()).unwrap_or_default())
        .build()
        .unwrap();
    let (release, released) = mpsc::channel::<()>();
    let blocked = runtime.spawn(async move { block(&released) });
    let waiting = runtime.spawn(async {});
    block(&reports);
    assert!(!waiting.is_finished());
    release.send(()).unwrap();
    runtime.block_on(async { (blocked.await.unwrap(), waiting.await.unwrap()) });
}

#[test]
fn block_in_place_hands_over_at_once() {
    // Without the monitor.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .blocked_policy(BlockedPolicy::Off)
        .enable_all()
        .build()
        .unwrap();
    let task = runtime.spawn(async {
        let (sender, receiver) = mpsc::channel();
        let from_before = sender.clone();
        sprang::spawn(async move { from_before.send(1).unwrap() });
        let answer = block_in_place(|| {
            let inside = sprang::spawn(async move {
                sleep(Duration::from_millis(1)).await;
                sender.send(2).unwrap();
            });
            let sum: i32 = [block(&receiver), block(&receiver)].into_iter().sum();
            Handle::current().block_on(inside).unwrap();
            // Nested, it is a plain call.
            block_in_place(|| sum)
        });
        yield_now().await;
        answer
    });
    assert_eq!(runtime.block_on(task).unwrap(), 3);
}

#[test]
fn many_tasks_block_in_place_at_once() {
    let runtime = multi_thread(2);
    let (sender, receiver) = mpsc::channel();
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let (release, released) = mpsc::channel::<()>();
            let sender = sender.clone();
            let task = runtime.spawn(async move {
                block_in_place(|| {
                    sender.send(()).unwrap();
                    block(&released);
                });
            });
            (release, task)
        })
        .collect();
    // All of them are inside at the same time.
    (0..32).for_each(|_| block(&receiver));
    for (release, task) in tasks {
        release.send(()).unwrap();
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn a_panic_in_block_in_place_ends_the_task_alone() {
    let runtime = multi_thread(1);
    let task = runtime.spawn(async { block_in_place(|| panic!("inside")) });
    assert!(runtime.block_on(task).unwrap_err().is_panic());
    assert_eq!(runtime.block_on(async { sprang::spawn(async { 1 }).await.unwrap() }), 1);
}

#[test]
fn block_in_place_outside_of_a_runtime_is_a_plain_call() {
    assert_eq!(block_in_place(|| 1), 1);
}

#[test]
#[should_panic(expected = "can call blocking only when running on the multi-threaded runtime")]
fn block_in_place_on_a_current_thread_runtime_panics() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { block_in_place(|| ()) });
}
