//! The work-stealing scheduler: N workers, each a thread with a queue of its own.
//!
//! Purpose: run `Send` tasks on all cores.
//!
//! | file | what it holds |
//! |---|---|
//! | `handle` | what everybody shares, and spawning |
//! | `worker` | the run loop of one thread |
//! | `pool` | the queues of all workers, and the protocol between a push and a parked worker |
//! | `idle` | permits, searchers, sleepers |
//! | `parker` | what a worker sleeps in |
//! | `metrics` | what is counted, and the dump of tasks |
//! | `progress` | what a worker is doing, for others to look at |
//! | `watch` | what is done about a worker that is stuck in a poll |
//! | `slots` | a list that only grows, for workers that are added |
//!
//! # The order of the end
//!
//! [`Handle::shutdown`] closes the pool and wakes all workers. From then on every spawn is cancelled at once. Each
//! worker closes its shard of the owned set (idle tasks are dropped there, the others are marked), and goes on with
//! its loop, in which every task that it takes is dropped, until no shard holds a task. The last worker to leave
//! shuts the driver down.

mod handle;
mod idle;
mod metrics;
mod parker;
mod pool;
pub(crate) mod progress;
mod slots;
mod watch;
mod worker;

pub use handle::{Config, Handle, Starter};
pub use metrics::WatchTotals;
pub use watch::{BlockedPolicy, BlockedTask, OnBlocked, WatchConfig};
pub use worker::{Worker, block_in_place, worker_index};
