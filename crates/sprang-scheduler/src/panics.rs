//! Keeping panics of user code (destructors, wakers) from doing harm where nobody can be told of them.
//!
//! The panic hook has reported each of them by then.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls what may call wakers that are no tasks' of ours.
pub(crate) fn survive(f: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
        drop_quietly(panic);
    }
}

/// Drops a value of the user's and swallows a panic in that, and a panic of that panic's own destructor.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // A payload that panics when dropped, again and again, is leaked rather than chased.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(panic);
        }
    }
}
