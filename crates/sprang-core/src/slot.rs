//! Ambient slots: what a thread stands in while it runs inside a runtime.
//!
//! Purpose: each engine crate keeps its own `Handle` in a thread-local [`Slot`]; `sprang::runtime::enter` sets them
//! all in one guard, and nobody else does. Besides, a thread has a *lane*: a small number that spreads threads over
//! per-worker structures (timer wheels, shards).
//!
//! Invariants:
//! - I1: a lane is a hint for locality. Whatever it selects must be safe to use from every thread.

use std::cell::{Cell, RefCell};
use std::thread::LocalKey;

/// A thread-local slot that holds the current handle of one kind.
///
/// ```
/// use sprang_core::slot::{self, Slot};
///
/// thread_local! { static CURRENT: Slot<&'static str> = const { Slot::new() } }
///
/// let outer = slot::replace(&CURRENT, Some("handle"));
/// assert_eq!(slot::with(&CURRENT, |handle| handle.len()), Some(6));
/// slot::replace(&CURRENT, outer);
/// assert_eq!(slot::with(&CURRENT, |handle| handle.len()), None);
/// ```
#[derive(Debug)]
pub struct Slot<T>(RefCell<Option<T>>);

impl<T> Slot<T> {
    /// An empty slot.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Puts `value` into the slot and returns what was there.
///
/// On a thread whose locals are already destroyed nothing is stored and `None` comes back.
pub fn replace<T>(slot: &'static LocalKey<Slot<T>>, value: Option<T>) -> Option<T> {
    slot.try_with(|slot| slot.0.replace(value)).ok().flatten()
}

/// Calls `f` with the slot's value, if there is one.
///
/// # Panics
///
/// If `f` itself calls [`replace`] on the same slot.
#[inline]
pub fn with<T, R>(slot: &'static LocalKey<Slot<T>>, f: impl FnOnce(&T) -> R) -> Option<R> {
    slot.try_with(|slot| slot.0.borrow().as_ref().map(f)).ok().flatten()
}

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(0) };
    /// Whether the thread is in the context of a runtime.
    static ENTERED: Cell<bool> = const { Cell::new(false) };
    /// Whether the thread drives tasks, and so must not block.
    static DRIVING: Cell<bool> = const { Cell::new(false) };
}

/// What a panic says where a runtime's context is needed and there is none. A program that came from Tokio finds the
/// words that it may look for.
pub const NO_CONTEXT: &str =
    "there is no reactor running, must be called from the context of a Tokio 1.x runtime, such as sprang's";

/// Whether this thread is in the context of a runtime.
pub fn is_entered() -> bool {
    ENTERED.try_with(Cell::get).unwrap_or(false)
}

/// Says whether this thread is in the context of a runtime; returns what was said before. Called by
/// `sprang::runtime::enter` alone.
pub fn replace_entered(entered: bool) -> bool {
    ENTERED.replace(entered)
}

/// Whether this thread drives tasks, and so must not block.
pub fn is_driving() -> bool {
    // A thread that is being torn down drives nothing.
    DRIVING.try_with(Cell::get).unwrap_or(false)
}

/// Says whether this thread drives tasks; returns what was said before. Called by `sprang::runtime` alone.
pub fn replace_driving(driving: bool) -> bool {
    DRIVING.replace(driving)
}

/// This thread's lane: 0 outside of workers, `1 + index` on worker `index`.
#[inline]
pub fn lane() -> usize {
    LANE.get()
}

/// Sets this thread's lane. Called by a scheduler when one of its worker threads starts.
pub fn set_lane(lane: usize) {
    LANE.set(lane);
}
