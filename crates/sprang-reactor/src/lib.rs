//! The I/O driver of the sprang async runtime: from the OS's readiness events to wakers.
//!
//! Purpose: sockets, pipes and other event sources register here; tasks wait for their readiness; one thread at a time
//! parks in the [`Driver`] and wakes the tasks whose sources became ready.
//!
//! Data flow, out: epoll → [`Driver`]`::park` → `Resources` (token → slot) → [`ScheduledIo`] → wakers.
//! In: socket type → [`PollEvented`] → [`Registration`] → [`ScheduledIo`] (wait) and the OS (register, deregister).
//!
//! | module | what it holds |
//! |---|---|
//! | `driver` | the [`Driver`], its [`Handle`], and the ambient handle of a thread |
//! | `resources` | the registered resources, as all threads see them; knows no mio, so that loom can run it |
//! | `table` | the slab behind that: tokens and generations |
//! | `scheduled_io` | readiness and waiters of one resource; knows neither mio nor the table, so that loom can run it |
//! | `doorbell` | when an unpark needs a system call, and when it does not |
//! | `registration` | one resource's tie to a driver |
//! | `poll_evented` | an event source together with its registration |
//! | `interest`, `ready` | what to wait for, what is there |
//!
//! Costs on the hot path:
//! - a turn: one `epoll_wait`, two swaps of the doorbell (none for a turn that does not wait), one lock of the table;
//! - an event: one compare-and-swap of the resource's readiness word and one lock of its own waiters, which only a
//!   task that is about to wait contends for; no allocation, no reference count;
//! - an operation on a ready resource: one load of the readiness word, one system call, and one compare-and-swap when
//!   the transfer was short;
//! - a wait: one clone of the waker, one lock of the resource's waiters.
//!
//! Invariants:
//! - nothing here knows sockets or tasks: a resource is a [`mio::event::Source`], a waiter is a waker;
//! - nothing here is global: a registration knows its own driver, so that a runtime can have several.

#![deny(unsafe_code)]

mod doorbell;
mod driver;
mod interest;
mod poll_evented;
mod ready;
mod registration;
mod resources;
#[allow(unsafe_code, reason = "links waiters that live in their futures")]
mod scheduled_io;
mod table;

pub use driver::{Driver, Handle, set_current, with_current};
pub use interest::Interest;
pub use poll_evented::PollEvented;
pub use ready::Ready;
pub use registration::Registration;
pub use scheduled_io::{Direction, Readiness, ReadyEvent, ScheduledIo};
pub use table::{Counts, is_gone};
