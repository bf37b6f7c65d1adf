//! A one-shot signal that belongs to neither runtime.
//!
//! Purpose: where only the schedulers are to be compared, tasks must not meet in a channel that each runtime brings
//! along. Also the way in which a workload learns that it is done.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;

#[derive(Debug, Default)]
struct Shared {
    sent: AtomicBool,
    waker: AtomicWaker,
}

/// The side that signals.
#[derive(Debug)]
pub struct Sender(Arc<Shared>);

/// The side that waits: a future that is ready once the other side has signalled.
#[derive(Debug)]
pub struct Receiver(Arc<Shared>);

/// The two sides of a new signal.
pub fn signal() -> (Sender, Receiver) {
    let shared = Arc::new(Shared::default());
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl Sender {
    /// Signals, and wakes the receiver.
    pub fn send(self) {
        // ORDERING: pairs with `Receiver::poll`: what was done before the signal is seen after it.
        self.0.sent.store(true, Release);
        self.0.waker.wake();
    }
}

impl Future for Receiver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // ORDERING: pairs with `Sender::send`, here and below.
        if self.0.sent.load(Acquire) {
            return Poll::Ready(());
        }
        self.0.waker.register(cx.waker());
        if self.0.sent.load(Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
