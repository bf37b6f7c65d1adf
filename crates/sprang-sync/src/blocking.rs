//! Waiting for a future on a thread that runs no tasks.
//!
//! Purpose: the `blocking_*` methods. They poll on the calling thread and park it in between.
//!
//! Called by: [`crate::mpsc`], [`crate::oneshot`], [`crate::Mutex`], [`crate::Semaphore`].
//!
//! Invariants:
//! - I1: a wake-up sets `woken` before it unparks, and the thread parks only after it has found `woken` unset: a token
//!   that some other code took costs a round, never a wake-up.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::coop;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Release};
use sprang_core::primitive::thread::{self, Thread};
use sprang_core::slot;

/// A thread that waits in [`block_on`].
struct Parked {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: pairs with `block_on`: what the waking thread did before is seen by the poll (I1). A swap, since loom
        // may order a store before a swap that it did not see.
        self.woken.swap(true, Release);
        unpark(&self.thread);
    }
}

/// Polls `future` to its end on this thread.
///
/// # Panics
///
/// On a thread that drives tasks, as the methods that call it document.
#[track_caller]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    assert!(
        !slot::is_driving(),
        "Cannot block the current thread from within a runtime. This happens because a function attempted to block the \
         current thread while the thread is being used to drive asynchronous tasks."
    );
    let mut future = pin!(future);
    // Most calls find what they want at once and need no waker of their own.
    if let Poll::Ready(output) = coop::unconstrained(|| future.as_mut().poll(&mut Context::from_waker(Waker::noop()))) {
        return output;
    }
    let parked = Arc::new(Parked {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&parked));
    loop {
        if let Poll::Ready(output) = coop::unconstrained(|| future.as_mut().poll(&mut Context::from_waker(&waker))) {
            return output;
        }
        // ORDERING: pairs with `wake_by_ref`: of all wake-ups up to here, the poll that follows sees what they stand for.
        while !parked.woken.swap(false, Acquire) {
            park();
        }
    }
}

/// Parks this thread; may return at any time.
fn park() {
    if cfg!(sprang_loom) {
        // loom's tokens get lost, or wake a thread from whatever else it waits for.
        thread::yield_now();
    } else {
        thread::park();
    }
}

fn unpark(thread: &Thread) {
    if !cfg!(sprang_loom) {
        thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[test]
    fn a_wake_up_from_another_thread_ends_the_wait() {
        let mut polls = 0;
        let output = block_on(poll_fn(|cx| {
            polls += 1;
            if polls == 3 {
                return Poll::Ready(polls);
            }
            let waker = cx.waker().clone();
            std::thread::spawn(move || waker.wake());
            Poll::Pending
        }));
        assert_eq!(output, 3);
    }
}
