//! The end of a runtime, on every flavour: each task is dropped exactly once, nobody hangs, nothing is left.

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use sprang::io::{AsyncReadExt, AsyncWriteExt};
use sprang::net::{TcpListener, TcpStream};
use sprang::runtime::{Builder, Handle, Runtime};
use sprang::sync::Notify;
use sprang::task::{JoinHandle, yield_now};
use sprang::time::{sleep, timeout};
use sprang_tests::{
    Counter, PATIENCE, bounded, child, current_thread, eventually, is_child, multi_thread, on_drop, on_each,
    panic_message,
};

fn is_shutdown<T>(task: JoinHandle<T>) -> bool {
    match futures::executor::block_on(task) {
        Ok(_) => panic!("the task ended by itself"),
        Err(error) => error.is_cancelled() && error.is_shutdown(),
    }
}

#[test]
fn tasks_in_every_state_are_dropped_once() {
    on_each(|runtime| {
        const EACH: usize = 50;
        let dropped = Counter::default();
        let mut tasks = Vec::new();
        for _ in 0..EACH {
            let [idle, waking, yielding, queued, waiting] = std::array::from_fn(|_| dropped.count_drop());
            tasks.push(runtime.spawn(async move {
                let _guard = idle;
                pending::<()>().await;
            }));
            tasks.push(runtime.spawn(poll_fn(move |cx| {
                let _ = &waking;
                cx.waker().wake_by_ref();
                Poll::Pending
            })));
            tasks.push(runtime.spawn(async move {
                let _guard = yielding;
                loop {
                    yield_now().await;
                }
            }));
            tasks.push(runtime.spawn(async move {
                let _guard = waiting;
                sleep(Duration::from_secs(3_600)).await;
            }));
            runtime.block_on(yield_now());
            tasks.push(runtime.spawn(async move {
                let _guard = queued;
                pending::<()>().await;
            }));
        }
        drop(runtime);
        assert_eq!(dropped.get(), 5 * EACH);
        assert!(tasks.into_iter().all(is_shutdown));
    });
}

#[test]
fn never_polled_tasks_are_dropped() {
    on_each(|runtime| {
        let (dropped, polled) = (Counter::default(), Counter::default());
        // Keeps the only worker, if there is just one, so that nothing gets polled.
        let (started, has_started) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let blocks = runtime.handle().runtime_flavor() == sprang::runtime::RuntimeFlavor::MultiThread;
        if blocks {
            drop(runtime.spawn(async move {
                started.send(()).unwrap();
                may_go_on.recv_timeout(PATIENCE).unwrap();
            }));
            has_started.recv_timeout(PATIENCE).unwrap();
        }
        for _ in 0..100 {
            let (guard, count) = (dropped.count_drop(), polled.clone());
            drop(runtime.spawn(async move {
                let _guard = guard;
                count.add();
                pending::<()>().await;
            }));
        }
        let dropping = thread::spawn(move || drop(runtime));
        if blocks {
            go_on.send(()).unwrap();
        }
        dropping.join().unwrap();
        assert_eq!(dropped.get(), 100);
    });
}

/// Gives its waker away in each poll.
fn wakeable(wakers: Sender<Waker>, guard: impl Send + 'static) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        let _ = &guard;
        let _ = wakers.send(cx.waker().clone());
        Poll::Pending
    })
}

#[test]
fn tasks_that_are_woken_from_outside_meanwhile_are_dropped_once() {
    const TASKS: usize = 32;
    on_each(|runtime| {
        let dropped = Counter::default();
        let (sender, receiver) = channel();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| runtime.spawn(wakeable(sender.clone(), dropped.count_drop())))
            .collect();
        drop(sender);
        runtime.block_on(yield_now());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let waking = thread::spawn(move || {
            let mut wakers = Vec::new();
            while !stopped.load(SeqCst) {
                wakers.extend(receiver.try_iter().take(TASKS));
                wakers.iter().for_each(Waker::wake_by_ref);
                wakers.truncate(4 * TASKS);
            }
        });
        drop(runtime);
        assert_eq!(dropped.get(), TASKS);
        stop.store(true, SeqCst);
        waking.join().unwrap();
        assert!(tasks.into_iter().all(is_shutdown));
    });
}

#[test]
fn what_is_spawned_from_outside_meanwhile_ends_somehow() {
    const THREADS: usize = 2;
    on_each(|runtime| {
        let (dropped, spawned) = (Counter::default(), Counter::default());
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (handle, barrier) = (runtime.handle().clone(), Arc::clone(&barrier));
                let (dropped, spawned) = (dropped.clone(), spawned.clone());
                thread::spawn(move || {
                    barrier.wait();
                    for _ in 0..100_000 {
                        let guard = dropped.count_drop();
                        spawned.add();
                        let task = handle.spawn(async move {
                            let _guard = guard;
                            pending::<()>().await;
                        });
                        if task.is_finished() {
                            // From now on they all are.
                            return is_shutdown(task);
                        }
                    }
                    true
                })
            })
            .collect();
        barrier.wait();
        drop(runtime);
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        eventually("the last ones are dropped", || dropped.get() == spawned.get());
    });
}

#[test]
fn a_spawn_after_the_end_is_cancelled() {
    on_each(|runtime| {
        let handle = runtime.handle().clone();
        drop(runtime);
        let dropped = Counter::default();
        let guard = dropped.count_drop();
        let task = handle.spawn(async move { drop(guard) });
        assert_eq!(dropped.get(), 1);
        assert!(task.is_finished());
        task.abort();
        let id = task.id();
        let error = futures::executor::block_on(task).unwrap_err();
        assert!(error.is_shutdown() && error.is_cancelled() && !error.is_panic());
        assert_eq!(
            error.to_string(),
            format!("task {id} was cancelled because its runtime shut down")
        );
        assert_eq!(format!("{error:?}"), format!("JoinError::Shutdown(Id({id}))"));
    });
}

#[test]
fn the_destructor_of_a_late_spawn_may_enter_runtimes() {
    on_each(|runtime| {
        let handle = runtime.handle().clone();
        drop(runtime);
        let (entered, guard) = (Counter::default(), handle.enter());
        let count = entered.clone();
        let destructor = on_drop(move || {
            let other = current_thread();
            let _guard = other.enter();
            let task = sprang::spawn(async { 1 });
            assert_eq!(other.block_on(task).unwrap(), 1);
            count.add();
        });
        let task = sprang::spawn(async move { drop(destructor) });
        drop(guard);
        assert!(is_shutdown(task));
        assert_eq!(entered.get(), 1);
    });
}

#[test]
fn destructors_may_do_anything() {
    on_each(|runtime| {
        let (dropped, cancelled) = (Counter::default(), Counter::default());
        let woken = Arc::new(Notify::new());
        let idle = |action: Box<dyn FnOnce() + Send>| {
            let guard = dropped.count_drop();
            let notify = Arc::clone(&woken);
            let destructor = on_drop(action);
            drop(runtime.spawn(async move {
                let _guards = (destructor, guard);
                notify.notified().await;
                pending::<()>().await;
            }));
        };
        let late = dropped.count_drop();
        let handle = runtime.handle().clone();
        for number in 0..40 {
            let (handle, woken, cancelled) = (handle.clone(), Arc::clone(&woken), cancelled.clone());
            // In a destructor an assertion that fails is nobody's panic.
            let count = move |task: JoinHandle<()>| {
                if task.is_finished() {
                    cancelled.add();
                }
            };
            idle(match number % 5 {
                0 => Box::new(|| panic!("a destructor")),
                1 => Box::new(move || woken.notify_waiters()),
                2 => Box::new(move || count(handle.spawn(yield_now()))),
                3 => Box::new(move || count(sprang::spawn(yield_now()))),
                _ => Box::new(|| {
                    let other = multi_thread(1);
                    drop(other.spawn(pending::<()>()));
                    other.shutdown_background();
                }),
            });
        }
        // A destructor that spawns what spawns in its destructor.
        let again = handle.clone();
        idle(Box::new(move || {
            let innermost = on_drop(move || drop(late));
            let inner = on_drop(move || drop(again.spawn(async move { drop(innermost) })));
            drop(handle.spawn(async move { drop(inner) }));
        }));
        runtime.block_on(yield_now());
        drop(runtime);
        assert_eq!(dropped.get(), 42);
        assert_eq!(cancelled.get(), 16, "what a destructor spawns is cancelled at once");
    });
}

#[test]
fn a_destructor_may_block_on_another_runtime_where_nothing_is_driven() {
    bounded(|| {
        // A current-thread runtime drops its tasks on the thread that drops it.
        let (runtime, done) = (current_thread(), Counter::default());
        for other in [current_thread, || multi_thread(1)] as [fn() -> Runtime; 2] {
            let count = done.clone();
            let destructor = on_drop(move || {
                let other = other();
                other.block_on(async {
                    yield_now().await;
                    for _ in 0..1_000 {
                        sprang::spawn(yield_now()).await.unwrap();
                    }
                    sleep(Duration::from_millis(1)).await;
                });
                count.add();
            });
            drop(runtime.spawn(async move {
                let _destructor = destructor;
                pending::<()>().await;
            }));
        }
        runtime.block_on(yield_now());
        drop(runtime);
        assert_eq!(done.get(), 2);
    });
}

#[test]
fn tasks_that_wait_for_each_other_or_themselves_are_dropped() {
    on_each(|runtime| {
        let dropped = Counter::default();
        let spawn = |others: tokens::Receiver| {
            let guard = dropped.count_drop();
            runtime.spawn(async move {
                let _guard = guard;
                others.await.unwrap().await.unwrap();
            })
        };
        let (itself, receiver) = tokens::channel();
        assert!(itself.send(spawn(receiver)).is_ok());
        let ((first, to_first), (second, to_second)) = (tokens::channel(), tokens::channel());
        let (a, b) = (spawn(to_first), spawn(to_second));
        let abort = b.abort_handle();
        assert!(first.send(b).is_ok() && second.send(a).is_ok());
        runtime.block_on(yield_now());
        abort.abort();
        // The one fails with the other.
        runtime.block_on(async {
            while dropped.get() < 2 {
                yield_now().await;
            }
        });
        drop(runtime);
        assert_eq!(dropped.get(), 3);
    });
}

mod tokens {
    //! Handing a join handle to a task that is spawned already.

    pub(crate) type Receiver = sprang::sync::oneshot::Receiver<sprang::task::JoinHandle<()>>;
    pub(crate) use sprang::sync::oneshot::channel;
}

#[test]
fn a_runtime_may_be_dropped_by_a_panic_or_with_its_thread() {
    thread_local! {
        static KEPT: std::cell::RefCell<Option<Runtime>> = const { std::cell::RefCell::new(None) };
    }
    for by_panic in [true, false] {
        on_each(move |runtime| {
            let dropped = Counter::default();
            for _ in 0..10 {
                let guard = dropped.count_drop();
                let bomb = on_drop(|| panic!("a destructor"));
                drop(runtime.spawn(async move {
                    let _guards = (bomb, guard);
                    pending::<()>().await;
                }));
            }
            runtime.block_on(yield_now());
            let thread = thread::spawn(move || {
                if by_panic {
                    let _runtime = runtime;
                    panic!("with a runtime");
                }
                KEPT.set(Some(runtime));
            });
            assert_eq!(thread.join().is_err(), by_panic);
            assert_eq!(dropped.get(), 10);
        });
    }
}

#[test]
fn who_waits_elsewhere_gets_an_error() {
    on_each(|runtime| {
        let other = multi_thread(1);
        let task = runtime.spawn(pending::<()>());
        let waiting = other.spawn(task);
        let handle = runtime.handle().clone();
        let task = runtime.spawn(pending::<()>());
        let blocked = thread::spawn(move || handle.block_on(task).unwrap_err().is_shutdown());
        runtime.block_on(yield_now());
        drop(runtime);
        assert!(other.block_on(waiting).unwrap().unwrap_err().is_shutdown());
        assert!(blocked.join().unwrap());
    });
}

#[test]
fn sockets_and_timers_survive_their_runtime() {
    on_each(|runtime| {
        let (listener, mut ours, mut theirs, timer) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (theirs, _) = listener.accept().await.unwrap();
            (listener, ours, theirs, sleep(Duration::from_millis(1)))
        });
        drop(runtime);
        let other = current_thread();
        other.block_on(async {
            // Errors, or no end: but no panic, and no busy loop that would keep the timeouts from firing.
            let limit = Duration::from_millis(5);
            assert!(!matches!(timeout(limit, listener.accept()).await, Ok(Ok(_))));
            assert!(!matches!(timeout(limit, ours.read(&mut [0])).await, Ok(Ok(_))));
            let _ = timeout(limit, theirs.write_all(b"x")).await;
            let _ = timeout(limit, timer).await;
        });
        drop((listener, ours, theirs));
        other.block_on(async { sleep(Duration::from_millis(1)).await });
    });
}

#[test]
fn shutdown_timeout_returns_as_soon_as_it_can() {
    on_each(|runtime| {
        let dropped = Counter::default();
        let guard = dropped.count_drop();
        drop(runtime.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        // Also where the clock cannot tell so late a time.
        runtime.shutdown_timeout(Duration::MAX);
        assert_eq!(dropped.get(), 1);
    });
}

#[test]
fn inside_of_a_runtime_another_ends_in_the_background_only() {
    on_each(|runtime| {
        for inner in [current_thread, || multi_thread(1)] as [fn() -> Runtime; 2] {
            let dropped = Counter::default();
            let waits = move |dropped: &Counter| {
                let (runtime, guard) = (inner(), dropped.count_drop());
                drop(runtime.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                }));
                runtime
            };
            let in_task = dropped.clone();
            let task = runtime.spawn(async move {
                waits(&in_task).shutdown_background();
                waits(&in_task).shutdown_timeout(Duration::ZERO);
                for ends in [drop::<Runtime> as fn(Runtime), |runtime| {
                    runtime.shutdown_timeout(PATIENCE)
                }] {
                    let other = waits(&in_task);
                    let panic = catch_unwind(AssertUnwindSafe(|| ends(other))).unwrap_err();
                    assert!(panic_message(&*panic).starts_with("Cannot drop a runtime in a context where blocking"));
                }
            });
            runtime.block_on(task).unwrap();
            // They ended all the same.
            eventually("the tasks are dropped", || dropped.get() == 4);
            let other = waits(&dropped);
            runtime.block_on(async { other.shutdown_background() });
            eventually("the task is dropped", || dropped.get() == 5);
        }
    });
}

#[test]
fn a_task_may_own_the_handle_and_the_handle_outlives_the_runtime() {
    on_each(|runtime| {
        let handle = runtime.handle().clone();
        let owned = handle.clone();
        let task = runtime.spawn(async move {
            let _owned = owned;
            pending::<()>().await;
        });
        drop(runtime);
        assert!(is_shutdown(task));
        let _guard = handle.enter();
        assert!(is_shutdown(sprang::spawn(async {})));
        // Nobody serves it any more: pending or an error, but no panic.
        let refused = futures::executor::block_on(TcpListener::bind("127.0.0.1:0"));
        drop((refused, sleep(Duration::from_millis(1)), Handle::current()));
        assert_eq!(handle.block_on(async { 1 }), 1);
    });
}

#[test]
fn the_end_waits_for_a_spare_thread_that_is_being_started() {
    bounded(|| {
        let (started, stopped, named) = (Counter::default(), Counter::default(), Counter::default());
        let (count_start, count_stop, count_name) = (started.clone(), stopped.clone(), named.clone());
        let (go_on, may_go_on) = channel::<()>();
        let may_go_on = Mutex::new(may_go_on);
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .on_thread_start(move || count_start.add())
            .on_thread_stop(move || count_stop.add())
            .thread_name_fn(move || {
                count_name.add();
                if count_name.get() > 1 {
                    may_go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                }
                "worker".to_owned()
            });
        let runtime = builder.build().unwrap();
        let (release, released) = channel::<()>();
        drop(runtime.spawn(async move { released.recv_timeout(PATIENCE).unwrap() }));
        drop(runtime.spawn(yield_now()));
        eventually("a spare thread is asked for", || named.get() == 2);
        let (ended, has_ended) = channel();
        let dropping = thread::spawn(move || {
            drop(runtime);
            ended.send(()).unwrap();
        });
        release.send(()).unwrap();
        eventually("the only worker has left", || stopped.get() == 1);
        let early = has_ended.recv_timeout(Duration::from_millis(50));
        go_on.send(()).unwrap();
        dropping.join().unwrap();
        assert_eq!((started.get(), stopped.get()), (2, 2));
        assert!(early.is_err(), "a thread is started after the end");
    });
}

/// The files and the threads of this process, and the pages of its memory.
fn usage() -> [usize; 3] {
    let entries = |path| std::fs::read_dir(path).unwrap().count();
    let memory = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident = memory.split(' ').nth(1).unwrap().parse().unwrap();
    [entries("/proc/self/fd"), entries("/proc/self/task"), resident]
}

#[test]
fn hundreds_of_runtimes_leave_nothing() {
    const TEST: &str = "hundreds_of_runtimes_leave_nothing";
    if !is_child() {
        // Alone in a process, where nobody else opens files.
        let output = child(TEST, "").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let round = |number: usize| {
        let runtime = if number.is_multiple_of(2) {
            current_thread()
        } else {
            multi_thread(2)
        };
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            drop(sprang::spawn(async move { listener.accept().await.map(drop) }));
            drop(sprang::spawn(sleep(Duration::from_secs(3_600))));
            sprang::spawn(yield_now()).await.unwrap();
        });
        match number % 4 {
            0 | 1 => drop(runtime),
            2 => runtime.shutdown_timeout(PATIENCE),
            _ => runtime.shutdown_timeout(Duration::MAX),
        }
    };
    (0..40).for_each(round);
    let before = usage();
    (0..400).for_each(round);
    let [files, threads, pages] = usage();
    assert_eq!([files, threads], before[..2], "files and threads");
    assert!(pages < before[2] + 500, "{} pages became {pages}", before[2]);
}
