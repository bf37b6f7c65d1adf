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
//! With `E` = [`Builder::event_interval`] (61) and `G` = [`Builder::global_queue_interval`] (61): a worker looks at
//! I/O and timers at least every `E` polls, at the queue of tasks from other threads at least every `G` polls, and
//! runs at most 3 tasks in a row out of the order in which they became ready. A task that never yields by itself is
//! made to by the cooperative budget of 128 operations a poll.

mod blocking;
mod builder;
pub(crate) mod context;
mod driver;
mod dump;
mod handle;
mod hooks;
mod id;
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
