//! The callbacks of a runtime's builder, and the settings that change what it does.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use sprang::runtime::{Builder, Handle, RngSeed, Runtime, TaskMeta, UnhandledPanic};
use sprang::sync::oneshot;
use sprang::task::{Id, yield_now};
use sprang_tests::{bounded, eventually, on_drop, panic_message};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Spawn,
    Before,
    After,
    End,
}
use Event::{After, Before, End, Spawn};

type Log = Arc<Mutex<Vec<(Event, Id, &'static Location<'static>)>>>;

/// Builders of each flavour.
fn builders() -> [Builder; 2] {
    let mut builders = [Builder::new_current_thread(), Builder::new_multi_thread()];
    for builder in &mut builders {
        builder.worker_threads(2).enable_all();
    }
    builders
}

/// Has the runtime log what happens to its tasks.
fn logging(builder: &mut Builder) -> (Runtime, Log) {
    let log = Log::default();
    let writer = |event| {
        let log = Arc::clone(&log);
        move |task: &TaskMeta<'_>| log.lock().unwrap().push((event, task.id(), task.spawned_at()))
    };
    let runtime = builder
        .on_task_spawn(writer(Spawn))
        .on_before_task_poll(writer(Before))
        .on_after_task_poll(writer(After))
        .on_task_terminate(writer(End))
        .build()
        .unwrap();
    (runtime, log)
}

fn events(log: &Log, of: Id) -> Vec<Event> {
    let log = log.lock().unwrap();
    log.iter()
        .filter(|(_, id, _)| *id == of)
        .map(|(event, ..)| *event)
        .collect()
}

#[test]
fn the_turns_of_a_task_s_life_are_called_in_order() {
    for mut builder in builders() {
        let (runtime, log) = logging(&mut builder);
        let (here, task) = (line!(), runtime.spawn(yield_now()));
        let id = task.id();
        runtime.block_on(task).unwrap();
        eventually("all is logged", || {
            events(&log, id) == [Spawn, Before, After, Before, End, After]
        });
        let log = log.lock().unwrap();
        assert!(
            log.iter()
                .all(|(_, other, at)| *other == id && at.line() == here && at.file() == file!())
        );
    }
}

#[test]
fn each_way_to_end_is_called_once() {
    for mut builder in builders() {
        let (runtime, log) = logging(&mut builder);
        let ids = runtime.block_on(async {
            let done = sprang::spawn(async {});
            let panicked = sprang::spawn(async { panic!("on purpose") });
            let aborted = sprang::spawn(std::future::pending::<()>());
            aborted.abort();
            let ids = [done.id(), panicked.id(), aborted.id()];
            done.await.unwrap();
            panicked.await.unwrap_err();
            aborted.await.unwrap_err();
            ids
        });
        // The hook is called before the join handle is ready.
        for id in ids {
            assert_eq!(events(&log, id).iter().filter(|event| **event == End).count(), 1);
        }
        let (polled, is_polled) = oneshot::channel();
        let idle = runtime.spawn(async move {
            polled.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        runtime.block_on(is_polled).unwrap();
        let handle = runtime.handle().clone();
        let queued = runtime.spawn(std::future::pending::<()>());
        drop(runtime);
        let late = handle.spawn(async {});
        for id in [idle.id(), queued.id(), late.id()] {
            assert_eq!(events(&log, id).last(), Some(&End));
        }
        assert_eq!(events(&log, late.id()), [Spawn, End]);
    }
}

#[test]
fn the_end_of_a_task_says_whether_it_panicked() {
    for mut builder in builders() {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&ends);
        let runtime = builder
            .on_task_terminate(move |task| log.lock().unwrap().push((task.id(), task.has_panicked())))
            .on_after_task_poll(|task| assert!(!task.has_panicked()))
            .build()
            .unwrap();
        let guard = on_drop(|| panic!("on purpose"));
        let expected = runtime.block_on(async move {
            let done = sprang::spawn(async {});
            let panicked = sprang::spawn(async { panic!("on purpose") });
            let aborted = sprang::spawn(std::future::pending::<()>());
            aborted.abort();
            let in_destructor = sprang::spawn(async move {
                let _guard = guard;
            });
            let expected = [
                (done.id(), false),
                (panicked.id(), true),
                (aborted.id(), false),
                (in_destructor.id(), true),
            ];
            done.await.unwrap();
            assert!(aborted.await.unwrap_err().is_cancelled());
            assert!(panicked.await.unwrap_err().is_panic());
            assert!(in_destructor.await.unwrap_err().is_panic());
            expected
        });
        let ends = ends.lock().unwrap();
        assert_eq!(ends.len(), expected.len());
        assert!(expected.iter().all(|end| ends.contains(end)), "{ends:?}");
    }
}

#[test]
fn a_hook_that_panics_loses_no_task() {
    for mut builder in builders() {
        let runtime = builder
            .on_task_spawn(|_| panic!("spawn"))
            .on_before_task_poll(|_| panic!("before"))
            .on_after_task_poll(|_| panic!("after"))
            .on_task_terminate(|_| panic!("end"))
            .on_thread_park(|| panic!("park"))
            .on_thread_unpark(|| panic!("unpark"))
            .build()
            .unwrap();
        let metrics = runtime.handle().metrics();
        for number in 0..10 {
            let task = runtime.spawn(async move {
                yield_now().await;
                sprang::spawn(async move { number }).await.unwrap()
            });
            assert_eq!(runtime.block_on(task).unwrap(), number);
        }
        eventually("no task is alive", || metrics.num_alive_tasks() == 0);
    }
}

#[test]
fn parks_and_unparks_come_in_pairs() {
    for mut builder in builders() {
        let (parks, unparks) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (park, unpark) = (Arc::clone(&parks), Arc::clone(&unparks));
        let runtime = builder
            .on_thread_park(move || _ = park.fetch_add(1, SeqCst))
            .on_thread_unpark(move || _ = unpark.fetch_add(1, SeqCst))
            .build()
            .unwrap();
        let task = runtime.spawn(async { sprang::time::sleep(std::time::Duration::from_millis(1)).await });
        runtime.block_on(task).unwrap();
        assert!(parks.load(SeqCst) > 0);
        drop(runtime);
        assert_eq!(parks.load(SeqCst), unparks.load(SeqCst));
    }
}

/// What a hook makes ready at the worst moment, when its thread is on its way to sleep, is run.
#[test]
fn a_task_spawned_or_woken_by_a_park_hook_is_run() {
    for mut builder in builders() {
        let (wake, woken) = oneshot::channel::<()>();
        let (say, said) = oneshot::channel::<()>();
        let senders = Mutex::new(Some((wake, say)));
        let waits = Arc::new(AtomicBool::new(false));
        let is_waiting = Arc::clone(&waits);
        let runtime = builder
            .worker_threads(1)
            .on_thread_park(move || {
                if is_waiting.load(SeqCst)
                    && let Some((wake, say)) = senders.lock().unwrap().take()
                {
                    Handle::current().spawn(async move { say.send(()).unwrap() });
                    wake.send(()).unwrap();
                }
            })
            .build()
            .unwrap();
        let task = runtime.spawn(async move {
            let mut both = pin!(async {
                woken.await.unwrap();
                said.await.unwrap();
            });
            poll_fn(|cx| {
                let polled = both.as_mut().poll(cx);
                // From now on nothing but the hook wakes the thread.
                waits.store(true, SeqCst);
                polled
            })
            .await
        });
        bounded(move || runtime.block_on(task).unwrap());
    }
}

#[test]
fn an_unhandled_panic_ends_the_runtime_that_asks_for_it() {
    let runtime = Builder::new_current_thread()
        .unhandled_panic(UnhandledPanic::ShutdownRuntime)
        .build()
        .unwrap();
    let other = runtime.spawn(std::future::pending::<()>());
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            sprang::spawn(async { panic!("on purpose") });
            std::future::pending::<()>().await;
        })
    }));
    assert!(panic_message(&*ended.unwrap_err()).contains("configured to shut down on unhandled panic"));
    assert!(other.is_finished());
    assert!(runtime.spawn(async {}).is_finished(), "later tasks are cancelled");
    assert_eq!(runtime.handle().metrics().num_alive_tasks(), 0);
}

#[test]
fn an_unhandled_panic_is_the_task_s_own_unless_asked_for() {
    for mut builder in builders() {
        let runtime = builder.unhandled_panic(UnhandledPanic::Ignore).build().unwrap();
        let task = runtime.spawn(async { panic!("on purpose") });
        assert!(runtime.block_on(task).unwrap_err().is_panic());
        assert_eq!(runtime.block_on(async { 42 }), 42);
    }
}

#[test]
#[should_panic(expected = "only supported in current thread runtime")]
fn a_multi_thread_runtime_cannot_end_on_a_panic() {
    Builder::new_multi_thread().unhandled_panic(UnhandledPanic::ShutdownRuntime);
}

#[test]
fn runtimes_have_the_names_they_are_given() {
    for mut builder in builders() {
        assert_eq!(builder.build().unwrap().handle().name(), None);
        assert_eq!(builder.name("mine").build().unwrap().handle().name(), Some("mine"));
    }
}

#[test]
#[should_panic(expected = "runtime name shouldn't be empty")]
fn a_runtime_s_name_is_not_blank() {
    Builder::new_current_thread().name(" ");
}

/// The order in which a task's children run, where there is one worker.
fn order(builder: &mut Builder) -> Vec<usize> {
    let runtime = builder.worker_threads(1).build().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&order);
    runtime.block_on(async {
        sprang::spawn(async move {
            for number in 0..3 {
                let log = Arc::clone(&log);
                sprang::spawn(async move { log.lock().unwrap().push(number) });
            }
        })
        .await
        .unwrap();
        eventually("all have run", || order.lock().unwrap().len() == 3);
    });
    let order = order.lock().unwrap();
    order.clone()
}

#[test]
fn without_the_lifo_slot_tasks_run_in_the_order_in_which_they_became_ready() {
    assert_eq!(order(Builder::new_multi_thread().disable_lifo_slot()), [0, 1, 2]);
}

#[test]
fn a_seed_makes_the_random_choices_of_a_current_thread_runtime_the_same() {
    let choices = |seed: &[u8]| {
        let runtime = Builder::new_current_thread()
            .rng_seed(RngSeed::from_bytes(seed))
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut choices = Vec::new();
            for _ in 0..32 {
                choices.push(sprang::select! {
                    () = async {} => 0,
                    () = async {} => 1,
                });
            }
            choices
        })
    };
    assert_eq!(choices(b"one"), choices(b"one"));
    assert_ne!(choices(b"one"), choices(b"two"));
}
