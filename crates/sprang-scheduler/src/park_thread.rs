//! Blocking a plain thread on a future.
//!
//! Purpose: `block_on` of a thread that does not run a scheduler: it sleeps until the future's waker wakes it.
//!
//! Data flow: `sprang::runtime` → [`block_on`] → the future; any thread → waker → the thread's parker.
//!
//! Invariants:
//! - I1: `notified` is set before the thread is unparked and cleared by the thread alone, so that a stray
//!   `std::thread::unpark`, or a user's `park` that swallows one, loses nothing.
//! - I2: while the thread blocks here it has no defer hook. A scheduler further down on its stack (one that drops a
//!   task whose destructor blocks) would keep the deferred wakers until this has returned, which waits for them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::coop;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use sprang_core::primitive::thread::{self, Thread};

use crate::spin::{Look, Spin};

#[derive(Debug)]
struct Parker {
    thread: Thread,
    notified: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: pairs with `park`: releases what the waker did (I1).
        if !self.notified.swap(true, AcqRel) {
            self.thread.unpark();
        }
    }
}

impl Parker {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            notified: AtomicBool::new(false),
        })
    }

    fn park(&self) {
        // ORDERING: pairs with `wake_by_ref`: acquires what the waker did (I1).
        while self.notified.compare_exchange(true, false, AcqRel, Acquire).is_err() {
            thread::park();
        }
    }
}

/// Puts the thread's defer hook back when dropped.
struct Unhooked(Option<fn(&Waker)>);

impl Drop for Unhooked {
    fn drop(&mut self) {
        coop::set_defer(self.0);
    }
}

/// Polls the future on this thread until it is ready, and sleeps in between.
///
/// Each poll has a fresh cooperative budget.
///
/// ```
/// assert_eq!(sprang_scheduler::park_thread::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let _unhooked = Unhooked(coop::set_defer(None));
    let mut future = pin!(future);
    let parker = Parker::new();
    let waker = Waker::from(Arc::clone(&parker));
    let mut cx = Context::from_waker(&waker);
    let spin = Spin::default();
    loop {
        if let Poll::Ready(output) = coop::budget(|| future.as_mut().poll(&mut cx)) {
            return output;
        }
        spin.wait_for(|| Look::is_there(parker.notified.load(Relaxed)));
        parker.park();
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::atomic_waker::AtomicWaker;
    use sprang_core::primitive::model;

    #[test]
    fn a_wake_from_another_thread_is_never_lost() {
        model(|| {
            let shared = Arc::new((AtomicWaker::new(), AtomicBool::new(false)));
            let other = Arc::clone(&shared);
            let blocking = thread::spawn(move || {
                block_on(std::future::poll_fn(|cx| {
                    other.0.register(cx.waker());
                    if other.1.load(Relaxed) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                }));
            });
            shared.1.store(true, Relaxed);
            shared.0.wake();
            blocking.join().unwrap();
        });
    }
    /// The second wake-up finds `notified` set and unparks nobody; its message must arrive all the same.
    #[test]
    fn every_wake_brings_its_message() {
        model(|| {
            let shared = Arc::new((Parker::new(), [(); 2].map(|()| AtomicBool::new(false))));
            for message in 0..2 {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.1[message].store(true, Relaxed);
                    shared.0.wake_by_ref();
                });
            }
            while !shared.1.iter().all(|message| message.load(Relaxed)) {
                shared.0.park();
            }
        });
    }
}
