//! Signals of the operating system, as events for tasks.
//!
//! [`ctrl_c`] waits for Ctrl-C; [`unix`] has all the others.
//!
//! The first listener for a signal replaces what the signal would do by default, such as ending the process, for the
//! rest of the process's life: also when that listener is gone, unless it was asked for
//! ([`unix::signal_with_restore`]).

#[cfg(unix)]
pub mod unix;

/// Waits for the next Ctrl-C (on Unix: `SIGINT`) that is sent to the process after the first poll.
///
/// Cancel safe: a signal that comes before the next call is lost, though; to miss none, keep a
/// [`Signal`](unix::Signal) of [`SignalKind::interrupt`](unix::SignalKind::interrupt).
///
/// # Errors
///
/// If the signal handler or its pipe cannot be set up, or the runtime is shut down.
///
/// # Panics
///
/// Outside of a runtime with I/O enabled.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// println!("waiting for Ctrl-C");
/// sprang::signal::ctrl_c().await?;
/// # Ok(())
/// # }
/// ```
#[cfg(unix)]
pub async fn ctrl_c() -> std::io::Result<()> {
    match unix::signal(unix::SignalKind::interrupt())?.recv().await {
        Some(()) => Ok(()),
        None => Err(std::io::Error::other("the runtime has been shut down")),
    }
}
