//! What a worker sleeps in: the driver, if it is free, else its own thread.
//!
//! Purpose: of the parked workers one is parked in the driver and is woken by I/O and timers; the others wait on their
//! threads and are woken by a push.
//!
//! Called by: `worker` (park), whoever pushes (unpark). Calls: `seat`.
//!
//! Invariants:
//! - I1: an unpark before a park makes that park return at once: `NOTIFIED` stays until a park consumes it.
//! - I2: only the owner moves `state` to `THREAD` or `DRIVER`, and back.
//!
//! Memory ordering: `unpark` releases what the waker pushed to the park that acquires it. (The sleep protocol in
//! `idle` does not rely on it.) Who waits a moment before it sleeps only peeks at `state`.

use std::sync::OnceLock;
use std::time::Instant;

use sprang_core::park::{DriverHandle, Wait};
use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use sprang_core::primitive::thread::{self, Thread};

use crate::seat::Seat;

const EMPTY: usize = 0;
const NOTIFIED: usize = 1;
const THREAD: usize = 2;
const DRIVER: usize = 3;

/// The driver of a scheduler, held by at most one thread.
pub(super) type SharedDriver = Mutex<Seat>;

/// A worker's parker.
#[derive(Debug)]
pub(super) struct Parker {
    state: AtomicUsize,
    thread: OnceLock<Thread>,
}

impl Parker {
    pub(super) fn new() -> Self {
        Self {
            state: AtomicUsize::new(EMPTY),
            thread: OnceLock::new(),
        }
    }

    /// Says that the calling thread is the one that parks here.
    pub(super) fn adopt(&self) {
        self.thread.get_or_init(thread::current);
    }

    /// Whether a thread ever parked here, or was about to.
    pub(super) fn is_adopted(&self) -> bool {
        self.thread.get().is_some()
    }

    /// Sleeps until an unpark, an event of the driver, or the deadline of a timer. `has_work`: whether the driver has
    /// made a task ready.
    pub(super) fn park(&self, driver: &SharedDriver, handle: &dyn DriverHandle, has_work: impl Fn() -> bool) {
        match driver.try_lock() {
            Some(mut driver) => {
                let is_over = || self.state.load(Relaxed) == NOTIFIED || has_work();
                if !driver.wait_a_moment(is_over) && self.enter(DRIVER) {
                    driver.park(Wait::Forever);
                }
            }
            None => {
                let deadline = handle.unserved_deadline();
                if self.enter(THREAD) && !self.wait(deadline) {
                    handle.fire_due();
                }
            }
        }
        // ORDERING: acquires what the unparker pushed.
        self.state.swap(EMPTY, AcqRel);
    }

    /// Announces where the worker sleeps; `false` if it was unparked before.
    fn enter(&self, place: usize) -> bool {
        // ORDERING: acquires what the unparker pushed.
        self.state.compare_exchange(EMPTY, place, AcqRel, Acquire).is_ok()
    }

    /// Sleeps on the thread; `false` if the deadline came first.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        // ORDERING: acquires what the unparker pushed.
        while self.state.load(Acquire) != NOTIFIED {
            match deadline {
                None => thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    thread::park_timeout(left);
                }
            }
        }
        true
    }

    /// Wakes the worker, or makes its next park return at once.
    pub(super) fn unpark(&self, handle: &dyn DriverHandle) {
        // ORDERING: releases what the caller pushed.
        match self.state.swap(NOTIFIED, AcqRel) {
            THREAD => {
                if let Some(thread) = self.thread.get() {
                    thread.unpark();
                }
            }
            DRIVER => handle.unpark(),
            _ => {}
        }
    }
}
