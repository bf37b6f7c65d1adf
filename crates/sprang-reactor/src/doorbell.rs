//! The doorbell: whether an unpark needs a system call.
//!
//! Purpose: ringing while nobody waits in the OS, or when somebody has rung already, costs one atomic swap; only the
//! first ring of a parked thread pays for a write to the eventfd.
//!
//! Data flow: `Driver::park` → [`Doorbell::arm`], the wait, [`Doorbell::disarm`]; `Handle::unpark` →
//! [`Doorbell::ring`], and the system call if that returns true.
//!
//! Invariants:
//! - I1: only the thread that holds the driver arms and disarms.
//! - I2: a ring before `arm` makes `arm` return true; a ring between `arm` and `disarm` returns true itself, once.
//!   So no ring is lost.
//!
//! Memory ordering: what a thread did before `ring` is seen by the driver's thread after the `disarm` that follows:
//! `ring` releases, `disarm` acquires. `arm` can be Relaxed: it is a read-modify-write, so what it takes stays part of
//! the value that `disarm` reads. `ring` is a swap even when the bell has been rung already: a load would not publish
//! what the second thread did.
//!
//! Models: `a_ring_is_never_lost`, `the_second_ring_publishes_too`.

use sprang_core::primitive::sync::atomic::AtomicU8;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Nobody waits, nobody has rung.
const QUIET: u8 = 0;
/// A thread waits in the OS, or is about to.
const ARMED: u8 = 1;
/// Somebody has rung.
const RUNG: u8 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Doorbell(AtomicU8);

impl Doorbell {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(QUIET))
    }

    /// Says that this thread is about to wait; true if the bell was rung already: then do not wait.
    #[inline]
    #[must_use = "a thread must not wait if the bell was rung"]
    pub(crate) fn arm(&self) -> bool {
        self.0.swap(ARMED, Relaxed) == RUNG
    }

    /// Says that this thread no longer waits, and takes the ring that came meanwhile.
    #[inline]
    pub(crate) fn disarm(&self) {
        // ORDERING: pairs with `ring` (I2).
        self.0.swap(QUIET, Acquire);
    }

    /// Rings; true if a thread waits and must be woken through the OS.
    #[inline]
    #[must_use = "the waiting thread must be woken"]
    pub(crate) fn ring(&self) -> bool {
        // ORDERING: pairs with `disarm` (I2).
        self.0.swap(RUNG, Release) == ARMED
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::sync::atomic::AtomicUsize;
    use sprang_core::primitive::{model, thread};

    /// A doorbell, the eventfd behind it, and what the ringing threads did before.
    struct Door {
        bell: Doorbell,
        eventfd: AtomicUsize,
        work: [AtomicUsize; 2],
    }

    fn door() -> Arc<Door> {
        Arc::new(Door {
            bell: Doorbell::new(),
            eventfd: AtomicUsize::new(0),
            work: [AtomicUsize::new(0), AtomicUsize::new(0)],
        })
    }

    fn ring(door: &Door, worker: usize) {
        door.work[worker].store(1, Relaxed);
        if door.bell.ring() {
            door.eventfd.store(1, Relaxed);
        }
    }

    #[test]
    fn a_ring_is_never_lost() {
        model(|| {
            let door = door();
            let ringing = thread::spawn({
                let door = Arc::clone(&door);
                move || ring(&door, 0)
            });
            let rung = door.bell.arm();
            if !rung {
                while door.eventfd.load(Relaxed) == 0 {
                    thread::yield_now();
                }
            }
            door.bell.disarm();
            assert_eq!(door.work[0].load(Relaxed), 1, "woken before the work was seen");
            ringing.join().unwrap();
        });
    }

    #[test]
    fn the_second_ring_publishes_too() {
        model(|| {
            let door = door();
            let ringing = [0, 1].map(|worker| {
                let door = Arc::clone(&door);
                thread::spawn(move || ring(&door, worker))
            });
            // One park that is over at once, after which this thread looks for work.
            let _ = door.bell.arm();
            door.bell.disarm();
            let seen = [0, 1].map(|worker| door.work[worker].load(Relaxed) == 1);
            for thread in ringing {
                thread.join().unwrap();
            }
            let next_park_returns = door.bell.arm() || door.eventfd.load(Relaxed) == 1;
            assert!(
                seen == [true, true] || next_park_returns,
                "work was left and nobody rings any more"
            );
        });
    }
}
