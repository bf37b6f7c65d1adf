//! The `futures` crate over our tasks, channels and timers, and our channels and timers under its executors.
//!
//! Purpose: what waits here for many things at once has wakers of its own between a leaf future and its task. A leaf that
//! keeps a stale waker, wakes the wrong task or relies on being polled by its task hangs these tests.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use futures::channel::mpsc as futures_mpsc;
use futures::executor::{LocalPool, ThreadPool, block_on};
use futures::future::{self, AbortHandle, Aborted, LocalBoxFuture, abortable};
use futures::stream::{self, FuturesOrdered, FuturesUnordered};
use futures::task::{LocalSpawnExt, SpawnExt};
use futures::{FutureExt, SinkExt, StreamExt, TryStreamExt};
use sprang::sync::{Barrier, Mutex, Notify, Semaphore, broadcast, mpsc, oneshot, watch};
use sprang::task;
use sprang::time::{self, Instant};
use sprang_tests::{Counter, bounded, multi_thread, on_each};

const SECOND: Duration = Duration::from_secs(1);

#[sprang::test(start_paused = true)]
async fn unordered_futures_come_in_the_order_of_their_deadlines() {
    let sleeps: FuturesUnordered<_> = [3, 1, 2]
        .into_iter()
        .map(|seconds| time::sleep(seconds * SECOND).map(move |()| seconds))
        .collect();
    let start = Instant::now();
    assert_eq!(sleeps.collect::<Vec<_>>().await, [1, 2, 3]);
    assert_eq!(start.elapsed(), 3 * SECOND);
}

#[sprang::test(start_paused = true)]
async fn ordered_futures_come_in_the_order_they_were_put_in_and_wait_together() {
    let sleeps: FuturesOrdered<_> = [3, 1, 2]
        .into_iter()
        .map(|seconds| time::sleep(seconds * SECOND).map(move |()| seconds))
        .collect();
    let start = Instant::now();
    assert_eq!(sleeps.collect::<Vec<_>>().await, [3, 1, 2]);
    assert_eq!(start.elapsed(), 3 * SECOND);
}

#[sprang::test(start_paused = true)]
async fn buffered_futures_wait_as_many_at_a_time_as_the_buffer_holds() {
    let sleeps = || stream::iter(1..=6).map(|number| time::sleep(SECOND).map(move |()| number));
    let start = Instant::now();
    assert_eq!(sleeps().buffered(2).collect::<Vec<_>>().await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(start.elapsed(), 3 * SECOND);
    assert_eq!(sleeps().buffer_unordered(3).collect::<Vec<_>>().await.len(), 6);
    assert_eq!(start.elapsed(), 5 * SECOND);
}

#[test]
fn each_of_many_unordered_tasks_is_joined_once() {
    on_each(|runtime| {
        runtime.block_on(async {
            let mut tasks: FuturesUnordered<_> = (0..100).map(|number| task::spawn(async move { number })).collect();
            let mut outputs = BTreeSet::new();
            while let Some(output) = tasks.next().await {
                let output = output.unwrap();
                assert!(outputs.insert(output));
                if output < 100 {
                    tasks.push(task::spawn(async move {
                        task::yield_now().await;
                        output + 100
                    }));
                }
            }
            assert!(outputs.into_iter().eq(0..200));

            let tasks = (0..100).map(|number| task::spawn(async move { number }));
            assert!(future::try_join_all(tasks).await.unwrap().into_iter().eq(0..100));
        });
    });
}

#[test]
fn for_each_concurrent_keeps_to_its_limit_and_reaches_it() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (gate, most, running) = (Barrier::new(8), AtomicUsize::new(0), AtomicUsize::new(0));
            stream::iter(0..80)
                .for_each_concurrent(8, async |_| {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    // Opens for eight at a time.
                    gate.wait().await;
                    running.fetch_sub(1, SeqCst);
                })
                .await;
            assert_eq!(most.into_inner(), 8);
        });
    });
}

/// A task that looks at a thousand receivers through one waker each uses up its budget again and again.
#[test]
fn unordered_receivers_that_are_all_ready_let_other_tasks_run_and_are_not_polled_over_and_over() {
    const RECEIVERS: usize = 1_000;
    on_each(|runtime| {
        runtime.block_on(async {
            let polls = Counter::default();
            let receivers: FuturesUnordered<_> = (0..RECEIVERS)
                .map(|number| {
                    let (sender, receiver) = oneshot::channel();
                    sender.send(number).unwrap();
                    let polls = polls.clone();
                    let mut receiver = Box::pin(receiver);
                    future::poll_fn(move |cx| {
                        polls.add();
                        receiver.as_mut().poll(cx)
                    })
                })
                .collect();
            let turns = Counter::default();
            let other = task::spawn({
                let turns = turns.clone();
                async move {
                    loop {
                        turns.add();
                        task::yield_now().await;
                    }
                }
            });
            let all = task::spawn(receivers.try_collect::<Vec<_>>());
            assert_eq!(all.await.unwrap().unwrap().len(), RECEIVERS);
            other.abort();
            // The budget is 128.
            assert!(turns.get() >= RECEIVERS / 128, "{} turns", turns.get());
            assert!(polls.get() < 10 * RECEIVERS, "{} polls", polls.get());
        });
    });
}

#[test]
fn their_select_waits_for_our_channels_and_knows_when_all_are_done() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (numbers, mut numbers_end) = mpsc::channel::<u32>(1);
            let (texts, texts_end) = broadcast::channel::<u32>(16);
            let (stop, stopped) = oneshot::channel::<u32>();
            let senders = task::spawn(async move {
                for number in 1..=100 {
                    numbers.send(number).await.unwrap();
                    texts.send(1_000).unwrap();
                    task::yield_now().await;
                }
                stop.send(1_000_000).unwrap();
            });

            let mut numbers = pin!(stream::poll_fn(|cx| numbers_end.poll_recv(cx)).fuse());
            let texts = stream::unfold(texts_end, async |mut end| match end.recv().await {
                Ok(text) => Some((text, end)),
                Err(broadcast::error::RecvError::Lagged(missed)) => Some((1_000 * missed as u32, end)),
                Err(broadcast::error::RecvError::Closed) => None,
            });
            let mut texts = pin!(texts.fuse());
            let mut stopped = stopped.map(Result::unwrap).fuse();
            let mut sum = 0;
            loop {
                futures::select! {
                    number = numbers.select_next_some() => sum += number,
                    text = texts.select_next_some() => sum += text,
                    last = stopped => sum += last,
                    complete => break,
                }
            }
            assert_eq!(sum, 1_000_000 + 100_000 + 5_050);
            senders.await.unwrap();
        });
    });
}

#[sprang::test]
async fn their_select_has_a_default_while_nothing_is_ready() {
    let (sender, receiver) = oneshot::channel();
    let mut receiver = receiver.fuse();
    assert_eq!(
        futures::select! { number = receiver => number.unwrap(), default => 0 },
        0
    );
    sender.send(1).unwrap();
    assert_eq!(
        futures::select! { number = receiver => number.unwrap(), default => 0 },
        1
    );
}

#[test]
fn their_block_on_waits_for_our_channels() {
    bounded(|| {
        let (asks, mut questions) = mpsc::channel::<(u32, oneshot::Sender<u32>)>(1);
        let (state, mut states) = watch::channel(0);
        let server = thread::spawn(move || {
            block_on(async {
                while let Some((number, answer)) = questions.recv().await {
                    answer.send(number + 1).unwrap();
                    state.send_replace(number);
                }
            });
        });
        block_on(async {
            for number in 1..=1_000 {
                let (answer, answered) = oneshot::channel();
                asks.send((number, answer)).await.unwrap();
                assert_eq!(answered.await, Ok(number + 1));
                states.wait_for(|state| *state == number).await.unwrap();
            }
            drop(asks);
            assert!(states.changed().await.is_err());
        });
        server.join().unwrap();
    });
}

#[test]
fn their_block_on_waits_for_tasks_and_timers_of_a_runtime_that_is_entered() {
    bounded(|| {
        let runtime = multi_thread(2);
        let _entered = runtime.enter();
        let start = Instant::now();
        block_on(async {
            time::sleep(Duration::from_millis(20)).await;
            assert!(
                time::timeout(Duration::from_millis(20), future::pending::<()>())
                    .await
                    .is_err()
            );
            assert_eq!(task::spawn(async { 7 }).await.unwrap(), 7);
            assert_eq!(task::spawn_blocking(|| 8).await.unwrap(), 8);
        });
        assert!(start.elapsed() >= Duration::from_millis(40));
    });
}

#[test]
fn a_local_pool_runs_tasks_that_wait_for_each_other_by_our_means() {
    bounded(|| {
        let mut pool = LocalPool::new();
        let spawner = pool.spawner();
        let (notify, order) = (Rc::new(Notify::new()), Rc::new(RefCell::new(Vec::new())));
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for number in 0..3 {
            let (notify, order, sender) = (Rc::clone(&notify), Rc::clone(&order), sender.clone());
            let waits = async move {
                notify.notified().await;
                order.borrow_mut().push(number);
                sender.send(number).unwrap();
            };
            spawner.spawn_local(waits).unwrap();
        }
        drop(sender);
        pool.run_until_stalled();
        assert!(order.borrow().is_empty());
        notify.notify_one();
        pool.run_until_stalled();
        assert_eq!(*order.borrow(), [0]);
        notify.notify_waiters();
        let sum = pool.run_until(async {
            let mut sum = 0;
            while let Some(number) = receiver.recv().await {
                sum += number;
            }
            sum
        });
        assert_eq!((sum, order.take()), (3, vec![0, 1, 2]));
    });
}

#[test]
fn a_thread_pool_runs_tasks_that_share_our_locks() {
    const TASKS: usize = 8;
    const ROUNDS: usize = 1_000;
    bounded(|| {
        let pool = ThreadPool::builder().pool_size(4).create().unwrap();
        let (number, permits) = (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(2)));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (number, permits) = (Arc::clone(&number), Arc::clone(&permits));
                let adds = async move {
                    for _ in 0..ROUNDS {
                        let _permit = permits.acquire().await.unwrap();
                        *number.lock().await += 1;
                    }
                };
                pool.spawn_with_handle(adds).unwrap()
            })
            .collect();
        block_on(future::join_all(tasks));
        assert_eq!(*number.try_lock().unwrap(), TASKS * ROUNDS);
        assert_eq!(permits.available_permits(), 2);
    });
}

#[test]
fn all_clones_of_a_shared_future_are_woken() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (sender, receiver) = oneshot::channel::<u32>();
            let shared = receiver.map(Result::unwrap).shared();
            let (ready, mut readies) = mpsc::unbounded_channel();
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    let (mut shared, ready) = (shared.clone(), ready.clone());
                    task::spawn(async move {
                        assert_eq!((&mut shared).now_or_never(), None);
                        ready.send(()).unwrap();
                        shared.await
                    })
                })
                .collect();
            for _ in 0..10 {
                readies.recv().await.unwrap();
            }
            sender.send(7).unwrap();
            assert_eq!(future::try_join_all(tasks).await.unwrap(), [7; 10]);
        });
    });
}

#[test]
fn a_wait_that_is_aborted_from_elsewhere_takes_no_message() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (sender, mut receiver) = mpsc::channel(1);
            let (waits, handle): (_, AbortHandle) = abortable(receiver.recv());
            let aborter = task::spawn(async move { handle.abort() });
            assert_eq!(waits.await, Err(Aborted));
            aborter.await.unwrap();
            sender.send(1).await.unwrap();
            assert_eq!(receiver.recv().await, Some(1));
        });
    });
}

#[test]
fn the_loser_of_a_race_keeps_its_place() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (first, second) = (Notify::new(), Notify::new());
            let waits = [pin!(first.notified()), pin!(second.notified())];
            let racing = future::select_all(waits);
            second.notify_one();
            let ((), winner, mut losers) = racing.await;
            assert_eq!(winner, 1);
            assert!(losers[0].as_mut().now_or_never().is_none());
            first.notify_waiters();
            losers.remove(0).await;
        });
    });
}

#[test]
fn a_wait_that_goes_on_under_another_waker_wakes_that_one() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (once, receiver) = oneshot::channel();
            let (sender, mut messages) = mpsc::channel(1);
            let (caster, mut casts) = broadcast::channel(1);
            let (state, mut states) = watch::channel(0);
            let (notify, permits, lock, gate) = (Notify::new(), Semaphore::new(0), Mutex::new(()), Barrier::new(2));
            let held = lock.try_lock().unwrap();
            let mut waits: [LocalBoxFuture<'_, ()>; 8] = [
                receiver.map(drop).boxed_local(),
                messages.recv().map(drop).boxed_local(),
                casts.recv().map(drop).boxed_local(),
                states.changed().map(drop).boxed_local(),
                notify.notified().boxed_local(),
                permits.acquire().map(drop).boxed_local(),
                lock.lock().map(drop).boxed_local(),
                gate.wait().map(drop).boxed_local(),
            ];
            for wait in &mut waits {
                assert_eq!(wait.now_or_never(), None);
            }
            let waits = waits.into_iter().collect::<FuturesUnordered<_>>().count();
            let wakes = async {
                task::yield_now().await;
                once.send(()).unwrap();
                sender.try_send(()).unwrap();
                caster.send(()).unwrap();
                state.send_replace(1);
                notify.notify_one();
                permits.add_permits(1);
                drop(held);
                gate.wait().await;
            };
            assert_eq!(futures::join!(waits, wakes).0, 8);
        });
    });
}

#[sprang::test(start_paused = true)]
async fn our_time_limits_their_streams() {
    let mut ticks = time::interval(SECOND);
    let ticks = stream::poll_fn(move |cx| ticks.poll_tick(cx).map(Some));
    let until = time::sleep(SECOND * 7 / 2);
    assert_eq!(ticks.take_until(until).count().await, 4);

    let mut silent = stream::pending::<()>();
    assert!(time::timeout(SECOND, silent.next()).await.is_err());
    let mut late = pin!(stream::once(time::sleep(2 * SECOND)));
    assert!(time::timeout(SECOND, late.next()).await.is_err());
    assert_eq!(time::timeout(SECOND, late.next()).await, Ok(Some(())));
}

#[test]
fn their_channels_and_sinks_work_in_our_tasks() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (mut sender, middle) = futures_mpsc::channel(1);
            let (forward, receiver) = futures_mpsc::channel(1);
            let tasks = [
                task::spawn(async move {
                    for number in 0..1_000 {
                        sender.send(number).await.unwrap();
                    }
                }),
                task::spawn(async move { middle.map(Ok).forward(forward).await.unwrap() }),
            ];
            assert!(receiver.collect::<Vec<_>>().await.into_iter().eq(0..1_000));
            future::try_join_all(tasks).await.unwrap();
        });
    });
}

#[test]
fn a_panic_that_their_catch_unwind_catches_leaves_our_task_alive() {
    on_each(|runtime| {
        runtime.block_on(async {
            let lock = Arc::new(Mutex::new(1));
            let held = Arc::clone(&lock);
            let panics = std::panic::AssertUnwindSafe(async move {
                let _held = held.lock().await;
                panic!("on purpose");
            });
            let task = task::spawn(async move {
                assert!(panics.catch_unwind().await.is_err());
                *lock.lock().await
            });
            assert_eq!(task.await.unwrap(), 1);
        });
    });
}
