//! [`Semaphore`]: a number of permits, handed out in the order of asking.
//!
//! Purpose: the public face of `permits`, with guards that give their permits back.
//!
//! Data flow: [`Semaphore::acquire`] → `permits` → [`SemaphorePermit`] → drop → `permits`.
//!
//! Cost: an uncontended acquire and an uncontended drop of a permit are one compare-exchange each.

use std::sync::Arc;

use crate::blocking::block_on;
use crate::permits::{AcquireError, MAX_PERMITS, Permits, TryAcquireError};

/// Limits how many tasks do something at the same time.
///
/// Tasks get permits in the order in which they asked; one that asks for many is not overtaken by those that ask for
/// few.
///
/// ```
/// # futures::executor::block_on(async {
/// use sprang_sync::Semaphore;
///
/// let semaphore = Semaphore::new(3);
/// let one = semaphore.acquire().await?;
/// let two = semaphore.acquire_many(2).await?;
/// assert!(semaphore.try_acquire().is_err());
/// drop((one, two));
/// assert_eq!(semaphore.available_permits(), 3);
/// # Ok::<(), sprang_sync::AcquireError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Semaphore {
    permits: Permits,
}

/// Permits of a [`Semaphore`], given back when dropped.
#[must_use = "the permits are given back at once"]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

/// Permits of a [`Semaphore`] in an [`Arc`], given back when dropped.
#[must_use = "the permits are given back at once"]
#[derive(Debug)]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl Semaphore {
    /// The largest number of permits that a semaphore can hold: `usize::MAX >> 3`.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    /// A semaphore with `permits` permits.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Self {
            permits: Permits::new(permits),
        }
    }

    /// As [`new`](Self::new), in constants and statics.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    ///
    /// ```
    /// static LIMIT: sprang_sync::Semaphore = sprang_sync::Semaphore::const_new(8);
    /// # assert_eq!(LIMIT.available_permits(), 8);
    /// ```
    #[cfg(not(sprang_loom))]
    #[track_caller]
    pub const fn const_new(permits: usize) -> Self {
        Self {
            permits: Permits::const_new(permits),
        }
    }

    /// The number of permits that nobody holds.
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Puts `n` new permits in.
    ///
    /// # Panics
    ///
    /// If there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.permits.release(n);
    }

    /// Takes up to `n` of the permits that nobody holds away for good. Returns how many.
    ///
    /// ```
    /// let semaphore = sprang_sync::Semaphore::new(2);
    /// assert_eq!(semaphore.forget_permits(5), 2);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        self.permits.forget(n)
    }

    /// Waits for one permit.
    ///
    /// # Errors
    ///
    /// If the semaphore is or gets [closed](Self::close).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the place in the queue, and nothing else.
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many(1).await
    }

    /// Waits for `n` permits, to be had together.
    ///
    /// # Errors
    ///
    /// If the semaphore is or gets [closed](Self::close).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire); permits that were set aside for this future go to the next.
    pub async fn acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.permits.acquire(n as usize).await?;
        Ok(SemaphorePermit {
            semaphore: self,
            count: n as usize,
        })
    }

    /// Takes one permit if it is there.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] if there is none, [`TryAcquireError::Closed`] if the semaphore is closed.
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits if they are there.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_acquire(n as usize)?;
        Ok(SemaphorePermit {
            semaphore: self,
            count: n as usize,
        })
    }

    /// As [`acquire`](Self::acquire), with a permit that owns the semaphore.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(sprang_sync::Semaphore::new(1));
    /// let permit = Arc::clone(&semaphore).acquire_owned().await.unwrap();
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # });
    /// ```
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1).await
    }

    /// As [`acquire_many`](Self::acquire_many), with a permit that owns the semaphore.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub async fn acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.permits.acquire(n as usize).await?;
        Ok(OwnedSemaphorePermit {
            semaphore: self,
            count: n as usize,
        })
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that owns the semaphore.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with a permit that owns the semaphore.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.permits.try_acquire(n as usize)?;
        Ok(OwnedSemaphorePermit {
            semaphore: self,
            count: n as usize,
        })
    }

    /// Waits for one permit on this thread. Not for use in async code.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        block_on(self.acquire())
    }

    /// Waits for `n` permits on this thread. Not for use in async code.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        block_on(self.acquire_many(n))
    }

    /// As [`blocking_acquire`](Self::blocking_acquire), with a permit that owns the semaphore.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(self.acquire_owned())
    }

    /// As [`blocking_acquire_many`](Self::blocking_acquire_many), with a permit that owns the semaphore.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn blocking_acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(self.acquire_many_owned(n))
    }

    /// Closes the semaphore: no permits are given out any more, and all who wait get an error.
    ///
    /// ```
    /// let semaphore = sprang_sync::Semaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.try_acquire().is_err());
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether the semaphore is [closed](Self::close).
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

impl<'a> SemaphorePermit<'a> {
    /// Keeps the permits out of the semaphore for good.
    pub fn forget(mut self) {
        self.count = 0;
    }

    /// Makes the permits of `other` this permit's.
    ///
    /// # Panics
    ///
    /// If they belong to different semaphores.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(self.semaphore, other.semaphore),
            "merging permits of different semaphores"
        );
        self.count += std::mem::take(&mut other.count);
    }

    /// Takes `n` permits out of this one; `None` if it has fewer.
    ///
    /// ```
    /// let semaphore = sprang_sync::Semaphore::new(3);
    /// let mut three = semaphore.try_acquire_many(3).unwrap();
    /// let two = three.split(2).unwrap();
    /// assert_eq!((three.num_permits(), two.num_permits()), (1, 2));
    /// assert!(three.split(2).is_none());
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.count = self.count.checked_sub(n)?;
        Some(Self {
            semaphore: self.semaphore,
            count: n,
        })
    }

    /// The number of permits.
    pub fn num_permits(&self) -> usize {
        self.count
    }

    /// The semaphore they belong to.
    pub fn semaphore(&self) -> &'a Semaphore {
        self.semaphore
    }
}

impl OwnedSemaphorePermit {
    /// Keeps the permits out of the semaphore for good.
    pub fn forget(mut self) {
        self.count = 0;
    }

    /// Makes the permits of `other` this permit's.
    ///
    /// # Panics
    ///
    /// If they belong to different semaphores.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Arc::ptr_eq(&self.semaphore, &other.semaphore),
            "merging permits of different semaphores"
        );
        self.count += std::mem::take(&mut other.count);
    }

    /// Takes `n` permits out of this one; `None` if it has fewer.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.count = self.count.checked_sub(n)?;
        Some(Self {
            semaphore: Arc::clone(&self.semaphore),
            count: n,
        })
    }

    /// The number of permits.
    pub fn num_permits(&self) -> usize {
        self.count
    }

    /// The semaphore they belong to.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}

impl Drop for SemaphorePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}

impl Drop for OwnedSemaphorePermit {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use sprang_core::coop;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_waiter_that_was_served_but_not_told_before_the_end_gives_its_permits_back() {
        let semaphore = Semaphore::new(0);
        let mut served = Box::pin(semaphore.acquire());
        let mut without_budget = Box::pin(semaphore.acquire());
        assert!(poll(served.as_mut()).is_pending());
        semaphore.add_permits(2);
        coop::budget(|| {
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(unit) = coop::poll_proceed(&mut cx) {
                unit.made_progress();
            }
            assert!(poll(without_budget.as_mut()).is_pending());
        });
        assert_eq!(semaphore.available_permits(), 0);
        semaphore.close();
        assert!(matches!(poll(served.as_mut()), Poll::Ready(Err(_))));
        assert!(matches!(poll(without_budget.as_mut()), Poll::Ready(Err(_))));
        assert_eq!(semaphore.available_permits(), 2);
    }

    #[test]
    fn a_large_request_is_not_overtaken() {
        let semaphore = Semaphore::new(2);
        let held = semaphore.try_acquire_many(2).unwrap();
        let mut large = Box::pin(semaphore.acquire_many(2));
        let mut small = Box::pin(semaphore.acquire());
        assert!(poll(large.as_mut()).is_pending());
        assert!(poll(small.as_mut()).is_pending());
        semaphore.add_permits(1);
        assert!(poll(small.as_mut()).is_pending());
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
        drop(held);
        assert!(poll(large.as_mut()).is_ready());
        assert!(poll(small.as_mut()).is_ready());
    }

    #[test]
    fn a_dropped_waiter_gives_what_it_had_to_the_next() {
        let semaphore = Semaphore::new(1);
        let mut large = Box::pin(semaphore.acquire_many(3));
        let mut small = Box::pin(semaphore.acquire());
        assert!(poll(large.as_mut()).is_pending());
        assert!(poll(small.as_mut()).is_pending());
        drop(large);
        let permit = poll(small.as_mut());
        assert!(permit.is_ready());
        drop(permit);
        assert_eq!(semaphore.available_permits(), 1);
    }

    #[test]
    fn one_release_can_serve_many_batches_of_waiters() {
        let semaphore = Semaphore::new(0);
        let mut waits: Vec<_> = (0..100).map(|_| Box::pin(semaphore.acquire())).collect();
        for wait in &mut waits {
            assert!(poll(wait.as_mut()).is_pending());
        }
        semaphore.add_permits(101);
        assert_eq!(semaphore.available_permits(), 1);
        for wait in &mut waits {
            let Poll::Ready(Ok(permit)) = poll(wait.as_mut()) else {
                panic!("a waiter was not served")
            };
            permit.forget();
        }
    }

    #[test]
    fn close_fails_waiters_and_gives_back_what_they_had() {
        let semaphore = Semaphore::new(1);
        let mut wait = Box::pin(semaphore.acquire_many(2));
        assert!(poll(wait.as_mut()).is_pending());
        semaphore.close();
        assert!(matches!(poll(wait.as_mut()), Poll::Ready(Err(_))));
        assert_eq!(semaphore.available_permits(), 1);
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    }

    #[test]
    fn a_request_for_none_passes_those_who_wait() {
        let semaphore = Semaphore::new(0);
        let mut wait = Box::pin(semaphore.acquire());
        assert!(poll(wait.as_mut()).is_pending());
        assert!(semaphore.try_acquire_many(0).is_ok());
    }

    #[test]
    #[should_panic(expected = "would exceed")]
    fn too_many_permits_panic() {
        Semaphore::new(Semaphore::MAX_PERMITS).add_permits(1);
    }

    #[test]
    #[should_panic(expected = "different semaphores")]
    fn permits_of_different_semaphores_do_not_merge() {
        let (one, two) = (Semaphore::new(1), Semaphore::new(1));
        let mut permit = one.try_acquire().unwrap();
        permit.merge(two.try_acquire().unwrap());
    }
}
