//! [`Barrier`]: tasks that wait for each other.
//!
//! Purpose: the last of `n` tasks to arrive lets all of them go on, again and again.
//!
//! Data flow: [`Barrier::wait`] → count under a lock → `notify`.
//!
//! Invariants:
//! - I1: `generation` grows each time `n` tasks have arrived. A task may go on when its generation is over; it looks at
//!   that after it made its `Notified`, and the last to arrive notifies after it ended the generation.

use std::fmt;

use sprang_core::primitive::sync::Mutex;

use crate::notify::Notify;

/// A point that `n` tasks must reach before any of them goes on.
///
/// ```
/// # futures::executor::block_on(async {
/// use sprang_sync::Barrier;
///
/// let barrier = Barrier::new(2);
/// let (first, second) = futures::join!(barrier.wait(), barrier.wait());
/// assert!(first.is_leader() != second.is_leader());
/// # });
/// ```
pub struct Barrier {
    arrivals: Mutex<Arrivals>,
    released: Notify,
    n: usize,
}

struct Arrivals {
    count: usize,
    generation: usize,
}

/// Tells one of the tasks that met from the others.
#[derive(Debug, Clone)]
pub struct BarrierWaitResult(bool);

impl Barrier {
    /// A barrier for `n` tasks. With 0 it is as with 1: nobody waits.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        Self {
            arrivals: Mutex::new(Arrivals {
                count: 0,
                generation: 0,
            }),
            released: Notify::new(),
            n: n.max(1),
        }
    }

    /// Waits until `n` tasks wait. One of them, the last to arrive, is the [leader](BarrierWaitResult::is_leader).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a task that was polled counts as arrived, also when its future is dropped.
    pub async fn wait(&self) -> BarrierWaitResult {
        let Some(generation) = self.arrive() else {
            self.released.notify_waiters();
            return BarrierWaitResult(true);
        };
        loop {
            let released = self.released.notified();
            if self.arrivals.lock().generation != generation {
                return BarrierWaitResult(false);
            }
            released.await;
        }
    }

    /// Counts a task in: the generation that it has to wait for, or `None` if it was the last to arrive.
    fn arrive(&self) -> Option<usize> {
        let mut arrivals = self.arrivals.lock();
        arrivals.count += 1;
        if arrivals.count < self.n {
            return Some(arrivals.generation);
        }
        arrivals.count = 0;
        arrivals.generation = arrivals.generation.wrapping_add(1);
        None
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("arrived", &self.arrivals.lock().count)
            .field("n", &self.n)
            .finish()
    }
}

impl BarrierWaitResult {
    /// Whether this task was the last to arrive.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::blocking::block_on;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::{model, thread};

    #[test]
    fn one_of_those_who_meet_leads() {
        model(|| {
            let barrier = Arc::new(Barrier::new(2));
            let other = Arc::clone(&barrier);
            let meeting = thread::spawn(move || block_on(other.wait()).is_leader());
            let leads = block_on(barrier.wait()).is_leader();
            assert!(leads != meeting.join().unwrap());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn nobody_goes_on_before_the_last_and_the_barrier_can_be_used_again() {
        let barrier = Barrier::new(3);
        for _ in 0..3 {
            let mut first = Box::pin(barrier.wait());
            let mut second = Box::pin(barrier.wait());
            assert!(first.as_mut().now_or_never().is_none());
            assert!(second.as_mut().now_or_never().is_none());
            assert!(barrier.wait().now_or_never().unwrap().is_leader());
            // A task of the next generation does not disturb those that were let go.
            let mut next = Box::pin(barrier.wait());
            assert!(next.as_mut().now_or_never().is_none());
            assert!(!first.as_mut().now_or_never().unwrap().is_leader());
            assert!(!second.as_mut().now_or_never().unwrap().is_leader());
            assert!(barrier.wait().now_or_never().is_none());
            assert!(barrier.wait().now_or_never().unwrap().is_leader());
        }
    }

    #[test]
    fn a_barrier_for_none_lets_everybody_through() {
        assert!(Barrier::new(0).wait().now_or_never().unwrap().is_leader());
    }
}
