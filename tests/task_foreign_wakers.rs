//! Wakers that leave their runtime: used by threads, by other executors, by other runtimes, and after the end.

use std::future::{Future, poll_fn};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use futures::executor::ThreadPool;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use sprang::runtime::Runtime;
use sprang::sync::{Notify, mpsc, oneshot};
use sprang::task::yield_now;
use sprang::time::sleep;
use sprang_tests::{Counter, FLAVOURS, PATIENCE, bounded, current_thread, multi_thread, on_drop, on_each};

/// Gives its waker away in its first poll, and is ready in the second.
fn woken_by(wakers: Sender<Waker>) -> impl Future<Output = ()> + Send {
    let mut waits = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut waits, true) {
            return Poll::Ready(());
        }
        wakers.send(cx.waker().clone()).unwrap();
        Poll::Pending
    })
}

#[test]
fn plain_threads_wake_tasks() {
    on_each(|runtime| {
        let (sender, receiver) = channel::<Waker>();
        let waking = thread::spawn(move || {
            for (turn, waker) in receiver.into_iter().enumerate() {
                match turn % 3 {
                    0 => waker.wake(),
                    1 => waker.wake_by_ref(),
                    _ => thread::spawn(move || waker.wake()).join().unwrap(),
                }
            }
        });
        let tasks: Vec<_> = (0..200).map(|_| runtime.spawn(woken_by(sender.clone()))).collect();
        drop(sender);
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        waking.join().unwrap();
    });
}

#[test]
fn a_wake_brings_what_was_written_before_it() {
    on_each(|runtime| {
        for _ in 0..200 {
            let shared = Arc::new(Mutex::new(None::<Waker>));
            let flag = Arc::new(std::sync::atomic::AtomicBool::new(false));
            let (task_shared, task_flag) = (Arc::clone(&shared), Arc::clone(&flag));
            let task = runtime.spawn(poll_fn(move |cx| {
                if task_flag.load(std::sync::atomic::Ordering::Relaxed) {
                    return Poll::Ready(());
                }
                *task_shared.lock().unwrap() = Some(cx.waker().clone());
                // The flag may have been set meanwhile, by a thread that found no waker.
                if task_flag.load(std::sync::atomic::Ordering::Relaxed) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
            let waking = thread::spawn(move || {
                flag.store(true, std::sync::atomic::Ordering::Relaxed);
                let waker = shared.lock().unwrap().take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            });
            runtime.block_on(task).unwrap();
            waking.join().unwrap();
        }
    });
}

#[test]
fn the_thread_pool_of_futures_and_tasks_wake_each_other() {
    on_each(|runtime| {
        let pool = ThreadPool::builder().pool_size(2).create().unwrap();
        let (to_pool, mut at_pool) = mpsc::channel::<u32>(1);
        let (to_task, mut at_task) = mpsc::channel::<u32>(1);
        pool.spawn_ok(async move {
            while let Some(number) = at_pool.recv().await {
                to_task.send(number + 1).await.unwrap();
            }
        });
        let task = runtime.spawn(async move {
            let mut number = 0;
            for _ in 0..500 {
                to_pool.send(number).await.unwrap();
                number = at_task.recv().await.unwrap();
            }
            number
        });
        assert_eq!(runtime.block_on(task).unwrap(), 500);
    });
}

#[test]
fn leaf_futures_of_a_runtime_are_polled_by_other_executors() {
    // A runtime that nobody blocks on serves no timers: only flavours with threads.
    bounded(|| {
        let runtime = multi_thread(1);
        let guard = runtime.enter();
        let timer = sleep(Duration::from_millis(2));
        let task = sprang::spawn(async { 1 });
        drop(guard);
        let plain = thread::spawn(move || {
            futures::executor::block_on(async {
                timer.await;
                // Outside of a runtime it simply gives way.
                yield_now().await;
                task.await.unwrap()
            })
        });
        assert_eq!(plain.join().unwrap(), 1);
    });
}

#[test]
fn combinators_with_wakers_of_their_own_are_woken() {
    on_each(|runtime| {
        let sum = runtime.spawn(async {
            let mut all: FuturesUnordered<_> = (0..300u64)
                .map(|number| async move {
                    match number % 4 {
                        0 => yield_now().await,
                        1 => sleep(Duration::from_millis(number % 3)).await,
                        2 => sprang::spawn(yield_now()).await.unwrap(),
                        _ => {}
                    }
                    number
                })
                .collect();
            let mut sum = 0;
            while let Some(number) = all.next().await {
                sum += number;
            }
            sum
        });
        assert_eq!(runtime.block_on(sum).unwrap(), 300 * 299 / 2);
        let shared = async { yield_now().await }.boxed().shared();
        let tasks: Vec<_> = (0..20).map(|_| runtime.spawn(shared.clone())).collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}

#[test]
fn tasks_of_two_runtimes_wake_each_other() {
    let make: [fn() -> Runtime; 3] = [current_thread, || multi_thread(1), || multi_thread(2)];
    for (first, second) in make
        .iter()
        .flat_map(|first| make.iter().map(move |second| (*first, *second)))
    {
        bounded(move || {
            let (first, second) = (first(), second());
            let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let player = |ours: &Arc<Notify>, theirs: &Arc<Notify>| {
                let (ours, theirs) = (Arc::clone(ours), Arc::clone(theirs));
                async move {
                    for _ in 0..300 {
                        ours.notified().await;
                        theirs.notify_one();
                    }
                }
            };
            let (a, b) = (first.spawn(player(&ping, &pong)), second.spawn(player(&pong, &ping)));
            ping.notify_one();
            let beside = thread::spawn(move || second.block_on(b).unwrap());
            first.block_on(a).unwrap();
            beside.join().unwrap();
        });
    }
}

#[test]
fn wakers_outlive_their_task_and_their_runtime() {
    for flavour in FLAVOURS {
        bounded(move || {
            let runtime = flavour();
            let dropped = Counter::default();
            let (sender, receiver) = channel();
            let spawn = |ends: bool| {
                let (sender, guard) = (sender.clone(), dropped.count_drop());
                runtime.spawn(poll_fn(move |cx| {
                    let _ = &guard;
                    sender.send(cx.waker().clone()).unwrap();
                    if ends { Poll::Ready(()) } else { Poll::Pending }
                }))
            };
            runtime.block_on(spawn(true)).unwrap();
            let of_ended = receiver.recv_timeout(PATIENCE).unwrap();
            of_ended.wake_by_ref();
            let idle = spawn(false);
            runtime.block_on(yield_now());
            let of_idle = receiver.recv_timeout(PATIENCE).unwrap();
            let mut of_root = None;
            runtime.block_on(poll_fn(|cx| {
                of_root = Some(cx.waker().clone());
                Poll::Ready(())
            }));
            drop(runtime);
            assert_eq!(dropped.get(), 2);
            for waker in [of_ended, of_idle, of_root.unwrap()] {
                waker.wake_by_ref();
                let clone = waker.clone();
                assert!(clone.will_wake(&waker));
                thread::spawn(move || clone.wake()).join().unwrap();
                drop(waker.clone());
                waker.wake();
            }
            assert!(futures::executor::block_on(idle).unwrap_err().is_shutdown());
        });
    }
}

#[test]
fn the_last_waker_frees_the_task_wherever_it_is_dropped() {
    on_each(|runtime| {
        let (dropped, (sender, receiver)) = (Counter::default(), channel());
        let guard = dropped.count_drop();
        let task = runtime.spawn(async move {
            let _output_is_dropped_with_the_handle = guard;
            poll_fn(|cx| {
                sender.send(cx.waker().clone()).unwrap();
                Poll::Ready(())
            })
            .await;
        });
        runtime.block_on(async {
            while !task.is_finished() {
                yield_now().await;
            }
        });
        let waker = receiver.recv_timeout(PATIENCE).unwrap();
        drop(task);
        assert_eq!(dropped.get(), 1);
        // The memory goes with this one, on a thread that knows no runtime.
        thread::spawn(move || drop(waker)).join().unwrap();
    });
}

#[test]
fn a_waker_is_woken_in_the_destructor_of_another_task() {
    on_each(|runtime| {
        let (message, received) = oneshot::channel::<()>();
        let woken = runtime.spawn(received);
        runtime.block_on(yield_now());
        let guard = on_drop(move || message.send(()).unwrap());
        let aborted = runtime.spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        aborted.abort();
        runtime.block_on(woken).unwrap().unwrap();
    });
}
