//! A process that nobody has waited for yet.
//!
//! Purpose: the one owner of a child's place in the system's table: whatever happens to it, somebody waits for the
//! process.
//!
//! Called by: `command` (makes it), `child`. Calls: `notice`, `reaper`, std (`waitpid`, `kill`).
//!
//! Invariants:
//! - I1: `child` is `Some` until `drop`, which either finds that the process has ended, or hands it to the reaper.
//! - I2: `kill` and `waitpid` reach this process and no other: its number is not given to another one before it was
//!   waited for, and std does neither afterwards.
//! - I3: what could not be watched is killed: a spawn that fails leaves no process that nobody knows of.
//!
//! No end is missed: a poll looks at the process first, and waits for the notice after that; the notice is older than
//! the look, so that what happens in between is announced.

use std::io;
use std::process::{Child, ExitStatus};
use std::task::{Context, Poll, ready};

use sprang_core::coop;

use super::notice::Notice;
use super::reaper;

/// A process that nobody has waited for yet. See the module.
#[derive(Debug)]
pub(super) struct Running {
    child: Option<Child>,
    notice: Option<Notice>,
    kill_on_drop: bool,
}

impl Running {
    /// Takes the process over; until it is [watched](Self::watch), it is killed if this is dropped (I3).
    pub(super) fn new(child: Child) -> Self {
        Self {
            child: Some(child),
            notice: None,
            kill_on_drop: true,
        }
    }

    /// Has the current runtime notice its end.
    ///
    /// # Errors
    ///
    /// If that cannot be set up.
    #[track_caller]
    pub(super) fn watch(&mut self) -> io::Result<()> {
        self.notice = Some(Notice::new(self.id())?);
        Ok(())
    }

    /// Whether to kill the process if this is dropped.
    pub(super) fn set_kill_on_drop(&mut self, kill_on_drop: bool) {
        self.kill_on_drop = kill_on_drop;
    }

    pub(super) fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("the process is there (I1)")
    }

    pub(super) fn id(&self) -> u32 {
        self.child.as_ref().expect("the process is there (I1)").id()
    }

    /// How the process ended, if it has.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child().try_wait()
    }

    /// Waits for its end, in the runtime that noticed it before or, if that is gone, in the current one.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            if let Some(status) = self.try_wait().transpose() {
                unit.made_progress();
                return Poll::Ready(status);
            }
            let is_served = match &mut self.notice {
                Some(notice) => ready!(notice.poll(cx)),
                None => false,
            };
            if !is_served {
                self.notice = None;
                if sprang_reactor::with_current(|_| ()).is_none() {
                    return Poll::Ready(Err(io::Error::other("the runtime of the child process is gone")));
                }
                self.watch()?;
            }
        }
    }
}

#[cfg(test)]
impl Running {
    /// Has `SIGCHLD` tell of its end.
    pub(super) fn watch_by_signal(&mut self) {
        self.notice = Some(Notice::by_signal().unwrap());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut child = self.child.take().expect("the process is there (I1)");
        if self.kill_on_drop {
            // Fails only if it may not be killed: then it runs on.
            let _ = child.kill();
        }
        // An error says that somebody else has waited for it.
        if matches!(child.try_wait(), Ok(None)) {
            reaper::adopt(child, self.notice.take().and_then(Notice::into_pidfd));
        }
    }
}
