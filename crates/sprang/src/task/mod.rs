//! Asynchronous tasks: spawning, waiting, aborting, yielding.
//!
//! A task is a future that the runtime polls on its own. It goes on when its [`JoinHandle`] is dropped, and ends when
//! it is ready, when it panics, when it is aborted, or when its runtime is dropped. A panic stays in its task: the
//! [`JoinHandle`] gives it to whoever waits.

mod block_in_place;
mod blocking;
mod builder;
pub mod coop;
pub mod join_set;
mod local_set;
#[cfg(feature = "sync")]
mod task_group;
mod task_local;
#[cfg(feature = "sync")]
pub mod task_tracker;
mod yield_now;

pub use block_in_place::block_in_place;
pub use blocking::spawn_blocking;
pub use builder::Builder;
// Where they were before they moved to `coop`.
#[doc(hidden)]
pub use coop::{Unconstrained, consume_budget, unconstrained};
#[doc(inline)]
pub use join_set::JoinSet;
pub use local_set::{LocalEnterGuard, LocalSet, spawn_local};
pub use sprang_scheduler::task::{AbortHandle, Id, JoinError, JoinHandle, id, name, try_id};
#[cfg(feature = "sync")]
#[doc(inline)]
pub use sprang_sync::cancellation_token::{self, CancellationToken};
#[cfg(feature = "sync")]
pub use task_group::{GroupClosed, Spawner, TaskGroup};
pub use task_local::{AccessError, LocalKey};
#[cfg(feature = "sync")]
#[doc(inline)]
pub use task_tracker::TaskTracker;
pub use yield_now::yield_now;

use std::future::Future;
use std::panic::Location;

use crate::runtime::Handle;
use crate::runtime::large::is_large;

pub mod futures {
    //! The futures that functions of this module return.

    pub use super::task_local::TaskLocalFuture;
}

/// Spawns a task on the current runtime.
///
/// The task starts at once, possibly on another thread, whether or not its [`JoinHandle`] is awaited. If the runtime
/// ends before the task does, the task is dropped where it last yielded.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// #[sprang::main]
/// async fn main() {
///     let squares: Vec<_> = (0..4).map(|i| sprang::spawn(async move { i * i })).collect();
///     let mut sum = 0;
///     for square in squares {
///         sum += square.await.unwrap();
///     }
///     assert_eq!(sum, 14);
/// }
/// ```
#[track_caller]
#[inline]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned_at = Location::caller();
    if const { is_large::<F>() } {
        let future = Box::pin(future);
        Handle::with_current(|handle| handle.spawn_at(future, spawned_at))
    } else {
        Handle::with_current(|handle| handle.spawn_at(future, spawned_at))
    }
}
