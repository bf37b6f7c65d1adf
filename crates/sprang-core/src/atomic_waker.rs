//! One waker slot: registered by one task, woken by any thread.
//!
//! Purpose: the meeting place of a future and the one event it waits for.
//!
//! Data flow: the future calls [`AtomicWaker::register`], then checks its condition; the other side makes the
//! condition true, then calls [`AtomicWaker::wake`].
//!
//! Invariants:
//! - I1: the slot is accessed only by the thread that moved `state` from `IDLE` to `REGISTERING`, or from anything
//!   without `WAKING` to `WAKING` while not `REGISTERING`.
//! - I2: a `wake` that finds `REGISTERING` leaves `WAKING` behind, and the registering thread wakes on its behalf:
//!   no wake-up is lost.
//!
//! Memory ordering: `register` and `wake` meet in read-modify-writes of `state`, all AcqRel. If `wake` comes first,
//! `register`'s acquire makes the condition visible to the check that follows it; if `register` comes first, `wake`'s
//! acquire makes the waker visible.
//!
//! Models: `register_and_wake_never_miss_each_other`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use crate::primitive::cell::UnsafeCell;
use crate::primitive::sync::atomic::AtomicUsize;
use crate::primitive::sync::atomic::Ordering::{AcqRel, Acquire};

const IDLE: usize = 0;
const REGISTERING: usize = 0b01;
const WAKING: usize = 0b10;

/// A slot for one waker.
pub struct AtomicWaker {
    state: AtomicUsize,
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: the slot is accessed by one thread at a time (I1), and a `Waker` is `Send + Sync`.
unsafe impl Sync for AtomicWaker {}

impl Default for AtomicWaker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AtomicWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtomicWaker")
    }
}

impl AtomicWaker {
    /// An empty slot.
    pub fn new() -> Self {
        Self {
            state: AtomicUsize::new(IDLE),
            waker: UnsafeCell::new(None),
        }
    }

    /// Registers `waker` for the next [`wake`](Self::wake), in the place of the one before.
    ///
    /// Check the condition after this call, not before. Of two threads that register at once, one may have its waker
    /// woken at once instead.
    pub fn register(&self, waker: &Waker) {
        drop(self.replace(waker));
    }

    /// As [`register`](Self::register), for those who drop the waker before, which may be any code, only later.
    pub fn replace(&self, waker: &Waker) -> Option<Waker> {
        // ORDERING: pairs with `take`'s release: the condition set before `wake` is seen after this (I2).
        match self.state.compare_exchange(IDLE, REGISTERING, AcqRel, Acquire) {
            Ok(_) => {
                let old = self.waker.with_mut(|slot| {
                    // SAFETY: REGISTERING was taken from IDLE: the slot is ours (I1).
                    let slot = unsafe { &mut *slot };
                    match slot {
                        Some(registered) if registered.will_wake(waker) => Ok(None),
                        // A user's `clone` may panic; the slot must be let go of first.
                        slot => catch_unwind(AssertUnwindSafe(|| waker.clone())).map(|new| slot.replace(new)),
                    }
                });
                // ORDERING: release hands the slot to a later `take`; acquire sees the condition of one that came
                // in between (I2).
                if self.state.compare_exchange(REGISTERING, IDLE, AcqRel, Acquire).is_err() {
                    let waker = self.waker.with_mut(|slot| {
                        // SAFETY: a `take` that finds REGISTERING leaves the slot to us (I1).
                        unsafe { (*slot).take() }
                    });
                    // ORDERING: as above; the slot is free again before any waker runs.
                    self.state.swap(IDLE, AcqRel);
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                }
                old.unwrap_or_else(|panic| resume_unwind(panic))
            }
            // A wake is under way, and its condition may be newer than the caller's check; or another thread
            // registers, and only one of the two can be served.
            Err(_) => {
                waker.wake_by_ref();
                None
            }
        }
    }

    /// Wakes the registered waker, if there is one.
    pub fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }

    /// Takes the registered waker out, for the caller to wake.
    pub fn take(&self) -> Option<Waker> {
        // ORDERING: pairs with `register`: release publishes the condition, acquire sees the waker (I2).
        match self.state.fetch_or(WAKING, AcqRel) {
            IDLE => {
                let waker = self.waker.with_mut(|slot| {
                    // SAFETY: WAKING was set while nobody registered or woke: the slot is ours (I1).
                    unsafe { (*slot).take() }
                });
                // ORDERING: release hands the slot back.
                self.state.fetch_and(!WAKING, AcqRel);
                waker
            }
            // Either a registration is under way and sees WAKING when it ends (I2), or another thread wakes.
            _ => None,
        }
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::primitive::sync::Arc;
    use crate::primitive::sync::atomic::{AtomicBool, AtomicUsize};
    use crate::primitive::{model, thread};
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn register_and_wake_never_miss_each_other() {
        model(|| {
            let count = std::sync::Arc::new(Count(AtomicUsize::new(0)));
            let waker = Waker::from(std::sync::Arc::clone(&count));
            let shared = Arc::new((AtomicWaker::new(), AtomicBool::new(false)));
            let other = Arc::clone(&shared);
            let waking = thread::spawn(move || {
                other.1.store(true, Relaxed);
                other.0.wake();
            });
            shared.0.register(&waker);
            let seen = shared.1.load(Relaxed);
            waking.join().unwrap();
            assert!(seen || count.0.load(Relaxed) == 1, "the wake-up was lost");
        });
    }

    #[test]
    fn the_last_waker_registered_is_the_one_woken() {
        model(|| {
            let counts = [(); 2].map(|()| std::sync::Arc::new(Count(AtomicUsize::new(0))));
            let slot = AtomicWaker::new();
            for count in &counts {
                slot.register(&Waker::from(std::sync::Arc::clone(count)));
            }
            slot.wake();
            slot.wake();
            assert_eq!(counts.each_ref().map(|count| count.0.load(Relaxed)), [0, 1]);
        });
    }
}
