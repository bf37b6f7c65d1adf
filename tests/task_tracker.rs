//! `TaskTracker`: when a wait is over, and what counts as a task.

use std::future::pending;

use futures::FutureExt;
use sprang::task::TaskTracker;
use sprang_tests::{bounded, current_thread, on_each};

#[test]
fn a_wait_is_over_when_the_tracker_is_closed_and_empty() {
    let tracker = TaskTracker::new();
    let token = tracker.token();
    assert!(tracker.wait().now_or_never().is_none());
    assert!(tracker.close() && !tracker.close());
    assert!(tracker.wait().now_or_never().is_none());
    drop(token);
    assert!(tracker.wait().now_or_never().is_some());
    assert!(tracker.reopen() && !tracker.reopen());
    assert!(tracker.wait().now_or_never().is_none());
}

#[test]
fn a_wait_that_began_before_is_over_though_the_tracker_goes_on() {
    let tracker = TaskTracker::new();
    let before = tracker.wait();
    tracker.close();
    tracker.reopen();
    let _token = tracker.token();
    assert!(before.now_or_never().is_some());
    assert!(tracker.wait().now_or_never().is_none());
}

#[test]
fn tasks_are_waited_for_however_they_end() {
    on_each(|runtime| {
        runtime.block_on(async {
            let tracker = TaskTracker::new();
            let aborted = tracker.spawn(pending::<()>());
            let panicked = tracker.spawn(async { panic!("on purpose") });
            let blocking = tracker.spawn_blocking(|| 7);
            let tracked = sprang::spawn(tracker.track_future(async { 8 }));
            assert!(!tracker.is_empty());
            aborted.abort();
            tracker.close();
            tracker.wait().await;
            assert!(tracker.is_empty());
            assert!(aborted.await.unwrap_err().is_cancelled());
            assert!(panicked.await.unwrap_err().is_panic());
            assert_eq!((blocking.await.unwrap(), tracked.await.unwrap()), (7, 8));
        });
    });
}

#[test]
fn a_runtime_that_ends_ends_its_tasks() {
    bounded(|| {
        let tracker = TaskTracker::new();
        let runtime = current_thread();
        drop(tracker.spawn_on(pending::<()>(), runtime.handle()));
        assert_eq!(tracker.len(), 1);
        drop(runtime);
        assert!(tracker.is_empty());
    });
}
