//! `JoinSet`: what comes out of it and when, on both flavours of runtime.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sprang::runtime::LocalRuntime;
use sprang::sync::oneshot;
use sprang::task::{self, JoinSet, LocalSet, coop, yield_now};
use sprang::time::{Instant, sleep};
use sprang_tests::{Counter, bounded, current_thread, multi_thread, panic_message};

#[test]
fn outputs_come_in_the_order_in_which_the_tasks_finish() {
    bounded(|| {
        current_thread().block_on(async {
            sprang::time::pause();
            let mut set = JoinSet::new();
            for i in [3, 1, 2] {
                set.spawn(async move {
                    sleep(Duration::from_secs(i)).await;
                    i
                });
            }
            assert_eq!(set.len(), 3);
            for i in 1..=3 {
                assert_eq!(set.join_next().await.unwrap().unwrap(), i);
            }
            assert!(set.is_empty());
            assert!(set.join_next().await.is_none());
        });
    });
}

#[test]
fn every_output_comes_once_while_more_is_spawned() {
    bounded(|| {
        for runtime in [current_thread(), multi_thread(4)] {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                let mut seen = vec![0; 10_000];
                for i in 0..100 {
                    set.spawn(async move { i });
                }
                let mut spawned = 100;
                while let Some(output) = set.join_next().await {
                    seen[output.unwrap()] += 1;
                    for _ in 0..2 {
                        if spawned < seen.len() {
                            let i = spawned;
                            set.spawn(async move {
                                if i % 3 == 0 {
                                    yield_now().await;
                                }
                                i
                            });
                            spawned += 1;
                        }
                    }
                }
                assert!(seen.iter().all(|times| *times == 1));
            });
        }
    });
}

#[test]
fn ids_tell_the_tasks_apart_also_when_they_fail() {
    bounded(|| {
        current_thread().block_on(async {
            let mut set = JoinSet::new();
            let ready = set.spawn(async { 1 });
            let aborted = set.spawn(pending());
            let panicking = set.spawn(async { panic!("in a set") });
            aborted.abort();
            let mut failed = Vec::new();
            while let Some(next) = set.join_next_with_id().await {
                match next {
                    Ok(next) => assert_eq!(next, (ready.id(), 1)),
                    Err(error) => failed.push((error.id(), error.is_panic())),
                }
            }
            failed.sort();
            let mut expected = [(aborted.id(), false), (panicking.id(), true)];
            expected.sort();
            assert_eq!(failed, expected);
            assert!(set.try_join_next_with_id().is_none());
        });
    });
}

#[test]
fn try_join_next_takes_what_has_finished_and_nothing_else() {
    bounded(|| {
        current_thread().block_on(async {
            let mut set = JoinSet::new();
            let (message, waiting) = oneshot::channel::<u32>();
            set.spawn(async { waiting.await.unwrap() });
            set.spawn(async { 1 });
            assert!(set.try_join_next().is_none(), "nothing has run yet");
            yield_now().await;
            assert_eq!(set.try_join_next().unwrap().unwrap(), 1);
            assert!(set.try_join_next().is_none());
            message.send(2).unwrap();
            yield_now().await;
            assert_eq!(set.try_join_next().unwrap().unwrap(), 2);
            assert!(set.is_empty());
        });
    });
}

#[test]
fn dropping_the_set_drops_its_tasks() {
    bounded(|| {
        for runtime in [current_thread(), multi_thread(2)] {
            let drops = Counter::default();
            runtime.block_on(async {
                let mut set = JoinSet::new();
                let mut ends = Vec::new();
                for _ in 0..10 {
                    let counted = drops.count_drop();
                    let (end, ended) = oneshot::channel::<()>();
                    ends.push(ended);
                    set.spawn(async move {
                        let _held = (counted, end);
                        pending::<()>().await;
                    });
                }
                yield_now().await;
                drop(set);
                for end in ends {
                    assert!(end.await.is_err());
                }
            });
            drop(runtime);
            assert_eq!(drops.get(), 10);
        }
    });
}

#[test]
fn detached_tasks_go_on_and_the_set_starts_anew() {
    bounded(|| {
        multi_thread(2).block_on(async {
            let mut set = JoinSet::new();
            let (go, mut gone) = (Vec::from_iter((0..4).map(|_| oneshot::channel::<()>())), Vec::new());
            let mut senders = Vec::new();
            for (sender, receiver) in go {
                senders.push(sender);
                let (done, is_done) = oneshot::channel();
                gone.push(is_done);
                set.spawn(async move {
                    receiver.await.unwrap();
                    done.send(()).unwrap();
                    0
                });
            }
            set.detach_all();
            assert!(set.is_empty());
            set.spawn(async { 1 });
            senders.into_iter().for_each(|sender| sender.send(()).unwrap());
            assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
            assert!(set.join_next().await.is_none());
            drop(set);
            for is_done in gone {
                is_done.await.unwrap();
            }
        });
    });
}

#[test]
fn shutdown_ends_with_an_empty_set_and_no_task_alive() {
    bounded(|| {
        let drops = Counter::default();
        multi_thread(2).block_on(async {
            let mut set = JoinSet::new();
            for i in 0..10 {
                let counted = drops.count_drop();
                set.spawn(async move {
                    let _counted = counted;
                    assert_ne!(i, 5, "a panic that nobody is told of");
                    pending::<()>().await;
                });
            }
            set.shutdown().await;
            assert!(set.is_empty());
            assert_eq!(drops.get(), 10);
        });
    });
}

#[test]
fn join_all_passes_a_panic_on_and_aborts_the_others() {
    bounded(|| {
        let drops = Counter::default();
        let runtime = current_thread();
        let panic = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                let counted = drops.count_drop();
                set.spawn(async move {
                    let _counted = counted;
                    pending::<()>().await
                });
                set.spawn(async { panic!("of a task") });
                set.join_all().await
            })
        }));
        assert_eq!(panic_message(&*panic.unwrap_err()), "of a task");
        runtime.block_on(yield_now());
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_cancelled_join_next_loses_nothing() {
    bounded(|| {
        current_thread().block_on(async {
            let mut set = JoinSet::new();
            set.spawn(async {
                yield_now().await;
                7
            });
            {
                let mut next = Box::pin(set.join_next());
                assert!(poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await.is_pending());
            }
            yield_now().await;
            yield_now().await;
            assert_eq!(set.len(), 1);
            assert_eq!(set.join_next().await.unwrap().unwrap(), 7);
        });
    });
}

/// The waiter went to sleep before a task was added that is complete already.
#[test]
fn a_task_that_is_complete_when_it_is_added_wakes_the_waiter() {
    bounded(|| {
        let (waiter, other) = (current_thread(), current_thread());
        let mut set = JoinSet::new();
        set.spawn_on(pending::<u32>(), waiter.handle());
        let flag = std::sync::Arc::new(Flag::default());
        let waker = Waker::from(std::sync::Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        assert!(set.poll_join_next(&mut cx).is_pending());
        // An ended runtime cancels at once.
        let handle = other.handle().clone();
        drop(other);
        set.spawn_on(pending(), &handle);
        assert!(flag.0.load(std::sync::atomic::Ordering::SeqCst));
        let Poll::Ready(Some(Err(error))) = set.poll_join_next(&mut cx) else {
            panic!("the cancelled task is not there")
        };
        assert!(error.is_cancelled());
    });
}

#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn joining_spends_the_budget_and_trying_does_not() {
    bounded(|| {
        current_thread().block_on(async {
            let mut set: JoinSet<usize> = (0..1_000).map(|i| async move { i }).collect();
            while set.join_next().await.is_some() {
                if set.len() == 500 {
                    break;
                }
            }
            sprang::spawn(async move {
                poll_fn(|cx| {
                    let mut joined = 0;
                    while let Poll::Ready(next) = set.poll_join_next(cx) {
                        next.unwrap().unwrap();
                        joined += 1;
                    }
                    assert_eq!(joined, 128);
                    assert!(!coop::has_budget_remaining());
                    while let Some(next) = set.try_join_next() {
                        next.unwrap();
                        joined += 1;
                    }
                    assert_eq!(joined, 500);
                    Poll::Ready(())
                })
                .await;
            })
            .await
            .unwrap();
        });
    });
}

#[test]
fn a_set_holds_local_and_blocking_and_named_tasks_together() {
    bounded(|| {
        let local = LocalSet::new();
        let runtime = multi_thread(1);
        let mut outputs = local.block_on(&runtime, async {
            let mut set = JoinSet::new();
            let number = Rc::new(1);
            set.spawn_local({
                let number = Rc::clone(&number);
                async move { *number }
            });
            set.spawn_local_on(async move { *number + 1 }, &local);
            set.spawn_blocking(|| 3);
            set.spawn_blocking_on(|| 4, runtime.handle());
            set.spawn_on(async { 5 }, runtime.handle());
            let name = || task::name().map_or(0, |name| name.parse().unwrap());
            set.build_task().name("6").spawn(async move { name() }).unwrap();
            set.build_task().name("7").spawn_local(async move { name() }).unwrap();
            set.build_task().name("8").spawn_blocking(name).unwrap();
            set.join_all().await
        });
        outputs.sort();
        assert_eq!(outputs, [1, 2, 3, 4, 5, 6, 7, 8]);
    });
}

#[test]
fn spawn_local_finds_the_local_runtime() {
    bounded(|| {
        LocalRuntime::new().unwrap().block_on(async {
            let mut set = JoinSet::new();
            let thread = std::thread::current().id();
            set.spawn_local(async move { std::thread::current().id() == thread });
            assert!(set.join_next().await.unwrap().unwrap());
        });
    });
}

#[test]
fn names_are_forgotten_with_their_tasks() {
    bounded(|| {
        current_thread().block_on(async {
            let dropped = sprang_tests::on_drop(|| assert_eq!(task::name().as_deref(), Some("named")));
            let builder = task::Builder::new().name("named");
            let task = builder
                .spawn(async move {
                    let _dropped = dropped;
                    yield_now().await;
                    task::name()
                })
                .unwrap();
            assert_eq!(task.await.unwrap().as_deref(), Some("named"));
            assert_eq!(task::name(), None);
            let unnamed = task::Builder::new().spawn(async { task::name() }).unwrap();
            assert_eq!(unnamed.await.unwrap(), None);
        });
    });
}

#[test]
fn join_all_waits_for_the_slowest() {
    bounded(|| {
        current_thread().block_on(async {
            sprang::time::pause();
            let start = Instant::now();
            let set: JoinSet<()> = (1..=5).map(|i| sleep(Duration::from_secs(i))).collect();
            assert_eq!(set.join_all().await.len(), 5);
            let elapsed = start.elapsed();
            assert!((5_000..5_010).contains(&elapsed.as_millis()), "{elapsed:?}");
        });
    });
}
