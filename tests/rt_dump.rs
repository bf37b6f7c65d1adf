//! Task dumps: what is listed, and that a runtime which is stuck can be looked at.

use std::sync::mpsc;
use std::time::Duration;

use sprang::runtime::{BlockedPolicy, Builder, DumpedTask, Runtime, TaskDump, TaskState};
use sprang::sync::oneshot;
use sprang::task::{self, Id};
use sprang::time::sleep;
use sprang_tests::{PATIENCE, eventually, on_each};

fn find(dump: &TaskDump, id: Id) -> Option<&DumpedTask> {
    dump.tasks().iter().find(|task| task.id() == id)
}

fn state(runtime: &Runtime, id: Id) -> Option<TaskState> {
    find(&runtime.handle().task_dump(), id).map(DumpedTask::state)
}

#[test]
fn an_idle_task_is_listed_with_its_name_and_where_it_was_spawned() {
    on_each(|runtime| {
        let (polled, is_polled) = oneshot::channel();
        let future = async move {
            polled.send(()).unwrap();
            std::future::pending::<()>().await;
        };
        let named = task::Builder::new().name("sleeper");
        let (here, task) = (line!(), named.spawn_on(future, runtime.handle()).unwrap());
        runtime.block_on(is_polled).unwrap();
        eventually("the task is idle", || {
            state(&runtime, task.id()) == Some(TaskState::Idle)
        });
        let dump = runtime.handle().task_dump();
        let entry = find(&dump, task.id()).unwrap();
        assert_eq!(entry.name(), Some("sleeper"));
        assert_eq!((entry.spawned_at().file(), entry.spawned_at().line()), (file!(), here));
        assert_eq!((dump.tasks().len(), dump.unpolled()), (1, 0));
        let text = dump.to_string();
        assert!(text.contains("`sleeper`") && text.contains("idle"), "{text}");

        task.abort();
        runtime.block_on(task).unwrap_err();
        eventually("nothing is listed", || runtime.handle().task_dump().tasks().is_empty());
    });
}

#[test]
fn a_task_that_was_never_polled_is_only_counted() {
    let runtime = Builder::new_current_thread().build().unwrap();
    // Spawned from inside: what comes from another thread is bound before.
    let (dump, id) = runtime.block_on(async {
        let task = sprang::spawn(async {});
        (runtime.handle().task_dump(), task.id())
    });
    assert!(find(&dump, id).is_none());
    assert_eq!(dump.unpolled(), 1);
}

#[test]
fn a_task_sees_itself_running() {
    on_each(|runtime| {
        let handle = runtime.handle().clone();
        let task = runtime.spawn(async move { handle.task_dump() });
        let id = task.id();
        let dump = runtime.block_on(task).unwrap();
        let state = find(&dump, id).unwrap().state();
        assert!(matches!(state, TaskState::Running { worker: Some(_) }), "{state:?}");
    });
}

#[test]
fn a_runtime_whose_workers_are_all_stuck_can_be_looked_at() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .blocked_policy(BlockedPolicy::Off)
        .build()
        .unwrap();
    let (wake, woken) = oneshot::channel::<()>();
    let sleeper = runtime.spawn(woken);
    eventually("the task is idle", || {
        state(&runtime, sleeper.id()) == Some(TaskState::Idle)
    });

    let (start, started) = mpsc::channel();
    let (releases, stuck): (Vec<_>, Vec<_>) = (0..2)
        .map(|_| {
            let (release, released) = mpsc::channel::<()>();
            let start = start.clone();
            let task = runtime.spawn(async move {
                start.send(()).unwrap();
                let _dropped = released.recv_timeout(PATIENCE);
            });
            (release, task)
        })
        .unzip();
    (0..2).for_each(|_| started.recv_timeout(PATIENCE).unwrap());
    wake.send(()).unwrap();
    let unpolled = runtime.spawn(async {});

    let dump = runtime.handle().task_dump();
    let mut workers: Vec<_> = stuck
        .iter()
        .map(|task| match find(&dump, task.id()).unwrap().state() {
            TaskState::Running { worker } => worker.expect("it has been polled for long"),
            other => panic!("{other:?}"),
        })
        .collect();
    workers.sort_unstable();
    assert_eq!(workers, [0, 1]);
    assert_eq!(find(&dump, sleeper.id()).unwrap().state(), TaskState::Queued);
    assert!(find(&dump, unpolled.id()).is_none());
    assert_eq!(dump.unpolled(), 1);
    drop(releases);
    runtime.block_on(sleeper).unwrap().unwrap();
}

#[test]
fn a_task_that_blocks_in_place_is_running() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (start, started) = mpsc::channel();
    let task = runtime.spawn(async move {
        // It is in the owned set once it was idle.
        sleep(Duration::from_millis(1)).await;
        task::block_in_place(|| {
            start.send(()).unwrap();
            let _dropped = released.recv_timeout(PATIENCE);
        });
    });
    started.recv_timeout(PATIENCE).unwrap();
    let state = state(&runtime, task.id());
    assert_eq!(state, Some(TaskState::Running { worker: None }));
    drop(release);
}

#[test]
fn a_runtime_that_tracks_its_tasks_says_what_they_wait_for() {
    for builder in [&mut Builder::new_current_thread(), &mut Builder::new_multi_thread()] {
        let runtime = builder.enable_all().track_tasks().build().unwrap();
        runtime.block_on(async {
            let (kept, waited_for) = oneshot::channel::<()>();
            let (sender, mut receiver) = sprang::sync::mpsc::channel::<()>(1);
            sender.try_send(()).unwrap();
            let lock = std::sync::Arc::new(sprang::sync::Mutex::new(()));
            let guard = std::sync::Arc::clone(&lock).lock_owned().await;
            let socket = sprang::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let pending = sprang::spawn(std::future::pending::<()>());
            let awaited = pending.id();
            let tasks = [
                ("a timer", sprang::spawn(sleep(PATIENCE))),
                ("a oneshot", sprang::spawn(async { drop(waited_for.await) })),
                (
                    "room in a channel",
                    sprang::spawn(async move { sender.send(()).await.unwrap() }),
                ),
                ("a lock", sprang::spawn(async move { drop(lock.lock().await) })),
                ("I/O", sprang::spawn(async move { drop(socket.accept().await) })),
                ("a task", sprang::spawn(async move { drop(pending.await) })),
            ];
            let handle = runtime.handle();
            let is_idle = |id| {
                let dump = handle.task_dump();
                find(&dump, id).is_some_and(|task| task.state() == TaskState::Idle && task.polls() > Some(0))
            };
            for (what, task) in &tasks {
                while !is_idle(task.id()) {
                    task::yield_now().await;
                }
                let dump = handle.task_dump();
                let entry = find(&dump, task.id()).unwrap();
                assert!(entry.waits_for().unwrap().contains(what), "{entry}");
                assert_eq!(entry.polls(), Some(1));
                assert!(entry.last_poll().unwrap().elapsed() < PATIENCE);
            }
            let dump = handle.task_dump();
            assert_eq!(
                find(&dump, awaited).unwrap().waits_for(),
                None,
                "a future that says nothing"
            );
            let text = dump.to_string();
            assert!(text.contains("idle, waits for a timer, 1 polls"), "{text}");

            // Woken, and ended: no longer in the table.
            drop((kept, guard));
            let oneshot = tasks[1].1.id();
            for (_, task) in tasks.into_iter().skip(1).take(1) {
                task.await.unwrap();
            }
            assert!(find(&handle.task_dump(), oneshot).is_none());
            receiver.close();
        });
    }
}
