//! The clock: real time, or time that a test stops and moves.
//!
//! Purpose: every deadline of a runtime is measured against its clock, so that a test can pause it and have timers
//! fire at once, in order.
//!
//! Data flow: called by `handle` (now, ticks), `driver` (auto-advance), the facade's `Instant::now`, `pause`,
//! `resume`, `advance`. Calls `std::time::Instant::now`.
//!
//! Invariants:
//! - I1: a clock that was never paused is real time, read without a lock.
//! - I2: the clock never goes back: pausing freezes it where it is, resuming lets it run on from there.
//! - I3: it advances on its own only while it is paused and no [`InhibitAutoAdvance`](crate::InhibitAutoAdvance)
//!   guard is alive.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use sprang_core::primitive::sync::atomic::{AtomicBool, AtomicUsize};

/// Set once any clock of the process has been paused: until then `now` needs no context.
static ANY_PAUSED: OnceLock<()> = OnceLock::new();

/// Whether any clock of this process was ever paused.
#[inline]
pub(crate) fn any_paused() -> bool {
    ANY_PAUSED.get().is_some()
}

/// A runtime's source of time.
///
/// ```
/// use std::time::Duration;
/// use sprang_timer_wheel::Clock;
///
/// let clock = Clock::new(true, true);
/// let before = clock.now();
/// clock.advance(Duration::from_secs(1)).unwrap();
/// assert_eq!(clock.now() - before, Duration::from_secs(1));
/// ```
#[derive(Debug)]
pub struct Clock {
    pausable: bool,
    /// Whether `time` rules; while it is false, real time does (I1).
    paused_once: AtomicBool,
    inhibitors: AtomicUsize,
    time: Mutex<Time>,
}

/// The clock shows `base`, plus the real time since `running_since`.
#[derive(Debug)]
struct Time {
    base: Instant,
    running_since: Option<Instant>,
}

impl Time {
    fn now(&self) -> Instant {
        self.base + self.running_since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Why a clock could not be paused, resumed or advanced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockError(&'static str);

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ClockError {}

impl Clock {
    /// A clock that shows the present; one that is `pausable` can be paused, and is from the start if `start_paused`.
    ///
    /// # Panics
    ///
    /// If it is to start paused and is not pausable.
    #[track_caller]
    pub fn new(pausable: bool, start_paused: bool) -> Self {
        let now = Instant::now();
        let clock = Self {
            pausable,
            paused_once: AtomicBool::new(false),
            inhibitors: AtomicUsize::new(0),
            time: Mutex::new(Time {
                base: now,
                running_since: Some(now),
            }),
        };
        if start_paused && let Err(error) = clock.pause() {
            panic!("{error}");
        }
        clock
    }

    /// What the clock shows.
    #[inline]
    pub fn now(&self) -> Instant {
        if self.was_never_paused() {
            Instant::now()
        } else {
            self.time.lock().now()
        }
    }

    /// Whether the clock shows real time, and has from the start.
    #[inline]
    pub(crate) fn was_never_paused(&self) -> bool {
        // ORDERING: pairs with `pause`: who learns that the clock was paused reads it under the lock (I1).
        !self.paused_once.load(Acquire)
    }

    /// When, in real time, the clock will show `instant` if nobody pauses, resumes or advances it; for a paused clock,
    /// as if it ran on from now. `None` if that is out of range.
    pub(crate) fn to_real(&self, instant: Instant) -> Option<Instant> {
        if self.was_never_paused() {
            return Some(instant);
        }
        let time = self.time.lock();
        let since = time.running_since.unwrap_or_else(Instant::now);
        since.checked_add(instant.saturating_duration_since(time.base))
    }

    /// Stops the clock where it is.
    ///
    /// # Errors
    ///
    /// If the clock is not pausable, or is paused already.
    pub fn pause(&self) -> Result<(), ClockError> {
        if !self.pausable {
            return Err(ClockError(
                "`time::pause()` requires the `current_thread` runtime, the default of `#[sprang::test]`",
            ));
        }
        let mut time = self.time.lock();
        if time.running_since.is_none() {
            return Err(ClockError("time is already frozen"));
        }
        time.base = time.now();
        time.running_since = None;
        ANY_PAUSED.get_or_init(|| ());
        // ORDERING: pairs with `was_never_paused` (I1).
        self.paused_once.store(true, Release);
        Ok(())
    }

    /// Lets a paused clock run on from where it is.
    ///
    /// # Errors
    ///
    /// If the clock is not paused.
    pub fn resume(&self) -> Result<(), ClockError> {
        let mut time = self.paused()?;
        time.running_since = Some(Instant::now());
        Ok(())
    }

    /// Moves a paused clock forward by `duration`. Timers fire when the driver is next looked at.
    ///
    /// # Errors
    ///
    /// If the clock is not paused, or would leave the range of an `Instant`.
    pub fn advance(&self, duration: Duration) -> Result<(), ClockError> {
        let mut time = self.paused()?;
        time.base = time
            .base
            .checked_add(duration)
            .ok_or(ClockError("time cannot be advanced that far"))?;
        Ok(())
    }

    fn paused(&self) -> Result<impl std::ops::DerefMut<Target = Time>, ClockError> {
        let time = self.time.lock();
        match time.running_since {
            None => Ok(time),
            Some(_) => Err(ClockError("time is not frozen")),
        }
    }

    /// Whether this clock can be paused at all.
    #[inline]
    pub(crate) fn is_pausable(&self) -> bool {
        self.pausable
    }

    /// Whether the clock is paused and moves on by itself when there is nothing to run (I3).
    pub(crate) fn can_auto_advance(&self) -> bool {
        !self.was_never_paused()
            && self.time.lock().running_since.is_none()
            // ORDERING: pairs with `allow_auto_advance`: what the inhibitor's owner woke is seen first (I3).
            && self.inhibitors.load(Acquire) == 0
    }

    pub(crate) fn inhibit_auto_advance(&self) {
        self.inhibitors.fetch_add(1, Relaxed);
    }

    pub(crate) fn allow_auto_advance(&self) {
        // ORDERING: pairs with `can_auto_advance` (I3).
        self.inhibitors.fetch_sub(1, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_paused_clock_stands_still_and_moves_only_when_told() {
        let clock = Clock::new(true, false);
        clock.pause().unwrap();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.advance(SECOND).unwrap();
        assert_eq!(clock.now(), start + SECOND);
        assert!(clock.pause().is_err());
    }

    #[test]
    fn a_resumed_clock_runs_on_from_where_it_was() {
        let clock = Clock::new(true, true);
        clock.advance(1_000 * SECOND).unwrap();
        let shown = clock.now();
        clock.resume().unwrap();
        assert!(clock.now() >= shown);
        assert!(clock.now() < shown + 500 * SECOND);
        assert!(clock.resume().is_err());
        assert!(clock.advance(SECOND).is_err());
        let real = clock.to_real(shown + 10 * SECOND).unwrap();
        assert!(real <= Instant::now() + 10 * SECOND);
    }

    #[test]
    fn a_clock_that_is_not_pausable_refuses() {
        let clock = Clock::new(false, false);
        assert!(clock.pause().is_err());
        assert!(std::panic::catch_unwind(|| Clock::new(false, true)).is_err());
    }

    #[test]
    fn an_advance_beyond_the_range_is_an_error_and_changes_nothing() {
        let clock = Clock::new(true, true);
        let start = clock.now();
        assert!(clock.advance(Duration::MAX).is_err());
        assert_eq!(clock.now(), start);
    }

    #[test]
    fn auto_advance_waits_for_the_last_inhibitor() {
        let clock = Clock::new(true, true);
        assert!(clock.can_auto_advance());
        clock.inhibit_auto_advance();
        clock.inhibit_auto_advance();
        clock.allow_auto_advance();
        assert!(!clock.can_auto_advance());
        clock.allow_auto_advance();
        assert!(clock.can_auto_advance());
        clock.resume().unwrap();
        assert!(!clock.can_auto_advance());
    }
}
