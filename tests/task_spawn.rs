//! What holds for each function that spawns, or blocks on a future: it says where it was called, and large futures do
//! not overflow the stack.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use sprang::runtime::{Builder, LocalOptions, LocalRuntime, Runtime};
use sprang::task::{self, JoinError, JoinHandle, JoinSet, LocalSet};
use sprang_tests::{bounded, current_thread, on_each};

async fn fails() {
    panic!("on purpose");
}

/// The line where a task was spawned in this file, by what its error says.
fn line_of(error: &JoinError) -> u32 {
    assert_eq!(error.spawned_at().file(), file!());
    error.spawned_at().line()
}

/// Has a task that fails, or a closure, be spawned; checks that its error names the caller's line.
#[track_caller]
fn check(runtime: &Runtime, spawn: impl FnOnce() -> JoinHandle<()>) {
    let task = {
        let _guard = runtime.enter();
        spawn()
    };
    let error = runtime.block_on(task).unwrap_err();
    assert_eq!(line_of(&error), Location::caller().line());
}

/// As [`check`], for a task on a set.
#[track_caller]
fn check_set(runtime: &Runtime, spawn: impl FnOnce(&mut JoinSet<()>)) {
    let mut set = JoinSet::new();
    {
        let _guard = runtime.enter();
        spawn(&mut set);
    }
    let error = runtime.block_on(set.join_next()).unwrap().unwrap_err();
    assert_eq!(line_of(&error), Location::caller().line());
}

/// As [`check`], for a task that is not `Send`; the future spawns it.
#[track_caller]
fn check_local(local: &LocalSet, spawn: impl FnOnce() -> JoinHandle<()>) {
    let error = local.block_on(&current_thread(), async { spawn().await }).unwrap_err();
    assert_eq!(line_of(&error), Location::caller().line());
}

/// As [`check_local`], for a set.
#[track_caller]
fn check_local_set(local: &LocalSet, spawn: impl FnOnce(&mut JoinSet<()>)) {
    let mut set = JoinSet::new();
    let join = async {
        spawn(&mut set);
        set.join_next().await.unwrap()
    };
    let error = local.block_on(&current_thread(), join).unwrap_err();
    assert_eq!(line_of(&error), Location::caller().line());
}

#[rustfmt::skip]
#[test]
fn a_task_knows_where_it_was_spawned() {
    on_each(|runtime| {
        let handle = runtime.handle().clone();
        check(&runtime, || sprang::spawn(fails()));
        check(&runtime, || task::spawn(fails()));
        check(&runtime, || runtime.spawn(fails()));
        check(&runtime, || handle.spawn(fails()));
        check(&runtime, || task::Builder::new().spawn(fails()).unwrap());
        check(&runtime, || task::Builder::new().name("named").spawn(fails()).unwrap());
        check(&runtime, || task::Builder::new().spawn_on(fails(), &handle).unwrap());
        check_set(&runtime, |set| _ = set.spawn(fails()));
        check_set(&runtime, |set| _ = set.spawn_on(fails(), &handle));
        check_set(&runtime, |set| _ = set.build_task().spawn(fails()).unwrap());
        check_set(&runtime, |set| _ = set.build_task().spawn_on(fails(), &handle).unwrap());
        check_set(&runtime, |set| set.extend([fails()]));
    });
}

#[rustfmt::skip]
#[test]
fn a_closure_knows_where_it_was_spawned() {
    fn fails() {
        panic!("on purpose");
    }
    on_each(|runtime| {
        let handle = runtime.handle().clone();
        check(&runtime, || task::spawn_blocking(fails));
        check(&runtime, || runtime.spawn_blocking(fails));
        check(&runtime, || handle.spawn_blocking(fails));
        check(&runtime, || task::Builder::new().spawn_blocking(fails).unwrap());
        check(&runtime, || task::Builder::new().name("named").spawn_blocking(fails).unwrap());
        check(&runtime, || task::Builder::new().spawn_blocking_on(fails, &handle).unwrap());
        check_set(&runtime, |set| _ = set.spawn_blocking(fails));
        check_set(&runtime, |set| _ = set.spawn_blocking_on(fails, &handle));
        check_set(&runtime, |set| _ = set.build_task().spawn_blocking(fails).unwrap());
        check_set(&runtime, |set| _ = set.build_task().spawn_blocking_on(fails, &handle).unwrap());
    });
}

#[rustfmt::skip]
#[test]
fn a_local_task_knows_where_it_was_spawned() {
    bounded(|| {
        let local = LocalSet::new();
        check_local(&local, || task::spawn_local(fails()));
        check_local(&local, || local.spawn_local(fails()));
        check_local(&local, || task::Builder::new().spawn_local(fails()).unwrap());
        check_local(&local, || task::Builder::new().name("named").spawn_local_on(fails(), &local).unwrap());
        check_local_set(&local, |set| _ = set.spawn_local(fails()));
        check_local_set(&local, |set| _ = set.spawn_local_on(fails(), &local));
        check_local_set(&local, |set| _ = set.build_task().spawn_local(fails()).unwrap());
        check_local_set(&local, |set| _ = set.build_task().spawn_local_on(fails(), &local).unwrap());
        let runtime = LocalRuntime::new().unwrap();
        let (line, task) = (line!(), runtime.spawn_local(fails()));
        assert_eq!(line_of(&runtime.block_on(task).unwrap_err()), line);
        let (line, joined) = (line!(), runtime.block_on(async { task::spawn_local(fails()).await }));
        assert_eq!(line_of(&joined.unwrap_err()), line);
    });
}

/// The size of what is spawned. The stack that it is spawned from holds it a few times, but not once a function.
const LARGE: usize = 300 * 1024;
const STACK: usize = 5 * LARGE;

/// A future of that size that is pending once.
struct Large {
    bytes: [u8; LARGE],
    polled: bool,
}

impl Future for Large {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        if std::mem::replace(&mut self.polled, true) {
            return Poll::Ready(self.bytes.len());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[inline(never)]
fn large() -> Large {
    Large {
        bytes: [0; LARGE],
        polled: false,
    }
}

#[inline(never)]
fn large_closure() -> impl FnOnce() -> usize {
    let bytes = [0_u8; LARGE];
    move || bytes.len()
}

/// Calls `body` with little stack; what it returns is the size of what it spawned.
#[track_caller]
fn on_a_small_stack(body: impl FnOnce() -> usize + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK).spawn(body).unwrap();
    assert_eq!(thread.join().unwrap(), LARGE);
}

/// A runtime whose threads have little stack, too.
fn runtime(builder: &mut Builder) -> Runtime {
    builder.worker_threads(2).thread_stack_size(STACK).build().unwrap()
}

/// What is to be tried on a thread of its own.
type Try = fn(&Runtime) -> usize;

#[test]
fn a_large_future_does_not_overflow_the_stack() {
    let tries: [Try; 10] = [
        |runtime| runtime.block_on(large()),
        |runtime| runtime.handle().block_on(large()),
        |runtime| runtime.block_on(runtime.spawn(large())).unwrap(),
        |runtime| runtime.block_on(runtime.handle().spawn(large())).unwrap(),
        |runtime| runtime.block_on(async { sprang::spawn(large()).await.unwrap() }),
        |runtime| {
            let named = task::Builder::new().name("large");
            runtime
                .block_on(named.spawn_on(large(), runtime.handle()).unwrap())
                .unwrap()
        },
        |runtime| {
            let mut set = JoinSet::new();
            let _guard = runtime.enter();
            set.spawn(large());
            runtime.block_on(set.join_all())[0]
        },
        |runtime| {
            let mut set = JoinSet::new();
            set.spawn_on(large(), runtime.handle());
            runtime.block_on(set.join_all())[0]
        },
        |runtime| runtime.block_on(runtime.spawn_blocking(large_closure())).unwrap(),
        |runtime| {
            let _guard = runtime.enter();
            runtime.block_on(task::spawn_blocking(large_closure())).unwrap()
        },
    ];
    for builder in [Builder::new_current_thread, Builder::new_multi_thread] {
        for large in tries {
            on_a_small_stack(move || large(&runtime(&mut builder())));
        }
    }
}

#[test]
fn a_large_local_future_does_not_overflow_the_stack() {
    let tries: [fn() -> usize; 7] = [
        || LocalRuntime::new().unwrap().block_on(large()),
        || {
            let runtime = LocalRuntime::new().unwrap();
            runtime.block_on(runtime.spawn_local(large())).unwrap()
        },
        || {
            let runtime = Builder::new_current_thread()
                .build_local(LocalOptions::default())
                .unwrap();
            runtime.block_on(async { task::spawn_local(large()).await.unwrap() })
        },
        || LocalSet::new().block_on(&current_thread(), large()),
        || {
            let local = LocalSet::new();
            local.block_on(&current_thread(), local.spawn_local(large())).unwrap()
        },
        || {
            let local = LocalSet::new();
            local.block_on(&current_thread(), async { task::spawn_local(large()).await.unwrap() })
        },
        || {
            let (local, mut set) = (LocalSet::new(), JoinSet::new());
            set.spawn_local_on(large(), &local);
            local.block_on(&current_thread(), set.join_all())[0]
        },
    ];
    for large in tries {
        on_a_small_stack(large);
    }
}
