//! A one-shot signal that belongs to neither runtime, and one that the last of many sends.
//!
//! Purpose: where only the schedulers are to be compared, tasks must not meet in a channel that each runtime brings
//! along. Also the way in which a workload learns that it is done.

use std::pin::Pin;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
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

/// A signal that the last of a number of tasks sends. To be static, so that a task has nothing to carry or count
/// references of.
#[derive(Debug)]
pub struct Countdown {
    left: AtomicU64,
    done: Mutex<Option<Sender>>,
}

impl Countdown {
    /// One that is not running.
    #[allow(clippy::new_without_default, reason = "only ever the value of a static")]
    pub const fn new() -> Self {
        Self {
            left: AtomicU64::new(0),
            done: Mutex::new(None),
        }
    }

    /// Has the `count`-th call of [`Self::one`] signal.
    ///
    /// # Panics
    ///
    /// If the count before has not run to its end.
    #[track_caller]
    pub fn start(&self, count: u64) -> Receiver {
        let (sender, receiver) = signal();
        let before = self.done.lock().unwrap().replace(sender);
        assert!(before.is_none(), "the count before ran to its end");
        self.left.store(count, Relaxed);
        receiver
    }

    /// Counts one.
    ///
    /// # Panics
    ///
    /// If this one is too many.
    pub fn one(&self) {
        // ORDERING: the last comes after all others.
        if self.left.fetch_sub(1, AcqRel) == 1 {
            let done = self.done.lock().unwrap().take();
            done.expect("only one is the last").send();
        }
    }
}
