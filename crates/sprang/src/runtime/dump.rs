//! What the tasks of a runtime are doing.
//!
//! Purpose: [`Handle::task_dump`], for programs that hang, and for whoever wonders what they are at.
//!
//! Called by: users. Calls: the scheduler's handle, and its table of names.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use sprang_scheduler::dump::TaskState;
use sprang_scheduler::task::names_of;
use sprang_scheduler::tracking::Track;

use super::handle::{Handle, Scheduler};
use crate::task::Id;

/// The tasks of a runtime at one moment: from [`Handle::task_dump`]. Its [`Display`](fmt::Display) has a line for each.
#[derive(Debug, Clone)]
pub struct TaskDump {
    tasks: Vec<DumpedTask>,
    unpolled: usize,
}

/// A task of a [`TaskDump`].
#[derive(Debug, Clone)]
pub struct DumpedTask {
    id: Id,
    name: Option<Arc<str>>,
    spawned_at: &'static Location<'static>,
    state: TaskState,
    track: Option<Track>,
}

impl Handle {
    /// Lists the runtime's tasks, with what each is doing.
    ///
    /// It waits for no worker and runs none of the user's code, so that it also works on a runtime that is stuck, from
    /// any thread: a watchdog's, a signal's task on another runtime. Tasks go on meanwhile, so that not all of them are
    /// seen at the same moment: one that has just ended may still be there as running.
    ///
    /// A task that was never polled is in a queue, but in no list, and so is only
    /// [counted](TaskDump::unpolled). The tasks of a [`LocalSet`](crate::task::LocalSet) and closures on blocking
    /// threads are not listed.
    ///
    /// It is not Tokio's `Handle::dump`, which also has a trace of each task, and needs the workers' help for that.
    ///
    /// ```
    /// use sprang::runtime::{Runtime, TaskState};
    ///
    /// let runtime = Runtime::new()?;
    /// let (started, has_started) = sprang::sync::oneshot::channel();
    /// runtime.spawn(async move {
    ///     started.send(()).unwrap();
    ///     std::future::pending::<()>().await
    /// });
    /// runtime.block_on(has_started).unwrap();
    /// while runtime.handle().task_dump().tasks().iter().all(|task| task.state() != TaskState::Idle) {
    ///     std::thread::yield_now();
    /// }
    /// println!("{}", runtime.handle().task_dump());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn task_dump(&self) -> TaskDump {
        let listing = match self.scheduler() {
            Scheduler::CurrentThread(scheduler) => scheduler.dump(),
            Scheduler::MultiThread(scheduler) => scheduler.dump(),
        };
        let mut names = names_of(listing.tasks.iter().map(|task| task.id)).into_iter();
        let tasks = listing.tasks.into_iter().map(|task| DumpedTask {
            id: task.id,
            name: names.next().flatten(),
            spawned_at: task.spawned_at,
            state: task.state,
            track: task.track,
        });
        TaskDump {
            tasks: tasks.collect(),
            unpolled: listing.unpolled,
        }
    }
}

impl TaskDump {
    /// The tasks that have been polled, or are in their first poll, in the order of their ids.
    pub fn tasks(&self) -> &[DumpedTask] {
        &self.tasks
    }

    /// About how many tasks there are besides: queued, and never polled.
    pub fn unpolled(&self) -> usize {
        self.unpolled
    }
}

impl DumpedTask {
    /// The task's id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The name that the task's [`Builder`](crate::task::Builder) gave it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// What the task is doing.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// How often the task was polled; `None` unless the runtime [tracks its tasks](super::Builder::track_tasks), and in
    /// the first poll.
    pub fn polls(&self) -> Option<u64> {
        self.track.map(|track| track.polls)
    }

    /// When the last poll ended; `None` where [`polls`](Self::polls) is.
    pub fn last_poll(&self) -> Option<Instant> {
        self.track.map(|track| track.last_poll)
    }

    /// What the task said at the end of its last poll that it waits for, in words that may change; if it waits for
    /// several things, one of them. `None` also if it is none of sprang's futures.
    pub fn waits_for(&self) -> Option<&'static str> {
        self.track.and_then(|track| track.waits_for)
    }
}

impl fmt::Display for TaskDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for task in &self.tasks {
            writeln!(f, "{task}")?;
        }
        write!(f, "{} tasks never polled", self.unpolled)
    }
}

impl fmt::Display for DumpedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, " of {}: ", self.spawned_at)?;
        match self.state {
            TaskState::Running { worker: Some(worker) } => write!(f, "running on worker {worker}"),
            TaskState::Running { worker: None } => f.write_str("running"),
            TaskState::Queued => f.write_str("queued"),
            TaskState::Idle => f.write_str("idle"),
            // The states are all there are; the type may get more.
            _ => f.write_str("unknown"),
        }?;
        let Some(track) = &self.track else { return Ok(()) };
        if let (TaskState::Idle, Some(what)) = (self.state, track.waits_for) {
            write!(f, ", waits for {what}")?;
        }
        write!(
            f,
            ", {} polls, the last one {:?} ago",
            track.polls,
            track.last_poll.elapsed()
        )
    }
}
