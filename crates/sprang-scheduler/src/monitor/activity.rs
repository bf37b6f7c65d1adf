//! When the monitor's alarm is armed: while any runtime is active, and as few system calls as that takes.
//!
//! Purpose: a runtime that goes from idle to active and back for every request must pay neither a wake-up of the
//! monitor's thread nor, at a high rate, a system call for it.
//!
//! The rule: who makes the process active arms the alarm, unless it is armed. Who makes it idle again disarms it, so that
//! the monitor does not wake up for nothing; but not if it was armed twice within a [`FRACTION`]th of its period: then it
//! stays armed until it expires, one look for at least so many idle times.
//!
//! Invariants:
//! - I1: after all calls have returned, the alarm is armed if the process is active. Arming and disarming are not one
//!   step with the count, so who disarms looks at the count again afterwards, and arms if it must; who arms has counted
//!   before.
//!
//! Memory ordering: store buffering again: count, fence, read `armed`; against clear `armed`, disarm, fence, read the
//! count.
//!
//! Models: `an_active_process_has_its_alarm_armed`.

use sprang_core::primitive::sync::atomic::Ordering::{Relaxed, SeqCst};
use sprang_core::primitive::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, fence};

/// The part of the alarm's period within which it is armed again, if it is to stay armed.
const FRACTION: u64 = 8;

/// What wakes the monitor after a period.
pub(crate) trait Arm {
    /// Starts the period.
    fn arm(&self);

    /// Stops it.
    fn disarm(&self);

    /// The time, in nanoseconds.
    fn now(&self) -> u64;

    /// The length of the period that begins when the alarm is armed, in nanoseconds.
    fn period(&self) -> u64;
}

/// How many runtimes are active, and whether the alarm is armed for them.
#[derive(Debug)]
pub(crate) struct Activity<A> {
    active: AtomicUsize,
    armed: AtomicBool,
    /// Whether the alarm stays armed when the process becomes idle. A hint, as is the next.
    stays_armed: AtomicBool,
    /// When the alarm was last armed because the process became active.
    armed_at: AtomicU64,
    alarm: A,
}

impl<A: Arm> Activity<A> {
    pub(super) fn new(alarm: A) -> Self {
        Self {
            active: AtomicUsize::new(0),
            armed: AtomicBool::new(false),
            stays_armed: AtomicBool::new(false),
            armed_at: AtomicU64::new(0),
            alarm,
        }
    }

    /// A runtime has a worker at work again.
    pub(crate) fn became_active(&self) {
        if self.active.fetch_add(1, Relaxed) > 0 {
            return;
        }
        // ORDERING: pairs with `arm_if_active` (I1).
        fence(SeqCst);
        if !self.armed.load(Relaxed) {
            self.armed.store(true, Relaxed);
            self.alarm.arm();
            let now = self.alarm.now();
            let since = now.saturating_sub(self.armed_at.load(Relaxed));
            self.armed_at.store(now, Relaxed);
            self.stays_armed.store(since < self.alarm.period() / FRACTION, Relaxed);
        }
    }

    /// All workers of a runtime are parked.
    pub(crate) fn became_idle(&self) {
        if self.active.fetch_sub(1, Relaxed) > 1 || self.stays_armed.load(Relaxed) {
            return;
        }
        self.armed.store(false, Relaxed);
        self.alarm.disarm();
        self.arm_if_active();
    }

    /// The alarm has expired, and the monitor has looked.
    pub(super) fn expired(&self) {
        self.stays_armed.store(false, Relaxed);
        self.armed.store(false, Relaxed);
        self.arm_if_active();
    }

    fn arm_if_active(&self) {
        // ORDERING: pairs with `became_active` (I1).
        fence(SeqCst);
        if self.active.load(Relaxed) > 0 {
            self.armed.store(true, Relaxed);
            self.alarm.arm();
        }
    }
}

#[cfg(all(test, not(sprang_loom)))]
mod tests {
    use super::*;

    /// A clock that is set by hand, and counts.
    #[derive(Debug, Default)]
    struct Bell {
        now: AtomicU64,
        armed: AtomicUsize,
        disarmed: AtomicUsize,
    }

    impl Arm for Bell {
        fn arm(&self) {
            self.armed.fetch_add(1, Relaxed);
        }

        fn disarm(&self) {
            self.disarmed.fetch_add(1, Relaxed);
        }

        fn now(&self) -> u64 {
            self.now.load(Relaxed)
        }

        fn period(&self) -> u64 {
            10 * u64::from(u16::MAX)
        }
    }

    /// Goes to active and back, `apart` from one time to the next; returns how often the alarm was armed and disarmed.
    fn cycles(activity: &Activity<Bell>, times: u64, apart: u64) -> (usize, usize) {
        for _ in 0..times {
            activity.alarm.now.fetch_add(apart, Relaxed);
            activity.became_active();
            activity.became_idle();
        }
        let counts = [&activity.alarm.armed, &activity.alarm.disarmed];
        counts.map(|count| count.swap(0, Relaxed)).into()
    }

    #[test]
    fn an_alarm_that_is_rarely_needed_never_expires_and_one_that_often_is_stays_armed() {
        let activity = Activity::new(Bell::default());
        let period = activity.alarm.period();
        assert_eq!(cycles(&activity, 100, period / FRACTION), (100, 100));
        assert_eq!(cycles(&activity, 100, 1), (1, 0));
        activity.expired();
        assert_eq!(cycles(&activity, 100, period), (100, 100), "as before");
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::{model, thread};

    #[derive(Debug)]
    struct Bell(AtomicBool);

    impl Arm for Bell {
        fn arm(&self) {
            // ORDERING: a system call is a total order of its own.
            self.0.swap(true, SeqCst);
        }

        fn disarm(&self) {
            self.0.swap(false, SeqCst);
        }

        fn now(&self) -> u64 {
            1
        }

        /// Too short for the alarm to stay armed.
        fn period(&self) -> u64 {
            0
        }
    }

    #[test]
    fn an_active_process_has_its_alarm_armed() {
        model(|| {
            let activity = Arc::new(Activity::new(Bell(AtomicBool::new(false))));
            activity.became_active();
            let other = Arc::clone(&activity);
            // A runtime goes to sleep while another one wakes up.
            let waking = thread::spawn(move || other.became_active());
            activity.became_idle();
            waking.join().unwrap();
            assert!(activity.alarm.0.load(SeqCst), "an active process that nobody watches");
        });
    }

    #[test]
    fn an_alarm_that_expires_goes_on_while_the_process_is_active() {
        model(|| {
            let activity = Arc::new(Activity::new(Bell(AtomicBool::new(false))));
            let other = Arc::clone(&activity);
            let waking = thread::spawn(move || other.became_active());
            // The expiry of an earlier alarm.
            activity.alarm.disarm();
            activity.expired();
            waking.join().unwrap();
            assert!(activity.alarm.0.load(SeqCst), "an active process that nobody watches");
        });
    }
}
