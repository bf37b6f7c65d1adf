//! The signal to end, and waiting for one of two things.
//!
//! Purpose: one [`Shutdown`] is shared by the accept loop, which requests it, and all connections, which watch it.
//!
//! Invariants:
//! - I1: the flag is set before those who listen are notified, and a connection listens before it first looks at the
//!   flag: it cannot miss the request.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use sprang::sync::Notify;
use sprang::sync::futures::Notified;

/// Whether the server is about to end.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    requested: AtomicBool,
    notify: Notify,
}

impl Shutdown {
    /// Asks all connections to end after the request they are at.
    pub(crate) fn request(&self) {
        // ORDERING: pairs with `is_requested` (I1).
        self.requested.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    /// Whether the end has been requested.
    pub(crate) fn is_requested(&self) -> bool {
        // ORDERING: pairs with `request` (I1).
        self.requested.load(Ordering::Acquire)
    }

    /// Wakes the task that polled it when the end is requested. To be polled before the flag is looked at (I1).
    pub(crate) fn notified(&self) -> Notified<'_> {
        self.notify.notified()
    }
}

/// The output of the one of two futures that came first.
#[derive(Debug)]
pub(crate) enum Either<A, B> {
    First(A),
    Second(B),
}

/// Waits for either future, and drops the other; `a` is looked at first.
pub(crate) async fn race<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| match a.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Either::First(output)),
        Poll::Pending => b.as_mut().poll(cx).map(Either::Second),
    })
    .await
}
