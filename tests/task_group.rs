//! `TaskGroup`: limits, results, failures and ends.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures::FutureExt;
use sprang::task::{Spawner, TaskGroup, yield_now};
use sprang_tests::{Counter, bounded, current_thread, on_drop, on_each};

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
