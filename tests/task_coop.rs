//! The cooperative budget, as users see it: what spends it, what it stops, and what turns it off.

use std::cell::Cell;
use std::future::{Future, poll_fn, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use sprang::sync::mpsc;
use sprang::task::{block_in_place, coop, spawn_local, yield_now};
use sprang_tests::{bounded, current_thread, multi_thread};

/// Counts how often `f`'s future completes in the first poll of a task.
fn in_one_poll<F>(f: impl Fn() -> F + Send + 'static) -> usize
where
    F: Future + Send + 'static,
{
    bounded(move || {
        current_thread().block_on(async {
            let count = Arc::new(AtomicUsize::new(0));
            let inner = Arc::clone(&count);
            let task = sprang::spawn(async move {
                for _ in 0..1_000 {
                    f().await;
                    inner.fetch_add(1, Relaxed);
                }
            });
            yield_now().await;
            let first = count.load(Relaxed);
            task.await.unwrap();
            assert_eq!(count.load(Relaxed), 1_000);
            first
        })
    })
}

#[test]
fn consume_budget_yields_every_128_operations() {
    assert_eq!(in_one_poll(coop::consume_budget), 128);
}

#[test]
fn a_cooperative_future_yields_every_128_operations() {
    assert_eq!(in_one_poll(|| coop::cooperative(ready(()))), 128);
}

#[test]
fn an_unconstrained_future_never_yields_for_the_budget() {
    assert_eq!(in_one_poll(|| coop::unconstrained(coop::consume_budget())), 1_000);
    assert_eq!(in_one_poll(|| coop::unconstrained(coop::cooperative(ready(())))), 1_000);
}

#[test]
fn a_future_that_is_none_of_ours_spends_nothing() {
    assert_eq!(in_one_poll(|| ready(())), 1_000);
}

#[test]
fn a_pending_cooperative_future_gives_its_unit_back() {
    bounded(|| {
        current_thread().block_on(async {
            let mut polls = 0;
            coop::cooperative(poll_fn(|cx| {
                polls += 1;
                assert!(coop::has_budget_remaining());
                if polls == 1_000 {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }))
            .await;
            // In one poll of the task: all of these give back what they took.
            poll_fn(|cx| {
                for _ in 0..1_000 {
                    assert!(coop::poll_proceed(cx).is_ready());
                }
                Poll::Ready(())
            })
            .await;
        });
    });
}

#[test]
fn the_budget_is_back_after_an_unconstrained_future() {
    bounded(|| {
        current_thread().block_on(async {
            poll_fn(|cx| {
                while let Poll::Ready(unit) = coop::poll_proceed(cx) {
                    unit.made_progress();
                }
                assert!(!coop::has_budget_remaining());
                let mut inner = std::pin::pin!(coop::unconstrained(async { coop::has_budget_remaining() }));
                assert_eq!(inner.as_mut().poll(cx), Poll::Ready(true));
                assert!(!coop::has_budget_remaining());
                Poll::Ready(())
            })
            .await;
        });
    });
}

#[test]
fn outside_of_a_runtime_there_is_no_budget() {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..1_000 {
        let Poll::Ready(unit) = coop::poll_proceed(&mut cx) else {
            panic!("there is a budget")
        };
        unit.made_progress();
    }
    assert!(coop::has_budget_remaining());
}

/// A receiver that is always ready, in a task of a local set: the others have their turn.
#[test]
fn local_tasks_have_a_budget_each() {
    bounded(|| {
        let runtime = multi_thread(1);
        let local = sprang::task::LocalSet::new();
        local.block_on(&runtime, async {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            let received = Rc::new(Cell::new(0));
            let inner = Rc::clone(&received);
            (0..10_000).for_each(|i| sender.send(i).unwrap());
            spawn_local(async move {
                while receiver.recv().await.is_some() {
                    inner.set(inner.get() + 1);
                }
            });
            let at_first_turn = spawn_local(async move { received.get() });
            assert!(at_first_turn.await.unwrap() <= 128);
        });
    });
}

/// The future of `block_on` on a multi-thread runtime runs on no worker, and has a budget all the same.
#[test]
fn block_in_place_has_no_budget_on_any_thread() {
    /// Operations until there is no budget, or many.
    fn operations() -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut proceed = || match coop::poll_proceed(&mut cx) {
            Poll::Ready(unit) => unit.made_progress(),
            Poll::Pending => {}
        };
        (0..1000)
            .map(|_| proceed())
            .take_while(|()| coop::has_budget_remaining())
            .count()
    }

    let runtime = multi_thread(1);
    runtime.block_on(async {
        assert_eq!(block_in_place(operations), 1000);
        assert!(operations() < 1000);
    });
    let task = runtime.spawn(async { block_in_place(operations) });
    assert_eq!(runtime.block_on(task).unwrap(), 1000);
}
