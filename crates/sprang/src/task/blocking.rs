//! Closures that block, on threads of their own.

use std::panic::Location;

use sprang_scheduler::blocking::AtClose;

use crate::runtime::Handle;
use crate::runtime::large::is_large;
use crate::task::JoinHandle;

/// Runs a closure on a thread where it may block.
///
/// Worker threads have to be free for tasks; what waits without `.await` (files, locks held for long, libraries that
/// are not asynchronous) belongs on one of the runtime's blocking threads. These are started when they are needed, up
/// to [`Builder::max_blocking_threads`], and end when they had nothing to do for [`Builder::thread_keep_alive`]. When
/// all of them are busy, closures wait in a queue without a bound; to limit how many run at a time, use a
/// [semaphore](crate::sync::Semaphore). For computations that take long a pool with a thread for each core serves
/// better than this one, whose limit is high because its threads are expected to wait.
///
/// Inside the closure the thread is in the context of the runtime but drives none of its tasks: it may call
/// [`Handle::block_on`].
///
/// # Cancellation
///
/// A closure that has begun cannot be stopped: [`abort`](JoinHandle::abort) has an effect only while it is queued. The
/// end of the runtime drops what is queued, and waits for what runs, unless it is told not to
/// ([`Runtime::shutdown_timeout`], [`Runtime::shutdown_background`]).
///
/// # Errors
///
/// The handle gives a [`JoinError`](super::JoinError) if the closure panics, or was dropped before it began. If the
/// operating system refuses a thread, the closure waits for one of those that there are. If there are none, the task
/// fails at once, as if the closure had panicked: the payload is a `String` that says why.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// #[sprang::main]
/// async fn main() {
///     let mut numbers = vec![3, 1, 2];
///     let sorted = sprang::task::spawn_blocking(move || {
///         numbers.sort();
///         numbers
///     });
///     assert_eq!(sorted.await.unwrap(), [1, 2, 3]);
/// }
/// ```
///
/// [`Builder::max_blocking_threads`]: crate::runtime::Builder::max_blocking_threads
/// [`Builder::thread_keep_alive`]: crate::runtime::Builder::thread_keep_alive
/// [`Runtime::shutdown_timeout`]: crate::runtime::Runtime::shutdown_timeout
/// [`Runtime::shutdown_background`]: crate::runtime::Runtime::shutdown_background
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let spawned_at = Location::caller();
    if const { is_large::<F>() } {
        let f = Box::new(f);
        Handle::with_current(|handle| handle.spawn_on_pool(f, AtClose::Drop, spawned_at))
    } else {
        Handle::with_current(|handle| handle.spawn_on_pool(f, AtClose::Drop, spawned_at))
    }
}
