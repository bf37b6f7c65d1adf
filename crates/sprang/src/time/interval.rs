//! `Interval`: ticks at a fixed period.
//!
//! Data flow: one [`Sleep`], whose deadline moves on by a period with every tick.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Duration, FAR, Instant, Sleep, sleep_until};

/// How late a tick may be taken before it counts as missed: a timer's resolution and some scheduling.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Ticks every `period`, the first time at once.
///
/// A tick that is late is followed up as [`MissedTickBehavior`] says, by default with a burst.
///
/// # Panics
///
/// If `period` is zero, and outside of a runtime with timers.
///
/// ```
/// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// use sprang::time::{Duration, interval};
///
/// let mut interval = interval(Duration::from_millis(2));
/// let first = interval.tick().await;
/// let second = interval.tick().await;
/// assert_eq!(second - first, Duration::from_millis(2));
/// # });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    Interval::new(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// As [`interval`].
///
/// ```
/// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// use sprang::time::{Duration, Instant, interval_at};
///
/// let start = Instant::now() + Duration::from_millis(3);
/// let mut interval = interval_at(start, Duration::from_millis(2));
/// assert_eq!(interval.tick().await, start);
/// # });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval::new(start, period)
}

/// What an [`Interval`] does about ticks that nobody took in time.
///
/// A tick is missed if it is taken more than 5 ms late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTickBehavior {
    /// Ticks at once for every missed tick, until it has caught up with its schedule.
    #[default]
    Burst,
    /// Ticks one period after the late tick, and goes on from there.
    Delay,
    /// Leaves the missed ticks out: ticks next at a multiple of the period from the start.
    Skip,
}

impl MissedTickBehavior {
    /// The deadline after a tick that was due at `due` and taken at `now`, too late.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Instant {
        match self {
            Self::Burst => due + period,
            Self::Delay => now + period,
            Self::Skip => now + (period - remainder(now - due, period)),
        }
    }
}

/// How far `time` is beyond the last multiple of `period`.
fn remainder(time: Duration, period: Duration) -> Duration {
    let nanos = time.as_nanos() % period.as_nanos();
    let second = Duration::from_secs(1).as_nanos();
    // Both are less than a `Duration`'s range, since the remainder is less than the period.
    Duration::new((nanos / second) as u64, (nanos % second) as u32)
}

/// A source of ticks, made by [`interval`] and [`interval_at`].
#[derive(Debug)]
pub struct Interval {
    delay: Pin<Box<Sleep>>,
    period: Duration,
    missed_tick_behavior: MissedTickBehavior,
}

impl Interval {
    #[track_caller]
    fn new(start: Instant, period: Duration) -> Self {
        assert!(!period.is_zero(), "`period` must be non-zero.");
        Self {
            delay: Box::pin(sleep_until(start)),
            period: period.min(FAR),
            missed_tick_behavior: MissedTickBehavior::default(),
        }
    }

    /// Waits for the next tick and returns when it was due.
    ///
    /// # Cancel safety
    ///
    /// No tick is lost if the future is dropped before it is ready.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Ready with the time that a tick was due at, once it is. Until then the task of the last poll is the one that is
    /// woken.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.delay.as_mut().poll(cx));
        let due = self.delay.deadline();
        let now = Instant::now();
        let next = if now > due + TOLERANCE {
            self.missed_tick_behavior.next(due, now, self.period)
        } else {
            due + self.period
        };
        self.delay.as_mut().reset_unregistered(next);
        Poll::Ready(due)
    }

    /// Ticks next one period from now.
    pub fn reset(&mut self) {
        self.delay.as_mut().reset(Instant::now() + self.period);
    }

    /// Ticks next at once.
    pub fn reset_immediately(&mut self) {
        self.delay.as_mut().reset(Instant::now());
    }

    /// Ticks next when `after` has passed.
    pub fn reset_after(&mut self, after: Duration) {
        self.delay.as_mut().reset(Instant::now() + after.min(FAR));
    }

    /// Ticks next at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.delay.as_mut().reset(deadline);
    }

    /// What happens about missed ticks.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_tick_behavior
    }

    /// Sets what happens about missed ticks.
    ///
    /// ```
    /// # let runtime = sprang::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    /// # runtime.block_on(async {
    /// use sprang::time::{Duration, MissedTickBehavior, interval};
    ///
    /// let mut interval = interval(Duration::from_millis(2));
    /// interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    /// assert_eq!(interval.missed_tick_behavior(), MissedTickBehavior::Skip);
    /// # });
    /// ```
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_tick_behavior = behavior;
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}
