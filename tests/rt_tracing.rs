//! The events that the feature `tracing` is for.

use std::fmt::Debug;
use std::sync::{LazyLock, Mutex, Once, mpsc};
use std::time::Duration;

use sprang::runtime::{BlockedPolicy, Builder, Runtime};
use sprang::sync::oneshot;
use sprang::task::{self, Id, LocalSet};
use sprang_tests::{PATIENCE, eventually, on_each};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// An event: its level, and its fields with their values.
#[derive(Debug, Clone)]
struct Seen {
    level: Level,
    fields: Vec<(&'static str, String)>,
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| *field == name);
        field.map(|(_, value)| value.as_str())
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), value.to_owned()));
    }
}

static SEEN: LazyLock<Mutex<Vec<Seen>>> = LazyLock::new(Mutex::default);

struct Collect;

impl Subscriber for Collect {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut seen = Seen {
            level: *event.metadata().level(),
            fields: Vec::new(),
        };
        event.record(&mut seen);
        SEEN.lock().unwrap().push(seen);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Collects the events of all threads.
fn collect() {
    static COLLECTING: Once = Once::new();
    COLLECTING.call_once(|| tracing::subscriber::set_global_default(Collect).unwrap());
}

/// The events about a task.
fn events(task: Id) -> Vec<Seen> {
    let id = task.to_string();
    let seen = SEEN.lock().unwrap();
    let about = seen.iter().filter(|event| event.field("task.id") == Some(&id));
    about.cloned().collect()
}

/// A task called `blocker` that keeps its worker until the sender is dropped, and beside it a task that waits for that
/// worker; the line is where the first was spawned.
fn block(runtime: &Runtime) -> (task::JoinHandle<()>, u32, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let builder = task::Builder::new().name("blocker");
    let future = async move {
        sprang::spawn(async {});
        let _dropped = released.recv_timeout(PATIENCE);
    };
    let (line, task) = (line!(), builder.spawn_on(future, runtime.handle()).unwrap());
    (task, line, release)
}

#[test]
fn a_task_that_blocks_is_a_warning() {
    collect();
    for (policy, rescued) in [(BlockedPolicy::Report, "false"), (BlockedPolicy::Rescue, "true")] {
        let (sender, reports) = mpsc::channel();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .blocked_policy(policy)
            .on_blocked_task(move |task| sender.send(task.clone()).unwrap_or_default())
            .build()
            .unwrap();
        let (task, line, release) = block(&runtime);
        // The event comes before the callback.
        let report = reports.recv_timeout(PATIENCE).unwrap();
        let [event] = &events(task.id())[..] else {
            panic!("{:?}", events(task.id()))
        };
        assert_eq!(event.level, Level::WARN);
        assert_eq!(event.field("task.name"), Some("blocker"));
        assert_eq!(report.name.as_deref(), Some("blocker"));
        assert_eq!(event.field("spawned_at"), Some(&*report.spawned_at.to_string()));
        assert_eq!((report.spawned_at.file(), report.spawned_at.line()), (file!(), line));
        assert_eq!(event.field("worker"), Some("0"));
        assert_eq!(event.field("duration"), Some(&*format!("{:?}", report.duration)));
        assert!(report.duration >= Duration::from_millis(10));
        assert_eq!(event.field("rescued"), Some(rescued));
        assert_eq!(report.rescued.to_string(), rescued);
        drop(release);
        runtime.block_on(task).unwrap();
    }
}

/// Checks what was told of a task that has panicked at its own fault.
fn check_panic(id: Id, name: Option<&str>, line: u32) {
    eventually("the panic is told", || !events(id).is_empty());
    let [event] = &events(id)[..] else {
        panic!("{:?}", events(id))
    };
    assert_eq!(event.level, Level::ERROR);
    assert_eq!(event.field("task.name"), name);
    let place = format!("{}:{line}:", file!());
    assert!(event.field("spawned_at").unwrap().starts_with(&place), "{event:?}");
}

#[test]
fn a_panic_that_nobody_waits_for_is_an_error() {
    collect();
    on_each(|runtime| {
        let (go, gone) = oneshot::channel::<()>();
        let builder = task::Builder::new().name("careless");
        let future = async move {
            gone.await.unwrap();
            panic!("on purpose");
        };
        let (line, task) = (line!(), builder.spawn_on(future, runtime.handle()).unwrap());
        let (id, aborts) = (task.id(), task.abort_handle());
        drop(task);
        go.send(()).unwrap();
        runtime.block_on(async {
            while !aborts.is_finished() {
                task::yield_now().await;
            }
        });
        check_panic(id, Some("careless"), line);

        let (go, gone) = mpsc::channel::<()>();
        let (line, task) = (
            line!(),
            runtime.spawn_blocking(move || {
                let _dropped = gone.recv_timeout(PATIENCE);
                panic!("on purpose");
            }),
        );
        let id = task.id();
        drop(task);
        drop(go);
        check_panic(id, None, line + 1);

        let local = LocalSet::new();
        let (line, task) = (line!(), local.spawn_local(async { panic!("on purpose") }));
        let id = task.id();
        drop(task);
        runtime.block_on(local);
        check_panic(id, None, line);
    });
}

#[test]
fn a_panic_in_a_destructor_that_nobody_waits_for_is_an_error() {
    collect();
    on_each(|runtime| {
        let guard = sprang_tests::on_drop(|| panic!("on purpose"));
        let (_keep, never) = oneshot::channel::<()>();
        let (line, task) = (line!(), runtime.spawn(async move { (never.await, guard).0.unwrap() }));
        let (id, aborts) = (task.id(), task.abort_handle());
        drop(task);
        aborts.abort();
        runtime.block_on(async {
            while !aborts.is_finished() {
                task::yield_now().await;
            }
        });
        check_panic(id, None, line);
    });
}

#[test]
fn a_panic_that_somebody_waits_for_is_theirs() {
    collect();
    on_each(|runtime| {
        let task = runtime.spawn(async { panic!("on purpose") });
        let id = task.id();
        runtime.block_on(task).unwrap_err();
        assert!(events(id).is_empty());
    });
}
