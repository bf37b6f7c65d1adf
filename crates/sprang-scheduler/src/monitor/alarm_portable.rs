//! The monitor's alarm where there is no timerfd: a condition variable. Arming wakes the thread that waits.
// tidy: allow(shim): it stands for a system call, and is part of no model

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::activity::Arm;
use super::period;

#[derive(Debug, Default)]
struct State {
    armed: Mutex<bool>,
    changed: Condvar,
}

/// The alarm.
#[derive(Debug, Clone)]
pub(crate) struct Alarm(Arc<State>);

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Arc::default()))
    }

    /// Sleeps until the alarm expires.
    pub(super) fn wait(&self) {
        let mut armed = self.0.armed.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while !*armed {
                armed = self.0.changed.wait(armed).unwrap_or_else(PoisonError::into_inner);
            }
            let (guard, timeout) = self
                .0
                .changed
                .wait_timeout(armed, Duration::from_nanos(period()))
                .unwrap_or_else(PoisonError::into_inner);
            armed = guard;
            if timeout.timed_out() && *armed {
                *armed = false;
                return;
            }
        }
    }

    fn set(&self, armed: bool) {
        *self.0.armed.lock().unwrap_or_else(PoisonError::into_inner) = armed;
        self.0.changed.notify_one();
    }
}

impl Arm for Alarm {
    fn arm(&self) {
        self.set(true);
    }

    fn disarm(&self) {
        self.set(false);
    }

    fn now(&self) -> u64 {
        super::now()
    }

    fn period(&self) -> u64 {
        period()
    }
}
