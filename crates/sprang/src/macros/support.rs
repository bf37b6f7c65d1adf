//! What the expansions of the macros call. Not meant to be used by hand.
//!
//! Purpose: everything in an expansion that can be an ordinary function or type is one here.
//!
//! Data flow: called by the expansions that `sprang_macros::branches` writes; calls `sprang_core::{coop, rng}`.
//!
//! Invariants:
//! - I1: a [`MaybeDone`] drops its future where it is, before it keeps the output or gives the error away.

pub use std::future::{Future, IntoFuture, poll_fn};
pub use std::option::Option::{self, None, Some};
pub use std::pin::Pin;
pub use std::result::Result;
pub use std::task::{Poll, ready};

use std::ops::Not;
use std::task::Context;

use pin_project_lite::pin_project;
use sprang_core::{coop, rng};
pub use sprang_macros::{join_branches, select_branches, try_join_branches};

/// `Pending` when the task's budget is used up, with the task scheduled again: branches that keep to the budget would
/// not make progress, and those that do not would always win.
#[inline]
pub fn poll_budget_available(cx: &mut Context<'_>) -> Poll<()> {
    if coop::has_budget_remaining() {
        return Poll::Ready(());
    }
    coop::defer(cx.waker());
    Poll::Pending
}

/// Whether a branch with this precondition is disabled.
#[inline]
pub fn not<C: Not<Output = bool>>(condition: C) -> bool {
    !condition
}

/// The branch that an unbiased `select!` polls first.
#[inline]
pub fn random_below(branches: u32) -> u32 {
    rng::thread_below(branches)
}

/// A future, pinned in place, that is ready once the given one is.
#[inline]
pub fn maybe_done<F: IntoFuture>(future: F) -> MaybeDone<F::IntoFuture> {
    MaybeDone::Future {
        future: future.into_future(),
    }
}

pin_project! {
    /// A future, its output, or neither once that was taken.
    // `repr(C)` keeps the tag outside of the future: a tag in one of its niches would be read while the future holds
    // references into itself.
    #[derive(Debug)]
    #[project = Projection]
    #[project_replace = Replaced]
    #[repr(C)]
    pub enum MaybeDone<F: Future> {
        Future {
            #[pin]
            future: F,
        },
        Done {
            output: F::Output,
        },
        Gone,
    }
}

impl<F: Future> MaybeDone<F> {
    /// The output.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    #[inline]
    pub fn take_output(self: Pin<&mut Self>) -> F::Output {
        match self.project_replace(Self::Gone) {
            Replaced::Done { output } => output,
            _ => unreachable!("every branch was polled to its end"),
        }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> MaybeDone<F> {
    /// Polls the future unless it is done, and returns its error if it has one.
    ///
    /// The error comes as a `Result`, since an expression whose type has no values makes the compiler warn about the
    /// code behind it.
    #[inline]
    pub fn poll_ok<R>(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<R, E>>> {
        if let Projection::Future { future } = self.as_mut().project() {
            match ready!(future.poll(cx)) {
                Ok(value) => self.set(Self::Done { output: Ok(value) }),
                Err(error) => {
                    self.set(Self::Gone);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }

    /// The value.
    ///
    /// # Panics
    ///
    /// Panics if there is none, or an error.
    #[inline]
    pub fn take_ok(self: Pin<&mut Self>) -> T {
        match self.take_output() {
            Ok(value) => value,
            Err(_) => unreachable!("the first error has ended the macro"),
        }
    }
}

impl<F: Future> Future for MaybeDone<F> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Projection::Future { future } = self.as_mut().project() {
            let output = ready!(future.poll(cx));
            self.set(Self::Done { output });
        }
        Poll::Ready(())
    }
}
