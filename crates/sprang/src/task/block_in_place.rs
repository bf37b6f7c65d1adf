//! Blocking on a worker thread.

use crate::runtime::context;

/// Runs a closure that blocks on the current thread, and has the worker's other work go on elsewhere.
///
/// On a worker of a multi-thread runtime its other tasks, timers and I/O go to another thread before the closure is
/// called; that is a parked worker, or a spare thread of
/// [`Builder::max_spare_threads`](crate::runtime::Builder::max_spare_threads). The closure may call
/// [`Handle::block_on`](crate::runtime::Handle::block_on). The other branches of the task's own `join!` or `select!` wait
/// for the closure; [`spawn_blocking`](crate::task::spawn_blocking) keeps none of them waiting.
///
/// Outside of a runtime the closure is simply called.
///
/// # Panics
///
/// On a current-thread runtime and in a [`LocalSet`](super::LocalSet), where there is nobody else to go on. A panic of the closure is passed on.
///
/// ```
/// # #[sprang::main]
/// # async fn main() {
/// use sprang::runtime::Handle;
/// use sprang::task;
///
/// let sum = task::block_in_place(|| {
///     // Something that blocks; it may also wait for tasks.
///     Handle::current().block_on(async { sprang::spawn(async { 1 + 2 }).await.unwrap() })
/// });
/// assert_eq!(sum, 3);
/// # }
/// ```
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    let _may_block = context::allow_blocking();
    sprang_scheduler::multi_thread::block_in_place(f)
}
