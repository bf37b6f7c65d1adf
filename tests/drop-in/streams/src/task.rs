//! tokio-util: groups of tasks.

use std::rc::Rc;
use std::time::Duration;

use support::on_each;
use tokio::sync::oneshot;
use tokio_util::task::{AbortOnDropHandle, JoinMap, LocalPoolHandle, TaskTracker};

#[test]
fn a_tracker_waits_for_all_of_its_tasks() {
    on_each(async || {
        let tracker = TaskTracker::new();
        let tasks: Vec<_> = (0..100u64)
            .map(|number| {
                tracker.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(number % 7)).await;
                    number
                })
            })
            .collect();
        tracker.close();
        tracker.wait().await;
        assert!(tracker.is_empty() && tasks.iter().all(|task| task.is_finished()));
    });
}

#[test]
fn tasks_are_joined_and_aborted_by_their_keys() {
    on_each(async || {
        let mut map = JoinMap::new();
        map.spawn("ends", async { 1 });
        map.spawn("waits", std::future::pending());
        let (key, result) = map.join_next().await.unwrap();
        assert_eq!((key, result.unwrap()), ("ends", 1));
        assert!(map.abort("waits"));
        let (key, result) = map.join_next().await.unwrap();
        assert!(key == "waits" && result.unwrap_err().is_cancelled());
        assert!(map.join_next().await.is_none());
    });
}

#[test]
fn a_dropped_handle_aborts_its_task() {
    on_each(async || {
        let (dropped, on_drop) = oneshot::channel::<()>();
        let handle = AbortOnDropHandle::new(tokio::spawn(async move {
            let _dropped = dropped;
            std::future::pending::<()>().await;
        }));
        drop(handle);
        assert!(on_drop.await.is_err());
    });
}

#[test]
fn a_pool_of_threads_runs_tasks_that_stay_on_theirs() {
    on_each(async || {
        let pool = LocalPoolHandle::new(2);
        let sums: Vec<_> = (0..10u32)
            .map(|number| {
                pool.spawn_pinned(move || async move {
                    let shared = Rc::new(number);
                    tokio::task::yield_now().await;
                    *shared + *Rc::clone(&shared)
                })
            })
            .collect();
        for (number, sum) in (0..).zip(sums) {
            assert_eq!(sum.await.unwrap(), 2 * number);
        }
    });
}
