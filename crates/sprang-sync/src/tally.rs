//! [`Tally`]: a count of what is under way, to be closed and waited for.
//!
//! Purpose: what a task tracker knows. Things enter and leave; who waits is told when none is left and the tally is
//! closed.
//!
//! Called by: the facade's `task_tracker`. Calls: `notify`.
//!
//! Cost: to enter and to leave is one read-modify-write each.
//!
//! Invariants:
//! - I1: the lowest bit of `state` is set while the tally is closed; the rest is the count.
//! - I2: whoever makes the word `CLOSED`, closed and empty, notifies all waiters after. A wait that began before is over
//!   then, even if the tally is reopened at once.
//!
//! Memory ordering: `leave`, `close` (release RMWs of `state`) → `Emptied::poll` (acquire load, which reads the last of
//! them or one after it): what happened before anything left is seen by who waited. After a reopening the edge is
//! `leave`'s acquire, then `notify`'s.
//!
//! Models: `who_waits_sees_what_the_last_ones_did`, `closing_and_leaving_at_once_wakes_who_waits`,
//! `a_tally_that_was_empty_for_a_moment_ends_a_wait`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use crate::notify::{Notified, Notify};

const CLOSED: usize = 1;
const ONE: usize = 2;

/// See the module.
#[derive(Debug)]
pub struct Tally {
    state: AtomicUsize,
    emptied: Notify,
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    /// An open tally of nothing.
    pub fn new() -> Self {
        Self {
            state: AtomicUsize::new(0),
            emptied: Notify::new(),
        }
    }

    /// Counts one thing that enters; open or closed.
    #[inline]
    pub fn enter(&self) {
        self.state.fetch_add(ONE, Relaxed);
    }

    /// Counts one thing that leaves.
    #[inline]
    pub fn leave(&self) {
        // ORDERING: pairs with `Emptied::poll` and, for the last one, with those that left before (I2).
        if self.state.fetch_sub(ONE, AcqRel) == ONE | CLOSED {
            self.emptied.notify_waiters();
        }
    }

    /// Closes the tally; whether it was open.
    pub fn close(&self) -> bool {
        // ORDERING: as `leave`; and with `reopen`, so that the answer tells who was first.
        let before = self.state.fetch_or(CLOSED, AcqRel);
        if before == 0 {
            self.emptied.notify_waiters();
        }
        before & CLOSED == 0
    }

    /// Opens the tally; whether it was closed.
    pub fn reopen(&self) -> bool {
        // ORDERING: pairs with `close`.
        self.state.fetch_and(!CLOSED, AcqRel) & CLOSED != 0
    }

    /// Whether the tally is closed.
    pub fn is_closed(&self) -> bool {
        // ORDERING: pairs with `close`.
        self.state.load(Acquire) & CLOSED != 0
    }

    /// The number of things that entered and did not leave.
    pub fn len(&self) -> usize {
        // ORDERING: pairs with `leave`: who sees that something left sees what it did.
        self.state.load(Acquire) / ONE
    }

    /// Whether everything has left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the tally is closed and empty, be it only for a moment after this call.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub fn wait(&self) -> Emptied<'_> {
        Emptied {
            tally: self,
            notified: self.emptied.notified(),
            done: false,
        }
    }
}

/// Waits until a tally is closed and empty; made by [`Tally::wait`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Emptied<'a> {
    tally: &'a Tally,
    notified: Notified<'a>,
    done: bool,
}

impl<'a> Emptied<'a> {
    /// The tally.
    pub fn tally(&self) -> &'a Tally {
        self.tally
    }
}

impl Future for Emptied<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: nothing is moved out of `this`.
        let this = unsafe { self.get_unchecked_mut() };
        // ORDERING: pairs with `leave` and `close`. In the other order a notification could be missed: this future was
        // made before, so that it is told of every one that comes after (I2).
        if !this.done && this.tally.state.load(Acquire) != CLOSED {
            // SAFETY: `self` is pinned, and so is its field.
            if unsafe { Pin::new_unchecked(&mut this.notified) }.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        this.done = true;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::blocking::block_on;
    use crate::testing::poll;
    use sprang_core::primitive::cell::UnsafeCell;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::{model, thread};
    use std::pin::pin;

    struct Shared {
        tally: Tally,
        values: [UnsafeCell<usize>; 2],
    }

    // SAFETY: the model writes the values before it leaves and reads them when all have left.
    unsafe impl Sync for Shared {}
    // SAFETY: as above.
    unsafe impl Send for Shared {}

    #[test]
    fn who_waits_sees_what_the_last_ones_did() {
        model(|| {
            let shared = Arc::new(Shared {
                tally: Tally::new(),
                values: [UnsafeCell::new(0), UnsafeCell::new(0)],
            });
            shared.tally.enter();
            shared.tally.enter();
            shared.tally.close();
            let leaving = [0, 1].map(|i| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.values[i].with_mut(|value| {
                        // SAFETY: the reader waits until all have left.
                        unsafe { *value = 1 }
                    });
                    shared.tally.leave();
                })
            });
            block_on(shared.tally.wait());
            for value in &shared.values {
                // SAFETY: both have left.
                assert_eq!(value.with(|value| unsafe { *value }), 1);
            }
            for thread in leaving {
                thread.join().unwrap();
            }
        });
    }

    #[test]
    fn closing_and_leaving_at_once_wakes_who_waits() {
        model(|| {
            let tally = Arc::new(Tally::new());
            tally.enter();
            let (first, second) = (Arc::clone(&tally), Arc::clone(&tally));
            let leaving = thread::spawn(move || first.leave());
            let closing = thread::spawn(move || second.close());
            block_on(tally.wait());
            leaving.join().unwrap();
            closing.join().unwrap();
        });
    }

    #[test]
    fn a_tally_that_was_empty_for_a_moment_ends_a_wait() {
        model(|| {
            let shared = Arc::new(Shared {
                tally: Tally::new(),
                values: [UnsafeCell::new(0), UnsafeCell::new(0)],
            });
            shared.tally.enter();
            let mut wait = pin!(shared.tally.wait());
            let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
            let leaving = thread::spawn(move || {
                first.values[0].with_mut(|value| {
                    // SAFETY: the reader waits until this has left.
                    unsafe { *value = 1 }
                });
                first.tally.leave();
            });
            let closing = thread::spawn(move || {
                second.tally.close();
                let was_empty = second.tally.is_empty();
                second.tally.reopen();
                was_empty
            });
            if poll(wait.as_mut()).is_ready() {
                // SAFETY: it has left.
                assert_eq!(shared.values[0].with(|value| unsafe { *value }), 1);
            }
            leaving.join().unwrap();
            let was_empty = closing.join().unwrap();
            assert!(!was_empty || poll(wait.as_mut()).is_ready());
        });
    }
}
