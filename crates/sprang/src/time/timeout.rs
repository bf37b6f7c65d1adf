//! `Timeout`: a future with a time limit.
//!
//! Data flow: polls the inner future first, then its [`Sleep`].

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use sprang_core::coop;

use super::error::Elapsed;
use super::{Duration, Instant, Sleep};

/// Gives `future` until `duration` from now to complete.
///
/// The future is polled before the time limit is looked at: one that is ready at once completes even with a limit of
/// zero.
///
/// # Errors
///
/// [`Elapsed`], if the limit passes first. The future is dropped with the `Timeout`.
///
/// # Cancel safety
///
/// That of `future`.
///
/// # Panics
///
/// Outside of a runtime with timers.
///
/// ```
/// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// use sprang::time::{Duration, timeout};
///
/// assert_eq!(timeout(Duration::from_secs(1), async { 7 }).await, Ok(7));
/// assert!(timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
/// # });
/// ```
#[inline]
#[track_caller]
pub fn timeout<F>(duration: Duration, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    let value = future.into_future();
    // A limit beyond the range of an instant is none.
    match Instant::now().checked_add(duration) {
        Some(deadline) => Timeout {
            value,
            delay: Some(Sleep::new(duration, deadline)),
        },
        None => Timeout { value, delay: None },
    }
}

/// Gives `future` until `deadline` to complete.
///
/// Order of polling, errors, cancel safety and panics are those of [`timeout`].
///
/// ```
/// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// use sprang::time::{Duration, Instant, timeout_at};
///
/// let deadline = Instant::now() + Duration::from_millis(1);
/// assert!(timeout_at(deadline, std::future::pending::<()>()).await.is_err());
/// # });
/// ```
#[inline]
#[track_caller]
pub fn timeout_at<F>(deadline: Instant, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    Timeout {
        value: future.into_future(),
        delay: Some(Sleep::new(Duration::ZERO, deadline)),
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Timeout<T> {
        #[pin]
        value: T,
        #[pin]
        delay: Option<Sleep>,
    }
}

impl<T> Timeout<T> {
    /// The inner future.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// The inner future.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// The inner future, without its time limit.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: Future> Future for Timeout<T> {
    type Output = Result<T::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(value) = this.value.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        match this.delay.as_pin_mut() {
            Some(delay) => poll_delay(delay, cx, had_budget).map(Err),
            None => Poll::Pending,
        }
    }
}

fn poll_delay(delay: Pin<&mut Sleep>, cx: &mut Context<'_>, had_budget: bool) -> Poll<Elapsed> {
    let poll = || delay.poll(cx).map(|()| Elapsed::new());
    // An inner future that uses up the budget in every poll must not keep the limit from being looked at.
    if had_budget && !coop::has_budget_remaining() {
        coop::unconstrained(poll)
    } else {
        poll()
    }
}
