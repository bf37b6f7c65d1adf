//! `Sleep`: the future of one deadline.
//!
//! Purpose: a timer that spends the task's cooperative budget.
//!
//! Data flow: called by user code, [`Timeout`](super::Timeout) and [`Interval`](super::Interval); calls
//! `sprang_timer_wheel::Timer`. What holds of its states, memory ordering and costs stands there.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use sprang_core::coop;
use sprang_core::slot;
use sprang_timer_wheel::Timer;

use super::{Duration, FAR, Instant};

/// Waits until `duration` has passed.
///
/// The timer has a resolution of one millisecond and does not fire early. A duration beyond about 30 years counts as
/// that long.
///
/// # Cancel safety
///
/// Dropping the future cancels the sleep; nothing else happens.
///
/// # Panics
///
/// Outside of a runtime with timers. So does `runtime.block_on(sleep(…))`, which calls `sleep` before the runtime is
/// entered; `runtime.block_on(async { sleep(…).await })` does not.
///
/// ```
/// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// use sprang::time::{Duration, sleep};
///
/// sleep(Duration::from_millis(1)).await;
/// # });
/// ```
#[inline]
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let duration = duration.min(FAR);
    Sleep::new(duration, Instant::now() + duration)
}

/// Waits until `deadline`; not at all if that has passed.
///
/// Resolution, cancel safety and panics are those of [`sleep`].
///
/// ```
/// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// use sprang::time::{Duration, Instant, sleep_until};
///
/// sleep_until(Instant::now() + Duration::from_millis(1)).await;
/// # });
/// ```
#[inline]
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(Duration::ZERO, deadline)
}

pin_project! {
    /// The future of [`sleep`] and [`sleep_until`].
    ///
    /// It is registered with the runtime when it is first polled, and needs to stay in place from then on: pin it to
    /// poll it through a reference, as in `select!` or to [`reset`](Sleep::reset) it.
    ///
    /// If its deadline has passed by the first poll, that poll is ready. The one exception saves a look at the clock: a
    /// sleep made for five seconds or more, and first polled after they have passed, is woken as soon as the runtime
    /// next looks at its timers.
    ///
    /// After its runtime has shut down, a sleep that is not yet over pends for good.
    ///
    /// ```
    /// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    /// # runtime.block_on(async {
    /// use std::pin::pin;
    /// use sprang::time::{Duration, Instant, sleep};
    ///
    /// let mut sleep = pin!(sleep(Duration::from_secs(3_600)));
    /// sleep.as_mut().reset(Instant::now() + Duration::from_millis(1));
    /// sleep.as_mut().await;
    /// assert!(sleep.is_elapsed());
    /// # });
    /// ```
    #[project(!Unpin)]
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Sleep {
        #[pin]
        timer: Timer,
    }
}

impl Sleep {
    /// A sleep that ends at `deadline`. A caller that has just read the clock says how far that is `ahead`, any other
    /// says zero.
    #[inline]
    #[track_caller]
    pub(super) fn new(ahead: Duration, deadline: Instant) -> Self {
        match Timer::in_current(ahead, deadline.into_std()) {
            Some(timer) => Self { timer },
            None => no_timers(),
        }
    }

    /// When the sleep is over.
    pub fn deadline(&self) -> Instant {
        Instant::from_std(self.timer.deadline())
    }

    /// Whether the sleep is over: its timer fired, or it was polled after its deadline.
    pub fn is_elapsed(&self) -> bool {
        self.timer.is_elapsed()
    }

    /// Moves the deadline, whether or not the sleep is over or was ever polled.
    ///
    /// A task that polled the sleep is woken at the new deadline, without polling it again. To move the deadline of an
    /// armed sleep to a later one is cheap: it takes no lock.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.project().timer.reset(deadline.into_std());
    }

    /// Moves the deadline and leaves the sleep unregistered until it is polled.
    pub(super) fn reset_unregistered(self: Pin<&mut Self>, deadline: Instant) {
        self.project().timer.disarm(deadline.into_std());
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        ready!(self.project().timer.poll(cx));
        unit.made_progress();
        Poll::Ready(())
    }
}

#[cold]
#[track_caller]
fn no_timers() -> ! {
    if slot::is_entered() {
        panic!(
            "A Tokio 1.x context was found, but timers are disabled. Call `enable_time` on the runtime builder to \
             enable timers."
        )
    }
    panic!("{}", slot::NO_CONTEXT)
}
