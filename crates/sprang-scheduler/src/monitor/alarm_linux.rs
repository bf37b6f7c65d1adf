//! The monitor's alarm on Linux: a timerfd.
//!
//! Purpose: arming and disarming cost a system call, but no wake-up of the thread that waits.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::activity::Arm;
use super::period;

/// The alarm.
#[derive(Debug, Clone)]
pub(crate) struct Alarm(Arc<OwnedFd>);

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        Ok(Self(Arc::new(timer)))
    }

    /// Sleeps until the alarm expires.
    pub(super) fn wait(&self) {
        let mut expirations = [0; 8];
        // An interrupted wait is a look too many, which does no harm.
        let _ = rustix::io::read(&*self.0, &mut expirations);
    }

    fn set(&self, nanos: u64) {
        let timer = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: (nanos / 1_000_000_000) as i64,
                tv_nsec: (nanos % 1_000_000_000) as i64,
            },
        };
        timerfd_settime(&*self.0, TimerfdTimerFlags::empty(), &timer).expect("the timer and its value are valid");
    }
}

impl Arm for Alarm {
    fn arm(&self) {
        self.set(self.period());
    }

    fn disarm(&self) {
        self.set(0);
    }

    fn now(&self) -> u64 {
        super::now()
    }

    fn period(&self) -> u64 {
        period()
    }
}
