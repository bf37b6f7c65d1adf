//! The task: one allocation that holds a future until it completes and its output until it is taken.
//!
//! Purpose: everything about one task that does not depend on which scheduler runs it.
//!
//! Data flow: `spawn` → [`new`] (one allocation) → a [`Notified`] for the scheduler and a [`JoinHandle`] for the
//! caller → a worker calls [`Notified::run`] → pending: idle, in the owned set; woken: [`waker`] →
//! [`Schedule::schedule`] → a queue again; ready: output stored, joiner woken → the [`JoinHandle`] takes it → freed.
//!
//! # The state word
//!
//! [`state`] packs seven bits and the reference count into one atomic word.
//!
//! | bit | says | set by | cleared by |
//! |---|---|---|---|
//! | RUNNING | one thread has exclusive access to the stage | whoever runs or cancels | the same thread |
//! | COMPLETE | the future is gone, the stage holds the output (or nothing) | the runner | never |
//! | NOTIFIED | the task is in a queue, on its way there, or must go there when its poll ends | wakers, abort, spawn | the runner |
//! | CANCELLED | the next run drops the future instead of polling it | abort, shutdown | never |
//! | SHUTDOWN | CANCELLED came from the end of the runtime | shutdown | never |
//! | JOIN_INTEREST | the `JoinHandle` lives | spawn | the `JoinHandle` |
//! | JOIN_WAKER | the join waker is the runner's to read | the `JoinHandle` | the `JoinHandle`, while not COMPLETE |
//!
//! # Invariants
//!
//! - **I1 (custody)**: until COMPLETE, the scheduler side holds exactly one reference, in the custody of exactly one
//!   of: a [`Notified`] (NOTIFIED, not RUNNING), the runner (RUNNING), the owned set (neither). Whoever moves the
//!   word out of "neither" by setting NOTIFIED or RUNNING takes the custody over.
//! - **I2 (stage)**: the stage is accessed by the runner while RUNNING; after COMPLETE by the `JoinHandle` if
//!   JOIN_INTEREST was set at that moment, else by the completing thread; at last by whoever frees the cell.
//! - **I3 (join waker)**: while JOIN_WAKER is unset the field belongs to the `JoinHandle`; while it is set, both sides
//!   may only read it. The `JoinHandle` clears the bit before it writes, which fails once COMPLETE is set. After
//!   COMPLETE the field is only read, until the cell is freed.
//! - **I4 (binding)**: a task enters the owned set at the end of its first poll that leaves it idle, by the runner. So
//!   a task that ends in its first poll never touches a list, and until then it is in a queue, where shutdown
//!   finds it. `shard` belongs to the runner. The one exception: a current-thread scheduler enters a task that another
//!   thread spawns before that thread queues it, while its custody is still the spawner's.
//! - **I5 (scheduler lifetime)**: a task that is not COMPLETE keeps its scheduler alive without counting: a scheduler
//!   is not freed before its owned set and its queues are empty. So a waker may use the scheduler pointer if, and
//!   only if, it has just taken custody (I1), and only until it has handed the task over; whoever needs the scheduler
//!   longer clones its `Arc` first. Spawning and waking touch no counter shared by all tasks.
//! - **I6**: user code (futures, outputs, wakers) is dropped or called with no lock held, and a panic in it is caught
//!   or leaves the task consistent.
//!
//! # Memory ordering
//!
//! Every transition is one AcqRel read-modify-write of the word (or an Acquire load where nothing changes): its
//! release publishes what the thread wrote to the cell, its acquire sees what the thread before wrote. Weaker: a
//! waker's message might be invisible to the poll it causes, or a freed cell still be written.
//!
//! # Models
//!
//! `models::*` in `models.rs`: wake against poll against completion; the join handle against completion and abort.
//! `handle_set::models::*`: completion against whoever waits for any of several tasks.

mod cell;
mod error;
mod handle_set;
mod harness;
mod id;
mod join;
#[cfg(test)]
pub(crate) mod models;
mod name;
mod owned;
mod schedule;
mod state;
mod waker;

pub use error::JoinError;
pub use handle_set::HandleSet;
pub use id::{Id, id, try_id};
pub use join::{AbortHandle, JoinHandle};
pub use name::{Name, name, name_of, names_of};

pub(crate) use cell::{Header, new};
pub(crate) use harness::{Notified, current_header};
pub(crate) use owned::Shard;
pub(crate) use schedule::{Anchored, Schedule};
