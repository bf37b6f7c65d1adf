//! The cooperative budget of the task being polled.
//!
//! Purpose: a task whose leaf futures are always ready would never return to its worker. Each poll of a task gets a
//! budget of [`BUDGET`] operations; every leaf future of ours spends one through [`poll_proceed`] before it tries, and
//! when the budget is used up it reports `Pending` once, with its task scheduled again.
//!
//! Data flow: a scheduler wraps a poll in [`budget`]; leaf futures call [`poll_proceed`]; who runs dry is handed to
//! the thread's *defer hook* ([`set_defer`]), so that it runs again only after the driver has been looked at. Without
//! a hook (any other executor) the waker is woken at once.

use std::cell::Cell;
use std::marker::PhantomData;
use std::task::{Context, Poll, Waker};

/// Operations that one poll of a task may complete.
pub const BUDGET: u8 = 128;

thread_local! {
    /// What is left; `None` outside of a budgeted poll.
    static LEFT: Cell<Option<u8>> = const { Cell::new(None) };
    static DEFER: Cell<Option<fn(&Waker)>> = const { Cell::new(None) };
    static ON_EXHAUSTED: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Restores the thread's budget when dropped.
struct Restore(Option<u8>);

impl Drop for Restore {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// Calls `f` with a fresh budget.
#[inline]
pub fn budget<R>(f: impl FnOnce() -> R) -> R {
    with_left(Some(BUDGET), f)
}

/// Calls `f` without any budget.
#[inline]
pub fn unconstrained<R>(f: impl FnOnce() -> R) -> R {
    with_left(None, f)
}

#[inline]
fn with_left<R>(left: Option<u8>, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(LEFT.replace(left));
    f()
}

/// Whether [`poll_proceed`] would let an operation through.
#[inline]
pub fn has_budget_remaining() -> bool {
    LEFT.try_with(Cell::get).ok().flatten() != Some(0)
}

/// Gives back the unit that [`poll_proceed`] took, unless progress was made.
///
/// A leaf future that goes on to return `Pending` drops it as it is; one that returns `Ready` calls
/// [`made_progress`](Self::made_progress).
#[derive(Debug)]
#[must_use = "dropping it at once gives the budget back"]
// Not `Send`: the unit belongs to this thread's budget.
pub struct RestoreOnPending(Cell<Option<u8>>, PhantomData<*mut ()>);

impl RestoreOnPending {
    #[inline]
    fn new(before: Option<u8>) -> Self {
        Self(Cell::new(before), PhantomData)
    }

    /// Says that the operation completed: the unit stays spent.
    #[inline]
    pub fn made_progress(&self) {
        self.0.set(None);
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        if let before @ Some(_) = self.0.get() {
            LEFT.set(before);
        }
    }
}

/// Takes one unit of the task's budget; `Pending`, with the task scheduled again, when there is none left.
///
/// ```
/// use std::task::{Context, Poll, Waker};
/// use sprang_core::coop;
///
/// let mut cx = Context::from_waker(Waker::noop());
/// coop::budget(|| {
///     for _ in 0..coop::BUDGET {
///         let Poll::Ready(unit) = coop::poll_proceed(&mut cx) else { panic!("the budget is not used up") };
///         unit.made_progress();
///     }
///     assert!(coop::poll_proceed(&mut cx).is_pending());
/// });
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    // A thread that is being torn down has no budget to keep.
    match LEFT.try_with(Cell::get).ok().flatten() {
        None => Poll::Ready(RestoreOnPending::new(None)),
        Some(0) => {
            exhausted(cx.waker());
            Poll::Pending
        }
        before @ Some(left) => {
            LEFT.set(Some(left - 1));
            Poll::Ready(RestoreOnPending::new(before))
        }
    }
}

#[cold]
fn exhausted(waker: &Waker) {
    if let Some(on_exhausted) = ON_EXHAUSTED.try_with(Cell::get).ok().flatten() {
        on_exhausted();
    }
    defer(waker);
}

/// Has `waker` woken by this thread's scheduler after it next looked at its driver; at once on any other thread.
#[inline]
pub fn defer(waker: &Waker) {
    match DEFER.try_with(Cell::get).ok().flatten() {
        Some(defer) => defer(waker),
        None => waker.wake_by_ref(),
    }
}

/// Sets this thread's defer hook and returns the one before. Called by a scheduler around its run loop.
pub fn set_defer(hook: Option<fn(&Waker)>) -> Option<fn(&Waker)> {
    DEFER.try_with(|defer| defer.replace(hook)).ok().flatten()
}

/// Sets what this thread does each time a budget is found to be used up, and returns what it did before. Called by a
/// scheduler around its run loop.
pub fn set_on_exhausted(hook: Option<fn()>) -> Option<fn()> {
    ON_EXHAUSTED.try_with(|current| current.replace(hook)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_without_progress_is_given_back() {
        let mut cx = Context::from_waker(Waker::noop());
        budget(|| {
            for _ in 0..1_000 {
                let proceed = poll_proceed(&mut cx);
                assert!(proceed.is_ready());
            }
        });
    }

    #[test]
    fn nested_budgets_are_restored() {
        budget(|| {
            unconstrained(|| assert_eq!(LEFT.get(), None));
            assert_eq!(LEFT.get(), Some(BUDGET));
        });
        assert_eq!(LEFT.get(), None);
    }

    #[test]
    fn a_panic_restores_the_budget() {
        let caught = std::panic::catch_unwind(|| budget(|| panic!("in a poll")));
        assert!(caught.is_err());
        assert_eq!(LEFT.get(), None);
    }
}
