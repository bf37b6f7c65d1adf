//! Waiting for file descriptors of any kind.
//!
//! Purpose: [`AsyncFd`], which makes a task wait for what the runtime has no type for: an eventfd, a device, a socket of
//! another library.
//!
//! Data flow: task → [`AsyncFd`] → reactor (wait) → a guard, or the caller's own operation → reactor (clear, when it
//! would block).
//!
//! Invariants:
//! - I1: the descriptor is deregistered before it is closed or handed back.
//! - I2: `inner` is `Some` until `into_inner` or `drop`.
//! - I3: a guard clears nothing that came after it.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use mio::unix::SourceFd;
use sprang_reactor::{Handle, ReadyEvent, Registration};

use super::{Interest, Ready};

/// A file descriptor that a task can wait for.
///
/// It must be one that epoll takes (not one of a regular file), in non-blocking mode. Waiting gives a guard, through
/// which the caller says when an operation would have blocked: only then does the next wait wait for something new.
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// use sprang::io::unix::AsyncFd;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut sender, receiver) = UnixStream::pair()?;
/// receiver.set_nonblocking(true)?;
/// // SAFETY: the stream keeps its descriptor open, and always says the same one.
/// let receiver = unsafe { AsyncFd::register(receiver) }?;
/// sender.write_all(b"hello")?;
///
/// let mut buf = [0; 8];
/// let n = loop {
///     let mut guard = receiver.readable().await?;
///     if let Ok(result) = guard.try_io(|receiver| receiver.get_ref().read(&mut buf)) {
///         break result?;
///     }
/// };
/// assert_eq!(&buf[..n], b"hello");
/// # Ok(())
/// # }
/// ```
pub struct AsyncFd<T: AsRawFd> {
    registration: Registration,
    inner: Option<T>,
}

impl<T: AsRawFd> AsyncFd<T> {
    /// Waits for `inner`, to be read from and written to.
    ///
    /// # Errors
    ///
    /// If the OS refuses the descriptor (it is closed, registered already, or one of a regular file), or the runtime is
    /// shutting down; `inner` is in the error.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled.
    ///
    /// # Safety
    ///
    /// For as long as `inner` is in here, `inner.as_raw_fd()` returns the same descriptor, and it stays open.
    #[track_caller]
    pub unsafe fn register(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::registered(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// As [`register`](Self::register), to wait for no more than `interest`.
    ///
    /// # Errors
    ///
    /// As for [`register`](Self::register).
    ///
    /// # Panics
    ///
    /// As for [`register`](Self::register).
    ///
    /// # Safety
    ///
    /// As for [`register`](Self::register).
    #[track_caller]
    pub unsafe fn register_with_interest(inner: T, interest: Interest) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::registered(inner, interest)
    }

    #[track_caller]
    fn registered(inner: T, interest: Interest) -> Result<Self, AsyncFdRegisterError<T>> {
        match Registration::new(&mut SourceFd(&inner.as_raw_fd()), interest, Handle::current()) {
            Ok(registration) => Ok(Self {
                registration,
                inner: Some(inner),
            }),
            Err(cause) => Err(AsyncFdRegisterError { inner, cause }),
        }
    }

    /// As [`register`](Self::register), with what its caller promises there promised here by `T`, which cannot.
    ///
    /// # Errors
    ///
    /// As for [`register`](Self::register).
    ///
    /// # Panics
    ///
    /// As for [`register`](Self::register).
    #[track_caller]
    #[deprecated = "nothing keeps the descriptor open; use the unsafe `AsyncFd::register`"]
    pub fn new(inner: T) -> io::Result<Self> {
        Ok(Self::registered(inner, Interest::READABLE | Interest::WRITABLE)?)
    }

    /// As [`new`](Self::new), to wait for no more than `interest`.
    ///
    /// # Errors
    ///
    /// As for [`register`](Self::register).
    ///
    /// # Panics
    ///
    /// As for [`register`](Self::register).
    #[track_caller]
    #[deprecated = "nothing keeps the descriptor open; use the unsafe `AsyncFd::register_with_interest`"]
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        Ok(Self::registered(inner, interest)?)
    }

    /// As [`new`](Self::new), with `inner` in the error.
    ///
    /// # Errors
    ///
    /// As for [`register`](Self::register).
    ///
    /// # Panics
    ///
    /// As for [`register`](Self::register).
    #[track_caller]
    #[deprecated = "nothing keeps the descriptor open; use the unsafe `AsyncFd::register`"]
    pub fn try_new(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::registered(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// As [`with_interest`](Self::with_interest), with `inner` in the error.
    ///
    /// # Errors
    ///
    /// As for [`register`](Self::register).
    ///
    /// # Panics
    ///
    /// As for [`register`](Self::register).
    #[track_caller]
    #[deprecated = "nothing keeps the descriptor open; use the unsafe `AsyncFd::register_with_interest`"]
    pub fn try_with_interest(inner: T, interest: Interest) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::registered(inner, interest)
    }

    /// What was registered.
    #[inline]
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect("the descriptor is there (I2)")
    }

    /// What was registered. It must go on to have the same descriptor.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("the descriptor is there (I2)")
    }

    /// Deregisters the descriptor and hands it back.
    pub fn into_inner(mut self) -> T {
        self.take_inner().expect("the descriptor is there (I2)")
    }

    fn take_inner(&mut self) -> Option<T> {
        let inner = self.inner.take()?;
        // Fails only if the owner closed the descriptor behind our back: then there is nothing left to do.
        let _ = self.registration.deregister(&mut SourceFd(&inner.as_raw_fd()));
        Some(inner)
    }

    /// Whether the descriptor can be read from; if not, the task is woken when it might be.
    ///
    /// Only the last task to poll for reading is woken; any number can wait with [`readable`](Self::readable).
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub fn poll_read_ready<'a>(&'a self, cx: &mut Context<'_>) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let ready = self.registration.poll_read_ready(cx);
        ready.map_ok(|event| AsyncFdReadyGuard::new(self, event))
    }

    /// As [`poll_read_ready`](Self::poll_read_ready), with a guard that gives exclusive access.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub fn poll_read_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let ready = self.registration.poll_read_ready(cx);
        ready.map_ok(|event| AsyncFdReadyMutGuard::new(self, event))
    }

    /// Whether the descriptor can be written to; if not, the task is woken when it might be.
    ///
    /// Only the last task to poll for writing is woken; any number can wait with [`writable`](Self::writable).
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub fn poll_write_ready<'a>(&'a self, cx: &mut Context<'_>) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let ready = self.registration.poll_write_ready(cx);
        ready.map_ok(|event| AsyncFdReadyGuard::new(self, event))
    }

    /// As [`poll_write_ready`](Self::poll_write_ready), with a guard that gives exclusive access.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub fn poll_write_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let ready = self.registration.poll_write_ready(cx);
        ready.map_ok(|event| AsyncFdReadyMutGuard::new(self, event))
    }

    /// Waits for any state of `interest`, which must be part of what was registered. Any number of tasks can wait at
    /// once.
    ///
    /// Cancel safe: readiness stays until it is cleared.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub async fn ready(&self, interest: Interest) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        let event = self.registration.readiness(interest).await?;
        Ok(AsyncFdReadyGuard::new(self, event))
    }

    /// As [`ready`](Self::ready), with a guard that gives exclusive access.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub async fn ready_mut(&mut self, interest: Interest) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        let event = self.registration.readiness(interest).await?;
        Ok(AsyncFdReadyMutGuard::new(self, event))
    }

    /// Waits until the descriptor can be read from. As [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::READABLE).await
    }

    /// As [`readable`](Self::readable), with a guard that gives exclusive access.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub async fn readable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::READABLE).await
    }

    /// Waits until the descriptor can be written to. As [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub async fn writable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::WRITABLE).await
    }

    /// As [`writable`](Self::writable), with a guard that gives exclusive access.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub async fn writable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::WRITABLE).await
    }

    /// Calls `f` whenever the descriptor is ready for `interest`, until it does not say `WouldBlock`.
    ///
    /// Cancel safe: if the future is dropped, the last call said `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `f`; besides, if the runtime is gone.
    pub async fn async_io<R>(&self, interest: Interest, mut f: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        let inner = self.get_ref();
        self.registration.async_io(interest, || f(inner)).await
    }

    /// As [`async_io`](Self::async_io), with exclusive access.
    ///
    /// # Errors
    ///
    /// As for [`async_io`](Self::async_io).
    pub async fn async_io_mut<R>(
        &mut self,
        interest: Interest,
        mut f: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let inner = self.inner.as_mut().expect("the descriptor is there (I2)");
        self.registration.async_io(interest, || f(inner)).await
    }

    /// Calls `f` if the descriptor is ready for `interest`; when it says `WouldBlock`, the descriptor counts as not
    /// ready from then on.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the descriptor is not ready; else those of `f`.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        let inner = self.get_ref();
        self.registration.try_io(interest, || f(inner))
    }

    /// As [`try_io`](Self::try_io), with exclusive access.
    ///
    /// # Errors
    ///
    /// As for [`try_io`](Self::try_io).
    pub fn try_io_mut<R>(&mut self, interest: Interest, f: impl FnOnce(&mut T) -> io::Result<R>) -> io::Result<R> {
        let inner = self.inner.as_mut().expect("the descriptor is there (I2)");
        self.registration.try_io(interest, || f(inner))
    }
}

impl<T: AsRawFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        drop(self.take_inner());
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

impl<T: AsRawFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: who registered it promised that it stays open.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd").field("inner", &self.inner).finish()
    }
}

/// The readiness that a guard was made for, and what the caller has not cleared of it.
#[derive(Debug)]
struct Seen(Option<ReadyEvent>);

impl Seen {
    fn ready(&self) -> Ready {
        self.0.map_or(Ready::EMPTY, |event| event.ready())
    }

    fn clear(&mut self, registration: &Registration, ready: Ready) {
        if let Some(event) = self.0.take() {
            registration.clear_readiness(event.with_ready(ready));
            let left = event.ready() - ready;
            if !left.is_empty() {
                self.0 = Some(event.with_ready(left));
            }
        }
    }
}

/// Says that a descriptor is ready, until the caller says otherwise.
#[must_use = "You must explicitly choose whether to clear the readiness state by calling a method on ReadyGuard"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd> {
    async_fd: &'a AsyncFd<T>,
    seen: Seen,
}

impl<'a, T: AsRawFd> AsyncFdReadyGuard<'a, T> {
    fn new(async_fd: &'a AsyncFd<T>, event: ReadyEvent) -> Self {
        Self {
            async_fd,
            seen: Seen(Some(event)),
        }
    }

    /// Says that the descriptor is not ready: the next wait waits for an event that came after this guard.
    ///
    /// To be called only after an operation said `WouldBlock`. That a side is closed is never cleared.
    pub fn clear_ready(&mut self) {
        self.clear_ready_matching(self.ready());
    }

    /// As [`clear_ready`](Self::clear_ready), for some states only.
    pub fn clear_ready_matching(&mut self, ready: Ready) {
        self.seen.clear(&self.async_fd.registration, ready);
    }

    /// Does nothing: the descriptor stays ready. For the sake of saying so.
    pub fn retain_ready(&mut self) {}

    /// What is ready of what was waited for, and has not been cleared through this guard.
    pub fn ready(&self) -> Ready {
        self.seen.ready()
    }

    /// Calls `f`, an operation on the descriptor, and clears the readiness if it says `WouldBlock`.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if `f` said `WouldBlock`.
    pub fn try_io<R>(&mut self, f: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>) -> Result<io::Result<R>, TryIoError> {
        match f(self.async_fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }

    /// The descriptor.
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.async_fd
    }

    /// What was registered.
    pub fn get_inner(&self) -> &'a T {
        self.async_fd.get_ref()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFdReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyGuard")
            .field("async_fd", &self.async_fd)
            .finish_non_exhaustive()
    }
}

/// Says that a descriptor is ready, until the caller says otherwise, and gives exclusive access to it.
#[must_use = "You must explicitly choose whether to clear the readiness state by calling a method on ReadyGuard"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd> {
    async_fd: &'a mut AsyncFd<T>,
    seen: Seen,
}

impl<'a, T: AsRawFd> AsyncFdReadyMutGuard<'a, T> {
    fn new(async_fd: &'a mut AsyncFd<T>, event: ReadyEvent) -> Self {
        Self {
            async_fd,
            seen: Seen(Some(event)),
        }
    }

    /// Says that the descriptor is not ready: the next wait waits for an event that came after this guard.
    ///
    /// To be called only after an operation said `WouldBlock`. That a side is closed is never cleared.
    pub fn clear_ready(&mut self) {
        self.clear_ready_matching(self.ready());
    }

    /// As [`clear_ready`](Self::clear_ready), for some states only.
    pub fn clear_ready_matching(&mut self, ready: Ready) {
        self.seen.clear(&self.async_fd.registration, ready);
    }

    /// Does nothing: the descriptor stays ready. For the sake of saying so.
    pub fn retain_ready(&mut self) {}

    /// What is ready of what was waited for, and has not been cleared through this guard.
    pub fn ready(&self) -> Ready {
        self.seen.ready()
    }

    /// Calls `f`, an operation on the descriptor, and clears the readiness if it says `WouldBlock`.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if `f` said `WouldBlock`.
    pub fn try_io<R>(&mut self, f: impl FnOnce(&mut AsyncFd<T>) -> io::Result<R>) -> Result<io::Result<R>, TryIoError> {
        match f(self.async_fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }

    /// The descriptor.
    pub fn get_ref(&self) -> &AsyncFd<T> {
        self.async_fd
    }

    /// The descriptor.
    pub fn get_mut(&mut self) -> &mut AsyncFd<T> {
        self.async_fd
    }

    /// What was registered.
    pub fn get_inner(&self) -> &T {
        self.async_fd.get_ref()
    }

    /// What was registered.
    pub fn get_inner_mut(&mut self) -> &mut T {
        self.async_fd.get_mut()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFdReadyMutGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyMutGuard")
            .field("async_fd", &self.async_fd)
            .finish_non_exhaustive()
    }
}

/// An operation said that it would block.
#[derive(Debug)]
pub struct TryIoError(());

/// A descriptor that could not be registered, and why.
pub struct AsyncFdRegisterError<T> {
    inner: T,
    cause: io::Error,
}

/// The former name of [`AsyncFdRegisterError`].
#[doc(hidden)]
#[deprecated = "use `AsyncFdRegisterError` instead"]
pub type AsyncFdTryNewError<T> = AsyncFdRegisterError<T>;

impl<T> AsyncFdRegisterError<T> {
    /// What was to be registered, and the error.
    pub fn into_parts(self) -> (T, io::Error) {
        (self.inner, self.cause)
    }
}

impl<T> fmt::Display for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<T> fmt::Debug for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cause, f)
    }
}

impl<T> Error for AsyncFdRegisterError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl<T> From<AsyncFdRegisterError<T>> for io::Error {
    fn from(error: AsyncFdRegisterError<T>) -> Self {
        error.cause
    }
}

#[cfg(test)]
mod tests;
