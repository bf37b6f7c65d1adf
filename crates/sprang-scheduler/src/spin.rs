//! Waiting a moment before going to sleep, where that has paid off.
//!
//! Purpose: a thread that gets its answer within microseconds saves itself, and whoever wakes it, a system call each,
//! and the way into and out of an idle processor. A thread that does not must not burn time.
//!
//! Who waits tries it; each failure doubles the number of times that it goes straight to sleep before it tries again,
//! and a success sets it back. So a thread for which it never pays off spends a spin on one sleep in [`MAX_SKIPS`].
//!
//! Called by: `park_thread`, for the future's waker; the last active worker, for a task from outside of the workers;
//! `seat`, for events. Workers wait for nothing else: beside other busy threads that costs more than it saves.

use std::cell::Cell;

use sprang_core::primitive::hint::spin_loop;

/// Looks in a spin; with [`PAUSES`] in between that makes about 100 µs, which is more than it takes to wake a thread on
/// an idle processor and to hear from it.
const LOOKS: u32 = 640;
/// Spin hints between two looks.
const PAUSES: u32 = 4;
/// The most sleeps between two tries.
const MAX_SKIPS: u32 = 256;

/// What a look showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    There,
    NotYet,
    /// There, but not thanks to waiting; for the next tries that is a failure.
    AnotherWay,
    /// Waiting has become pointless; for the next tries that is a failure.
    GiveUp,
}

impl Look {
    /// There, or not yet.
    pub(crate) fn is_there(there: bool) -> Self {
        if there { Self::There } else { Self::NotYet }
    }
}

/// What a thread has learnt about spinning.
#[derive(Debug, Default)]
pub(crate) struct Spin {
    /// Sleeps until the next try.
    skips: Cell<u32>,
    /// Sleeps after the next failure.
    penalty: Cell<u32>,
}

impl Spin {
    /// Waits a moment for `look` to show that it is there, if that has paid off; returns whether it is.
    pub(crate) fn wait_for(&self, mut look: impl FnMut() -> Look) -> bool {
        if cfg!(sprang_loom) {
            // For loom that is a loop without end.
            return false;
        }
        if let Some(skips) = self.skips.get().checked_sub(1) {
            self.skips.set(skips);
            return false;
        }
        if look() == Look::There {
            // That says nothing about waiting.
            return true;
        }
        for _ in 0..LOOKS {
            match look() {
                Look::There => {
                    self.penalty.set(0);
                    return true;
                }
                Look::NotYet => {}
                Look::AnotherWay => {
                    self.fail();
                    return true;
                }
                Look::GiveUp => break,
            }
            (0..PAUSES).for_each(|_| spin_loop());
        }
        self.fail();
        false
    }

    fn fail(&self) {
        let penalty = (2 * self.penalty.get()).clamp(1, MAX_SKIPS);
        self.penalty.set(penalty);
        self.skips.set(penalty);
    }
}

#[cfg(all(test, not(sprang_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_pay_off_is_tried_ever_more_rarely() {
        let spin = Spin::default();
        let mut tries = 0;
        for _ in 0..10_000 {
            let mut looked = false;
            assert!(!spin.wait_for(|| {
                looked = true;
                if tries % 2 == 0 { Look::NotYet } else { Look::GiveUp }
            }));
            tries += u32::from(looked);
        }
        assert!((30..60).contains(&tries), "{tries} tries in 10,000 sleeps");
        // A success brings it back.
        while !spin.wait_for(|| Look::There) {}
        assert!(spin.wait_for(|| Look::There));
    }
}
