//! Faults: user code that panics where nobody expects it, settings that make no sense, an OS that refuses.
//!
//! What must hold: the fault stays where it is, and the runtime goes on, or was never there.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::path::Path;
use std::sync::Once;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::Duration;

use sprang::net::{TcpListener, TcpStream};
use sprang::runtime::{Builder, Runtime, is_rt_shutdown_err};
use sprang::sync::oneshot;
use sprang::task::{JoinError, JoinHandle, yield_now};
use sprang::time::{sleep, timeout};
use sprang_tests::wakers::{Fault, with_fault};
use sprang_tests::{
    Counter, FLAVOURS, PATIENCE, bounded, child, current_thread, eventually, is_child, on_drop, panic_message,
};

const FAULTS: [Fault; 3] = [Fault::Clone, Fault::Wake, Fault::Drop];

/// Tests a property, and that the runtime is as good as before.
#[track_caller]
fn on_each(property: impl Fn(&Runtime) + Clone + Send + 'static) {
    sprang_tests::on_each(move |runtime| {
        property(&runtime);
        still_works(&runtime);
    });
}

/// Tasks, timers, I/O and wake-ups from outside.
fn still_works(runtime: &Runtime) {
    let (message, received) = oneshot::channel();
    let outside = std::thread::spawn(move || message.send(1).unwrap());
    let everything = runtime.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = sprang::spawn(async move { listener.accept().await.unwrap() });
        TcpStream::connect(address).await.unwrap();
        accepting.await.unwrap();
        let late = sprang::spawn(sleep(Duration::from_millis(1)));
        yield_now().await;
        late.await.unwrap();
        received.await.unwrap()
    });
    let done = runtime.block_on(async { timeout(PATIENCE / 2, everything).await });
    assert_eq!(done.expect("the runtime is stuck").unwrap(), 1);
    outside.join().unwrap();
}

fn join<T>(runtime: &Runtime, task: JoinHandle<T>) -> Result<T, JoinError> {
    runtime.block_on(async { timeout(PATIENCE / 2, task).await.expect("the task is stuck") })
}

/// A waker that panics when woken has passed the wake-up on; one that panics in `clone` takes its task with it.
fn check<T>(fault: Fault, result: Result<T, JoinError>) {
    match fault {
        Fault::Wake => assert!(result.is_ok()),
        Fault::Clone => assert!(result.is_err_and(|error| error.is_panic())),
        Fault::Drop => {}
    }
}

#[test]
fn a_timer_survives_its_waker() {
    on_each(|runtime| {
        for fault in FAULTS {
            let task = runtime.spawn(with_fault(fault, sleep_for(2)));
            check(fault, join(runtime, task));
        }
    });
}

async fn sleep_for(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}

#[test]
fn timers_of_one_tick_survive_the_wakers_among_them() {
    on_each(|runtime| {
        let tasks: Vec<_> = (0..200)
            .map(|number| {
                if number % 3 == 0 {
                    runtime.spawn(with_fault(Fault::Wake, sleep_for(5)))
                } else {
                    runtime.spawn(sleep_for(5))
                }
            })
            .collect();
        for task in tasks {
            join(runtime, task).unwrap();
        }
    });
}

#[test]
fn a_socket_survives_its_waker() {
    on_each(|runtime| {
        for fault in FAULTS {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let address = listener.local_addr().unwrap();
            let waits = Counter::default();
            let task = runtime.spawn(waiting(
                &waits,
                with_fault(fault, async move { listener.accept().await }),
            ));
            runtime.block_on(until(|| waits.get() > 0));
            let _client = std::net::TcpStream::connect(address);
            check(fault, join(runtime, task));
        }
    });
}

#[test]
fn a_task_survives_the_waker_of_who_joins_it() {
    on_each(|runtime| {
        for fault in FAULTS {
            let (message, received) = oneshot::channel::<()>();
            let inner = runtime.spawn(received);
            let waits = Counter::default();
            let task = runtime.spawn(waiting(&waits, with_fault(fault, inner)));
            runtime.block_on(until(|| waits.get() > 0));
            let _ = message.send(());
            check(fault, join(runtime, task));
        }
    });
}

/// Polls `future`, and counts in `waits` when a poll has left it waiting, or has panicked.
fn waiting<F: Future>(waits: &Counter, future: F) -> impl Future<Output = F::Output> + use<F> {
    let (waits, mut future) = (waits.clone(), Box::pin(future));
    poll_fn(move |cx| {
        let _counted = waits.count_drop();
        future.as_mut().poll(cx)
    })
}

async fn until(state: impl Fn() -> bool) {
    while !state() {
        yield_now().await;
    }
}

#[test]
fn yielding_survives_its_waker() {
    on_each(|runtime| {
        for fault in FAULTS {
            let healthy: Vec<_> = (0..10).map(|_| runtime.spawn(yield_now())).collect();
            let task = runtime.spawn(with_fault(fault, yield_now()));
            check(fault, join(runtime, task));
            for task in healthy {
                join(runtime, task).unwrap();
            }
        }
    });
}

#[test]
fn block_on_survives_wakers_of_its_future() {
    on_each(|runtime| {
        runtime.block_on(with_fault(Fault::Wake, sleep_for(2)));
        for fault in FAULTS {
            // Where it is the future's own poll that calls the waker, the panic is the caller's.
            let _ = catch_unwind(AssertUnwindSafe(|| runtime.block_on(with_fault(fault, sleep_for(2)))));
            let _ = catch_unwind(AssertUnwindSafe(|| runtime.block_on(with_fault(fault, yield_now()))));
        }
    });
}

#[test]
fn a_driver_that_ends_survives_the_wakers_that_wait() {
    for flavour in FLAVOURS {
        bounded(move || {
            let runtime = flavour();
            // What waits is in no task of that runtime, so that only its driver wakes it.
            let other = current_thread();
            let mut tasks = Vec::new();
            for fault in [Fault::Wake, Fault::Drop] {
                let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
                tasks.push(other.spawn(with_fault(fault, async move { drop(listener.accept().await) })));
                let guard = runtime.enter();
                let timer = sleep(Duration::from_secs(3_600));
                drop(guard);
                tasks.push(other.spawn(with_fault(fault, timer)));
            }
            other.block_on(yield_now());
            let _ = catch_unwind(AssertUnwindSafe(|| drop(runtime)));
            still_works(&other);
        });
    }
}

/// Panics in its destructor.
fn bomb() -> impl Drop + Send {
    on_drop(|| panic!("a destructor"))
}

#[test]
fn a_future_whose_destructor_panics_gives_that_panic() {
    on_each(|runtime| {
        let bomb_in_future = bomb();
        let completed = runtime.spawn(poll_fn(move |_| {
            let _ = &bomb_in_future;
            Poll::Ready(1)
        }));
        let panic = join(runtime, completed).unwrap_err().into_panic();
        assert_eq!(panic_message(&*panic), "a destructor");

        let (started, has_started) = oneshot::channel();
        let aborted = runtime.spawn(async move {
            let _bomb = bomb();
            started.send(()).unwrap();
            pending::<()>().await;
        });
        runtime.block_on(has_started).unwrap();
        aborted.abort();
        assert!(join(runtime, aborted).unwrap_err().is_panic());

        let bomb_in_future = bomb();
        let twice = runtime.spawn(poll_fn(move |_| -> Poll<()> {
            let _ = &bomb_in_future;
            panic!("a poll")
        }));
        assert!(join(runtime, twice).unwrap_err().is_panic());
    });
}

#[test]
fn destructors_of_what_nobody_takes_may_panic() {
    on_each(|runtime| {
        let dropped = Counter::default();
        let count = dropped.clone();
        let counted_bomb = move || {
            let count = count.clone();
            on_drop(move || {
                count.add();
                panic!("a destructor");
            })
        };
        let output = counted_bomb.clone();
        drop(runtime.spawn(async move { output() }));
        let payload = counted_bomb.clone();
        drop(runtime.spawn(async move { panic_any(payload()) }));
        // The handle goes after the task has ended.
        let late = runtime.spawn(async move { counted_bomb() });
        runtime.block_on(async {
            while dropped.get() < 2 || !late.is_finished() {
                yield_now().await;
            }
        });
        drop(late);
        assert_eq!(dropped.get(), 3);
        // Also while another panic unwinds.
        let task = runtime.spawn(async { bomb() });
        runtime.block_on(until(|| task.is_finished()));
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _task = task;
            panic!("the first");
        }));
        assert_eq!(panic_message(&*caught.unwrap_err()), "the first");
    });
}

#[test]
fn callbacks_of_threads_may_panic() {
    bounded(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all();
        let runtime = builder.on_thread_start(|| panic!("at the start")).build().unwrap();
        still_works(&runtime);
        drop(runtime);
        let runtime = builder
            .on_thread_start(|| ())
            .on_thread_stop(|| panic!("at the end"))
            .build()
            .unwrap();
        still_works(&runtime);
    });
}

#[test]
fn sockets_and_timers_panic_where_they_are_not_enabled() {
    for builder in [Builder::new_current_thread, Builder::new_multi_thread] {
        bounded(move || {
            let only_time = builder().worker_threads(1).enable_time().build().unwrap();
            let no_io = AssertUnwindSafe(|| only_time.block_on(TcpListener::bind("127.0.0.1:0")));
            let panic = catch_unwind(no_io).unwrap_err();
            assert!(
                panic_message(&*panic).contains("IO is disabled"),
                "{}",
                panic_message(&*panic)
            );
            let task = only_time.spawn(async { drop(TcpStream::connect("127.0.0.1:1").await) });
            assert!(join(&only_time, task).unwrap_err().is_panic());

            let only_io = builder().worker_threads(1).enable_io().build().unwrap();
            let no_time = AssertUnwindSafe(|| only_io.block_on(async { sleep_for(1).await }));
            let panic = catch_unwind(no_time).unwrap_err();
            assert!(panic_message(&*panic).contains("time"), "{}", panic_message(&*panic));
            only_io.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();

            let neither = builder().worker_threads(1).build().unwrap();
            assert_eq!(
                neither.block_on(neither.spawn(async { yield_now().await })).ok(),
                Some(())
            );
        });
    }
}

/// The line in this file that a panic is blamed on.
fn blamed(panics: impl FnOnce()) -> u32 {
    thread_local! {
        static LINE: RefCell<Option<u32>> = const { RefCell::new(None) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let here = info
                .location()
                .filter(|location| location.file().ends_with("rt_faults.rs"));
            LINE.set(here.map(|location| location.line()));
            before(info);
        }));
    });
    LINE.set(None);
    catch_unwind(AssertUnwindSafe(panics)).expect_err("it does not panic");
    LINE.take().expect("the panic is blamed on another file")
}

#[test]
fn settings_of_zero_are_blamed_on_the_caller() {
    let mut builder = Builder::new_multi_thread();
    assert_eq!(blamed(|| drop(builder.worker_threads(0).build())), line!());
    assert_eq!(blamed(|| drop(builder.event_interval(0).build())), line!());
    assert_eq!(blamed(|| drop(builder.global_queue_interval(0).build())), line!());
    assert_eq!(blamed(|| drop(builder.max_io_events_per_tick(0).build())), line!());
    assert_eq!(blamed(|| drop(builder.worker_threads(1_000_000).build())), line!());
    // Nothing of that has stuck to a current-thread builder's idea of workers.
    assert!(Builder::new_current_thread().worker_threads(7).build().is_ok());
}

#[test]
fn misuse_is_blamed_on_the_caller() {
    let runtime = current_thread();
    assert_eq!(blamed(|| drop(sprang::spawn(async {}))), line!());
    assert_eq!(blamed(|| drop(sprang::runtime::Handle::current())), line!());
    assert_eq!(blamed(|| _ = sprang::task::id()), line!());
    runtime.block_on(async {
        assert_eq!(blamed(|| runtime.block_on(async {})), line!());
        assert_eq!(blamed(|| runtime.handle().block_on(async {})), line!());
        let task = sprang::spawn(pending::<()>());
        task.abort();
        let error = task.await.unwrap_err();
        assert_eq!(blamed(|| drop(error.into_panic())), line!());
    });
}

#[test]
fn the_default_number_of_workers_comes_from_the_environment() {
    const TEST: &str = "the_default_number_of_workers_comes_from_the_environment";
    const VARIABLE: &str = "SPRANG_WORKER_THREADS";
    if is_child() {
        let started = Counter::default();
        let count = started.clone();
        let mut builder = Builder::new_multi_thread();
        drop(builder.on_thread_start(move || count.add()).build().unwrap());
        println!("workers: {}", started.get());
        return;
    }
    let run = |value: &str| child(TEST, "").env(VARIABLE, value).output().unwrap();
    let output = run("3");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("workers: 3"),
        "{output:?}"
    );
    for wrong in ["0", "", "-1", "two", "32769", "99999999999999999999"] {
        let output = run(wrong);
        assert!(!output.status.success(), "{wrong:?} is taken");
        let message = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(
            message.contains(VARIABLE) && message.contains(&format!("{wrong:?}")),
            "{message}"
        );
    }
}

/// The number of threads of this process, once it has the one that all runtimes share.
fn threads() -> usize {
    static SHARED: Once = Once::new();
    SHARED.call_once(|| drop(sprang_tests::multi_thread(1)));
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn a_refused_thread_is_an_error_and_leaves_no_other() {
    const TEST: &str = "a_refused_thread_is_an_error_and_leaves_no_other";
    if !is_child() {
        // 4 GiB of addresses: enough for a few of the stacks below, not for all.
        let output = child(TEST, "-v 4194304").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let (started, stopped) = (Counter::default(), Counter::default());
    let (count_start, count_stop) = (started.clone(), stopped.clone());
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(16).enable_all().thread_stack_size(1 << 29);
    builder
        .on_thread_start(move || count_start.add())
        .on_thread_stop(move || count_stop.add());
    let before = threads();
    for _ in 0..3 {
        builder.build().expect_err("16 stacks of 512 MiB fit into 4 GiB");
        assert_eq!(started.get(), stopped.get());
        eventually("no thread is left", || threads() == before);
    }
    assert!(started.get() > 0, "no thread was started at all");
    still_works(&builder.worker_threads(1).build().unwrap());
}

#[test]
fn refused_files_are_an_error() {
    const TEST: &str = "refused_files_are_an_error";
    if !is_child() {
        let output = child(TEST, "-n 32").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all();
    for builder in [&mut builder, Builder::new_current_thread().enable_all()] {
        let mut files: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        // With each file that is given back one step more of the build works.
        let mut refused = 0;
        while let Err(error) = builder.build() {
            assert_eq!(error.raw_os_error(), Some(24), "{error}");
            refused += 1;
            drop(files.pop().expect("it works when there are files enough"));
        }
        assert!(refused > 0);
        drop(files);
        still_works(&builder.build().unwrap());
    }
}

/// Overwrites all of this process's epoll descriptors with ones that nobody can wait for.
fn break_epoll() {
    let is_epoll = |path: &Path| std::fs::read_link(path).is_ok_and(|file| file.ends_with("anon_inode:[eventpoll]"));
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let paths = files.map(|file| file.path()).filter(|path| is_epoll(path));
    let mut numbers: Vec<RawFd> = paths
        .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    assert!(!numbers.is_empty());
    for number in &numbers {
        // SAFETY: none, and that is the fault: the descriptor belongs to a driver.
        drop(unsafe { OwnedFd::from_raw_fd(*number) });
    }
    while !numbers.is_empty() {
        // Closed by the driver.
        let number = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
        numbers.retain(|other| *other != number);
    }
}

#[test]
fn a_driver_that_cannot_wait_gives_up_io_and_nothing_else() {
    const TEST: &str = "a_driver_that_cannot_wait_gives_up_io_and_nothing_else";
    if !is_child() {
        let output = child(TEST, "").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let reports = Counter::default();
    let count = reports.clone();
    std::panic::set_hook(Box::new(move |info| {
        eprintln!("{info}");
        count.add();
    }));
    for (number, flavour) in FLAVOURS.into_iter().enumerate() {
        let reports = reports.clone();
        bounded(move || {
            let runtime = flavour();
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let accepting = runtime.spawn(async move { listener.accept().await.map(drop) });
            runtime.block_on(yield_now());
            break_epoll();
            let error = join(&runtime, accepting).unwrap().unwrap_err();
            assert!(is_rt_shutdown_err(&error), "{error}");
            assert!(runtime.block_on(TcpListener::bind("127.0.0.1:0")).is_err());
            // Tasks, timers and wake-ups from outside go on, with as many parks as they need.
            for _ in 0..10 {
                let (message, received) = oneshot::channel();
                let outside = std::thread::spawn(move || message.send(1).unwrap());
                let everything = runtime.spawn(async {
                    sprang::spawn(sleep_for(2)).await.unwrap();
                    received.await.unwrap()
                });
                assert_eq!(join(&runtime, everything).unwrap(), 1);
                outside.join().unwrap();
            }
            drop(runtime);
            assert_eq!(reports.get(), number + 1, "it is reported once");
        });
    }
}

#[test]
fn a_name_that_panics_leaves_no_thread() {
    const TEST: &str = "a_name_that_panics_leaves_no_thread";
    if !is_child() {
        let output = child(TEST, "").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let before = threads();
    let named = Counter::default();
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(4).thread_name_fn(move || {
        named.add();
        assert!(named.get() < 3, "no name for the third");
        "worker".to_owned()
    });
    let built = catch_unwind(AssertUnwindSafe(|| builder.build()));
    assert!(built.is_err());
    eventually("no thread is left", || threads() == before);
}

#[test]
fn a_name_that_panics_for_a_spare_thread_harms_nobody() {
    bounded(|| {
        let named = Counter::default();
        let count = named.clone();
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().thread_name_fn(move || {
            count.add();
            assert!(count.get() == 1, "no name for another");
            "the only one".to_owned()
        });
        let runtime = builder.build().unwrap();
        let (started, has_started) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let blocked = runtime.spawn(async move {
            started.send(()).unwrap();
            may_go_on.recv_timeout(PATIENCE).unwrap();
        });
        has_started.recv_timeout(PATIENCE).unwrap();
        let waiting = runtime.spawn(yield_now());
        eventually("a spare thread is asked for", || named.get() > 1);
        go_on.send(()).unwrap();
        runtime.block_on(blocked).unwrap();
        runtime.block_on(waiting).unwrap();
        still_works(&runtime);
        // Whoever looks after blocked workers still does so, for the other runtimes.
        let other = sprang_tests::multi_thread(1);
        let (message, received) = channel::<()>();
        let blocked = other.spawn(async move { received.recv_timeout(PATIENCE / 2).is_ok() });
        let beside = other.spawn(async move { message.send(()).unwrap() });
        assert!(other.block_on(blocked).unwrap());
        other.block_on(beside).unwrap();
    });
}

#[test]
fn spare_threads_that_are_refused_take_no_room_from_later_ones() {
    bounded(|| {
        const REFUSALS: usize = 3;
        let named = Counter::default();
        let count = named.clone();
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).max_spare_threads(1).enable_all();
        builder.thread_name_fn(move || {
            count.add();
            assert!(!(2..2 + REFUSALS).contains(&count.get()), "no name for now");
            "worker".to_owned()
        });
        let runtime = builder.build().unwrap();
        let (message, received) = channel::<()>();
        let blocked = runtime.spawn(async move { received.recv_timeout(PATIENCE / 2).is_ok() });
        let beside = runtime.spawn(async move { message.send(()).unwrap() });
        assert!(
            runtime.block_on(blocked).unwrap(),
            "nobody took the place of the blocked worker"
        );
        runtime.block_on(beside).unwrap();
        assert_eq!(named.get(), 2 + REFUSALS);
        still_works(&runtime);
    });
}
