//! What a signal did before somebody listened, and putting that back.
//!
//! Purpose: [`signal_with_restore`](super::signal_with_restore). `signal_hook_registry` sets its handler once for each
//! signal and leaves it there; who wants the signal's former action back after the last listener has to note it before the
//! first one.
//!
//! Called by: `unix`. Calls: `sigaction`.
//!
//! Invariants:
//! - I1: the registry's handler is away only by [`leave`], while there are no listeners; [`enter`] puts it back.
//! - I2: an action that somebody else has set in the handler's place is left alone.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::raw::c_int;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a signal does: an action of the OS.
struct Action(libc::sigaction);

impl Action {
    /// What `signum` does now.
    fn current(signum: c_int) -> io::Result<Self> {
        let mut action = MaybeUninit::uninit();
        // SAFETY: nothing is set, and the call writes to memory of ours only.
        check(unsafe { libc::sigaction(signum, ptr::null(), action.as_mut_ptr()) })?;
        // SAFETY: the call has written it.
        Ok(Self(unsafe { action.assume_init() }))
    }

    /// Has `signum` do this.
    fn set(&self, signum: c_int) -> io::Result<()> {
        // SAFETY: the action was this signal's before, so its handler is fit for it.
        check(unsafe { libc::sigaction(signum, &raw const self.0, ptr::null_mut()) })
    }

    fn has_same_handler(&self, other: &Self) -> bool {
        self.0.sa_sigaction == other.0.sa_sigaction
    }
}

fn check(result: c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A signal that somebody has listened to.
struct Entry {
    listeners: usize,
    /// Whether one of them wants the action back.
    is_to_be_restored: bool,
    /// What the signal did before the first listener.
    before: Action,
    /// The registry's.
    handler: Action,
    /// Whether the handler was taken away (I1).
    is_restored: bool,
}

static ENTRIES: Mutex<BTreeMap<c_int, Entry>> = Mutex::new(BTreeMap::new());

fn entries() -> MutexGuard<'static, BTreeMap<c_int, Entry>> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a listener of `signum`, which `register` makes, and has the signal reach it. If `restore` is set, the signal
/// does what it did before once this and all others have [left](leave).
///
/// # Errors
///
/// Those of `register` and of the OS.
pub(super) fn enter<R>(signum: c_int, restore: bool, register: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    let mut entries = entries();
    let found = Action::current(signum)?;
    if let Some(entry) = entries.get_mut(&signum) {
        if entry.is_restored {
            // The registry has set its handler once, and does not do so again.
            entry.handler.set(signum)?;
            entry.before = found;
            entry.is_restored = false;
        }
        let registered = register()?;
        entry.listeners += 1;
        entry.is_to_be_restored |= restore;
        return Ok(registered);
    }
    let registered = register()?;
    let entry = Entry {
        listeners: 1,
        is_to_be_restored: restore,
        before: found,
        handler: Action::current(signum)?,
        is_restored: false,
    };
    entries.insert(signum, entry);
    Ok(registered)
}

/// Counts a listener off; true if it was the last one, and the signal does again what it did before.
pub(super) fn leave(signum: c_int) -> bool {
    let mut entries = entries();
    let entry = entries.get_mut(&signum).expect("a listener that leaves has entered");
    entry.listeners -= 1;
    if entry.listeners > 0 || !entry.is_to_be_restored {
        return false;
    }
    entry.is_to_be_restored = false;
    // Else somebody else has set another one (I2).
    if Action::current(signum).is_ok_and(|current| current.has_same_handler(&entry.handler)) {
        entry.is_restored = entry.before.set(signum).is_ok();
    }
    entry.is_restored
}
