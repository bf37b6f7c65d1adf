//! `task_local!`: where a value can be seen, and what becomes of it.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use sprang::sync::oneshot;
use sprang::task::{LocalKey, yield_now};
use sprang_tests::{bounded, current_thread, multi_thread, on_drop, panic_message};

sprang::task_local! {
    static NUMBER: u32;
    /// Two in one invocation, with a doc comment and a visibility.
    pub(crate) static SHARED: RefCell<Vec<u32>>
}

sprang::task_local! {}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_value_is_seen_inside_of_its_scope_only() {
    bounded(|| {
        multi_thread(2).block_on(async {
            assert!(NUMBER.try_get().is_err());
            let task = sprang::spawn(NUMBER.scope(1, async {
                let mut seen = Vec::new();
                for _ in 0..100 {
                    yield_now().await;
                    seen.push(NUMBER.get());
                }
                let spawned = sprang::spawn(async { NUMBER.try_get() }).await.unwrap();
                assert!(spawned.is_err(), "a spawned task is not inside of the scope");
                seen
            }));
            assert_eq!(task.await.unwrap(), [1; 100]);
            assert!(NUMBER.try_get().is_err());
        });
    });
}

#[test]
fn scopes_nest_and_tasks_do_not_mix() {
    bounded(|| {
        current_thread().block_on(async {
            let tasks: Vec<_> = (0..10)
                .map(|i| {
                    sprang::spawn(NUMBER.scope(i, async move {
                        yield_now().await;
                        NUMBER.scope(i + 100, yield_now()).await;
                        assert_eq!(NUMBER.sync_scope(i + 200, || NUMBER.get()), i + 200);
                        assert_eq!(NUMBER.get(), i);
                    }))
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn the_value_can_be_changed_inside_and_taken_afterwards() {
    let mut scope = pin!(SHARED.scope(RefCell::default(), async {
        SHARED.with(|shared| shared.borrow_mut().push(1));
        yield_now().await;
        SHARED.with(|shared| shared.borrow_mut().push(2));
    }));
    assert!(poll(scope.as_mut()).is_pending());
    assert!(SHARED.try_with(|_| ()).is_err(), "the value stayed on the thread");
    assert!(poll(scope.as_mut()).is_ready());
    assert_eq!(scope.as_mut().take_value().unwrap().into_inner(), [1, 2]);
    assert!(scope.as_mut().take_value().is_none());
    let panic = catch_unwind(AssertUnwindSafe(|| poll(scope)));
    assert_eq!(
        panic_message(&*panic.unwrap_err()),
        "`TaskLocalFuture` polled after completion"
    );
}

#[test]
fn a_scope_whose_value_was_taken_hides_the_outer_one() {
    NUMBER.sync_scope(1, || {
        let mut scope = pin!(NUMBER.scope(2, async { NUMBER.try_get() }));
        assert_eq!(scope.as_mut().take_value(), Some(2));
        let Poll::Ready(seen) = poll(scope) else {
            panic!("it waits for nothing")
        };
        assert!(seen.is_err());
        assert_eq!(NUMBER.get(), 1);
    });
}

#[test]
fn destructors_see_the_value_after_the_end_and_on_cancellation() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = || {
        let seen = Rc::clone(&seen);
        on_drop(move || seen.borrow_mut().push(NUMBER.try_get().ok()))
    };
    let held = note();
    assert!(poll(pin!(NUMBER.scope(1, async { drop(held) }))).is_ready());
    let held = note();
    let cancelled = NUMBER.scope(2, async move {
        let _held = held;
        pending::<()>().await
    });
    drop(cancelled);
    let held = note();
    let mut polled = Box::pin(NUMBER.scope(3, async move {
        let _held = held;
        pending::<()>().await
    }));
    assert!(poll(polled.as_mut()).is_pending());
    drop(polled);
    // What the future itself holds goes when it is ready, not when the scope is dropped.
    let held = note();
    let mut done = Box::pin(NUMBER.scope(
        4,
        poll_fn(move |_| {
            let _ = &held;
            Poll::Ready(())
        }),
    ));
    assert!(poll(done.as_mut()).is_ready());
    assert_eq!(*seen.borrow(), [Some(1), Some(2), Some(3), Some(4)]);
}

#[test]
fn a_panic_in_a_scope_puts_the_outer_value_back() {
    NUMBER.sync_scope(1, || {
        let panic = catch_unwind(|| NUMBER.sync_scope(2, || panic!("inside")));
        assert!(panic.is_err());
        assert_eq!(NUMBER.get(), 1);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            poll(pin!(NUMBER.scope(3, async { panic!("inside") })))
        }));
        assert!(panic.is_err());
        assert_eq!(NUMBER.get(), 1);
    });
}

#[test]
fn misuse_panics_in_the_caller() {
    let panic = catch_unwind(|| NUMBER.get()).unwrap_err();
    assert_eq!(
        panic_message(&*panic),
        "cannot access a task-local storage value without setting it first"
    );
    let error = NUMBER.try_with(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "task-local value not set");
    let panic = NUMBER.sync_scope(1, || {
        catch_unwind(|| NUMBER.with(|_| NUMBER.sync_scope(2, || ()))).unwrap_err()
    });
    assert_eq!(
        panic_message(&*panic),
        "cannot enter a task-local scope while the task-local storage is borrowed"
    );
}

#[test]
fn a_scope_of_a_value_that_is_not_send_works_on_one_thread() {
    sprang::task_local! {
        static CELL: Rc<Cell<u32>>;
    }
    let cell = Rc::new(Cell::new(0));
    current_thread().block_on(CELL.scope(Rc::clone(&cell), async {
        let (message, waiting) = oneshot::channel();
        message.send(1).unwrap();
        let number = waiting.await.unwrap();
        CELL.with(|cell| cell.set(number));
    }));
    assert_eq!((cell.get(), Rc::strong_count(&cell)), (1, 1));
}

#[test]
fn keys_are_shared_between_threads() {
    fn is_sync<T: Sync + Send>(_: &T) {}
    let key: &'static LocalKey<u32> = &NUMBER;
    is_sync(key);
    is_sync(&NUMBER.scope(1, ready(())));
}
