//! Runtimes: schedulers with their drivers, built, entered and ended.
//!
//! Purpose: the one place that puts the engine together. [`Builder`] stacks the time driver on the reactor (`driver`)
//! and hands the stack to a scheduler; `context` sets the ambient handles of all engine crates at once.
//!
//! Most programs have one runtime, made by `#[sprang::main]`:
//!
//! ```
//! #[sprang::main]
//! async fn main() {
//!     sprang::spawn(async { println!("on a worker thread") }).await.unwrap();
//! }
//! ```
//!
//! or by hand:
//!
//! ```
//! let runtime = sprang::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
//! let answer = runtime.block_on(async { sprang::spawn(async { 42 }).await.unwrap() });
//! assert_eq!(answer, 42);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The end of a runtime
//!
//! Dropping a [`Runtime`] ends it, in this order: new tasks are cancelled at once; all tasks are dropped where they
//! last yielded, on the workers that own them, and closures that wait for a blocking thread are dropped; the worker
//! and blocking threads end; the drivers end. The drop waits for tasks that are inside a poll and for closures that
//! have begun, which sockets and timers serve until then; [`Runtime::shutdown_timeout`] waits no longer than it is
//! told, and [`Runtime::shutdown_background`] not at all. What others still wait for after that (join handles, sockets,
//! timers) gets an error or stays pending; nothing panics because a runtime is gone.
//!
//! # Blocking threads
//!
//! A closure given to [`spawn_blocking`](crate::task::spawn_blocking) runs on a thread besides the workers. There are
//! as many as there are closures that run at a time, up to [`Builder::max_blocking_threads`] (512); beyond that
//! closures wait, in the order in which they came. A thread is woken or started for a closure unless one is on its
//! way already, and ends after [`Builder::thread_keep_alive`] (10 s) without work. They have the name, stack size and
//! callbacks of the workers.
//!
//! # Fairness
//!
//! What is ready has its turn after a bounded number of polls of other tasks, whatever those do. With `E` =
//! [`Builder::event_interval`] (61), `G` = [`Builder::global_queue_interval`] (61, at least 2), and polls those of the
//! worker that serves it:
//!
//! | ready is | before its turn there are |
//! |---|---|
//! | a task at the `k`th place of a worker's queue | fewer than `4k · G/(G − 1)` polls; fewer than `k · G/(G − 1)` on a current-thread runtime or [without LIFO slot](Builder::disable_lifo_slot) |
//! | the first task that a poll wakes or spawns on its worker, which is next (the LIFO slot) | up to 2 polls, 3 if `G` is 2 |
//! | a task that another thread woke or spawned, after `m` others | up to `(m + 1) · G − 1` polls; unless it is the first of the batch that a worker takes, it is then at the end of that worker's queue |
//! | a task that yielded, by itself or because its [budget](crate::task::coop) was used up | up to `E − 1` polls; it is then at the end of the queue |
//! | an I/O event, or a due timer | up to `E` polls; the task that waits for it is then at the end of the queue |
//! | the future of `block_on`, on a current-thread runtime | up to `E − 1` polls |
//!
//! So a task is overtaken by 3 in 4 polls, and by 1 in `G`, of those that became ready later, and otherwise has its turn
//! in the order in which the tasks became ready: who spawns or wakes many at once delays others by that many polls, and
//! no more. What a busy worker looks at every so many polls, one that runs out of tasks looks at at once, and takes
//! tasks of the others too; one that has only tasks that yield does that after 16 polls. Of I/O events, [`Builder::max_io_events_per_tick`] are delivered at a time; while one worker
//! is about that, the others do not wait for it. The end of the runtime is noticed within `E` polls, too.
//!
//! A [`LocalSet`](crate::task::LocalSet) lets the runtime go on after 61 polls of its tasks; one in 31 of those is for a
//! task that was woken from outside of the set.
//!
//! All this counts polls, and so takes for granted that each of them ends soon. The cooperative budget of 128 operations
//! sees to it for tasks that do nothing but await; for those that block or compute, see [`Builder::blocked_policy`].

pub(crate) mod blocking;
mod builder;
pub(crate) mod context;
mod driver;
mod dump;
mod handle;
mod hooks;
mod id;
pub(crate) mod large;
mod local;
mod metrics;
mod outlive;
mod owner;
mod threads;

pub use builder::Builder;
pub use dump::{DumpedTask, TaskDump};
pub use handle::{EnterGuard, Handle, RuntimeFlavor, TryCurrentError};
pub use hooks::{RngSeed, UnhandledPanic};
pub use id::Id;
pub use local::{LocalOptions, LocalRuntime};
pub use metrics::{RuntimeMetrics, worker_index};
pub use owner::{Runtime, is_rt_shutdown_err};
pub use sprang_scheduler::dump::TaskState;
pub use sprang_scheduler::histogram::{
    HistogramConfiguration, InvalidHistogramConfiguration, LogHistogram, LogHistogramBuilder,
};
pub use sprang_scheduler::hooks::TaskMeta;
pub use sprang_scheduler::multi_thread::{BlockedPolicy, BlockedTask};
