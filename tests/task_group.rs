//! `TaskGroup`: limits, results, failures and ends.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;

use futures::{FutureExt, Stream, StreamExt};
use sprang::runtime::Builder;
use sprang::task::{Spawner, TaskGroup, yield_now};
use sprang_tests::{Counter, PATIENCE, bounded, current_thread, on_drop, on_each, panic_message};

#[test]
fn the_limit_is_reached_and_never_exceeded() {
    const LIMIT: usize = 3;
    on_each(|runtime| {
        runtime.block_on(async {
            let mut group = TaskGroup::new().limit(LIMIT);
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            for _ in 0..200 {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                group.spawn(async move {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    let _running = on_drop(|| {
                        running.fetch_sub(1, SeqCst);
                    });
                    // Until there are as many as there may be.
                    while most.load(SeqCst) < LIMIT {
                        yield_now().await;
                    }
                    yield_now().await;
                });
            }
            assert_eq!(group.join().await.len(), 200);
            assert_eq!(most.load(SeqCst), LIMIT);
        });
    });
}

#[test]
fn a_group_of_nothing_is_through_at_once() {
    assert!(TaskGroup::<u8>::new().next().now_or_never().unwrap().is_none());
    assert!(TaskGroup::<u8>::new().join().now_or_never().unwrap().is_empty());
    assert_eq!(
        TaskGroup::<Result<u8, u8>>::new().try_join().now_or_never(),
        Some(Ok(vec![]))
    );
}

fn tree(spawner: Spawner<usize>, depth: usize) -> futures::future::BoxFuture<'static, usize> {
    async move {
        for _ in 0..2 * usize::from(depth > 0) {
            spawner.spawn(tree(spawner.clone(), depth - 1)).unwrap();
        }
        1
    }
    .boxed()
}

#[test]
fn tasks_spawn_tasks_and_all_are_waited_for() {
    on_each(|runtime| {
        runtime.block_on(async {
            let mut group = TaskGroup::new().limit(2);
            group.spawn(tree(group.spawner(), 9));
            let results = group.join().await;
            assert_eq!(results.into_iter().map(Result::unwrap).sum::<usize>(), 1_023);
        });
    });
}

#[test]
fn a_panic_is_a_result_and_the_others_go_on() {
    on_each(|runtime| {
        runtime.block_on(async {
            let mut group = TaskGroup::new().limit(1);
            group.spawn(async { panic!("on purpose") });
            group.spawn(async { 1 });
            let results = group.join().await;
            assert_eq!(results.iter().filter(|result| matches!(result, Ok(1))).count(), 1);
            let panics = results.iter().flat_map(|result| result.as_ref().err());
            assert_eq!(panics.filter(|error| error.is_panic()).count(), 1);
        });
    });
}

#[test]
fn the_first_error_ends_the_others_before_it_is_given() {
    on_each(|runtime| {
        runtime.block_on(async {
            let drops = Counter::default();
            let mut group = TaskGroup::new();
            for _ in 0..10 {
                let counted = drops.count_drop();
                group.spawn(async move {
                    let _counted = counted;
                    pending().await
                });
            }
            group.spawn(async { Err::<u8, _>("failed") });
            assert_eq!(group.try_join().await, Err("failed"));
            assert_eq!(drops.get(), 10);
        });
    });
}

#[test]
fn a_spawner_of_a_group_that_is_gone_gives_an_error() {
    bounded(|| {
        current_thread().block_on(async {
            let drops = Counter::default();
            let mut group = TaskGroup::new();
            let counted = drops.count_drop();
            let spawner = group.spawner();
            let inner = spawner.spawn(async move {
                let _counted = counted;
                pending().await
            });
            let outer = group.spawn(pending());
            assert!(inner.is_ok() && !outer.is_finished());
            drop(group);
            while drops.get() == 0 || !outer.is_finished() {
                yield_now().await;
            }
            assert!(spawner.spawn(async {}).is_err());
        });
    });
}

#[test]
fn a_task_that_waits_for_its_turn_can_be_aborted() {
    on_each(|runtime| {
        runtime.block_on(async {
            let mut group = TaskGroup::new().limit(1);
            let first = group.spawn(pending());
            let waiting = group.spawn(pending());
            yield_now().await;
            waiting.abort();
            assert!(group.next().await.unwrap().unwrap_err().is_cancelled());
            group.spawn(async {});
            first.abort();
            let (one, other) = (group.next().await.unwrap(), group.next().await.unwrap());
            assert!(one.is_ok() != other.is_ok(), "the permit went on");
        });
    });
}

#[test]
fn the_first_panic_goes_on_when_the_others_have_ended() {
    on_each(|runtime| {
        let drops = Counter::default();
        let mut group = TaskGroup::new();
        let counted = drops.count_drop();
        let joined = runtime.block_on(async {
            group.spawn(async move {
                let _counted = counted;
                pending::<Result<(), ()>>().await
            });
            group.spawn(async { panic!("on purpose") });
            AssertUnwindSafe(group.try_join()).catch_unwind().await
        });
        assert_eq!(panic_message(&*joined.unwrap_err()), "on purpose");
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_join_that_is_dropped_ends_the_tasks() {
    on_each(|runtime| {
        runtime.block_on(async {
            let mut group = TaskGroup::new();
            let (task, spawner) = (group.spawn(pending::<()>()), group.spawner());
            assert!(group.join().now_or_never().is_none());
            assert!(spawner.spawn(pending()).is_err());
            while !task.is_finished() {
                yield_now().await;
            }
        });
    });
}

#[test]
fn a_closed_group_takes_nothing_from_spawners_and_goes_on() {
    on_each(|runtime| {
        runtime.block_on(async {
            let mut group = TaskGroup::new();
            let spawner = group.spawner();
            spawner.spawn(async { 1 }).unwrap();
            group.close();
            assert_eq!(
                spawner.spawn(async { 2 }).unwrap_err().to_string(),
                "the task group is closed"
            );
            group.spawn(async { 3 });
            assert_eq!(group.len(), 2);
            let results = group.join().await.into_iter().map(Result::unwrap);
            assert_eq!(results.sum::<i32>(), 4);
        });
    });
}

#[test]
fn a_shutdown_ends_all_tasks_and_the_group_can_be_used_again() {
    on_each(|runtime| {
        runtime.block_on(async {
            let drops = Counter::default();
            let mut group = TaskGroup::new().limit(2);
            let spawner = group.spawner();
            for _ in 0..10 {
                let counted = drops.count_drop();
                spawner
                    .spawn(async move {
                        let _counted = counted;
                        pending().await
                    })
                    .unwrap();
            }
            assert_eq!(group.len(), 10);
            group.shutdown().await;
            assert_eq!(drops.get(), 10);
            assert!(group.is_empty() && spawner.spawn(async {}).is_err());
            group.spawn(async {});
            assert!(group.next().await.unwrap().is_ok());
        });
    });
}

#[test]
fn a_shutdown_waits_for_a_task_that_is_being_spawned() {
    bounded(|| {
        let (begun, beginning) = sync_channel(0);
        let (go_on, going_on) = sync_channel(0);
        let going_on = Mutex::new(going_on);
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).on_task_spawn(move |_| {
            begun.send(()).unwrap();
            going_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        });
        let runtime = builder.build().unwrap();
        let mut group = TaskGroup::<()>::new();
        let (spawner, handle) = (group.spawner(), runtime.handle().clone());
        let spawning = thread::spawn(move || {
            let _context = handle.enter();
            spawner.spawn(pending()).unwrap()
        });
        beginning.recv_timeout(PATIENCE).unwrap();
        assert!(!group.is_empty());
        let mut shutdown = Box::pin(group.shutdown());
        assert!(shutdown.as_mut().now_or_never().is_none());
        go_on.send(()).unwrap();
        runtime.block_on(shutdown);
        assert!(spawning.join().unwrap().is_finished());
    });
}

#[test]
fn a_spawn_that_panics_leaves_nothing_in_the_group() {
    let mut group = TaskGroup::new();
    let spawner = group.spawner();
    // Outside of a runtime.
    assert!(catch_unwind(AssertUnwindSafe(|| spawner.spawn(async {}))).is_err());
    assert!(group.next().now_or_never().unwrap().is_none());
}

/// A waker that uses a spawner when it is dropped.
struct Spawning(Spawner<()>);

impl Wake for Spawning {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Spawning {
    fn drop(&mut self) {
        self.0.spawn(async {}).unwrap();
    }
}

#[test]
fn a_waker_may_spawn_while_it_is_dropped() {
    bounded(|| {
        current_thread().block_on(async {
            let mut group = TaskGroup::new();
            group.spawn(pending());
            let waker = Waker::from(Arc::new(Spawning(group.spawner())));
            assert!(group.poll_next(&mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            let mut next = pin!(group.next());
            while next.as_mut().now_or_never().is_none() {
                yield_now().await;
            }
        });
    });
}

#[test]
fn a_group_is_a_stream_of_its_results() {
    on_each(|runtime| {
        runtime.block_on(async {
            let mut group = TaskGroup::new();
            group.spawn(tree(group.spawner(), 2));
            assert_eq!(Stream::size_hint(&group), (group.len(), None));
            let results: Vec<_> = group.by_ref().map(Result::unwrap).collect().await;
            assert_eq!(results, [1; 7]);
            assert!(group.is_empty());
        });
    });
}
