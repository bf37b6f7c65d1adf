//! The timers of every runtime of the process, by a number.
//!
//! Purpose: a timer that was not armed yet knows its runtime by this number alone. So to create and drop one, as each
//! `timeout` does whose future is ready at once, touches nothing that is shared.
//!
//! Data flow: called by `handle` ([`add`], [`remove`]) when a runtime begins and ends, and by [`Timer`](crate::Timer)
//! ([`find`]) when it is armed on a thread that is not in its runtime's context.

use std::collections::BTreeMap;
// tidy: allow(shim): a static, whose lock is never held across an access that models look at
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use crate::handle::{Handle, Shared};

#[derive(Debug)]
struct Runtimes {
    next: u64,
    alive: BTreeMap<u64, Weak<Shared>>,
}

/// Gives a new runtime its number. No runtime ever has the number 0.
pub(crate) fn add(shared: Weak<Shared>) -> u64 {
    let mut runtimes = runtimes();
    let number = runtimes.next;
    runtimes.next += 1;
    runtimes.alive.insert(number, shared);
    number
}

/// Forgets a runtime.
pub(crate) fn remove(number: u64) {
    runtimes().alive.remove(&number);
}

/// The timers of a runtime, if it is still there.
pub(crate) fn find(number: u64) -> Option<Handle> {
    // The handle may be the last one, and end outside of the lock.
    let shared = runtimes().alive.get(&number).and_then(Weak::upgrade);
    shared.map(Handle::from_shared)
}

fn runtimes() -> MutexGuard<'static, Runtimes> {
    // tidy: allow(shim): as above
    static RUNTIMES: Mutex<Runtimes> = Mutex::new(Runtimes {
        next: 1,
        alive: BTreeMap::new(),
    });
    RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner)
}
