//! The stack of drivers that a scheduler parks in: timers over I/O, each if it is enabled.
//!
//! Called by: `builder`. Calls: `sprang_reactor`, `sprang_timer_wheel`, and `sprang_core`'s thread driver where there
//! is no I/O.
//!
//! The stack is one boxed driver: a park is one virtual call. Its top (`outlive`) has it end last.

use std::io;
use std::sync::Arc;

use sprang_core::park::{Driver, DriverHandle, ThreadDriver, Unpark, Untimed};

use super::blocking::Outstanding;
use super::outlive::Outliving;

#[cfg(any(feature = "net", feature = "signal"))]
pub(super) use io_driver::{IoHandle, enter as enter_io, io_counts, is_gone};
#[cfg(feature = "time")]
pub(super) use time_driver::{Inhibit, TimeHandle, enter as enter_time, inhibit};

/// The ambient handles that a runtime without the feature has.
#[cfg(not(any(feature = "net", feature = "signal")))]
mod no_io {
    pub(in crate::runtime) type IoHandle = std::convert::Infallible;

    pub(in crate::runtime) fn enter_io(_: Option<IoHandle>) -> Option<IoHandle> {
        None
    }

    /// What an I/O driver counts.
    pub(in crate::runtime) struct Counts {
        pub(in crate::runtime) registered: u64,
        pub(in crate::runtime) deregistered: u64,
        pub(in crate::runtime) ready: u64,
    }

    /// Without an I/O driver nothing is counted.
    pub(in crate::runtime) fn io_counts(_: Option<&IoHandle>) -> Counts {
        Counts {
            registered: 0,
            deregistered: 0,
            ready: 0,
        }
    }

    /// Without an I/O driver there is none to be gone.
    pub(in crate::runtime) fn is_gone(_: &std::io::Error) -> bool {
        false
    }
}
#[cfg(not(any(feature = "net", feature = "signal")))]
pub(super) use no_io::{IoHandle, enter_io, io_counts, is_gone};

#[cfg(not(feature = "time"))]
mod no_time {
    pub(in crate::runtime) type TimeHandle = std::convert::Infallible;

    pub(in crate::runtime) type Inhibit = std::convert::Infallible;

    pub(in crate::runtime) fn enter_time(_: Option<TimeHandle>) -> Option<TimeHandle> {
        None
    }

    pub(in crate::runtime) fn inhibit(_: Option<&TimeHandle>) -> Option<Inhibit> {
        None
    }
}
#[cfg(not(feature = "time"))]
pub(super) use no_time::{Inhibit, TimeHandle, enter_time, inhibit};

/// What a runtime is to be able to do.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(
    not(all(feature = "time", any(feature = "net", feature = "signal"))),
    expect(dead_code, reason = "each field is for one of the drivers")
)]
pub(super) struct Settings {
    pub(super) io: bool,
    pub(super) time: bool,
    /// Events taken from the OS in one turn.
    pub(super) events: usize,
    /// And in one that does not wait, if that is another number.
    pub(super) busy_events: Option<usize>,
    /// Wheels: one for outside threads and one for each worker.
    pub(super) lanes: usize,
    /// Whether the clock may be paused: on current-thread runtimes.
    pub(super) pausable: bool,
    pub(super) start_paused: bool,
}

/// The drivers of a runtime, and their handles.
pub(super) struct Stack {
    pub(super) driver: Box<dyn Driver>,
    pub(super) handle: Arc<dyn DriverHandle>,
    pub(super) io: Option<IoHandle>,
    pub(super) time: Option<TimeHandle>,
}

/// Builds the stack, which does not end before what is outstanding.
///
/// # Errors
///
/// If the OS refuses an I/O driver.
pub(super) fn stack(settings: Settings, outstanding: &Arc<Outstanding>) -> io::Result<Stack> {
    #[cfg(any(feature = "net", feature = "signal"))]
    if settings.io {
        return io_driver::stack(settings, outstanding);
    }
    let driver = ThreadDriver::new();
    let unparker = driver.unparker();
    Ok(over(driver, unparker, settings, None, outstanding))
}

/// Puts timers over `inner`, if they are enabled.
fn over<D, U>(inner: D, unparker: U, settings: Settings, io: Option<IoHandle>, outstanding: &Arc<Outstanding>) -> Stack
where
    D: Driver + 'static,
    U: Unpark + 'static,
{
    #[cfg(feature = "time")]
    if settings.time {
        let (driver, time) = time_driver::over(inner, Arc::new(unparker), settings);
        return Stack {
            driver: Box::new(Outliving::new(driver, outstanding)),
            handle: Arc::new(time.clone()),
            io,
            time: Some(time),
        };
    }
    #[cfg(not(feature = "time"))]
    let _ = settings;
    Stack {
        driver: Box::new(Outliving::new(inner, outstanding)),
        handle: Arc::new(Untimed(unparker)),
        io,
        time: None,
    }
}

#[cfg(any(feature = "net", feature = "signal"))]
mod io_driver {
    //! The stack's I/O.

    use std::io;
    use std::sync::Arc;

    use super::{Outstanding, Settings, Stack, over};

    pub(in crate::runtime) use sprang_reactor::{Handle as IoHandle, is_gone, set_current as enter};

    pub(super) fn stack(settings: Settings, outstanding: &Arc<Outstanding>) -> io::Result<Stack> {
        let (mut driver, handle) = sprang_reactor::Driver::new(settings.events)?;
        if let Some(events) = settings.busy_events {
            driver.set_busy_capacity(events);
        }
        Ok(over(driver, handle.clone(), settings, Some(handle), outstanding))
    }

    /// What the driver has counted so far.
    pub(in crate::runtime) fn io_counts(io: Option<&IoHandle>) -> sprang_reactor::Counts {
        io.map(IoHandle::counts).unwrap_or_default()
    }
}

#[cfg(feature = "time")]
mod time_driver {
    //! The stack's timers.

    use std::sync::Arc;

    use sprang_core::park::{Driver as Park, Unpark};
    use sprang_core::timer;
    use sprang_timer_wheel::{Clock, Driver, set_current};

    use super::Settings;

    pub(in crate::runtime) use sprang_timer_wheel::{Handle as TimeHandle, InhibitAutoAdvance as Inhibit};

    /// Sets the thread's timers and returns those before.
    pub(in crate::runtime) fn enter(time: Option<TimeHandle>) -> Option<TimeHandle> {
        timer::set_sleep(|duration| Box::pin(crate::time::sleep(duration)));
        set_current(time)
    }

    /// Keeps the clock, if it is one that can be paused, from advancing by itself.
    pub(in crate::runtime) fn inhibit(time: Option<&TimeHandle>) -> Option<Inhibit> {
        time?.inhibit_auto_advance()
    }

    pub(super) fn over<D: Park>(inner: D, unpark: Arc<dyn Unpark>, settings: Settings) -> (Driver<D>, TimeHandle) {
        let clock = Clock::new(settings.pausable, settings.start_paused);
        let handle = TimeHandle::new(clock, settings.lanes, unpark);
        (Driver::new(inner, handle.clone()), handle)
    }
}
