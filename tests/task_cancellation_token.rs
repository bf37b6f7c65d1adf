//! `CancellationToken`: who is cancelled by whom, and what the tree costs.

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;

use futures::FutureExt;
use sprang::task::CancellationToken;
use sprang_tests::{Counter, bounded, on_drop, on_each};

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

#[test]
fn a_hundred_thousand_children_that_wait_are_woken_by_one_call() {
    const CHILDREN: usize = 100_000;
    bounded(|| {
        let root = CancellationToken::new();
        let wakes = Counter::default();
        let waker = Waker::from(Arc::new(Waking(wakes.clone())));
        let mut waits: Vec<_> = (0..CHILDREN)
            .map(|_| Box::pin(root.child_token().cancelled_owned()))
            .collect();
        for wait in &mut waits {
            assert!(wait.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        }
        root.cancel();
        assert_eq!(wakes.get(), CHILDREN);
        assert!(waits.into_iter().all(|wait| wait.now_or_never().is_some()));
    });
}

struct Waking(Counter);

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.0.add();
    }
}

#[test]
fn what_is_cancelled_is_dropped_before_the_answer() {
    let token = CancellationToken::new();
    let drops = Counter::default();
    let counted = drops.count_drop();
    let mut run = pin!(token.run_until_cancelled(async move {
        let _counted = counted;
        pending::<()>().await;
    }));
    assert!(run.as_mut().now_or_never().is_none());
    token.cancel();
    assert_eq!(run.as_mut().now_or_never(), Some(None));
    assert_eq!(drops.get(), 1);
}

/// A waker that does something when it is dropped.
struct DropsWith(#[expect(dead_code, reason = "its destructor is what matters")] Box<dyn std::any::Any + Send + Sync>);

impl Wake for DropsWith {
    fn wake(self: Arc<Self>) {}
}

/// Polls a wait with a waker that uses the whole tree when it is dropped, does `next`, and polls with another waker.
fn drop_a_waker(next: impl FnOnce(&CancellationToken)) {
    let root = CancellationToken::new();
    let child = root.child_token();
    let used = Mutex::new(Some((root.clone(), child.clone())));
    let action = on_drop(move || {
        let (root, child) = used.lock().unwrap().take().unwrap();
        drop((root.child_token(), child.child_token()));
        root.cancel();
    });
    let waker = Waker::from(Arc::new(DropsWith(Box::new(action))));
    let mut cancelled = pin!(child.cancelled());
    assert!(cancelled.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert!(!root.is_cancelled());
    next(&child);
    _ = cancelled.poll_unpin(&mut Context::from_waker(Waker::noop()));
    assert!(root.is_cancelled());
}

#[test]
fn a_waker_may_use_the_tree_while_it_is_dropped() {
    bounded(|| {
        drop_a_waker(|_| {});
        drop_a_waker(CancellationToken::cancel);
    });
}

#[test]
fn tokens_may_be_made_and_dropped_while_the_root_is_cancelled() {
    bounded(|| {
        for round in 0..300 {
            let root = CancellationToken::new();
            let upper = [root.child_token(), root.child_token()];
            let lower = [0, 0, 1, 1].map(|i: usize| upper[i].child_token());
            let kept = thread::scope(|threads| {
                let busy = lower.map(|token| {
                    threads.spawn(move || {
                        let mut token = token;
                        for _ in 0..round % 7 {
                            let siblings = [token.child_token(), token.child_token()];
                            assert!(!token.is_cancelled() || siblings[1].is_cancelled());
                            // The parent goes, its children move up.
                            [token, _] = siblings;
                        }
                        token
                    })
                });
                let cancelling = threads.spawn(|| root.cancel());
                for token in upper {
                    drop(token);
                }
                cancelling.join().unwrap();
                busy.map(|thread| thread.join().unwrap())
            });
            assert!(kept.iter().all(CancellationToken::is_cancelled));
        }
    });
}
