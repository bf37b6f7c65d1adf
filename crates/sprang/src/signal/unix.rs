//! Unix signals.
//!
//! Each [`Signal`] is a listener of its own: any number of them, in any number of runtimes, are told of each signal.
//! Signals of one kind that come faster than they are received count as one, as they do for the OS.
//
// Data flow: signal → handler (`signal_hook_registry`) → `Bell::ring`: a flag, and one byte into the listener's pipe →
// reactor → task → `Signal::poll_recv`: the pipe is drained, then the flag is taken.
//
// Invariants:
// - I1: what the handler does is async-signal-safe: an atomic swap and a `write` to a non-blocking descriptor; it
//   neither allocates nor panics (`signal_hook_registry` keeps `errno`). The descriptor stays open until the action is
//   unregistered, which waits for running handlers.
// - I2: the handler raises the flag, then writes; the task drains the pipe, then takes the flag. A flag that is raised
//   after it was taken comes with a byte of its own, so no signal is lost; the pipe never holds more bytes than there
//   were takes of the flag since it was drained, so it never fills up.
//
// - I3: a listener that is dropped leaves a `Lingering` behind, which takes over before the listener's action ends. It
//   is gone when the thread has next looked at its driver. So a signal that comes between the drop of a listener and
//   the next one, in the same poll, is received by that one. If the signal's former action was asked for, and is back,
//   there is none of that.
// - I4: a listener is counted by `disposition` from before it is made until it is dropped.
//
// Memory ordering: the flag carries no data, and the kernel orders the byte after it: Relaxed.

mod disposition;

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::raw::c_int;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};

use mio::unix::pipe;
use signal_hook_registry::SigId;
use sprang_core::coop;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::sync::atomic::Ordering::Relaxed;
use sprang_reactor::{Direction, Interest, PollEvented};

/// A kind of signal.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq)]
pub struct SignalKind(c_int);

impl SignalKind {
    /// Any signal, by its number.
    pub const fn from_raw(signum: c_int) -> Self {
        Self(signum)
    }

    /// The number of the signal.
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }

    /// `SIGALRM`: a timer of the OS went off. By default it ends the process.
    pub const fn alarm() -> Self {
        Self(libc::SIGALRM)
    }

    /// `SIGCHLD`: a child process changed its state. By default it is ignored.
    pub const fn child() -> Self {
        Self(libc::SIGCHLD)
    }

    /// `SIGHUP`: the terminal was closed. By default it ends the process.
    pub const fn hangup() -> Self {
        Self(libc::SIGHUP)
    }

    /// `SIGINFO`: the user asks for the state of the process. By default it is ignored.
    #[cfg(any(
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "macos",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "illumos"
    ))]
    pub const fn info() -> Self {
        Self(libc::SIGINFO)
    }

    /// `SIGINT`: Ctrl-C. By default it ends the process.
    pub const fn interrupt() -> Self {
        Self(libc::SIGINT)
    }

    /// `SIGIO`: a descriptor is ready. By default it ends the process, or is ignored.
    pub const fn io() -> Self {
        Self(libc::SIGIO)
    }

    /// `SIGPIPE`: a write to a pipe that nobody reads. Rust programs ignore it.
    pub const fn pipe() -> Self {
        Self(libc::SIGPIPE)
    }

    /// `SIGQUIT`: the user wants the process to quit, with a core dump. By default it ends the process.
    pub const fn quit() -> Self {
        Self(libc::SIGQUIT)
    }

    /// `SIGTERM`: somebody wants the process to end. By default it does.
    pub const fn terminate() -> Self {
        Self(libc::SIGTERM)
    }

    /// `SIGUSR1`: yours to define. By default it ends the process.
    pub const fn user_defined1() -> Self {
        Self(libc::SIGUSR1)
    }

    /// `SIGUSR2`: yours to define. By default it ends the process.
    pub const fn user_defined2() -> Self {
        Self(libc::SIGUSR2)
    }

    /// `SIGWINCH`: the window of the terminal has a new size. By default it is ignored.
    pub const fn window_change() -> Self {
        Self(libc::SIGWINCH)
    }
}

impl From<c_int> for SignalKind {
    fn from(signum: c_int) -> Self {
        Self::from_raw(signum)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> Self {
        kind.as_raw_value()
    }
}

/// What the signal handler has of a listener.
#[derive(Debug)]
struct Bell {
    raised: AtomicBool,
    sender: pipe::Sender,
}

impl Bell {
    /// Called by the signal handler (I1).
    fn ring(&self) {
        if self.raised.swap(true, Relaxed) {
            return;
        }
        // A failure would mean a full pipe: then the task is woken anyway.
        let _ = (&self.sender).write(&[0]);
    }
}

/// Takes note of a signal in the place of a listener that was dropped, for one that comes right after it (I3).
#[derive(Debug)]
struct Lingering {
    signum: c_int,
    raised: Arc<AtomicBool>,
    action: SigId,
}

static LINGERING: Mutex<Vec<Weak<Lingering>>> = Mutex::new(Vec::new());

impl Lingering {
    /// Lingers until this thread has next looked at its driver, or not at all on a thread that has none.
    fn begin(signum: c_int) {
        let raised = Arc::new(AtomicBool::new(false));
        let handler = {
            let raised = Arc::clone(&raised);
            move || raised.store(true, Relaxed)
        };
        // SAFETY: the handler is async-signal-safe: an atomic store (I1).
        let Ok(action) = (unsafe { signal_hook_registry::register(signum, handler) }) else {
            return;
        };
        let this = Arc::new(Self { signum, raised, action });
        let mut lingering = LINGERING.lock().unwrap_or_else(PoisonError::into_inner);
        lingering.retain(|other| other.strong_count() > 0);
        lingering.push(Arc::downgrade(&this));
        drop(lingering);
        coop::defer(&Waker::from(this));
    }

    /// Whether a signal came since a listener was dropped.
    fn was_raised(signum: c_int) -> bool {
        let lingering = LINGERING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut still = lingering.iter().filter_map(Weak::upgrade);
        still.any(|this| this.signum == signum && this.raised.load(Relaxed))
    }
}

/// The end of it: the driver was looked at, and the waker goes.
impl Wake for Lingering {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Lingering {
    fn drop(&mut self) {
        signal_hook_registry::unregister(self.action);
    }
}

/// A listener for one kind of signal, made by [`signal`].
#[must_use = "streams do nothing unless polled"]
#[derive(Debug)]
pub struct Signal {
    bell: Arc<Bell>,
    receiver: PollEvented<pipe::Receiver>,
    signum: c_int,
    action: SigId,
}

/// Starts to listen for signals of `kind`: every one from now on is received.
///
/// If a listener of the kind was dropped before in the same poll, signals since then are received, too.
///
/// # Errors
///
/// If `kind` cannot be handled (`SIGKILL`, `SIGSTOP`, `SIGILL`, `SIGFPE`, `SIGSEGV`, or no signal at all), if the OS
/// refuses the handler or its pipe, or if the runtime is shutting down.
///
/// # Panics
///
/// Outside of a runtime with I/O enabled.
///
/// ```no_run
/// use sprang::signal::unix::{SignalKind, signal};
///
/// # async fn run() -> std::io::Result<()> {
/// let mut hangups = signal(SignalKind::hangup())?;
/// while hangups.recv().await.is_some() {
///     println!("reloading the configuration");
/// }
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    listen(kind, false)
}

/// As [`signal`]; but when the last listener of the kind is gone, the signal does again what it did before the first one:
/// what it does by default, such as ending the process, unless the program has set something else.
///
/// That holds for all listeners of the kind, in all runtimes, also those of [`signal`] and
/// [`ctrl_c`](crate::signal::ctrl_c), until it has happened. It does not happen if the program has meanwhile set another
/// handler by other means; listeners that other crates have for the signal without this one are not told any more.
///
/// Signals that have come before that and were not received do nothing.
///
/// # Errors
///
/// As for [`signal`].
///
/// # Panics
///
/// As for [`signal`].
///
/// ```no_run
/// use sprang::signal::unix::{SignalKind, signal_with_restore};
///
/// # async fn run() -> std::io::Result<()> {
/// let mut interrupts = signal_with_restore(SignalKind::interrupt())?;
/// interrupts.recv().await;
/// println!("finishing; press Ctrl-C again to end at once");
/// drop(interrupts);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn signal_with_restore(kind: SignalKind) -> io::Result<Signal> {
    listen(kind, true)
}

#[track_caller]
fn listen(kind: SignalKind, restore: bool) -> io::Result<Signal> {
    let signum = kind.0;
    // First, for it panics where there is no driver, whatever the signal.
    let (sender, receiver) = pipe::new()?;
    let receiver = PollEvented::with_interest(receiver, Interest::READABLE)?;
    if signum <= 0 || signal_hook_registry::FORBIDDEN.contains(&signum) {
        return Err(io::Error::other(format!("refusing to register signal {signum}")));
    }
    let bell = Arc::new(Bell {
        raised: AtomicBool::new(false),
        sender,
    });
    let handler = {
        let bell = Arc::clone(&bell);
        move || bell.ring()
    };
    let action = disposition::enter(signum, restore, || {
        // SAFETY: the handler is async-signal-safe (I1).
        unsafe { signal_hook_registry::register(signum, handler) }
    })?;
    if Lingering::was_raised(signum) {
        bell.ring();
    }
    Ok(Signal {
        bell,
        receiver,
        signum,
        action,
    })
}

impl Signal {
    /// Waits for the next signal; `None` when the runtime is shut down.
    ///
    /// Cancel safe: a signal that comes while nobody waits is received by the next call.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next signal; if none has come, the task is woken when one does.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        loop {
            let mut bytes = [0; 8];
            let registration = self.receiver.registration();
            let drained =
                registration.poll_transfer(cx, Direction::Read, bytes.len(), || (&*self.receiver).read(&mut bytes));
            if ready!(drained).is_err() {
                return Poll::Ready(None);
            }
            // A byte may be late: its flag was taken with the byte before (I2).
            if self.bell.raised.swap(false, Relaxed) {
                return Poll::Ready(Some(()));
            }
        }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        if !disposition::leave(self.signum) {
            Lingering::begin(self.signum);
        }
        signal_hook_registry::unregister(self.action);
    }
}

#[cfg(test)]
mod tests;
