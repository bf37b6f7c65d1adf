//! The driver, and the handles to it.
//!
//! Purpose: [`Driver`] is what the one thread that holds it parks in: it waits in the OS and turns events into
//! wake-ups. [`Handle`] is what all other threads have: they register resources and unpark the driver through it.
//!
//! Data flow: worker → [`Driver::park`](park::Driver::park) → mio (`epoll_wait`) → `Resources` → `ScheduledIo` → wakers.
//! `Registration` → [`Handle`] → mio (`epoll_ctl`) and `Resources`. The facade's `runtime::enter` → [`set_current`].
//!
//! Invariants:
//! - I1: every event of a turn is delivered: registration is edge-triggered, so the OS would not report it again.
//! - I2: a resource is in the table from before it is registered with the OS until after it is deregistered.
//!
//! A wait that the OS refuses (which only happens to a process that closes or overwrites descriptors that are not its
//! own) ends I/O, with one panic to report it: resources give the errors of a driver that has been shut down, and the
//! driver goes on as one without events, so that tasks and timers stay alive.
//!
//! The timeout of a park is rounded up to whole milliseconds (by mio), so that a park for a timer does not return just
//! before the deadline; an interrupted wait (`EINTR`) counts as a spurious return.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Events, Token};
use sprang_core::park::{self, ThreadDriver, ThreadUnpark, Unpark, Wait};
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Release};
use sprang_core::primitive::sync::atomic::fence;
use sprang_core::slot::{self, Slot};

use crate::doorbell::Doorbell;
use crate::interest::Interest;
use crate::ready::Ready;
use crate::resources::Resources;
use crate::scheduled_io::ScheduledIo;
use crate::table::{Counts, WAKE};

/// The I/O driver: waits for events, and wakes the tasks that they are for.
///
/// Dropping it shuts it down.
///
/// ```
/// use sprang_core::park::{Driver as _, Unpark, Wait};
/// use sprang_reactor::Driver;
///
/// # fn main() -> std::io::Result<()> {
/// let (mut driver, handle) = Driver::new(1024)?;
/// std::thread::spawn(move || handle.unpark());
/// driver.park(Wait::Forever);
/// # Ok(())
/// # }
/// ```
pub struct Driver {
    poll: mio::Poll,
    events: Batches,
    handle: Handle,
    /// What is parked in once the OS has refused to wait.
    fallback: Option<ThreadDriver>,
}

/// The timeout of a turn that does not wait.
const NO_TIME: Option<Duration> = Some(Duration::ZERO);

/// Where the OS puts events.
struct Batches {
    /// In a turn that may wait.
    idle: Events,
    /// In a turn that does not, if that is another place.
    busy: Option<Events>,
}

impl Batches {
    fn of(&mut self, timeout: Option<Duration>) -> &mut Events {
        match &mut self.busy {
            Some(busy) if timeout == NO_TIME => busy,
            _ => &mut self.idle,
        }
    }
}

/// What all threads may do with a driver. A clone is one reference count.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    registry: mio::Registry,
    waker: mio::Waker,
    bell: Doorbell,
    resources: Resources,
    fallback: OnceLock<ThreadUnpark>,
}

impl Driver {
    /// Creates a driver that takes up to `event_capacity` events from the OS in one turn.
    ///
    /// # Errors
    ///
    /// If the OS refuses: it takes three file descriptors on Linux.
    ///
    /// # Panics
    ///
    /// If `event_capacity` is 0.
    #[track_caller]
    pub fn new(event_capacity: usize) -> io::Result<(Self, Handle)> {
        assert!(event_capacity > 0, "the event capacity must be greater than zero");
        let poll = mio::Poll::new()?;
        let handle = Handle(Arc::new(Shared {
            registry: poll.registry().try_clone()?,
            waker: mio::Waker::new(poll.registry(), Token(WAKE))?,
            bell: Doorbell::new(),
            resources: Resources::new(),
            fallback: OnceLock::new(),
        }));
        let driver = Self {
            poll,
            events: Batches {
                idle: Events::with_capacity(event_capacity),
                busy: None,
            },
            handle: handle.clone(),
            fallback: None,
        };
        Ok((driver, handle))
    }

    /// Takes up to `event_capacity` events in a turn that does not wait, of a thread that has other things to do.
    ///
    /// # Panics
    ///
    /// If `event_capacity` is 0.
    #[track_caller]
    pub fn set_busy_capacity(&mut self, event_capacity: usize) {
        assert!(event_capacity > 0, "the event capacity must be greater than zero");
        self.events.busy = Some(Events::with_capacity(event_capacity));
    }

    /// Waits in the OS for at most `timeout`.
    fn wait(&mut self, timeout: Option<Duration>) {
        let events = self.events.of(timeout);
        match self.poll.poll(events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.fail(&error),
        }
    }

    /// Ends I/O, but not the driver.
    #[cold]
    fn fail(&mut self, error: &io::Error) -> ! {
        let fallback = ThreadDriver::new();
        // There is one, made once.
        let _ = self.handle.0.fallback.set(fallback.unparker());
        self.fallback = Some(fallback);
        // Who has rung meanwhile sees this park return.
        self.handle.0.bell.disarm();
        park::Driver::shutdown(self);
        panic!("the I/O driver cannot wait for events, and gives up I/O: {error}");
    }

    /// Parks after the OS has refused to wait.
    fn park_without_events(&mut self, wait: Wait) {
        let Some(fallback) = &mut self.fallback else { return };
        // ORDERING: pairs with `unpark`: who finds the bell armed from here on finds the fallback set.
        fence(Release);
        let rung = self.handle.0.bell.arm();
        park::Driver::park(fallback, if rung { Wait::Poll } else { wait });
        self.handle.0.bell.disarm();
    }

    /// Wakes the waiters of all events that the last wait, with this timeout, brought.
    fn deliver(&mut self, timeout: Option<Duration>) {
        let events = self.events.of(timeout);
        if events.is_empty() {
            return;
        }
        let of_resources = events.iter().filter(|event| event.token().0 != WAKE);
        let events = of_resources.map(|event| (event.token().0, Ready::from_mio(event)));
        self.handle.0.resources.deliver(events);
    }
}

impl park::Driver for Driver {
    /// # Panics
    ///
    /// If the OS fails to wait for another reason than an interruption, which happens once, or if a waker panics (after
    /// all other waiters were woken).
    fn park(&mut self, wait: Wait) {
        if self.fallback.is_some() {
            return self.park_without_events(wait);
        }
        let timeout = match wait {
            // Does not block, so there is nothing for an unpark to end: it is left for the next park.
            Wait::Poll => {
                self.wait(NO_TIME);
                return self.deliver(NO_TIME);
            }
            Wait::Until(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            Wait::Forever => None,
        };
        let rung = self.handle.0.bell.arm();
        let timeout = if rung { NO_TIME } else { timeout };
        self.wait(timeout);
        self.handle.0.bell.disarm();
        self.deliver(timeout);
    }

    fn delivered(&self) -> u64 {
        self.handle.0.resources.counts().ready
    }

    fn shutdown(&mut self) {
        self.handle.0.resources.close();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        park::Driver::shutdown(self);
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("counts", &self.handle.counts())
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// The handle of the runtime that this thread is in.
    ///
    /// # Panics
    ///
    /// If the thread is in no runtime that has an I/O driver.
    #[track_caller]
    pub fn current() -> Self {
        match with_current(Self::clone) {
            Some(handle) => handle,
            None if slot::is_entered() => panic!(
                "A Tokio 1.x context was found, but IO is disabled. Call `enable_io` on the runtime builder to enable IO."
            ),
            None => panic!("{}", slot::NO_CONTEXT),
        }
    }

    /// What the driver has done so far.
    pub fn counts(&self) -> Counts {
        self.0.resources.counts()
    }

    /// Adds `source` to the table and to the OS's list, and returns its state and its token.
    pub(crate) fn register(
        &self,
        source: &mut dyn Source,
        interest: Interest,
    ) -> io::Result<(Arc<ScheduledIo>, usize)> {
        let (io, token) = self.0.resources.insert()?;
        if let Err(error) = source.register(&self.0.registry, Token(token), interest.to_mio()) {
            self.forget(token);
            return Err(error);
        }
        Ok((io, token))
    }

    /// Takes `source` off the OS's list.
    pub(crate) fn deregister(&self, source: &mut dyn Source) -> io::Result<()> {
        source.deregister(&self.0.registry)
    }

    /// Frees the slot of `token`.
    pub(crate) fn forget(&self, token: usize) {
        self.0.resources.remove(token);
    }
}

impl Unpark for Handle {
    /// # Panics
    ///
    /// If the OS refuses the wake-up.
    fn unpark(&self) {
        if !self.0.bell.ring() {
            return;
        }
        // ORDERING: pairs with `park_without_events`.
        fence(Acquire);
        match self.0.fallback.get() {
            Some(fallback) => fallback.unpark(),
            None => self.0.waker.wake().expect("the I/O driver cannot be woken"),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

thread_local! {
    static CURRENT: Slot<Handle> = const { Slot::new() };
}

/// Makes `handle` this thread's current one, and returns the one before.
///
/// ```
/// use sprang_reactor::{Driver, set_current, with_current};
///
/// # fn main() -> std::io::Result<()> {
/// let (_driver, handle) = Driver::new(16)?;
/// let outer = set_current(Some(handle));
/// assert!(with_current(|_| ()).is_some());
/// set_current(outer);
/// assert!(with_current(|_| ()).is_none());
/// # Ok(())
/// # }
/// ```
pub fn set_current(handle: Option<Handle>) -> Option<Handle> {
    slot::replace(&CURRENT, handle)
}

/// Calls `f` with this thread's current handle, if there is one.
///
/// # Panics
///
/// If `f` calls [`set_current`].
pub fn with_current<R>(f: impl FnOnce(&Handle) -> R) -> Option<R> {
    slot::with(&CURRENT, f)
}

#[cfg(test)]
mod tests;
