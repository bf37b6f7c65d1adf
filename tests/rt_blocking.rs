//! The blocking pool: closures on threads of their own, on every flavour of runtime.

use std::collections::HashSet;
use std::future::pending;
use std::panic::catch_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use sprang::net::{TcpListener, TcpStream};
use sprang::runtime::{Builder, Handle, Runtime};
use sprang::task::{self, JoinHandle, spawn_blocking};
use sprang::time;
use sprang_tests::{
    Counter, PATIENCE, bounded, child, current_thread, eventually, is_child, multi_thread, on_drop, panic_message,
};

fn on_each(property: impl Fn(Runtime) + Clone + Send + 'static) {
    for runtime in [current_thread, || multi_thread(1), || multi_thread(3)] as [fn() -> Runtime; 3] {
        let property = property.clone();
        bounded(move || property(runtime()));
    }
}

fn one_thread() -> Builder {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(1);
    builder
}

/// A closure that runs until the sender sends, or is dropped.
fn occupy(runtime: &Runtime) -> (Sender<()>, JoinHandle<()>) {
    let (release, released) = channel::<()>();
    let (begin, begun) = channel();
    let task = runtime.spawn_blocking(move || {
        begin.send(()).unwrap();
        let _ = released.recv();
    });
    begun.recv_timeout(PATIENCE).expect("the closure is run");
    (release, task)
}

#[test]
fn a_closure_gives_its_result_or_its_panic() {
    on_each(|runtime| {
        let [from_owner, from_handle] = [runtime.spawn_blocking(|| 1), runtime.handle().spawn_blocking(|| 2)];
        runtime.block_on(async {
            assert_eq!(spawn_blocking(|| 3).await.unwrap(), 3);
            assert_eq!((from_owner.await.unwrap(), from_handle.await.unwrap()), (1, 2));
            let panic = spawn_blocking(|| panic!("in a closure"))
                .await
                .unwrap_err()
                .into_panic();
            assert_eq!(panic_message(&*panic), "in a closure");
        });
    });
}

#[test]
fn no_closure_of_a_burst_is_lost_or_run_twice() {
    on_each(|runtime| {
        const EACH: usize = 10_000;
        const SPAWNERS: usize = 3;
        let ran: Arc<Vec<Counter>> = Arc::new((0..SPAWNERS * EACH).map(|_| Counter::default()).collect());
        let spawners = (0..SPAWNERS).map(|spawner| {
            let (ran, handle) = (Arc::clone(&ran), runtime.handle().clone());
            thread::spawn(move || {
                let spawn = |index: usize| {
                    let ran = Arc::clone(&ran);
                    handle.spawn_blocking(move || ran[index].add())
                };
                (spawner * EACH..(spawner + 1) * EACH).map(spawn).collect::<Vec<_>>()
            })
        });
        let spawners: Vec<_> = spawners.collect();
        for spawner in spawners {
            for task in spawner.join().unwrap() {
                runtime.block_on(task).unwrap();
            }
        }
        assert!(ran.iter().all(|count| count.get() == 1));
    });
}

#[test]
fn closures_that_wait_for_each_other_all_have_a_thread() {
    on_each(|runtime| {
        const CLOSURES: usize = 100;
        let barrier = Arc::new(Barrier::new(CLOSURES));
        let tasks: Vec<_> = (0..CLOSURES)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                runtime.spawn_blocking(move || {
                    barrier.wait();
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}

/// The closure that a thread comes back for may be the one that all others wait for.
#[test]
fn a_closure_spawned_by_a_closure_is_never_stranded() {
    on_each(|runtime| {
        fn nest(depth: usize) -> usize {
            match depth {
                0 => 0,
                _ => {
                    1 + Handle::current()
                        .block_on(spawn_blocking(move || nest(depth - 1)))
                        .unwrap()
                }
            }
        }
        assert_eq!(runtime.block_on(spawn_blocking_in(&runtime, || nest(50))).unwrap(), 50);
    });
}

fn spawn_blocking_in<R: Send + 'static>(
    runtime: &Runtime,
    closure: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    let _context = runtime.enter();
    spawn_blocking(closure)
}

#[test]
fn no_more_threads_are_started_than_the_cap() {
    bounded(|| {
        const CAP: usize = 3;
        let started = Counter::default();
        let count = started.clone();
        let mut builder = Builder::new_current_thread();
        let runtime = builder
            .max_blocking_threads(CAP)
            .on_thread_start(move || count.add())
            .build()
            .unwrap();
        let barrier = Arc::new(Barrier::new(CAP));
        let tasks: Vec<_> = (0..CAP * 10)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                runtime.spawn_blocking(move || {
                    barrier.wait();
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        drop(runtime);
        assert_eq!(started.get(), CAP);
    });
}

#[test]
fn closures_one_after_the_other_share_a_thread() {
    on_each(|runtime| {
        runtime.block_on(async {
            let mut threads = HashSet::<ThreadId>::new();
            for _ in 0..1_000 {
                threads.insert(spawn_blocking(|| thread::current().id()).await.unwrap());
            }
            // Some more: a thread may still be on its way to sleep when the next closure comes.
            assert!(threads.len() < 50, "{} threads", threads.len());
        });
    });
}

#[test]
fn a_thread_leaves_after_its_keep_alive_and_another_one_comes() {
    bounded(|| {
        let stopped = Counter::default();
        let count = stopped.clone();
        let runtime = one_thread()
            .thread_keep_alive(Duration::from_millis(1))
            .on_thread_stop(move || count.add())
            .build()
            .unwrap();
        for round in 1..=3 {
            runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
            eventually("the thread leaves", || stopped.get() == round);
        }
    });
}

#[test]
fn a_closure_has_the_context_of_its_runtime() {
    on_each(|runtime| {
        let id = runtime.spawn_blocking(|| task::try_id().is_some());
        assert!(runtime.block_on(id).unwrap(), "the closure is a task");
        // On a current-thread runtime it is this thread that runs what the closure waits for.
        let sum = runtime.spawn_blocking(|| {
            let spawned = sprang::spawn(async { 1 });
            Handle::current().block_on(async {
                time::sleep(Duration::from_millis(1)).await;
                spawned.await.unwrap() + 1
            })
        });
        assert_eq!(runtime.block_on(sum).unwrap(), 2);
    });
}

#[test]
fn threads_have_the_name_and_callbacks_of_the_builder() {
    bounded(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let say = |what: &'static str| {
            let log = Arc::clone(&log);
            move || {
                log.lock()
                    .unwrap()
                    .push((what, thread::current().name().map(str::to_owned)))
            }
        };
        let runtime = one_thread()
            .thread_name("blocks")
            .on_thread_start(say("start"))
            .on_thread_stop(say("stop"))
            .build()
            .unwrap();
        runtime.block_on(runtime.spawn_blocking(say("run"))).unwrap();
        drop(runtime);
        let expected = ["start", "run", "stop"].map(|what| (what, Some("blocks".to_owned())));
        assert_eq!(*log.lock().unwrap(), expected);
    });
}

#[test]
fn callbacks_that_panic_lose_no_closure() {
    bounded(|| {
        let runtime = one_thread()
            .on_thread_start(|| panic!("on_thread_start"))
            .on_thread_stop(|| panic!("on_thread_stop"))
            .build()
            .unwrap();
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 1)).unwrap(), 1);
    });
}

#[test]
fn a_name_that_panics_is_the_closures_error() {
    bounded(|| {
        let runtime = one_thread().thread_name_fn(|| panic!("no name")).build().unwrap();
        let error = runtime.block_on(runtime.spawn_blocking(|| ())).unwrap_err();
        assert!(panic_message(&*error.into_panic()).starts_with("OS can't spawn worker thread: "));
    });
}

#[test]
fn abort_works_on_queued_closures_only() {
    bounded(|| {
        let runtime = one_thread().build().unwrap();
        let (release, running) = occupy(&runtime);
        let dropped = Counter::default();
        let guard = dropped.count_drop();
        let queued = runtime.spawn_blocking(move || {
            let _guard = guard;
            panic!("it was aborted before it began");
        });
        queued.abort();
        running.abort();
        release.send(()).unwrap();
        runtime.block_on(async {
            running.await.expect("it had begun");
            let error = queued.await.unwrap_err();
            assert!(error.is_cancelled() && !error.is_shutdown());
        });
        assert_eq!(dropped.get(), 1);
    });
}

#[test]
fn the_end_of_the_runtime_waits_for_what_runs_and_drops_what_is_queued() {
    bounded(|| {
        let runtime = one_thread().build().unwrap();
        let (release, running) = occupy(&runtime);
        let queued = runtime.spawn_blocking(|| panic!("it must not be run"));
        let dropping = thread::spawn(move || drop(runtime));
        let error = futures::executor::block_on(queued).unwrap_err();
        assert!(error.is_cancelled() && error.is_shutdown());
        assert!(!dropping.is_finished(), "the drop waits for the closure");
        release.send(()).unwrap();
        dropping.join().unwrap();
        assert!(running.is_finished());
        futures::executor::block_on(running).unwrap();
    });
}

#[test]
fn shutdown_with_a_limit_leaves_a_closure_that_runs_on() {
    fn shut_down(end: impl FnOnce(Runtime) + Send + 'static) {
        bounded(|| {
            let runtime = multi_thread(1);
            let (release, running) = occupy(&runtime);
            let begun = Instant::now();
            end(runtime);
            assert!(begun.elapsed() < PATIENCE / 2);
            assert!(!running.is_finished());
            release.send(()).unwrap();
            futures::executor::block_on(running).expect("it goes on to its end");
        });
    }
    shut_down(Runtime::shutdown_background);
    shut_down(|runtime| runtime.shutdown_timeout(Duration::from_millis(20)));
}

#[test]
fn a_runtime_may_end_in_its_own_closure() {
    on_each(|runtime| {
        let handle = runtime.handle().clone();
        let ended = handle.spawn_blocking(move || drop(runtime));
        futures::executor::block_on(ended).unwrap();
    });
}

/// The end of the runtime waits for the closure, and the closure for the driver.
#[test]
fn timers_and_sockets_serve_closures_until_they_have_ended() {
    on_each(|runtime| {
        let (begin, begun) = channel();
        let done = Counter::default();
        let count = done.clone();
        runtime.spawn_blocking(move || {
            Handle::current().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                begin.send(()).unwrap();
                time::sleep(Duration::from_millis(20)).await;
                let (accepted, connected) = futures::join!(listener.accept(), TcpStream::connect(address));
                accepted.unwrap();
                connected.unwrap();
            });
            count.add();
        });
        begun.recv_timeout(PATIENCE).expect("the closure is run");
        drop(runtime);
        assert_eq!(done.get(), 1);
    });
}

#[test]
fn tasks_that_a_closure_spawns_at_the_end_are_cancelled() {
    on_each(|runtime| {
        let (begin, begun) = channel();
        let done = Counter::default();
        let count = done.clone();
        runtime.spawn_blocking(move || {
            begin.send(()).unwrap();
            while Handle::current().block_on(sprang::spawn(task::yield_now())).is_ok() {}
            for _ in 0..100 {
                let late = Handle::current().block_on(sprang::spawn(async {}));
                assert!(late.unwrap_err().is_shutdown());
            }
            count.add();
        });
        begun.recv_timeout(PATIENCE).expect("the closure is run");
        drop(runtime);
        assert_eq!(done.get(), 1);
    });
}

#[test]
fn shutdown_with_a_limit_does_not_wait_for_a_closure_that_never_ends() {
    fn shut_down(end: impl Fn(Runtime) + Clone + Send + 'static) {
        on_each(move |runtime| {
            let (begin, begun) = channel();
            runtime.spawn_blocking(move || {
                begin.send(()).unwrap();
                Handle::current().block_on(pending::<()>());
            });
            begun.recv_timeout(PATIENCE).expect("the closure is run");
            end(runtime);
        });
    }
    shut_down(Runtime::shutdown_background);
    shut_down(|runtime| runtime.shutdown_timeout(Duration::from_millis(20)));
}

#[test]
fn closures_after_the_end_are_dropped() {
    on_each(|runtime| {
        let handle = runtime.handle().clone();
        drop(runtime);
        let dropped = Counter::default();
        let guard = dropped.count_drop();
        let late = handle.spawn_blocking(move || drop(guard));
        assert!(late.is_finished());
        assert_eq!(dropped.get(), 1);
        assert!(futures::executor::block_on(late).unwrap_err().is_shutdown());
    });
}

/// Destructors of tasks and of closures that never ran, which use the pool that ends.
#[test]
fn destructors_may_spawn_closures_at_the_end() {
    on_each(|runtime| {
        let handle = runtime.handle().clone();
        let spawn = move || drop(handle.spawn_blocking(|| ()));
        let in_task = on_drop(spawn.clone());
        runtime.spawn(async move {
            let _in_task = in_task;
            pending::<()>().await;
        });
        let in_closure = on_drop(spawn);
        runtime.spawn_blocking(move || drop(in_closure));
    });
}

#[test]
fn spawns_against_the_end_are_run_or_dropped() {
    on_each(|runtime| {
        let (ran, dropped) = (Counter::default(), Counter::default());
        let handle = runtime.handle().clone();
        let spawning = thread::spawn({
            let (ran, dropped) = (ran.clone(), dropped.clone());
            move || {
                (0..5_000)
                    .map(|_| {
                        let (ran, guard) = (ran.clone(), dropped.count_drop());
                        handle.spawn_blocking(move || {
                            ran.add();
                            drop(guard);
                        })
                    })
                    .collect::<Vec<_>>()
            }
        });
        eventually("some have run", || ran.get() > 0);
        drop(runtime);
        let tasks = spawning.join().unwrap();
        assert_eq!(dropped.get(), tasks.len());
        let results = tasks.into_iter().map(futures::executor::block_on);
        assert_eq!(results.filter(Result::is_ok).count(), ran.get());
    });
}

#[test]
fn a_paused_clock_stands_still_while_a_closure_runs() {
    bounded(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let start = time::Instant::now();
            let (release, released): (Sender<()>, Receiver<()>) = channel();
            let closure = spawn_blocking(move || released.recv().unwrap());
            let impatient = time::timeout(Duration::from_secs(1), async {
                // The other thread makes progress while this one has nothing to do but to wait for it.
                thread::spawn(move || release.send(()).unwrap());
                closure.await.unwrap();
            });
            impatient.await.expect("the clock stands still");
            assert_eq!(start.elapsed(), Duration::ZERO);
            time::sleep(Duration::from_secs(3600)).await;
            assert!(start.elapsed() >= Duration::from_secs(3600));
        });
    });
}

/// Nobody waits for the closure; its end alone must set the clock going.
#[test]
fn a_paused_clock_goes_on_after_a_detached_closure() {
    bounded(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (release, released) = channel::<()>();
            drop(spawn_blocking(move || released.recv().unwrap()));
            let sleep = sprang::spawn(time::sleep(Duration::from_secs(3600)));
            task::yield_now().await;
            thread::spawn(move || release.send(()).unwrap());
            sleep.await.unwrap();
        });
    });
}

#[test]
#[should_panic(expected = "Max blocking threads cannot be set to 0")]
fn a_pool_without_threads_is_refused() {
    Builder::new_current_thread().max_blocking_threads(0);
}

#[test]
fn outside_of_a_runtime_it_panics_where_it_is_called() {
    let panic = catch_unwind(|| spawn_blocking(|| ())).unwrap_err();
    assert!(panic_message(&*panic).contains("must be called from the context of"));
}

/// A limit on memory lets the OS refuse the thread's stack.
#[test]
fn a_thread_that_the_os_refuses_is_an_error() {
    if !is_child() {
        let output = child("a_thread_that_the_os_refuses_is_an_error", "-v 2000000")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let runtime = Builder::new_current_thread()
        .thread_stack_size(1 << 40)
        .build()
        .unwrap();
    let dropped = Counter::default();
    let guard = dropped.count_drop();
    let task = runtime.spawn_blocking(move || drop(guard));
    assert!(task.is_finished(), "the error comes at once");
    assert_eq!(dropped.get(), 1);
    let error = runtime.block_on(task).unwrap_err();
    assert!(panic_message(&*error.into_panic()).starts_with("OS can't spawn worker thread: "));
}

/// The first closure has a thread; the second gets none of its own, and waits for that one.
#[test]
fn a_closure_waits_for_a_thread_where_the_os_refuses_another() {
    const TEST: &str = "a_closure_waits_for_a_thread_where_the_os_refuses_another";
    if !is_child() {
        let output = child(TEST, "-v 4000000").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    // Of these stacks the limit has room for one.
    let runtime = Builder::new_current_thread()
        .thread_stack_size(5 << 29)
        .build()
        .unwrap();
    let (release, first) = occupy(&runtime);
    let second = runtime.spawn_blocking(|| 2);
    assert!(!second.is_finished());
    release.send(()).unwrap();
    runtime.block_on(async {
        first.await.unwrap();
        assert_eq!(second.await.unwrap(), 2);
    });
}
