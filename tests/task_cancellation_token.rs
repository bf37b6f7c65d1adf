//! `CancellationToken`: who is cancelled by whom, and what the tree costs.

use std::future::pending;

use sprang::task::CancellationToken;
use sprang_tests::{Counter, bounded, on_each};

#[test]
fn a_cancellation_reaches_all_descendants_and_nobody_else() {
    let root = CancellationToken::new();
    let (left, right) = (root.child_token(), root.child_token());
    let below = left.child_token();
    left.cancel();
    assert!(left.is_cancelled() && below.is_cancelled());
    assert!(!root.is_cancelled() && !right.is_cancelled());
    root.cancel();
    assert!(right.is_cancelled() && root.child_token().is_cancelled());
}

#[test]
fn a_grandchild_is_cancelled_though_its_parent_is_gone() {
    let root = CancellationToken::new();
    let leaf = root.child_token().child_token();
    root.cancel();
    assert!(leaf.is_cancelled());
}

#[test]
fn chains_of_any_length_are_cancelled_and_dropped() {
    const LENGTH: usize = 200_000;
    bounded(|| {
        for cancelled in [true, false] {
            let mut chain = vec![CancellationToken::new()];
            for i in 0..LENGTH {
                chain.push(chain[i].child_token());
            }
            if cancelled {
                chain[0].cancel();
                assert!(chain[LENGTH].is_cancelled());
            }
            drop(chain);
        }
    });
}

#[test]
fn all_tasks_that_wait_are_woken_and_what_they_ran_is_dropped() {
    on_each(|runtime| {
        runtime.block_on(async {
            let root = CancellationToken::new();
            let drops = Counter::default();
            let tasks: Vec<_> = (0..100)
                .map(|_| {
                    let (token, counted) = (root.child_token(), drops.count_drop());
                    sprang::spawn(token.run_until_cancelled_owned(async move {
                        let _counted = counted;
                        pending::<()>().await;
                    }))
                })
                .collect();
            sprang::task::yield_now().await;
            root.cancel();
            for task in tasks {
                assert_eq!(task.await.unwrap(), None);
            }
            assert_eq!(drops.get(), 100);
        });
    });
}

#[test]
fn a_future_that_is_ready_at_the_same_time_counts() {
    on_each(|runtime| {
        runtime.block_on(async {
            let token = CancellationToken::new();
            let other = token.clone();
            assert_eq!(token.run_until_cancelled(async move { other.cancel() }).await, Some(()));
            assert_eq!(token.run_until_cancelled(async { unreachable!() }).await, None::<()>);
        });
    });
}

#[test]
fn a_guard_cancels_unless_it_is_disarmed() {
    let token = CancellationToken::new();
    assert_eq!(token.clone().drop_guard().disarm(), token);
    assert_eq!(token.drop_guard_ref().disarm(), &token);
    assert!(!token.is_cancelled());
    drop(token.drop_guard_ref());
    assert!(token.is_cancelled());
}
