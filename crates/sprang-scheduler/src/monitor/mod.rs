//! The monitor: one thread of the process that looks at the workers of all runtimes while any of them runs.
//!
//! Purpose: notice a worker that is stuck in a poll. What is to be done about it says the runtime
//! (`multi_thread::watch`).
//!
//! Data flow: a runtime → [`register`]; `idle` → [`Activity::became_active`], [`Activity::became_idle`] → `alarm`; the
//! monitor's thread → `alarm` → [`Watched::look`].
//!
//! The monitor sleeps in a read of a timer's file descriptor, which nobody arms while all runtimes are idle: an idle
//! process has no periodic wake-ups. See `activity` for what arming costs.
// tidy: allow(shim): the monitor is a static of the process, which a model cannot have; its protocol is in `activity`

mod activity;
#[cfg_attr(target_os = "linux", path = "alarm_linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "alarm_portable.rs")]
mod alarm;

use std::fmt;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use activity::Activity;
pub(crate) use alarm::Alarm;

use crate::panics::survive;

/// The shortest time between two looks, in nanoseconds.
const SHORTEST_PERIOD: u64 = 1_000_000;

/// A runtime that wants to be looked at.
pub(crate) trait Watched: Send + Sync {
    /// Called on the monitor's thread every so often while any runtime is active.
    fn look(self: Arc<Self>, now: Instant);
}

struct Monitor {
    watched: Mutex<Vec<Weak<dyn Watched>>>,
}

/// The monitor, once there is one.
static MONITOR: OnceLock<Monitor> = OnceLock::new();

/// What arms the alarm.
static ACTIVITY: OnceLock<Activity<Alarm>> = OnceLock::new();

/// Time between two looks, in nanoseconds: half of the shortest threshold that a runtime ever asked for.
static PERIOD: AtomicU64 = AtomicU64::new(u64::MAX);

/// The time between two looks, in nanoseconds.
fn period() -> u64 {
    PERIOD.load(Relaxed).max(SHORTEST_PERIOD)
}

/// The nanoseconds since the first call.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Starts the monitor if there is none.
///
/// # Errors
///
/// If the OS refuses the thread or its timer.
pub(crate) fn start(threshold: Duration) -> io::Result<&'static Activity<Alarm>> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let half = u64::try_from((threshold / 2).as_nanos()).unwrap_or(u64::MAX - 1);
    PERIOD.fetch_min(half, Relaxed);
    if let Some(activity) = ACTIVITY.get() {
        return Ok(activity);
    }
    let alarm = Alarm::new()?;
    let waiting = alarm.clone();
    thread::Builder::new()
        .name("sprang-monitor".to_owned())
        .spawn(move || run(&waiting))?;
    MONITOR.get_or_init(|| Monitor {
        watched: Mutex::new(Vec::new()),
    });
    Ok(ACTIVITY.get_or_init(|| Activity::new(alarm)))
}

/// Has the monitor look at a runtime, until the runtime is gone.
pub(crate) fn register(watched: Weak<dyn Watched>) {
    if let Some(monitor) = MONITOR.get() {
        monitor
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(watched);
    }
}

/// The monitor's thread.
fn run(alarm: &Alarm) {
    loop {
        alarm.wait();
        let (Some(monitor), Some(activity)) = (MONITOR.get(), ACTIVITY.get()) else {
            continue;
        };
        let mut runtimes = Vec::new();
        monitor
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|watched| match watched.upgrade() {
                Some(runtime) => {
                    runtimes.push(runtime);
                    true
                }
                None => false,
            });
        let now = Instant::now();
        // What it drops, a last handle and the hooks of its user among them, may panic.
        runtimes.into_iter().for_each(|runtime| survive(|| runtime.look(now)));
        activity.expired();
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Monitor")
    }
}
