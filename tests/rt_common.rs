//! What holds on every flavour of runtime: blocking, spawning, the thread's context, fairness.
//!
//! Each property is a function of a runtime; [`on_each!`] makes a test of it for each flavour.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use sprang::io::{AsyncReadExt, AsyncWriteExt};
use sprang::net::{TcpListener, TcpStream};
use sprang::runtime::{EnterGuard, Handle, Runtime};
use sprang::sync::{mpsc, oneshot};
use sprang::task::{self, yield_now};
use sprang::time::{sleep, timeout};
use sprang_tests::{Counter, PATIENCE, bounded, current_thread, multi_thread, on_drop, panic_message};

macro_rules! on_each {
    ($($property:ident),* $(,)?) => {
        mod on_current_thread {
            $(#[test]
            fn $property() {
                sprang_tests::bounded(|| super::$property(super::current_thread()))
            })*
        }
        mod on_one_worker {
            $(#[test]
            fn $property() {
                sprang_tests::bounded(|| super::$property(super::multi_thread(1)))
            })*
        }
        mod on_four_workers {
            $(#[test]
            fn $property() {
                sprang_tests::bounded(|| super::$property(super::multi_thread(4)))
            })*
        }
    };
}

on_each! {
    block_on_returns_the_output_of_a_future_that_is_not_send,
    block_on_passes_a_panic_on_and_the_runtime_goes_on,
    a_nested_block_on_panics_and_the_outer_one_goes_on,
    handle_block_on_works_beside_a_driving_thread,
    block_on_from_many_threads_at_once,
    tasks_spawn_tasks_that_spawn_tasks,
    a_plain_thread_spawns_through_the_handle,
    a_guard_is_enough_to_spawn,
    guards_nest_and_restore,
    guards_dropped_out_of_order_panic,
    ids_are_seen_in_poll_and_drop,
    futures_of_odd_sizes_and_alignments_are_kept_intact,
    a_yielding_task_lets_the_others_run_first,
    tasks_that_yield_for_ever_starve_nothing,
    a_task_that_wakes_itself_starves_nothing,
    two_tasks_that_wake_each_other_starve_nothing,
    a_ready_channel_does_not_keep_the_others_from_running,
    a_ready_socket_does_not_keep_the_others_from_running,
    a_wake_storm_loses_nothing,
}

fn block_on_returns_the_output_of_a_future_that_is_not_send(runtime: Runtime) {
    let shared = Rc::new(RefCell::new(1));
    let output = runtime.block_on(async {
        let inner = Rc::clone(&shared);
        yield_now().await;
        *inner.borrow_mut() += sprang::spawn(async { 1 }).await.unwrap();
        inner
    });
    assert_eq!(*output.borrow(), 2);
}

fn block_on_passes_a_panic_on_and_the_runtime_goes_on(runtime: Runtime) {
    let (message, waiting) = oneshot::channel::<i32>();
    let task = runtime.spawn(async { waiting.await.unwrap() });
    let caught = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            yield_now().await;
            std::panic::panic_any(7);
        })
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&7));
    assert!(Handle::try_current().is_err(), "the thread is still inside the runtime");
    message.send(3).unwrap();
    assert_eq!(runtime.block_on(task).unwrap(), 3);
}

fn a_nested_block_on_panics_and_the_outer_one_goes_on(runtime: Runtime) {
    let other = current_thread();
    let attempt = |what: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(what)).unwrap_err();
        let message = panic_message(&*panic);
        assert!(
            message.starts_with("Cannot start a runtime from within a runtime"),
            "{message}"
        );
    };
    runtime.block_on(async {
        attempt(&|| runtime.block_on(async {}));
        attempt(&|| other.block_on(async {}));
        attempt(&|| Handle::current().block_on(async {}));
        // Also where the thread drives because it is a worker.
        let inside = sprang::spawn(async { Handle::current().block_on(async {}) }).await;
        assert!(inside.unwrap_err().is_panic());
        assert_eq!(sprang::spawn(async { 1 }).await.unwrap(), 1);
    });
    other.block_on(async {});
}

fn handle_block_on_works_beside_a_driving_thread(runtime: Runtime) {
    let handle = runtime.handle().clone();
    let (done, is_done) = oneshot::channel();
    let beside = thread::spawn(move || {
        let output = handle.block_on(async {
            sleep(Duration::from_millis(1)).await;
            sprang::spawn(async { 5 }).await.unwrap()
        });
        done.send(()).unwrap();
        output
    });
    runtime.block_on(is_done).unwrap();
    assert_eq!(beside.join().unwrap(), 5);
}

fn block_on_from_many_threads_at_once(runtime: Runtime) {
    const THREADS: usize = 4;
    let (runtime, barrier) = (Arc::new(runtime), Arc::new(Barrier::new(THREADS)));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (runtime, barrier) = (Arc::clone(&runtime), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                for round in 0..50 {
                    // Whoever drives stops at some time, and somebody else has to take over.
                    let output = runtime.block_on(async move {
                        let task = sprang::spawn(async move {
                            yield_now().await;
                            if number == 0 && round % 10 == 0 {
                                sleep(Duration::from_millis(1)).await;
                            }
                            number + round
                        });
                        task.await.unwrap()
                    });
                    assert_eq!(output, number + round);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn tasks_spawn_tasks_that_spawn_tasks(runtime: Runtime) {
    fn tree(depth: u32) -> Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let (left, right) = (sprang::spawn(tree(depth - 1)), sprang::spawn(tree(depth - 1)));
            left.await.unwrap() + right.await.unwrap()
        })
    }
    assert_eq!(runtime.block_on(tree(10)), 1024);
}

fn a_plain_thread_spawns_through_the_handle(runtime: Runtime) {
    let handle = runtime.handle().clone();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let outside = thread::spawn(move || {
        for number in 0..100 {
            let sender = sender.clone();
            drop(handle.spawn(async move { sender.send(number).unwrap() }));
        }
    });
    let mut numbers: Vec<i32> = runtime.block_on(async {
        let mut numbers = Vec::new();
        while let Some(number) = receiver.recv().await {
            numbers.push(number);
        }
        numbers
    });
    outside.join().unwrap();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

fn a_guard_is_enough_to_spawn(runtime: Runtime) {
    let guard = runtime.enter();
    let task = sprang::spawn(async { sprang::spawn(async { 4 }).await.unwrap() });
    drop(guard);
    assert!(catch_unwind(|| sprang::spawn(async {})).is_err(), "the guard is gone");
    assert_eq!(runtime.block_on(task).unwrap(), 4);
}

fn guards_nest_and_restore(runtime: Runtime) {
    let error = Handle::try_current().unwrap_err();
    assert!(error.is_missing_context() && !error.is_thread_local_destroyed());
    let other = current_thread();
    // What is spawned belongs to the innermost runtime: the other one is never driven.
    let is_other = |expected: bool| {
        let (ran, has_run) = channel();
        drop(sprang::spawn(async move { ran.send(()).unwrap() }));
        runtime.block_on(yield_now());
        let outcome = if expected {
            has_run.try_recv().ok()
        } else {
            has_run.recv_timeout(PATIENCE).ok()
        };
        assert_eq!(outcome.is_none(), expected);
    };
    let outer = runtime.enter();
    is_other(false);
    {
        let _inner = other.enter();
        is_other(true);
        {
            let _again = runtime.enter();
            is_other(false);
        }
        is_other(true);
    }
    is_other(false);
    drop(outer);
    assert!(Handle::try_current().is_err());
}

fn guards_dropped_out_of_order_panic(runtime: Runtime) {
    let other = current_thread();
    let (outer, inner) = (runtime.enter(), other.enter());
    let panic = catch_unwind(AssertUnwindSafe(|| drop::<EnterGuard<'_>>(outer))).unwrap_err();
    assert!(panic_message(&*panic).contains("dropped out of order"));
    drop(inner);
    // The thread is still good for blocking.
    assert_eq!(runtime.block_on(async { sprang::spawn(async { 1 }).await.unwrap() }), 1);
}

fn ids_are_seen_in_poll_and_drop(runtime: Runtime) {
    runtime.block_on(async {
        assert_eq!(task::try_id(), None, "the future of block_on is no task");
        let (seen, ids) = channel();
        let in_drop = seen.clone();
        let task = sprang::spawn(async move {
            let _guard = on_drop(move || in_drop.send(task::id()).unwrap());
            seen.send(task::id()).unwrap();
            yield_now().await;
            seen.send(task::id()).unwrap();
            pending::<()>().await;
        });
        let id = task.id();
        while ids.try_iter().count() == 0 {
            yield_now().await;
        }
        task.abort();
        assert_eq!(task.await.unwrap_err().id(), id);
        assert!(ids.try_iter().all(|seen| seen == id));
        // An output that nobody takes is dropped inside of its task.
        let (seen, ids) = channel();
        let task = sprang::spawn(async move { on_drop(move || seen.send(task::try_id()).unwrap()) });
        let id = task.id();
        drop(task);
        let seen = loop {
            match ids.try_recv() {
                Ok(seen) => break seen,
                Err(_) => yield_now().await,
            }
        };
        assert_eq!(seen, Some(id));
    });
}

fn futures_of_odd_sizes_and_alignments_are_kept_intact(runtime: Runtime) {
    #[repr(align(256))]
    struct Aligned(u8);

    runtime.block_on(async {
        let aligned = sprang::spawn(async {
            let value = Aligned(9);
            yield_now().await;
            assert_eq!((&raw const value).addr() % 256, 0);
            value
        });
        let large = sprang::spawn(async {
            let bytes = [3u8; 20_000];
            yield_now().await;
            bytes
        });
        let nothing = sprang::spawn(std::future::ready(()));
        assert_eq!(aligned.await.unwrap().0, 9);
        assert!(large.await.unwrap().iter().all(|byte| *byte == 3));
        nothing.await.unwrap();
    });
}

fn a_yielding_task_lets_the_others_run_first(runtime: Runtime) {
    // On one thread: the spawned tasks are ready before the yield.
    let one_at_a_time = runtime.spawn(async {
        let others: Vec<_> = (0..10)
            .map(|_| {
                let ran = Counter::default();
                let count = ran.clone();
                drop(sprang::spawn(async move { count.add() }));
                ran
            })
            .collect();
        yield_now().await;
        others.iter().map(Counter::get).sum::<usize>()
    });
    let ran = runtime.block_on(one_at_a_time).unwrap();
    // With more workers a task may be in the middle of its poll, on each of the others.
    assert!(ran >= 7, "{ran} of 10 ran before the yield was over");
}

/// Everything that has to go on while something else keeps the runtime busy.
fn is_served(runtime: &Runtime) {
    let handle = runtime.handle().clone();
    let outside = thread::spawn(move || {
        let (sender, receiver) = channel();
        drop(handle.spawn(async move { sender.send(()).unwrap() }));
        receiver.recv_timeout(PATIENCE).expect("a task from outside starves");
    });
    let inside = async move {
        sprang::spawn(yield_now()).await.unwrap();
        sleep(Duration::from_millis(2)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = sprang::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut byte = [0];
            socket.read_exact(&mut byte).await.unwrap();
            socket.write_all(&byte).await.unwrap();
        });
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"x").await.unwrap();
        socket.read_exact(&mut [0]).await.unwrap();
        echo.await.unwrap();
        // Last, since the thread outside does not depend on who drives.
        while !outside.is_finished() {
            yield_now().await;
        }
        outside.join().unwrap();
    };
    runtime
        .block_on(async { sprang::spawn(timeout(PATIENCE / 2, inside)).await.unwrap() })
        .expect("tasks starve");
}

fn tasks_that_yield_for_ever_starve_nothing(runtime: Runtime) {
    for _ in 0..8 {
        drop(runtime.spawn(async {
            loop {
                yield_now().await;
            }
        }));
    }
    is_served(&runtime);
}

fn a_task_that_wakes_itself_starves_nothing(runtime: Runtime) {
    drop(runtime.spawn(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })));
    is_served(&runtime);
}

fn two_tasks_that_wake_each_other_starve_nothing(runtime: Runtime) {
    let wakers = Arc::new(Mutex::new([const { None::<Waker> }; 2]));
    for number in 0..2 {
        let wakers = Arc::clone(&wakers);
        drop(runtime.spawn(poll_fn(move |cx| {
            let mut wakers = wakers.lock().unwrap();
            wakers[number].get_or_insert_with(|| cx.waker().clone());
            let other = wakers[1 - number].clone();
            drop(wakers);
            match other {
                Some(other) => other.wake(),
                None => cx.waker().wake_by_ref(),
            }
            Poll::<()>::Pending
        })));
    }
    is_served(&runtime);
}

fn a_ready_channel_does_not_keep_the_others_from_running(runtime: Runtime) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    drop(runtime.spawn(async move {
        // Never empty, so that only the budget ends a poll.
        sender.send(()).unwrap();
        loop {
            sender.send(()).unwrap();
            receiver.recv().await.unwrap();
        }
    }));
    is_served(&runtime);
}

fn a_ready_socket_does_not_keep_the_others_from_running(runtime: Runtime) {
    let (mut ours, theirs) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (ours, listener.accept().await.unwrap().0)
    });
    // At its end a stream is always ready to be read.
    drop(theirs);
    drop(runtime.spawn(async move {
        loop {
            assert_eq!(ours.read(&mut [0; 16]).await.unwrap_or(0), 0);
        }
    }));
    is_served(&runtime);
}

fn a_wake_storm_loses_nothing(runtime: Runtime) {
    const STORMS: usize = 3;
    const WAKES: usize = 2_000;
    let (count, stopped) = (Counter::default(), Arc::new(AtomicBool::new(false)));
    let (sender, receiver) = channel::<Waker>();
    let task = runtime.spawn({
        let (count, stopped) = (count.clone(), Arc::clone(&stopped));
        let mut registered = false;
        poll_fn(move |cx| {
            if !std::mem::replace(&mut registered, true) {
                (0..STORMS).for_each(|_| sender.send(cx.waker().clone()).unwrap());
            }
            count.add();
            if stopped.load(SeqCst) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    });
    let storm = thread::spawn(move || {
        let wakers = (0..STORMS).map(|_| receiver.recv_timeout(PATIENCE).unwrap());
        let threads: Vec<_> = wakers
            .map(|waker| {
                thread::spawn(move || {
                    for _ in 0..WAKES {
                        let another = waker.clone();
                        waker.wake_by_ref();
                        another.wake();
                    }
                    waker
                })
            })
            .collect();
        let mut wakers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        // Every wake-up before this one may be merged with it, but this one has to arrive.
        stopped.store(true, SeqCst);
        wakers.pop().unwrap().wake();
    });
    runtime.block_on(task).unwrap();
    storm.join().unwrap();
}

#[test]
fn try_current_tells_a_destroyed_thread_from_a_missing_context() {
    thread_local! {
        static LATE: RefCell<Option<Box<dyn std::any::Any>>> = const { RefCell::new(None) };
    }
    let (sender, receiver) = channel();
    bounded(move || {
        thread::spawn(move || {
            // Destructors run in the reverse order of their registration: this one after the context's.
            LATE.set(Some(Box::new(on_drop(move || {
                let error = Handle::try_current().unwrap_err();
                sender
                    .send((error.is_thread_local_destroyed(), error.is_missing_context()))
                    .unwrap();
            }))));
            let runtime = current_thread();
            let _guard = runtime.enter();
        })
        .join()
        .unwrap();
    });
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), (true, false));
}
