//! `LocalSet` and `LocalRuntime`: tasks that are not `Send`, on which thread they run, who wakes them, how they end.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use sprang::runtime::{Builder, Handle, LocalOptions, LocalRuntime};
use sprang::sync::{mpsc, oneshot};
use sprang::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use sprang::time::{Instant, sleep};
use sprang_tests::{Counter, bounded, current_thread, multi_thread, on_drop, panic_message};

/// A destructor that sees on which thread it runs.
fn on_this_thread(drops: &Counter) -> impl Drop + use<> {
    let (thread, drops) = (thread::current().id(), drops.clone());
    on_drop(move || {
        assert_eq!(thread::current().id(), thread, "dropped on a foreign thread");
        drops.add();
    })
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn local_tasks_run_on_the_thread_of_the_set_on_every_flavour() {
    bounded(|| {
        for runtime in [current_thread(), multi_thread(2)] {
            let thread = thread::current().id();
            let local = LocalSet::new();
            let shared = Rc::new(Cell::new(0));
            local.block_on(&runtime, async {
                let tasks: Vec<_> = (0..10)
                    .map(|_| {
                        let shared = Rc::clone(&shared);
                        spawn_local(async move {
                            sprang::spawn(async {}).await.unwrap();
                            sleep(Duration::from_millis(1)).await;
                            assert_eq!(thread::current().id(), thread);
                            shared.set(shared.get() + 1);
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            assert_eq!(shared.get(), 10);
        }
    });
}

#[test]
fn awaiting_the_set_waits_for_all_tasks_also_those_spawned_by_tasks() {
    bounded(|| {
        current_thread().block_on(async {
            let local = LocalSet::new();
            let count = Rc::new(Cell::new(0));
            let inner = Rc::clone(&count);
            local.spawn_local(async move {
                yield_now().await;
                spawn_local(async move {
                    sleep(Duration::from_millis(1)).await;
                    inner.set(1);
                });
            });
            local.await;
            assert_eq!(count.get(), 1);
        });
    });
}

#[test]
fn what_run_until_leaves_goes_on_in_the_next_one() {
    bounded(|| {
        let runtime = current_thread();
        let local = LocalSet::new();
        let (message, waiting) = oneshot::channel::<u32>();
        let mut task = None;
        local.block_on(&runtime, async {
            task = Some(spawn_local(async { waiting.await.unwrap() }));
            yield_now().await;
        });
        let task = task.unwrap();
        message.send(3).unwrap();
        assert!(!task.is_finished());
        assert_eq!(local.block_on(&runtime, task).unwrap(), 3);
    });
}

#[test]
fn a_wake_from_another_thread_reaches_a_parked_set() {
    bounded(|| {
        for runtime in [current_thread(), multi_thread(1)] {
            let local = LocalSet::new();
            let (to_local, mut received) = mpsc::unbounded_channel::<u32>();
            let (to_thread, from_local) = std::sync::mpsc::channel();
            let other = thread::spawn(move || {
                for i in 0..1_000 {
                    to_local.send(i).unwrap();
                    assert_eq!(from_local.recv().unwrap(), i);
                }
            });
            local.spawn_local(async move {
                while let Some(i) = received.recv().await {
                    to_thread.send(i).unwrap();
                }
            });
            runtime.block_on(local);
            other.join().unwrap();
        }
    });
}

#[test]
fn the_set_is_a_future_for_any_executor() {
    bounded(|| {
        let local = LocalSet::new();
        let (message, waiting) = oneshot::channel::<u32>();
        let task = local.spawn_local(async { waiting.await.unwrap() });
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let mut local = pin!(local);
        assert!(local.as_mut().poll(&mut cx).is_pending());
        assert!(!flag.0.load(SeqCst), "nothing to do, and woken");
        thread::spawn(|| message.send(1).unwrap()).join().unwrap();
        assert!(flag.0.swap(false, SeqCst));
        assert!(local.as_mut().poll(&mut cx).is_ready());
        assert!(task.is_finished());
        // Spawned from outside of its poll.
        let _task = local.spawn_local(async {});
        assert!(flag.0.load(SeqCst));
        assert!(local.as_mut().poll(&mut cx).is_ready());
    });
}

#[test]
fn spawn_local_outside_of_a_set_panics_in_the_caller() {
    bounded(|| {
        let attempt = || panic_message(&*catch_unwind(|| drop(spawn_local(async {}))).unwrap_err()).to_owned();
        let expected = "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`";
        assert_eq!(attempt(), expected);
        let runtime = current_thread();
        assert_eq!(runtime.block_on(async { attempt() }), expected);
        let local = LocalSet::new();
        let inside = local.block_on(&runtime, async {
            sprang::spawn(async move { attempt() }).await.unwrap()
        });
        assert_eq!(inside, expected, "a task of the runtime is not inside of the set");
    });
}

#[test]
fn guards_nest_and_restore_the_set_before() {
    bounded(|| {
        let sets = [LocalSet::new(), LocalSet::new()];
        let runtime = current_thread();
        let outer = sets[0].enter();
        let task_of_outer = {
            let _inner = sets[1].enter();
            drop(spawn_local(async {}));
            drop(_inner);
            spawn_local(async { 1 })
        };
        drop(outer);
        assert!(catch_unwind(|| drop(spawn_local(async {}))).is_err());
        assert_eq!(sets[0].block_on(&runtime, task_of_outer).unwrap(), 1);
        assert_ne!(sets[0].id(), sets[1].id());
    });
}

#[test]
fn dropping_the_set_drops_queued_idle_and_yielding_tasks_on_its_thread() {
    bounded(|| {
        let drops = Counter::default();
        let runtime = current_thread();
        let local = LocalSet::new();
        let held = |_: &str| on_this_thread(&drops);
        let (idle, yielding, queued) = (held("idle"), held("yielding"), held("queued"));
        let mut tasks = local.block_on(&runtime, async {
            let idle = spawn_local(async move {
                let _held = idle;
                pending::<()>().await
            });
            let yielding = spawn_local(async move {
                let _held = yielding;
                loop {
                    yield_now().await;
                }
            });
            yield_now().await;
            vec![idle, yielding]
        });
        tasks.push(local.spawn_local(async move { drop(queued) }));
        assert_eq!(drops.get(), 0);
        drop(local);
        assert_eq!(drops.get(), 3);
        for task in tasks {
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_waker_used_after_the_set_is_gone_does_nothing() {
    bounded(|| {
        let slot = Rc::new(RefCell::new(None::<Waker>));
        let local = LocalSet::new();
        let inner = Rc::clone(&slot);
        local.spawn_local(poll_fn(move |cx| {
            *inner.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        let mut local = Box::pin(local);
        assert!(
            local
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        drop(local);
        let waker = slot.borrow_mut().take().unwrap();
        thread::spawn(move || {
            waker.wake_by_ref();
            waker.wake();
        })
        .join()
        .unwrap();
    });
}

/// Threads wake all the time while the set ends.
#[test]
fn the_end_of_a_set_under_wakes_from_other_threads_drops_each_task_once() {
    bounded(|| {
        for round in 0..200 {
            let drops = Counter::default();
            let wakers = Rc::new(RefCell::new(Vec::<Waker>::new()));
            let local = LocalSet::new();
            for _ in 0..8 {
                let (held, wakers) = (on_this_thread(&drops), Rc::clone(&wakers));
                local.spawn_local(async move {
                    let _held = held;
                    poll_fn(|cx| {
                        wakers.borrow_mut().push(cx.waker().clone());
                        Poll::<()>::Pending
                    })
                    .await
                });
            }
            let mut local = Box::pin(local);
            assert!(
                local
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
            let taken: Vec<Waker> = wakers.borrow_mut().drain(..).collect();
            let barrier = Arc::new(std::sync::Barrier::new(3));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (taken, barrier) = (taken.clone(), Arc::clone(&barrier));
                    thread::spawn(move || {
                        barrier.wait();
                        taken.iter().for_each(Waker::wake_by_ref);
                    })
                })
                .collect();
            drop(taken);
            barrier.wait();
            if round % 2 == 0 {
                let _ = local.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
            drop(local);
            assert_eq!(drops.get(), 8);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

/// Its destructor runs when the thread's other locals may be gone.
#[test]
fn a_set_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static SET: LocalSet = LocalSet::new();
    }
    bounded(|| {
        for entered_before in [false, true] {
            let drops = Counter::default();
            let held = drops.count_drop();
            let thread = thread::spawn(move || {
                if entered_before {
                    drop(LocalSet::new().enter());
                }
                SET.with(|local| {
                    local.spawn_local(async move {
                        let _held = held;
                        pending::<()>().await
                    });
                    let runtime = current_thread();
                    local.block_on(&runtime, yield_now());
                });
            });
            thread.join().unwrap();
            assert_eq!(drops.get(), 1);
        }
    });
}

#[test]
fn abort_from_another_thread_drops_the_task_on_its_own() {
    bounded(|| {
        let drops = Counter::default();
        let runtime = current_thread();
        let local = LocalSet::new();
        let held = on_this_thread(&drops);
        let task = local.spawn_local(async move {
            let _held = held;
            pending::<()>().await
        });
        let abort = task.abort_handle();
        local.block_on(&runtime, async {
            yield_now().await;
            let aborting = thread::spawn(move || abort.abort());
            assert!(task.await.unwrap_err().is_cancelled());
            aborting.join().unwrap();
        });
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_destructor_that_spawns_while_the_set_ends_gets_a_cancelled_task() {
    bounded(|| {
        let spawned = Rc::new(RefCell::new(None::<JoinHandle<()>>));
        let local = LocalSet::new();
        let inner = Rc::clone(&spawned);
        let held = on_drop(move || *inner.borrow_mut() = Some(spawn_local(async {})));
        local.spawn_local(async move {
            let _held = held;
            pending::<()>().await
        });
        drop(local);
        let task = spawned.borrow_mut().take().expect("the destructor ran");
        assert!(current_thread().block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_panic_of_a_task_stays_in_its_handle_and_one_of_the_future_goes_through() {
    bounded(|| {
        let runtime = current_thread();
        let local = LocalSet::new();
        let error = local.block_on(&runtime, async {
            spawn_local(async { panic!("local") }).await.unwrap_err()
        });
        assert_eq!(panic_message(&*error.into_panic()), "local");
        let panic = catch_unwind(AssertUnwindSafe(|| {
            local.block_on(&runtime, async {
                spawn_local(async {});
                panic!("root")
            })
        }));
        assert_eq!(panic_message(&*panic.unwrap_err()), "root");
        // It goes on.
        assert_eq!(
            local.block_on(&runtime, async { spawn_local(async { 1 }).await.unwrap() }),
            1
        );
    });
}

#[test]
fn local_tasks_that_never_end_starve_neither_timers_nor_the_future_nor_other_tasks() {
    bounded(|| {
        for yields in [true, false] {
            let runtime = current_thread();
            let local = LocalSet::new();
            for _ in 0..100 {
                local.spawn_local(async move {
                    loop {
                        if yields {
                            yield_now().await;
                        } else {
                            wake_self().await;
                        }
                    }
                });
            }
            local.block_on(&runtime, async {
                sleep(Duration::from_millis(2)).await;
                sprang::spawn(async { sleep(Duration::from_millis(2)).await })
                    .await
                    .unwrap();
                spawn_local(async { sleep(Duration::from_millis(2)).await })
                    .await
                    .unwrap();
            });
        }
    });
}

/// Pending once, woken at once.
fn wake_self() -> impl Future<Output = ()> {
    let mut woken = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut woken, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// A yield gives way to the driver: one poll of the set runs a task that yields once, not until its own limit.
#[test]
fn a_task_that_yields_runs_once_in_a_poll_of_the_set() {
    bounded(|| {
        let runtime = current_thread();
        let local = LocalSet::new();
        let polls = Rc::new(Cell::new(0));
        let inner = Rc::clone(&polls);
        local.spawn_local(async move {
            loop {
                inner.set(inner.get() + 1);
                yield_now().await;
            }
        });
        let mut until = pin!(local.run_until(pending::<()>()));
        runtime.block_on(poll_fn(|cx| {
            assert!(until.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        }));
        assert_eq!(polls.get(), 1);
    });
}

/// More tasks than a poll runs, some of them woken from another thread before there was a poller to wake.
#[test]
fn what_a_poll_does_not_come_round_to_wakes_the_poller() {
    bounded(|| {
        let ran = Rc::new(Cell::new(0));
        let local = LocalSet::new();
        let wakers = Rc::new(RefCell::new(Vec::<Waker>::new()));
        for _ in 0..10 {
            let (ran, wakers) = (Rc::clone(&ran), Rc::clone(&wakers));
            let mut first = true;
            local.spawn_local(poll_fn(move |cx| {
                if std::mem::take(&mut first) {
                    wakers.borrow_mut().push(cx.waker().clone());
                    return Poll::Pending;
                }
                ran.set(ran.get() + 1);
                Poll::Ready(())
            }));
        }
        let mut local = Box::pin(local);
        assert!(
            local
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        let taken: Vec<Waker> = wakers.borrow_mut().drain(..).collect();
        thread::spawn(move || taken.into_iter().for_each(Waker::wake))
            .join()
            .unwrap();
        for _ in 0..59 {
            let ran = Rc::clone(&ran);
            local.spawn_local(async move { ran.set(ran.get() + 1) });
        }
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        while local.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            assert!(flag.0.swap(false, SeqCst), "{} of 69 tasks have run", ran.get());
        }
        assert_eq!(ran.get(), 69);
    });
}

#[test]
fn block_in_place_panics_in_a_set() {
    bounded(|| {
        let runtime = multi_thread(1);
        let local = LocalSet::new();
        let error = local.block_on(&runtime, async {
            spawn_local(async { sprang::task::block_in_place(|| ()) })
                .await
                .unwrap_err()
        });
        assert_eq!(
            panic_message(&*error.into_panic()),
            "can call blocking only when running on the multi-threaded runtime"
        );
        runtime.block_on(async { sprang::task::block_in_place(|| ()) });
    });
}

#[test]
fn paused_time_advances_while_only_local_tasks_wait() {
    bounded(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let start = Instant::now();
            let slow = spawn_local(async { sleep(Duration::from_secs(3_600)).await });
            slow.await.unwrap();
            assert_eq!(start.elapsed(), Duration::from_secs(3_600));
        });
    });
}

#[test]
fn a_set_runs_inside_of_a_task_of_another_set() {
    bounded(|| {
        let runtime = current_thread();
        let outer = LocalSet::new();
        let sum = outer.block_on(&runtime, async {
            let nested = spawn_local(async {
                let inner = LocalSet::new();
                let one = inner
                    .run_until(async {
                        yield_now().await;
                        spawn_local(async {
                            yield_now().await;
                            sleep(Duration::from_millis(1)).await;
                            1
                        })
                        .await
                        .unwrap()
                    })
                    .await;
                one + spawn_local(async { 2 }).await.unwrap()
            });
            nested.await.unwrap()
        });
        assert_eq!(sum, 3);
    });
}

#[test]
fn a_local_runtime_runs_what_is_not_send() {
    bounded(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .unwrap();
        let count = Rc::new(Cell::new(0));
        let inner = Rc::clone(&count);
        let early = runtime.spawn_local(async move { inner.set(inner.get() + 1) });
        let inner = Rc::clone(&count);
        runtime.block_on(async move {
            early.await.unwrap();
            let deep = spawn_local({
                let inner = Rc::clone(&inner);
                async move { spawn_local(async move { inner.set(inner.get() + 1) }).await.unwrap() }
            });
            deep.await.unwrap();
            assert_eq!(sprang::spawn(async { 1 }).await.unwrap(), 1);
            assert_eq!(sprang::task::spawn_blocking(|| 2).await.unwrap(), 2);
        });
        assert_eq!(count.get(), 2);
    });
}

#[test]
fn the_handle_of_a_local_runtime_spawns_from_other_threads_only_what_is_send() {
    bounded(|| {
        let runtime = LocalRuntime::new().unwrap();
        let handle = runtime.handle().clone();
        let other = thread::spawn(move || {
            let _guard = handle.enter();
            let panic = catch_unwind(|| drop(spawn_local(async {}))).unwrap_err();
            let message = panic_message(&*panic).to_owned();
            (sprang::spawn(async { thread::current().id() }), message)
        });
        let (task, message) = other.join().unwrap();
        assert_eq!(
            message,
            "Local tasks can only be spawned on a LocalRuntime from the thread the runtime was created on"
        );
        assert_eq!(runtime.block_on(task).unwrap(), thread::current().id());
    });
}

/// Threads wake and spawn all the time while the runtime ends.
#[test]
fn the_end_of_a_local_runtime_drops_its_tasks_on_its_thread() {
    bounded(|| {
        for _ in 0..200 {
            let drops = Counter::default();
            let runtime = LocalRuntime::new().unwrap();
            let wakers = Rc::new(RefCell::new(Vec::<Waker>::new()));
            for _ in 0..8 {
                let (held, wakers) = (on_this_thread(&drops), Rc::clone(&wakers));
                runtime.spawn_local(async move {
                    let _held = held;
                    poll_fn(|cx| {
                        wakers.borrow_mut().push(cx.waker().clone());
                        Poll::<()>::Pending
                    })
                    .await
                });
            }
            runtime.block_on(async {
                while wakers.borrow().len() < 8 {
                    yield_now().await;
                }
            });
            let taken: Vec<Waker> = wakers.borrow_mut().drain(..).collect();
            let (handle, spawned) = (runtime.handle().clone(), Counter::default());
            let inner = spawned.clone();
            let barrier = Arc::new(std::sync::Barrier::new(2));
            let start = Arc::clone(&barrier);
            let other = thread::spawn(move || {
                start.wait();
                for waker in taken {
                    waker.wake();
                    let held = inner.count_drop();
                    handle.spawn(async move { drop(held) });
                }
            });
            barrier.wait();
            drop(runtime);
            assert_eq!(drops.get(), 8);
            other.join().unwrap();
            assert_eq!(spawned.get(), 8);
        }
    });
}

#[test]
fn the_end_of_a_local_runtime_leaves_its_handle_harmless() {
    bounded(|| {
        let runtime = LocalRuntime::new().unwrap();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _guard = handle.enter();
        assert!(Handle::current().runtime_flavor() == sprang::runtime::RuntimeFlavor::CurrentThread);
        let task = spawn_local(pending::<Rc<()>>());
        assert!(task.is_finished());
        drop(_guard);
        assert!(current_thread().block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_multi_thread_builder_builds_no_local_runtime() {
    let panic = catch_unwind(|| Builder::new_multi_thread().build_local(LocalOptions::default()));
    let panic = panic.expect_err("it does not panic");
    assert_eq!(panic_message(&*panic), "multi_thread is not supported for LocalRuntime");
}
