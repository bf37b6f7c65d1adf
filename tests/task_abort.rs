//! Aborting tasks, at every moment of their lives.

use std::future::{pending, poll_fn};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::thread;

use sprang::sync::oneshot;
use sprang::task::yield_now;
use sprang_tests::{Counter, PATIENCE, on_drop, on_each};

#[test]
fn before_its_first_poll_a_task_is_never_polled() {
    on_each(|runtime| {
        let (polled, dropped) = (Counter::default(), Counter::default());
        let (count, guard) = (polled.clone(), dropped.count_drop());
        // Spawned by a task that does not give way: nobody has polled it yet, unless a thief took it.
        let (was_aborted_in_time, task) = runtime
            .block_on(runtime.spawn(async move {
                let before = count.clone();
                let task = sprang::spawn(async move {
                    let _guard = guard;
                    count.add();
                    pending::<()>().await;
                });
                task.abort();
                (before.get() == 0, task)
            }))
            .unwrap();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(dropped.get(), 1);
        if was_aborted_in_time && runtime.handle().runtime_flavor() == sprang::runtime::RuntimeFlavor::CurrentThread {
            assert_eq!(polled.get(), 0);
        }
    });
}

#[test]
fn an_idle_task_is_dropped() {
    on_each(|runtime| {
        let dropped = Counter::default();
        let guard = dropped.count_drop();
        let (started, has_started) = oneshot::channel();
        let task = runtime.spawn(async move {
            let _guard = guard;
            started.send(()).unwrap();
            pending::<()>().await;
        });
        runtime.block_on(has_started).unwrap();
        let abort = task.abort_handle();
        abort.abort();
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(dropped.get(), 1);
        assert!(abort.is_finished());
        abort.abort();
    });
}

#[test]
fn a_running_task_goes_on_to_its_next_await() {
    on_each(|runtime| {
        let (started, has_started) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let (reached, beyond) = (Counter::default(), Counter::default());
        let (count_reached, count_beyond) = (reached.clone(), beyond.clone());
        let task = runtime.spawn(async move {
            started.send(()).unwrap();
            may_go_on.recv_timeout(PATIENCE).unwrap();
            count_reached.add();
            pending::<()>().await;
            count_beyond.add();
        });
        let abort = task.abort_handle();
        let aborting = thread::spawn(move || {
            has_started.recv_timeout(PATIENCE).unwrap();
            abort.abort();
            abort.abort();
            assert!(!abort.is_finished());
            go_on.send(()).unwrap();
        });
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        aborting.join().unwrap();
        assert_eq!((reached.get(), beyond.get()), (1, 0));
    });
}

#[test]
fn a_task_that_ends_in_the_aborted_poll_keeps_its_output() {
    on_each(|runtime| {
        let (give, taken) = oneshot::channel::<sprang::task::AbortHandle>();
        let task = runtime.spawn(async move {
            taken.await.unwrap().abort();
            7
        });
        assert!(give.send(task.abort_handle()).is_ok());
        assert_eq!(runtime.block_on(task).unwrap(), 7);
        // And one that aborts itself and then waits is gone.
        let (give, taken) = oneshot::channel::<sprang::task::AbortHandle>();
        let task = runtime.spawn(async move {
            taken.await.unwrap().abort();
            yield_now().await;
            7
        });
        assert!(give.send(task.abort_handle()).is_ok());
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_finished_task_keeps_its_output() {
    on_each(|runtime| {
        let mut task = runtime.spawn(async { String::from("kept") });
        runtime.block_on(async {
            while !task.is_finished() {
                yield_now().await;
            }
        });
        task.abort();
        task.abort_handle().abort();
        assert_eq!(runtime.block_on(&mut task).unwrap(), "kept");
        let abort = task.abort_handle();
        drop(task);
        abort.abort();
        assert!(abort.is_finished());
    });
}

#[test]
fn an_abort_handle_works_without_the_join_handle() {
    on_each(|runtime| {
        let dropped = Counter::default();
        let guard = dropped.count_drop();
        let task = runtime.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let abort = task.abort_handle().clone();
        drop(task);
        runtime.block_on(yield_now());
        abort.abort();
        runtime.block_on(async {
            while dropped.get() == 0 || !abort.is_finished() {
                yield_now().await;
            }
        });
        assert_eq!(dropped.get(), 1);
    });
}

#[test]
fn the_destructor_of_an_aborted_task_may_use_the_runtime() {
    on_each(|runtime| {
        let (sender, received) = oneshot::channel();
        let waiting = runtime.spawn(pending::<()>());
        let other = waiting.abort_handle();
        let (started, has_started) = oneshot::channel();
        let task = runtime.spawn(async move {
            let _guard = on_drop(move || {
                // Spawns, wakes and aborts others, from where the task lived.
                other.abort();
                drop(sprang::spawn(async move {
                    yield_now().await;
                    sender.send(sprang::task::id()).unwrap();
                }));
            });
            started.send(()).unwrap();
            pending::<()>().await;
        });
        runtime.block_on(has_started).unwrap();
        let id = task.id();
        // From a plain thread: the drop happens on the runtime all the same.
        thread::scope(|scope| scope.spawn(|| task.abort()).join().unwrap());
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_ne!(runtime.block_on(received).unwrap(), id);
        assert!(runtime.block_on(waiting).unwrap_err().is_cancelled());
    });
}

#[test]
fn aborts_against_wakes_and_polls_drop_each_future_once() {
    const TASKS: usize = 300;
    on_each(|runtime| {
        let dropped = Counter::default();
        let barrier = Arc::new(Barrier::new(2));
        let tasks: Vec<_> = (0..TASKS)
            .map(|number| {
                let guard = dropped.count_drop();
                let mut polls = 0;
                runtime.spawn(poll_fn(move |cx| {
                    let _ = &guard;
                    polls += 1;
                    if polls > number % 50 {
                        return Poll::Ready(polls);
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }))
            })
            .collect();
        let aborts: Vec<_> = tasks.iter().map(|task| task.abort_handle()).collect();
        let other = Arc::clone(&barrier);
        let aborting = thread::spawn(move || {
            other.wait();
            aborts.iter().for_each(|abort| abort.abort());
            aborts
        });
        barrier.wait();
        runtime.block_on(async {
            for (number, task) in tasks.into_iter().enumerate() {
                match task.await {
                    Ok(polls) => assert_eq!(polls, number % 50 + 1),
                    Err(error) => assert!(error.is_cancelled()),
                }
            }
        });
        let aborts = aborting.join().unwrap();
        assert!(aborts.iter().all(|abort| abort.is_finished()));
        assert_eq!(dropped.get(), TASKS);
    });
}
