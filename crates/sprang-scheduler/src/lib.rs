//! The task cells and schedulers of the sprang async runtime.
//!
//! Purpose: run futures on threads. What a thread parks in when there is nothing to run, and what wakes it, comes in
//! through [`sprang_core::park`]; this crate knows neither sockets nor timers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`task`] | one task: its cell, state word, wakers and handles |
//! | `queue` | the run queues, over crossbeam-deque, or a stand-in under the model checker |
//! | [`multi_thread`] | the work-stealing scheduler |
//! | [`current_thread`] | the scheduler that runs on whoever blocks on it |
//! | [`local`] | the scheduler of tasks that stay on one thread, run by whoever polls it |
//! | [`hooks`], [`histogram`], [`metrics`], [`tracking`], [`dump`] | what a user can see of all that |
//! | [`blocking`] | threads for closures that block |
//! | [`park_thread`] | blocking a plain thread on a future |

pub mod blocking;
pub mod current_thread;
pub mod dump;
#[cfg_attr(not(feature = "tracing"), path = "events_off.rs")]
mod events;
pub mod histogram;
pub mod hooks;
pub mod local;
pub mod metrics;
mod monitor;
pub mod multi_thread;
mod panics;
pub mod park_thread;
mod queue;
mod seat;
mod spin;
pub mod task;
pub mod tracking;
mod yielding;
