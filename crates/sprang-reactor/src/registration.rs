//! One resource's tie to a driver.
//!
//! Purpose: what a socket type waits and works through. Usable from any thread; it may outlive its driver, whose end
//! turns every wait into an error.
//!
//! Data flow: socket type → [`Registration::poll_io`] and its kin → `ScheduledIo` (wait), then the operation, then
//! `ScheduledIo` again (clear, if it would have blocked).
//!
//! Invariants:
//! - I1: a registration owns its slot in the driver's table: the slot is freed when the registration is dropped.
//! - I2: an operation that would block clears exactly the readiness that it was tried on, so that the next wait waits
//!   for a newer event.
//!
//! The budget: a poll function spends one unit for each operation that it lets through, as do [`Registration::async_io`]
//! and what is built on it; [`Registration::readiness`] and [`Registration::try_io`] spend none, as in Tokio.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mio::event::Source;
use sprang_core::coop;
use sprang_core::wakeups::Wakeups;

use crate::driver::Handle;
use crate::interest::Interest;
use crate::ready::Ready;
use crate::scheduled_io::{Direction, ReadyEvent, ScheduledIo};
use crate::table::gone;

/// Whether a transfer of fewer bytes than were asked for shows that the kernel's buffer is empty (or full), so that
/// the next event announces more. True for edge-triggered selectors.
const SHORT_TRANSFER_DRAINS: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
));

/// One resource's tie to a driver. See the module.
///
/// The owner keeps the event source itself, and calls [`deregister`](Self::deregister) before it closes it;
/// [`PollEvented`](crate::PollEvented) does both.
#[derive(Debug)]
pub struct Registration {
    handle: Handle,
    io: Arc<ScheduledIo>,
    token: usize,
}

impl Registration {
    /// Registers `source` for `interest`.
    ///
    /// # Errors
    ///
    /// If the driver is gone, or the OS refuses the source.
    pub fn new(source: &mut impl Source, interest: Interest, handle: Handle) -> io::Result<Self> {
        let (io, token) = handle.register(source, interest)?;
        Ok(Self { handle, io, token })
    }

    /// Takes `source` off the OS's list, to be called before it is closed.
    ///
    /// # Errors
    ///
    /// If the OS does not know the source.
    pub fn deregister(&self, source: &mut impl Source) -> io::Result<()> {
        self.handle.deregister(source)
    }

    /// Waits until the resource can be read from; the last task that polls is the one that is woken.
    ///
    /// # Errors
    ///
    /// If the driver is gone.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Read)
    }

    /// Waits until the resource can be written to; the last task that polls is the one that is woken.
    ///
    /// # Errors
    ///
    /// If the driver is gone.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Write)
    }

    #[inline]
    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<ReadyEvent>> {
        let unit = ready!(coop::poll_proceed(cx));
        let event = ready!(self.io.poll_ready(cx, direction));
        if event.is_shut_down() {
            return Poll::Ready(Err(gone()));
        }
        unit.made_progress();
        Poll::Ready(Ok(event))
    }

    /// Calls `operation` whenever the resource is ready, until it does not return `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `operation`; besides, if the driver is gone.
    #[inline]
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_draining(cx, direction, || operation().map(|result| (result, false)))
    }

    /// As [`poll_io`](Self::poll_io), for an operation that says besides whether fewer bytes went through than it asked
    /// for, which shows that the kernel's buffer is empty (or full).
    ///
    /// The readiness is cleared then, without a second system call to find that out.
    ///
    /// # Errors
    ///
    /// As for [`poll_io`](Self::poll_io).
    #[inline]
    pub fn poll_draining<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<(R, bool)>,
    ) -> Poll<io::Result<R>> {
        loop {
            let event = ready!(self.poll_ready(cx, direction))?;
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.io.clear_ready(event),
                Err(error) => return Poll::Ready(Err(error)),
                Ok((result, has_drained)) => {
                    if SHORT_TRANSFER_DRAINS && has_drained {
                        self.io.clear_ready(event);
                    }
                    return Poll::Ready(Ok(result));
                }
            }
        }
    }

    /// As [`poll_io`](Self::poll_io), for a transfer of up to `len` bytes: fewer show that the kernel's buffer is empty
    /// (or full).
    ///
    /// # Errors
    ///
    /// As for [`poll_io`](Self::poll_io).
    #[inline]
    pub fn poll_transfer(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        len: usize,
        mut transfer: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_draining(cx, direction, || transfer().map(|n| (n, 0 < n && n < len)))
    }

    /// Calls `operation` once if the resource is ready.
    ///
    /// # Errors
    ///
    /// Those of `operation`; `WouldBlock` if the resource is not ready.
    pub fn try_io<R>(&self, interest: Interest, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        let event = self.io.ready_event(interest);
        if event.ready().is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = operation();
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::WouldBlock
        {
            self.io.clear_ready(event);
        }
        result
    }

    /// Waits for any state of `interest`. Any number of tasks can wait at once. Cancel safe.
    ///
    /// # Errors
    ///
    /// If the driver is gone.
    pub async fn readiness(&self, interest: Interest) -> io::Result<ReadyEvent> {
        let event = self.io.readiness(interest).await;
        if event.is_shut_down() { Err(gone()) } else { Ok(event) }
    }

    /// Calls `operation` whenever the resource is ready, until it does not return `WouldBlock`. Any number of tasks
    /// can wait at once. Cancel safe: if the future is dropped, the last call returned `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `operation`; besides, if the driver is gone.
    pub async fn async_io<R>(&self, interest: Interest, mut operation: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        loop {
            let event = self.io.readiness(interest).await;
            if event.is_shut_down() {
                return Err(gone());
            }
            let unit = poll_fn(coop::poll_proceed).await;
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.io.clear_ready(event),
                result => {
                    unit.made_progress();
                    return result;
                }
            }
        }
    }

    /// Removes the readiness of `event`, unless a newer event came after it.
    pub fn clear_readiness(&self, event: ReadyEvent) {
        self.io.clear_ready(event);
    }

    /// Says that operations are worth a try before the OS has said anything about this new resource.
    pub fn assume_ready(&self, ready: Ready) {
        self.io.assume_ready(ready);
    }
}

impl Drop for Registration {
    /// Wakes whoever still waits through a poll function: its resource is gone.
    fn drop(&mut self) {
        self.handle.forget(self.token);
        let mut wakeups = Wakeups::new();
        while !self.io.collect(Ready::ALL, &mut wakeups.batch) {
            wakeups.flush();
        }
        wakeups.finish();
    }
}
