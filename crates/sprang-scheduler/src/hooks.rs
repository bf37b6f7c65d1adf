//! Callbacks of the user's at the turns of a task's life and a thread's.
//!
//! Purpose: [`Hooks`], which a scheduler calls, and what a poll costs somebody who measures each (`Observer`).
//!
//! Data flow: spawn → `Hooks::spawned`; a run loop → `Observer::run` around each poll, if there is anything to be
//! done; `task::harness` → `Hooks::terminated`, before the task is complete; a thread that parks → `Hooks::park`,
//! `Hooks::unpark`.
//!
//! Invariants:
//! - I1: a hook that panics changes nothing: the panic is swallowed.
//! - I2: no hook runs under a lock. What it spawns or wakes is scheduled like anything else.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use sprang_core::{coop, waiting};

use crate::histogram::{Histogram, HistogramConfiguration};
use crate::panics::survive;
use crate::task::{Id, Notified};
use crate::tracking::Tracking;

/// What a hook is told of a task.
#[derive(Debug)]
pub struct TaskMeta<'a> {
    id: Id,
    spawned_at: &'static Location<'static>,
    panicked: bool,
    _task: PhantomData<&'a ()>,
}

impl TaskMeta<'_> {
    pub(crate) fn new(id: Id, spawned_at: &'static Location<'static>) -> Self {
        Self {
            id,
            spawned_at,
            panicked: false,
            _task: PhantomData,
        }
    }

    /// What is told when the task ends.
    pub(crate) fn ended(self, panicked: bool) -> Self {
        Self { panicked, ..self }
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// Whether the task has ended by a panic: only ever `true` where the hook is that of a task's end. (Not in Tokio.)
    pub fn has_panicked(&self) -> bool {
        self.panicked
    }
}

/// A hook of threads.
pub type ThreadHook = Arc<dyn Fn() + Send + Sync>;

/// A hook of tasks.
pub type TaskHook = Arc<dyn Fn(&TaskMeta<'_>) + Send + Sync>;

/// The hooks of a scheduler.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Before a thread parks.
    pub thread_park: Option<ThreadHook>,
    /// After a thread was parked.
    pub thread_unpark: Option<ThreadHook>,
    /// When a task is spawned, by the thread that spawns it.
    pub task_spawn: Option<TaskHook>,
    /// When a task has ended, by the thread that ran or dropped it.
    pub task_terminate: Option<TaskHook>,
    /// Before each poll of a task.
    pub before_poll: Option<TaskHook>,
    /// After each poll of a task.
    pub after_poll: Option<TaskHook>,
    /// Where it is noted how often each task was polled, and what it waits for.
    pub tracking: Option<Arc<Tracking>>,
}

impl Hooks {
    /// A task was spawned.
    #[inline]
    pub(crate) fn spawned(&self, task: &Notified) {
        if self.task_spawn.is_some() {
            call(self.task_spawn.as_ref(), &task.meta());
        }
    }

    /// The thread is about to park.
    pub(crate) fn park(&self) {
        if let Some(hook) = &self.thread_park {
            survive(|| hook());
        }
    }

    /// The thread was parked.
    pub(crate) fn unpark(&self) {
        if let Some(hook) = &self.thread_unpark {
            survive(|| hook());
        }
    }
}

/// Calls a hook of tasks.
#[cold]
pub(crate) fn call(hook: Option<&TaskHook>, task: &TaskMeta<'_>) {
    if let Some(hook) = hook {
        survive(|| hook(task));
    }
}

/// What is done around each poll of a task, by one worker.
#[derive(Debug)]
pub(crate) struct Observer {
    hooks: Hooks,
    histogram: Option<Arc<Histogram>>,
}

impl Observer {
    /// `None` if there is nothing to be done.
    pub(crate) fn new(hooks: &Hooks, histogram: Option<&Arc<Histogram>>) -> Option<Box<Self>> {
        let wanted = hooks.before_poll.is_some()
            || hooks.after_poll.is_some()
            || hooks.tracking.is_some()
            || histogram.is_some();
        wanted.then(|| {
            Box::new(Self {
                hooks: hooks.clone(),
                histogram: histogram.cloned(),
            })
        })
    }

    /// Runs a task; returns whether it has ended.
    #[cold]
    pub(crate) fn run(&self, task: Notified) -> bool {
        let meta = task.meta();
        call(self.hooks.before_poll.as_ref(), &meta);
        let begun = self.histogram.as_ref().map(|histogram| (histogram, Instant::now()));
        if self.hooks.tracking.is_some() {
            waiting::clear();
        }
        let ended = coop::budget(|| task.turn());
        if let Some(tracking) = &self.hooks.tracking {
            tracking.record(meta.id(), ended, waiting::take());
        }
        if let Some((histogram, begun)) = begun {
            histogram.record(begun.elapsed());
        }
        call(self.hooks.after_poll.as_ref(), &meta);
        ended
    }
}

/// A histogram for a worker, if polls are measured.
pub(crate) fn histogram(configuration: Option<&HistogramConfiguration>) -> Option<Arc<Histogram>> {
    configuration.map(|configuration| Arc::new(Histogram::new(configuration)))
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
