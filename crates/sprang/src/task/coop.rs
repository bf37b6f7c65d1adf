//! Cooperative scheduling: the budget that makes tasks yield.
//!
//! A task whose futures are always ready would keep its thread for good. So each poll of a task has a budget of 128
//! operations. Sockets, timers, channels, locks and join handles of this crate each spend one unit when they complete;
//! when none is left they are pending, although they could go on, and the task runs again after the other ready tasks
//! had their turn and I/O and timers were looked at.
//!
//! What the futures of this crate do is open to others: [`consume_budget`] in a loop that awaits nothing of this crate,
//! [`cooperative`] around a future of one's own, [`poll_proceed`] in its `poll`. [`unconstrained`] turns the budget
//! off.
//!
//! Under any other executor there is no budget, and nothing here has an effect.
//!
//! Calls: `sprang_core::coop`, which keeps the budget.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use sprang_core::coop;

pub use sprang_core::coop::{RestoreOnPending, has_budget_remaining, poll_proceed};

/// Spends a unit of the task's budget, and yields if there is none left.
///
/// For loops that may run for long without awaiting anything of this crate.
///
/// # Cancel safety
///
/// Dropping the future spends nothing.
///
/// ```
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// async fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
///     let mut sum = 0;
///     for number in numbers {
///         sum += number;
///         sprang::task::coop::consume_budget().await;
///     }
///     sum
/// }
/// assert_eq!(sum(1..=1_000).await, 500_500);
/// # }
/// ```
pub async fn consume_budget() {
    poll_fn(|cx| coop::poll_proceed(cx).map(|unit| unit.made_progress())).await;
}

pin_project! {
    /// The future of [`cooperative`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Coop<F> {
        #[pin]
        future: F,
    }
}

/// Makes a future spend a unit of the task's budget when it completes, and yield when there is none left.
///
/// For leaf futures, those that wait for something themselves.
///
/// ```
/// use std::future::ready;
/// use sprang::task::coop::cooperative;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// for _ in 0..1_000 {
///     // Yields every 128 rounds.
///     cooperative(ready(())).await;
/// }
/// # }
/// ```
#[inline]
pub fn cooperative<F: Future>(future: F) -> Coop<F> {
    Coop { future }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let polled = self.project().future.poll(cx);
        if polled.is_ready() {
            unit.made_progress();
        }
        polled
    }
}

pin_project! {
    /// The future of [`unconstrained`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

/// Polls a future without any budget: nothing in it is made to yield.
///
/// It may then keep its thread from other tasks for as long as it finds something to do.
///
/// ```
/// use sprang::sync::mpsc;
/// use sprang::task::coop::unconstrained;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// let (sender, mut receiver) = mpsc::unbounded_channel();
/// (0..1_000).for_each(|i| sender.send(i).unwrap());
/// unconstrained(async {
///     for _ in 0..1_000 {
///         receiver.recv().await;
///     }
/// })
/// .await;
/// # }
/// ```
pub fn unconstrained<F>(future: F) -> Unconstrained<F> {
    Unconstrained { future }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.project().future;
        coop::unconstrained(|| future.poll(cx))
    }
}

impl<F> fmt::Debug for Unconstrained<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unconstrained").finish_non_exhaustive()
    }
}
