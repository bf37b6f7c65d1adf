//! When the monitor's alarm is armed: while any runtime is active, and as few system calls as that takes.
//!
//! Purpose: a runtime that goes from idle to active and back for every request must pay neither a wake-up of the
//! monitor's thread nor, at a high rate, a system call for it.
//!
//! The rule: who makes the process active arms the alarm, unless it is armed. Who makes it idle again disarms it, so that
//! the monitor does not wake up for nothing, but only [`PATIENCE`] times in a row: when the process goes back and forth
//! faster than the alarm expires, it stays armed, and the monitor looks once in a period.
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
use sprang_core::primitive::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, fence};

/// Times that the alarm is disarmed without having expired in between.
const PATIENCE: u32 = 8;

/// What wakes the monitor after a period.
pub(crate) trait Arm {
    /// Starts the period.
    fn arm(&self);

    /// Stops it.
    fn disarm(&self);
}

/// How many runtimes are active, and whether the alarm is armed for them.
#[derive(Debug)]
pub(crate) struct Activity<A> {
    active: AtomicUsize,
    armed: AtomicBool,
    disarmed: AtomicU32,
    alarm: A,
}

impl<A: Arm> Activity<A> {
    pub(super) fn new(alarm: A) -> Self {
        Self {
            active: AtomicUsize::new(0),
            armed: AtomicBool::new(false),
            disarmed: AtomicU32::new(0),
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
        }
    }

    /// All workers of a runtime are parked.
    pub(crate) fn became_idle(&self) {
        if self.active.fetch_sub(1, Relaxed) > 1 || self.disarmed.load(Relaxed) >= PATIENCE {
            return;
        }
        self.disarmed.fetch_add(1, Relaxed);
        self.armed.store(false, Relaxed);
        self.alarm.disarm();
        self.arm_if_active();
    }

    /// The alarm has expired, and the monitor has looked.
    pub(super) fn expired(&self) {
        self.disarmed.store(0, Relaxed);
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
