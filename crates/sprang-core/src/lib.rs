//! What the engine crates of sprang stand on.
//!
//! Purpose: the few pieces that the scheduler, the reactor, the timer wheel and the sync primitives share, so that
//! those four never import each other.
//!
//! | module | what it holds |
//! |---|---|
//! | [`primitive`] | atomics, cells, locks and threads: `std`'s, or loom's under the cfg `sprang_loom` |
//! | [`coop`] | the cooperative budget of the task being polled |
//! | [`list`] | the intrusive doubly linked list |
//! | [`atomic_waker`] | one waker slot, set by one thread and woken by any |
//! | [`wake_batch`] | wakers collected under a lock, woken after it |
//! | [`wakeups`] | any number of batches, in which a waker that panics costs nobody else a wake-up |
//! | [`slot`] | thread-local slots for the ambient handles, and the worker's lane |
//! | [`timer`] | a way to sleep, for crates that know no timers |
//! | [`waiting`] | what the task being polled waits for, in words |
//! | [`park`] | the seam between the scheduler and its drivers |
//! | [`rng`] | a small fast generator for victim selection and `select!` |
//!
//! Invariant: nothing here knows tasks, sockets or timers.

pub mod atomic_waker;
pub mod coop;
pub mod list;
pub mod park;
pub mod primitive;
pub mod rng;
pub mod slot;
pub mod timer;
pub mod waiting;
pub mod wake_batch;
pub mod wakeups;
