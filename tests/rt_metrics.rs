//! The numbers of a runtime: each counts what its name says.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sprang::net::TcpListener;
use sprang::runtime::{
    BlockedPolicy, Builder, Handle, HistogramConfiguration, LogHistogram, Runtime, RuntimeFlavor, RuntimeMetrics,
    TaskState, worker_index,
};
use sprang::sync::oneshot;
use sprang::task::{coop, yield_now};
use sprang_tests::{PATIENCE, current_thread, eventually, multi_thread, on_each};

fn sum(metrics: &RuntimeMetrics, of: impl Fn(usize) -> u64) -> u64 {
    (0..metrics.num_workers() + metrics.num_spare_workers()).map(of).sum()
}

/// Polls of tasks on all workers.
fn polls(metrics: &RuntimeMetrics) -> u64 {
    sum(metrics, |worker| metrics.worker_poll_count(worker))
}

#[test]
fn workers_are_those_that_were_asked_for() {
    assert_eq!(current_thread().handle().metrics().num_workers(), 1);
    let runtime = multi_thread(3);
    let metrics = runtime.handle().metrics();
    assert_eq!((metrics.num_workers(), metrics.num_spare_workers()), (3, 0));
}

#[test]
#[should_panic(expected = "there is no worker 1")]
fn a_worker_that_is_not_there_panics() {
    current_thread().handle().metrics().worker_park_count(1);
}

#[test]
fn tasks_are_alive_from_spawn_to_end() {
    on_each(|runtime| {
        let metrics = runtime.handle().metrics();
        let (ends, tasks): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| {
                let (end, ended) = oneshot::channel::<()>();
                (end, runtime.spawn(ended))
            })
            .unzip();
        assert_eq!((metrics.num_alive_tasks(), metrics.spawned_tasks_count()), (3, 3));
        tasks[0].abort();
        drop(ends);
        runtime.block_on(async {
            for task in tasks {
                let _aborted_or_not = task.await;
            }
            sprang::spawn(async { sprang::spawn(async {}).await })
                .await
                .unwrap()
                .unwrap();
        });
        eventually("no task is alive", || metrics.num_alive_tasks() == 0);
        assert_eq!(metrics.spawned_tasks_count(), 5);
    });
}

#[test]
fn no_task_is_alive_after_the_end_of_the_runtime() {
    on_each(|runtime| {
        let metrics = runtime.handle().metrics();
        let (polled, is_polled) = oneshot::channel();
        runtime.spawn(async move {
            polled.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        runtime.block_on(is_polled).unwrap();
        runtime.spawn(std::future::pending::<()>());
        assert_eq!(metrics.num_alive_tasks(), 2);
        drop(runtime);
        assert_eq!(metrics.num_alive_tasks(), 0);
        metrics.num_blocking_threads();
    });
}

#[test]
fn each_poll_is_counted() {
    on_each(|runtime| {
        let metrics = runtime.handle().metrics();
        let task = runtime.spawn(async {
            for _ in 0..9 {
                yield_now().await;
            }
        });
        runtime.block_on(task).unwrap();
        assert_eq!(polls(&metrics), 10);
    });
}

#[test]
fn a_poll_that_blocks_in_place_is_counted_once() {
    let runtime = multi_thread(1);
    let metrics = runtime.handle().metrics();
    let task = runtime.spawn(async { sprang::task::block_in_place(|| ()) });
    runtime.block_on(task).unwrap();
    assert_eq!(polls(&metrics), 1);
}

#[test]
fn schedules_are_told_apart_by_who_schedules() {
    on_each(|runtime| {
        let metrics = runtime.handle().metrics();
        let (sender, receiver) = oneshot::channel();
        // One spawned from outside, which spawns one, and yields once.
        let task = runtime.spawn(async {
            drop(sprang::spawn(async {}));
            yield_now().await;
            receiver.await.unwrap();
        });
        let is_idle = |id| {
            let dump = runtime.handle().task_dump();
            dump.tasks()
                .iter()
                .any(|task| task.id() == id && task.state() == TaskState::Idle)
        };
        eventually("the child has ended and its parent waits", || {
            runtime.block_on(yield_now());
            metrics.num_alive_tasks() == 1 && is_idle(task.id())
        });
        let local = || sum(&metrics, |worker| metrics.worker_local_schedule_count(worker));
        assert_eq!((local(), metrics.remote_schedule_count()), (2, 1));
        thread::spawn(move || sender.send(()).unwrap()).join().unwrap();
        runtime.block_on(task).unwrap();
        assert_eq!((local(), metrics.remote_schedule_count()), (2, 2));
    });
}

#[test]
fn queued_tasks_are_counted_where_they_are() {
    let runtime = current_thread();
    let metrics = runtime.handle().metrics();
    (0..3).for_each(|_| drop(runtime.spawn(async {})));
    assert_eq!(metrics.global_queue_depth(), 3);
    let inside = metrics.clone();
    let depth = runtime.block_on(async move {
        (0..2).for_each(|_| drop(sprang::spawn(async {})));
        inside.worker_local_queue_depth(0)
    });
    assert_eq!(depth, 2);
}

#[test]
fn a_worker_knows_its_queue_while_it_runs_a_task() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .blocked_policy(BlockedPolicy::Off)
        .build()
        .unwrap();
    let metrics = runtime.handle().metrics();
    let depth = runtime.block_on(async {
        sprang::spawn(async move {
            (0..3).for_each(|_| drop(sprang::spawn(async {})));
            metrics.worker_local_queue_depth(0)
        })
        .await
        .unwrap()
    });
    assert_eq!(depth, 3);
}

#[test]
fn a_worker_that_is_parked_is_not_busy() {
    let runtime = multi_thread(1);
    let metrics = runtime.handle().metrics();
    eventually("the worker parks", || metrics.worker_park_unpark_count(0) % 2 == 1);
    let busy = metrics.worker_total_busy_duration(0);
    let task = runtime.spawn(async {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
    });
    runtime.block_on(task).unwrap();
    eventually("the worker has parked again", || {
        metrics.worker_park_unpark_count(0) % 2 == 1 && metrics.worker_mean_poll_time(0) > Duration::ZERO
    });
    let busy_now = metrics.worker_total_busy_duration(0);
    assert!(busy_now >= busy + Duration::from_millis(2));
    assert_eq!(metrics.worker_total_busy_duration(0), busy_now, "the worker is parked");
    assert_eq!(
        metrics.worker_park_count(0),
        metrics.worker_park_unpark_count(0).div_ceil(2)
    );
}

#[test]
fn the_mean_poll_time_is_known_of_a_worker_that_never_parks() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .blocked_policy(BlockedPolicy::Off)
        .build()
        .unwrap();
    let metrics = runtime.handle().metrics();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let (start, started) = mpsc::channel();
    let task = runtime.spawn(async move {
        start.send(()).unwrap();
        while !stopped.load(SeqCst) {
            yield_now().await;
        }
    });
    started.recv_timeout(PATIENCE).unwrap();
    let parks = metrics.worker_park_count(0);
    eventually("the mean is known", || {
        metrics.worker_mean_poll_time(0) > Duration::ZERO
    });
    assert_eq!(metrics.worker_park_count(0), parks);
    stop.store(true, SeqCst);
    runtime.block_on(task).unwrap();
}

#[test]
fn a_worker_in_a_long_poll_is_seen_to_be_busy() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .blocked_policy(BlockedPolicy::Off)
        .build()
        .unwrap();
    let metrics = runtime.handle().metrics();
    let (release, released) = mpsc::channel::<()>();
    let (start, started) = mpsc::channel();
    runtime.spawn(async move {
        start.send(()).unwrap();
        let _dropped = released.recv_timeout(PATIENCE);
    });
    started.recv_timeout(PATIENCE).unwrap();
    let busy = metrics.worker_total_busy_duration(0);
    eventually("the worker is seen to be busy", || {
        metrics.worker_total_busy_duration(0) > busy
    });
    assert_eq!(metrics.worker_park_unpark_count(0) % 2, 0);
    drop(release);
}

#[test]
fn a_worker_names_the_thread_that_runs_it() {
    let runtime = current_thread();
    let metrics = runtime.handle().metrics();
    assert_eq!(metrics.worker_thread_id(0), None);
    let inside = runtime.block_on(async { Handle::current().metrics().worker_thread_id(0) });
    assert_eq!(inside, Some(thread::current().id()));
    assert_eq!(metrics.worker_thread_id(0), None);

    let runtime = multi_thread(1);
    let task = runtime.spawn(async { thread::current().id() });
    let id = runtime.block_on(task).unwrap();
    let metrics = runtime.handle().metrics();
    assert_eq!(metrics.worker_thread_id(0), Some(id));
    drop(runtime);
    assert_eq!(metrics.worker_thread_id(0), None);
}

#[test]
fn a_task_knows_the_number_of_its_worker() {
    assert_eq!(worker_index(), None);
    on_each(|runtime| {
        let metrics = runtime.metrics();
        let is_worker = runtime.block_on(async { worker_index() }).is_some();
        assert_eq!(
            is_worker,
            runtime.handle().runtime_flavor() == RuntimeFlavor::CurrentThread
        );
        let task = runtime.spawn(async move {
            let worker = worker_index().unwrap();
            metrics.worker_thread_id(worker) == Some(thread::current().id())
        });
        assert!(runtime.block_on(task).unwrap());
        let task = runtime.spawn_blocking(worker_index);
        assert_eq!(runtime.block_on(task).unwrap(), None);
    });
}

#[test]
fn stolen_tasks_are_counted_by_the_thief() {
    let runtime = multi_thread(2);
    let metrics = runtime.handle().metrics();
    let (ran, has_run) = mpsc::channel();
    let task = runtime.spawn(async move {
        for _ in 0..4 {
            let ran = ran.clone();
            sprang::spawn(async move { ran.send(()).unwrap() });
        }
        // This worker is busy until the other one has run them all.
        (0..4).for_each(|_| has_run.recv_timeout(PATIENCE).expect("nobody stole them"));
    });
    runtime.block_on(task).unwrap();
    let stolen = sum(&metrics, |worker| metrics.worker_steal_count(worker));
    let operations = sum(&metrics, |worker| metrics.worker_steal_operations(worker));
    // The monitor may have handed some over by way of the injector.
    assert!(stolen >= operations && (operations > 0 || metrics.rescues_count() > 0));
    assert_eq!(sum(&metrics, |worker| metrics.worker_overflow_count(worker)), 0);
}

#[test]
fn yields_for_want_of_budget_are_counted() {
    on_each(|runtime| {
        let metrics = runtime.handle().metrics();
        let task = runtime.spawn(async {
            for _ in 0..200 {
                coop::consume_budget().await;
            }
            yield_now().await;
        });
        runtime.block_on(task).unwrap();
        assert_eq!(metrics.budget_forced_yield_count(), 1);
    });
}

#[test]
fn blocking_threads_are_counted() {
    on_each(|runtime| {
        let metrics = runtime.handle().metrics();
        assert_eq!(
            (metrics.num_blocking_threads(), metrics.num_idle_blocking_threads()),
            (0, 0)
        );
        let (release, released) = mpsc::channel::<()>();
        let (start, started) = mpsc::channel();
        let task = runtime.spawn_blocking(move || {
            start.send(()).unwrap();
            let _dropped = released.recv_timeout(PATIENCE);
        });
        started.recv_timeout(PATIENCE).unwrap();
        assert_eq!(
            (metrics.num_blocking_threads(), metrics.num_idle_blocking_threads()),
            (1, 0)
        );
        assert_eq!(metrics.blocking_queue_depth(), 0);
        drop(release);
        runtime.block_on(task).unwrap();
        eventually("the thread is idle", || metrics.num_idle_blocking_threads() == 1);
    });
}

#[test]
fn closures_that_wait_for_a_thread_are_counted() {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let metrics = runtime.handle().metrics();
    let (release, released) = mpsc::channel::<()>();
    let (start, started) = mpsc::channel();
    runtime.spawn_blocking(move || {
        start.send(()).unwrap();
        let _dropped = released.recv_timeout(PATIENCE);
    });
    started.recv_timeout(PATIENCE).unwrap();
    (0..2).for_each(|_| drop(runtime.spawn_blocking(|| ())));
    assert_eq!(metrics.blocking_queue_depth(), 2);
    drop(release);
}

#[test]
fn sockets_are_counted() {
    on_each(|runtime| {
        let metrics = runtime.handle().metrics();
        let before = metrics.io_driver_fd_registered_count() - metrics.io_driver_fd_deregistered_count();
        let registered =
            || metrics.io_driver_fd_registered_count() - metrics.io_driver_fd_deregistered_count() - before;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        assert_eq!(registered(), 1);
        let ready = metrics.io_driver_ready_count();
        let address = listener.local_addr().unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        drop(runtime.block_on(listener.accept()).unwrap());
        assert!(metrics.io_driver_ready_count() > ready);
        drop(listener);
        assert_eq!(registered(), 0);
    });
    let without_io = Builder::new_current_thread().build().unwrap();
    assert_eq!(without_io.handle().metrics().io_driver_fd_registered_count(), 0);
}

#[test]
fn each_poll_is_in_one_bucket() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = builder
            .worker_threads(2)
            .enable_metrics_poll_time_histogram()
            .metrics_poll_time_histogram_configuration(HistogramConfiguration::log(LogHistogram::default()))
            .build()
            .unwrap();
        let metrics = runtime.handle().metrics();
        assert!(metrics.poll_time_histogram_enabled());
        let buckets = metrics.poll_time_histogram_num_buckets();
        for bucket in 1..buckets {
            let before = metrics.poll_time_histogram_bucket_range(bucket - 1);
            assert_eq!(before.end, metrics.poll_time_histogram_bucket_range(bucket).start);
        }
        let long = Duration::from_millis(2);
        let task = runtime.spawn(async move {
            yield_now().await;
            thread::sleep(long);
        });
        runtime.block_on(task).unwrap();
        let count = |first_ns: Duration| {
            (0..buckets)
                .filter(|bucket| metrics.poll_time_histogram_bucket_range(*bucket).end > first_ns)
                .map(|bucket| {
                    sum(&metrics, |worker| {
                        metrics.poll_time_histogram_bucket_count(worker, bucket)
                    })
                })
                .sum::<u64>()
        };
        eventually("both polls are counted", || count(Duration::ZERO) == 2);
        assert!(count(long) >= 1);
    }
    let metrics = current_thread().handle().metrics();
    assert!(!metrics.poll_time_histogram_enabled());
    assert_eq!(metrics.poll_time_histogram_bucket_count(0, 0), 0);
}

#[test]
fn a_worker_that_blocks_is_counted_and_replaced() {
    let runtime: Runtime = multi_thread(1);
    let metrics = runtime.handle().metrics();
    let (sender, receiver) = mpsc::channel();
    let stopped = Arc::new(AtomicBool::new(false));
    let has_stopped = Arc::clone(&stopped);
    let task = runtime.spawn(async move {
        sprang::spawn(async move { sender.send(()).unwrap() });
        receiver.recv_timeout(PATIENCE).expect("nobody came to the rescue");
        stopped.store(true, SeqCst);
    });
    runtime.block_on(task).unwrap();
    assert!(has_stopped.load(SeqCst));
    assert_eq!(metrics.blocked_polls_count(), 1);
    eventually("the rescue is counted", || metrics.rescues_count() >= 1);
    assert_eq!((metrics.num_workers(), metrics.num_spare_workers()), (1, 1));
    assert!(polls(&metrics) >= 2, "the spare worker's polls count, too");
}
