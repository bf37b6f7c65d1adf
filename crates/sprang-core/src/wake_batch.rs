//! Wakers collected under a lock and woken after it.
//!
//! Purpose: user wakers never run under a lock of ours. Whoever wakes many waiters fills a batch while it holds the
//! lock, lets go of the lock, wakes the batch, and goes on.
//!
//! Invariants:
//! - I1: wakers that panic do not keep the others from being woken.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// Wakers that a batch holds.
pub const CAPACITY: usize = 32;

/// A bounded batch of wakers, kept on the stack.
#[derive(Debug)]
pub struct WakeBatch {
    wakers: [Option<Waker>; CAPACITY],
    len: usize,
}

impl Default for WakeBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl WakeBatch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self {
            wakers: [const { None }; CAPACITY],
            len: 0,
        }
    }

    /// Whether there is room for one more waker.
    #[inline]
    pub fn can_push(&self) -> bool {
        self.len < CAPACITY
    }

    /// Whether the batch holds nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a waker.
    ///
    /// # Panics
    ///
    /// If the batch is full: ask [`can_push`](Self::can_push) first.
    #[inline]
    pub fn push(&mut self, waker: Waker) {
        self.wakers[self.len] = Some(waker);
        self.len += 1;
    }

    /// Wakes all and leaves the batch empty.
    ///
    /// # Panics
    ///
    /// If a waker panics, after all have been woken (I1); of several panics the first one is passed on.
    pub fn wake_all(&mut self) {
        let len = std::mem::take(&mut self.len);
        let mut first_panic = None;
        for waker in self.wakers[..len].iter_mut().filter_map(Option::take) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                match first_panic {
                    None => first_panic = Some(panic),
                    // Its destructor may panic, too.
                    Some(_) => std::mem::forget(panic),
                }
            }
        }
        if let Some(panic) = first_panic {
            resume_unwind(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::Wake;

    struct Target {
        panics: bool,
    }

    impl Wake for Target {
        fn wake(self: Arc<Self>) {
            assert!(!self.panics, "a waker that panics");
        }
    }

    #[test]
    fn panicking_wakers_do_not_lose_the_others() {
        let targets: Vec<_> = (0..4).map(|i| Arc::new(Target { panics: i % 2 == 1 })).collect();
        let mut batch = WakeBatch::new();
        for target in &targets {
            batch.push(Waker::from(Arc::clone(target)));
        }
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| batch.wake_all()));
        assert!(caught.is_err());
        assert!(batch.is_empty());
        assert!(targets.iter().all(|target| Arc::strong_count(target) == 1));
    }

    #[test]
    fn a_batch_is_full_at_its_capacity() {
        let mut batch = WakeBatch::new();
        for _ in 0..CAPACITY {
            assert!(batch.can_push());
            batch.push(Waker::noop().clone());
        }
        assert!(!batch.can_push());
        batch.wake_all();
        assert!(batch.can_push());
    }
}
