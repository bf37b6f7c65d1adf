//! How a crate that knows no timers waits for time to pass.
//!
//! Purpose: a few futures of `sprang-sync` have a time limit. `sprang::runtime::enter` leaves its way to make a sleep
//! with the thread; they use it when they are polled there.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::slot;

/// A sleep of any runtime.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

type Make = fn(Duration) -> Sleep;

thread_local! {
    static MAKE: Cell<Option<Make>> = const { Cell::new(None) };
}

/// Makes a sleep with the timers of the runtime that the thread is in.
///
/// # Panics
///
/// If the thread never was in a runtime, or as `make` does.
pub fn sleep(duration: Duration) -> Sleep {
    match MAKE.try_with(Cell::get).ok().flatten() {
        Some(make) => make(duration),
        None => panic!("{}", slot::NO_CONTEXT),
    }
}

/// Sets how this thread makes sleeps; `make` panics where there are no timers.
pub fn set_sleep(make: fn(Duration) -> Sleep) {
    // A thread that is being torn down makes none.
    let _ = MAKE.try_with(|slot| slot.set(Some(make)));
}
