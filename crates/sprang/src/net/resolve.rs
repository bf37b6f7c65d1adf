//! Looking up host names, which blocks.
//!
//! Purpose: the one place that says where blocking lookups run: on the blocking threads of the current runtime or,
//! outside of one, each on a thread of its own.
//!
//! Data flow: `addr` → [`lookup`] → thread → [`Lookup`] → task.
//!
//! Invariants:
//! - I1: the thread stores the result, then wakes; the future registers its waker, then looks for the result: no
//!   wake-up is lost. Dropping the future leaves the thread to finish alone.
//! - I2: there is a result, whatever becomes of the thread: an [`Answer`] that is dropped is an error.

use std::future::Future;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use sprang_core::atomic_waker::AtomicWaker;
use sprang_core::primitive::sync::Mutex;

type Outcome = io::Result<vec::IntoIter<SocketAddr>>;

/// A lookup under way.
#[derive(Debug)]
pub(super) struct Lookup(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    outcome: Mutex<Option<Outcome>>,
    waker: AtomicWaker,
}

/// The duty to answer; `None` once it is done.
struct Answer(Option<Arc<Shared>>);

/// Looks `host` up, through the resolver of the operating system.
pub(super) fn lookup<H>(host: H) -> Lookup
where
    H: net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
{
    let shared = Arc::new(Shared::default());
    let mut answer = Answer(Some(Arc::clone(&shared)));
    let ask = move || answer.give(host.to_socket_addrs());
    if let Some(ask) = pool::run(ask) {
        let thread = std::thread::Builder::new().name("sprang-lookup".into()).spawn(ask);
        if let Err(error) = thread {
            shared.give(Err(error));
        }
    }
    Lookup(shared)
}

#[cfg(feature = "rt")]
mod pool {
    //! The blocking threads of the current runtime.

    use crate::runtime::Handle;

    /// Runs the closure there; gives it back outside of a runtime.
    pub(super) fn run<F: FnOnce() + Send + 'static>(closure: F) -> Option<F> {
        match Handle::try_current() {
            Ok(handle) => {
                handle.spawn_blocking(closure);
                None
            }
            Err(_) => Some(closure),
        }
    }
}

#[cfg(not(feature = "rt"))]
mod pool {
    //! No runtime, no blocking threads.

    pub(super) fn run<F>(closure: F) -> Option<F> {
        Some(closure)
    }
}

impl Shared {
    fn give(&self, outcome: Outcome) {
        *self.outcome.lock() = Some(outcome);
        self.waker.wake();
    }
}

impl Answer {
    fn give(&mut self, outcome: Outcome) {
        if let Some(shared) = self.0.take() {
            shared.give(outcome);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.give(Err(io::Error::other("the lookup was cancelled")));
    }
}

impl Future for Lookup {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.0.waker.register(cx.waker());
        let outcome = self.0.outcome.lock().take();
        match outcome {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        }
    }
}
