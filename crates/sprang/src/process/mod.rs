//! Child processes.
//!
//! [`Command`] says what to run, as [`std::process::Command`] does; [`Command::spawn`] gives a [`Child`], whose end a
//! task can wait for, and whose standard streams are pipes of the runtime.
//!
//! ```
//! use std::process::Stdio;
//!
//! use sprang::io::AsyncWriteExt;
//! use sprang::process::Command;
//!
//! # #[sprang::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let mut child = Command::new("tr")
//!     .args(["a-z", "A-Z"])
//!     .stdin(Stdio::piped())
//!     .stdout(Stdio::piped())
//!     .spawn()?;
//!
//! let mut stdin = child.stdin.take().expect("it is piped");
//! stdin.write_all(b"hello").await?;
//! drop(stdin);
//!
//! let output = child.wait_with_output().await?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"HELLO");
//! # Ok(())
//! # }
//! ```
//!
//! # Children that nobody waits for
//!
//! A child runs on when its [`Child`] is dropped, unless [`Command::kill_on_drop`] says otherwise. A process that has
//! ended stays in the system's table, as a *zombie*, until its parent asks how it ended. No zombie is left behind by a
//! [`Child`] that is dropped, whether its runtime goes on or not: a thread of the process, which is there only while
//! there are such children, sleeps until one of them ends, and asks.
//!
//! There is one exception: if the OS refuses that thread, it is tried again with the next child that is spawned or
//! dropped.
//!
//! # How the end is noticed
//!
//! On Linux by a file descriptor that stands for the process (a *pidfd*, since Linux 5.3): one more descriptor for each
//! child, and neither a signal handler nor a look at any other child. Where there is none, by `SIGCHLD`.
//
// Data flow, out: `Command::spawn` → std → `Running` (the process and its `Notice`) and the pipes of `net::unix::pipe`.
// The end: kernel → pidfd, or `SIGCHLD` → reactor → task → `Running::poll_wait` → `waitpid`.
// Without a task: `Running`'s drop → `reaper` → `waitpid`.
//
// | module | what it holds |
// |---|---|
// | `command` | what to run |
// | `child` | the handle of a child, and the collection of its output |
// | `stdio` | the parent's ends of the standard streams |
// | `running` | a process that nobody has waited for yet: waiting, killing, and letting go |
// | `notice` | what says that a process may have ended |
// | `reaper` | the thread that waits for processes that were let go |

#![deny(unsafe_code)]

mod child;
#[allow(unsafe_code, reason = "`pre_exec`, whose caller vouches for the closure")]
mod command;
mod notice;
mod reaper;
mod running;
mod stdio;

#[cfg(test)]
#[allow(unsafe_code, reason = "calls `pre_exec`")]
mod tests;

pub use child::Child;
pub use command::Command;
pub use stdio::{ChildStderr, ChildStdin, ChildStdout};
