//! Join handles: the output, the panic, the id, and waiting for them in every way.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, panic_any};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Wake, Waker};

use sprang::sync::oneshot;
use sprang::task::{AbortHandle, Id, JoinError, JoinHandle, yield_now};
use sprang_tests::{Counter, eventually, multi_thread, on_each, panic_message};

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll<F: Future + Unpin>(future: &mut F, count: &Arc<Count>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(count));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn auto_traits_are_those_of_tokio() {
    fn handle<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    fn error<T: Send + Sync + Unpin + std::error::Error + 'static>() {}
    handle::<JoinHandle<()>>();
    // What the output is does not matter for unwinding and pinning.
    handle::<JoinHandle<std::cell::Cell<std::marker::PhantomPinned>>>();
    handle::<AbortHandle>();
    handle::<Id>();
    error::<JoinError>();
    handle::<sprang::runtime::Runtime>();
    handle::<sprang::runtime::Handle>();
}

#[test]
fn a_panic_keeps_its_payload() {
    on_each(|runtime| {
        let (line, task) = (line!(), runtime.spawn(async { panic!("a text") }));
        let task: JoinHandle<()> = task;
        let id = task.id();
        let error = runtime.block_on(task).unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled() && !error.is_shutdown());
        assert_eq!(error.id(), id);
        assert_eq!(error.to_string(), format!("task {id} panicked with message \"a text\""));
        let spawned_at = error.spawned_at();
        assert_eq!((spawned_at.file(), spawned_at.line()), (file!(), line));
        assert_eq!(
            format!("{error:?}"),
            format!("JoinError::Panic(Id({id}), \"a text\", ...)")
        );
        assert_eq!(panic_message(&*error.into_panic()), "a text");

        let task: JoinHandle<()> = runtime.spawn(async {
            yield_now().await;
            panic_any(vec![1, 2, 3])
        });
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(error.to_string(), format!("task {} panicked", error.id()));
        let payload = error.try_into_panic().unwrap();
        assert_eq!(payload.downcast_ref::<Vec<i32>>(), Some(&vec![1, 2, 3]));

        let task: JoinHandle<()> = runtime.spawn(async { panic!("in a {}", "task") });
        let error = io::Error::from(runtime.block_on(task).unwrap_err());
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::Other, "task panicked")
        );
    });
}

#[test]
fn a_cancellation_is_no_panic() {
    on_each(|runtime| {
        let task = runtime.spawn(pending::<()>());
        task.abort();
        let id = task.id();
        let error = runtime.block_on(task).unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic() && !error.is_shutdown());
        assert_eq!(error.to_string(), format!("task {id} was cancelled"));
        assert_eq!(format!("{error:?}"), format!("JoinError::Cancelled(Id({id}))"));
        let error = error.try_into_panic().unwrap_err();
        assert_eq!(io::Error::from(error).to_string(), "task was cancelled");
    });
}

#[test]
fn only_the_last_waker_is_woken() {
    on_each(|runtime| {
        let (message, received) = oneshot::channel::<i32>();
        let mut task = runtime.spawn(received);
        let counts: [Arc<Count>; 3] = Default::default();
        for count in counts.iter().chain(&counts[..2]) {
            assert!(poll(&mut task, count).is_pending());
            assert!(poll(&mut task, count).is_pending());
        }
        message.send(5).unwrap();
        runtime.block_on(async {
            while !task.is_finished() {
                yield_now().await;
            }
        });
        // `is_finished` may be seen just before the wake-up.
        eventually("the wake-up", || counts[1].0.load(SeqCst) == 1);
        assert_eq!([0, 2].map(|other| counts[other].0.load(SeqCst)), [0, 0]);
        assert_eq!(
            poll(&mut task, &counts[0]).map(|result| result.unwrap()),
            Poll::Ready(Ok(5))
        );
    });
}

#[test]
fn a_join_waker_is_let_go_of_with_the_handle() {
    on_each(|runtime| {
        let mut task = runtime.spawn(pending::<()>());
        let (first, second) = (Arc::<Count>::default(), Arc::<Count>::default());
        assert!(poll(&mut task, &first).is_pending());
        assert!(poll(&mut task, &second).is_pending());
        assert_eq!(Arc::strong_count(&first), 1, "the replaced waker is kept");
        drop(task);
        assert_eq!(Arc::strong_count(&second), 1, "the waker of a dropped handle is kept");
    });
}

#[test]
fn a_handle_that_gave_its_output_panics() {
    on_each(|runtime| {
        let mut task = runtime.spawn(async { 1 });
        assert_eq!(runtime.block_on(&mut task).unwrap(), 1);
        assert!(task.is_finished());
        let again = catch_unwind(AssertUnwindSafe(|| runtime.block_on(&mut task)));
        let panic = again.expect_err("it gives its output twice");
        assert!(
            panic_message(&*panic).contains("polled after"),
            "{}",
            panic_message(&*panic)
        );
        task.abort();
        assert!(task.is_finished());
    });
}

#[test]
fn a_handle_is_awaited_on_another_runtime_and_on_none() {
    on_each(|runtime| {
        let (message, received) = oneshot::channel();
        let task = runtime.spawn(async { received.await.unwrap() });
        let other = multi_thread(1);
        let elsewhere = other.spawn(task);
        message.send(3).unwrap();
        runtime.block_on(async {
            while !elsewhere.is_finished() {
                yield_now().await;
            }
        });
        assert_eq!(other.block_on(elsewhere).unwrap().unwrap(), 3);

        let task = runtime.spawn(async {
            yield_now().await;
            4
        });
        let plain = std::thread::spawn(move || futures::executor::block_on(task));
        runtime.block_on(async {
            while !plain.is_finished() {
                yield_now().await;
            }
        });
        assert_eq!(plain.join().unwrap().unwrap(), 4);
    });
}

#[test]
fn a_detached_task_goes_on_and_its_output_is_dropped() {
    on_each(|runtime| {
        let (dropped, (message, received)) = (Counter::default(), oneshot::channel::<()>());
        let output = dropped.count_drop();
        drop(runtime.spawn(async move {
            received.await.unwrap();
            output
        }));
        message.send(()).unwrap();
        runtime.block_on(async {
            while dropped.get() == 0 {
                yield_now().await;
            }
        });
        // Detached after the end: dropping the handle drops the output.
        let output = dropped.count_drop();
        let task = runtime.spawn(async move { output });
        runtime.block_on(async {
            while !task.is_finished() {
                yield_now().await;
            }
        });
        assert_eq!(dropped.get(), 1);
        drop(task);
        assert_eq!(dropped.get(), 2);
    });
}

#[test]
fn the_future_is_dropped_before_the_joiner_sees_the_end() {
    on_each(|runtime| {
        for round in 0..200 {
            let dropped = Counter::default();
            let guard = dropped.count_drop();
            let mut left = round % 3;
            let task = runtime.spawn(poll_fn(move |cx| {
                let _ = &guard;
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }));
            runtime.block_on(task).unwrap();
            assert_eq!(dropped.get(), 1);
        }
    });
}

#[test]
fn joining_in_a_chain_keeps_every_task_once() {
    on_each(|runtime| {
        let dropped = Counter::default();
        let last = (0..1_000).fold(runtime.spawn(async { 0 }), |before, _| {
            let guard = dropped.count_drop();
            runtime.spawn(async move {
                let _guard = guard;
                before.await.unwrap() + 1
            })
        });
        assert_eq!(runtime.block_on(last).unwrap(), 1_000);
        assert_eq!(dropped.get(), 1_000);
    });
}

#[test]
fn joining_finished_tasks_uses_up_the_budget() {
    on_each(|runtime| {
        // Ready outputs are taken for at most one budget, so that the poll ends.
        let polls = runtime.block_on(async {
            let mut tasks: Vec<_> = (0..1_000).map(|_| sprang::spawn(async {})).collect();
            while tasks.iter().any(|task| !task.is_finished()) {
                yield_now().await;
            }
            let mut polls = 0;
            let mut all = pin!(async {
                for task in tasks.drain(..) {
                    task.await.unwrap();
                }
            });
            poll_fn(|cx| {
                polls += 1;
                all.as_mut().poll(cx)
            })
            .await;
            polls
        });
        assert!(polls >= 1_000 / 128, "{polls}");
    });
}

#[test]
fn ids_are_never_used_twice() {
    on_each(|runtime| {
        let tasks: Vec<_> = (0..5_000)
            .map(|_| runtime.spawn(async { sprang::task::id() }))
            .collect();
        let mut ids = std::collections::HashSet::new();
        for task in tasks {
            let (id, abort) = (task.id(), task.abort_handle());
            assert_eq!(runtime.block_on(task).unwrap(), id);
            assert_eq!(abort.id(), id);
            assert!(ids.insert(id), "{id} is used twice");
        }
    });
}

/// As it would outside of a task.
#[test]
fn the_future_of_a_poll_that_panics_is_dropped_while_that_unwinds() {
    struct Witness(Option<sprang::sync::oneshot::Sender<bool>>);

    impl Drop for Witness {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(std::thread::panicking());
            panic!("this one is swallowed");
        }
    }

    on_each(|runtime| {
        let (sender, receiver) = sprang::sync::oneshot::channel();
        let witness = Witness(Some(sender));
        let task: JoinHandle<()> = runtime.spawn(std::future::poll_fn(move |_| {
            let _held = &witness;
            panic!("a text")
        }));
        assert!(runtime.block_on(receiver).unwrap());
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(panic_message(&*error.into_panic()), "a text");
    });
}
