//! What the task that runs waits for.
//!
//! Purpose: a future of ours that is pending says what for, in a word, for whoever looks at the runtime's tasks from
//! outside. It costs a load and a branch, since only a runtime that keeps count of its tasks ever clears the note.
//!
//! Data flow: a leaf future → [`on`]; the scheduler, around a poll → [`clear`], [`take`].

use std::cell::Cell;

thread_local! {
    static NOTE: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// A future is pending; `what` it waits for is noted if it is the first in this poll to say so.
#[inline]
pub fn on(what: &'static str) {
    if NOTE.get().is_none() {
        NOTE.set(Some(what));
    }
}

/// A poll begins.
pub fn clear() {
    NOTE.set(None);
}

/// What was noted since the last [`clear`].
///
/// ```
/// use sprang_core::waiting;
///
/// waiting::clear();
/// waiting::on("a timer");
/// waiting::on("a message");
/// assert_eq!(waiting::take(), Some("a timer"));
/// ```
pub fn take() -> Option<&'static str> {
    NOTE.take()
}
