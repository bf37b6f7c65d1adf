//! Waiters queued inside their futures.
//!
//! Purpose: the one queue that all waiting in this crate goes through, except for single-waiter channels. A waiter is
//! a field of the future that waits: queueing allocates nothing, and a dropped future unlinks itself in constant time.
//!
//! Data flow: a future pushes its [`Waiter`] under the lock that guards the [`WaitList`]; whoever serves it changes
//! its data and pops it under that lock, and wakes the returned waker without; the future finds itself
//! [dequeued](Waiter::is_queued) without taking the lock.
//!
//! Called by: `permits`, `notify`, `broadcast`. Calls: `sprang_core::list`, `sprang_core::wake_batch`.
//!
//! Invariants:
//! - I1: while a waiter is queued, its entry is accessed only under the lock of its list; while it is not, only by its
//!   owner.
//! - I2: `queued` is set and cleared under that lock. Only the owner queues a waiter, so an owner that finds it cleared
//!   has the entry to itself until it queues it again.
//! - I3: a queued waiter is pinned, and its owner removes it before it is dropped.
//!
//! Memory ordering: `pop_front`/`pop_back` (release store to `queued`) → `is_queued` (acquire load): the owner sees the
//! data that was set before it was popped, without the lock. Relaxed would let the owner read a stale entry, and write
//! to it while the other side still reads.
//!
//! Models: `a_popped_waiter_sees_what_it_was_given`, and those of `permits` and `notify`.

use std::any::Any;
use std::fmt;
use std::marker::PhantomPinned;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

use sprang_core::list::{Linked, Links, List};
use sprang_core::primitive::cell::UnsafeCell;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use sprang_core::wake_batch::WakeBatch;

/// One waiter: a field of the future that waits.
pub(crate) struct Waiter<T> {
    links: Links<Waiter<T>>,
    queued: AtomicBool,
    entry: UnsafeCell<Entry<T>>,
    _pin: PhantomPinned,
}

struct Entry<T> {
    waker: Option<Waker>,
    data: T,
}

// SAFETY: the links belong to the list, which its lock guards; the entry has one accessor at a time (I1).
unsafe impl<T: Send> Send for Waiter<T> {}
// SAFETY: as for `Send`; a shared `Waiter` gives access to its entry through unsafe functions only.
unsafe impl<T: Send> Sync for Waiter<T> {}

// SAFETY: the links are one field, reached through a raw pointer; a queued waiter is pinned (I3).
unsafe impl<T> Linked for Waiter<T> {
    type Node = Self;

    #[inline]
    unsafe fn links(node: NonNull<Self>) -> NonNull<Links<Self>> {
        // SAFETY: the node is live, so its field is in bounds and not null.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).links) }
    }
}

impl<T> Waiter<T> {
    /// A waiter that is in no list.
    #[inline]
    pub(crate) fn new(data: T) -> Self {
        Self {
            links: Links::new(),
            queued: AtomicBool::new(false),
            entry: UnsafeCell::new(Entry { waker: None, data }),
            _pin: PhantomPinned,
        }
    }

    /// Whether the waiter still waits. Asked by its owner.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        // ORDERING: pairs with `WaitList::dequeued`: whoever dequeued the waiter is done with its entry (I2).
        self.queued.load(Acquire)
    }

    /// Access to the waiter's data.
    ///
    /// # Safety
    ///
    /// The caller holds the lock of the list that the waiter is queued in, or owns the waiter and found it not queued.
    #[inline]
    pub(crate) unsafe fn with_data<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.entry.with_mut(|entry| {
            // SAFETY: passed on: the entry is the caller's (I1).
            f(unsafe { &mut (*entry).data })
        })
    }

    /// Puts `waker` into the place of the one before, which is returned.
    ///
    /// # Safety
    ///
    /// As for [`with_data`](Self::with_data).
    #[inline]
    pub(crate) unsafe fn replace_waker(&self, waker: Option<Waker>) -> Option<Waker> {
        self.entry.with_mut(|entry| {
            // SAFETY: passed on: the entry is the caller's (I1).
            unsafe { std::mem::replace(&mut (*entry).waker, waker) }
        })
    }
}

impl<T> fmt::Debug for Waiter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter")
            .field("queued", &self.queued.load(Relaxed))
            .finish()
    }
}

/// A queue of waiters, kept under a lock.
pub(crate) struct WaitList<T>(List<Waiter<T>>);

impl<T> WaitList<T> {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self(List::new())
    }

    /// Whether nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Queues `waiter` at the back.
    ///
    /// # Safety
    ///
    /// The caller owns `waiter`, which is in no list, and removes it from this one before it is dropped.
    #[inline]
    pub(crate) unsafe fn push_back(&mut self, waiter: Pin<&Waiter<T>>, waker: Option<Waker>) -> Option<Waker> {
        // SAFETY: passed on: the waiter is not queued.
        let old = unsafe { waiter.replace_waker(waker) };
        waiter.queued.store(true, Relaxed);
        // SAFETY: passed on: the waiter is live, in no list, pinned, and unlinked before it is dropped (I3).
        unsafe { self.0.push_back(NonNull::from(waiter.get_ref())) };
        old
    }

    /// The data of the waiter at the front.
    #[inline]
    pub(crate) fn with_front<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let front = self.0.front()?;
        // SAFETY: a linked waiter is live (I3).
        let front = unsafe { front.as_ref() };
        // SAFETY: holding the list is holding its lock.
        Some(unsafe { front.with_data(f) })
    }

    /// The data of the waiter at the back.
    #[inline]
    pub(crate) fn with_back<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let back = self.0.back()?;
        // SAFETY: a linked waiter is live (I3).
        let back = unsafe { back.as_ref() };
        // SAFETY: holding the list is holding its lock.
        Some(unsafe { back.with_data(f) })
    }

    /// Dequeues the waiter at the front and returns its waker, if it has one, to be woken without the lock.
    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<Waker> {
        let waiter = self.0.pop_front()?;
        // SAFETY: unlinked just above, and not yet let go of.
        unsafe { Self::dequeued(waiter) }
    }

    /// As [`pop_front`](Self::pop_front), at the back.
    #[inline]
    pub(crate) fn pop_back(&mut self) -> Option<Waker> {
        let waiter = self.0.pop_back()?;
        // SAFETY: unlinked just above, and not yet let go of.
        unsafe { Self::dequeued(waiter) }
    }

    /// Dequeues `waiter` and returns its waker, to be dropped without the lock.
    ///
    /// # Safety
    ///
    /// `waiter` is queued in this list.
    #[inline]
    pub(crate) unsafe fn remove(&mut self, waiter: &Waiter<T>) -> Option<Waker> {
        let waiter = NonNull::from(waiter);
        // SAFETY: passed on: it is linked here.
        unsafe { self.0.remove(waiter) };
        // SAFETY: unlinked just above, and not yet let go of.
        unsafe { Self::dequeued(waiter) }
    }

    /// Moves all waiters of `other` to the back of this list.
    #[inline]
    pub(crate) fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    /// Lets go of an unlinked waiter: after this its owner may drop it at any time.
    ///
    /// # Safety
    ///
    /// The caller holds the lock and has unlinked `waiter`, which is still marked as queued.
    #[inline]
    unsafe fn dequeued(waiter: NonNull<Waiter<T>>) -> Option<Waker> {
        // SAFETY: the owner keeps the waiter while it is marked as queued (I3).
        let waiter = unsafe { waiter.as_ref() };
        // SAFETY: the caller holds the lock (I1).
        let waker = unsafe { waiter.replace_waker(None) };
        // ORDERING: pairs with `Waiter::is_queued`: hands the entry to the owner (I2).
        waiter.queued.store(false, Release);
        waker
    }
}

impl<T> fmt::Debug for WaitList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitList")
    }
}

/// Collects wakers with `fill`, which takes the lock, and wakes them without it, until `fill` says that it is through.
///
/// A waker that panics keeps nobody from being served and woken; the first panic goes on when all are.
pub(crate) fn wake_in_batches(mut fill: impl FnMut(&mut WakeBatch) -> Fill) {
    let mut panic: Option<Box<dyn Any + Send>> = None;
    loop {
        let mut batch = WakeBatch::new();
        let filled = fill(&mut batch);
        if let Err(caught) = catch_unwind(AssertUnwindSafe(|| batch.wake_all())) {
            match panic {
                None => panic = Some(caught),
                // Its destructor may panic, too.
                Some(_) => std::mem::forget(caught),
            }
        }
        if let Fill::Through = filled {
            break;
        }
    }
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// What a call to the `fill` of [`wake_in_batches`] came to.
pub(crate) enum Fill {
    /// The batch is full and there may be more.
    More,
    /// Nothing is left to be woken.
    Through,
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::sync::{Arc, Mutex};
    use sprang_core::primitive::{model, thread};

    #[test]
    fn a_popped_waiter_sees_what_it_was_given() {
        model(|| {
            let list = Arc::new(Mutex::new(WaitList::new()));
            let waiter = Box::pin(Waiter::new(0));
            // SAFETY: a fresh waiter, popped below before it is dropped.
            unsafe { list.lock().push_back(waiter.as_ref(), None) };
            let other = Arc::clone(&list);
            let serving = thread::spawn(move || {
                let mut list = other.lock();
                list.with_front(|data| *data = 7);
                list.pop_front();
            });
            if !waiter.is_queued() {
                // SAFETY: found not queued by its owner.
                assert_eq!(unsafe { waiter.with_data(|data| std::mem::replace(data, 0)) }, 7);
            }
            serving.join().unwrap();
            assert!(!waiter.is_queued());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::Wake;

    struct Explosive(AtomicUsize);

    impl Wake for Explosive {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
            panic!("a waker that panics");
        }
    }

    #[test]
    fn a_panic_in_one_batch_does_not_keep_the_next_from_being_filled() {
        let target = Arc::new(Explosive(AtomicUsize::new(0)));
        let mut batches = 0;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            wake_in_batches(|batch| {
                batch.push(Waker::from(Arc::clone(&target)));
                batches += 1;
                if batches == 3 { Fill::Through } else { Fill::More }
            });
        }));
        assert!(caught.is_err());
        assert_eq!(target.0.load(SeqCst), 3);
    }

    /// What a waker panics with; panics itself when it is dropped.
    struct Payload;

    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("a payload that panics");
        }
    }

    struct Malicious(AtomicUsize);

    impl Wake for Malicious {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
            std::panic::panic_any(Payload);
        }
    }

    #[test]
    fn a_panic_that_is_let_go_of_does_not_keep_the_next_batch_from_being_woken() {
        let target = Arc::new(Malicious(AtomicUsize::new(0)));
        let mut batches = 0;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            wake_in_batches(|batch| {
                batch.push(Waker::from(Arc::clone(&target)));
                batches += 1;
                if batches == 3 { Fill::Through } else { Fill::More }
            });
        }));
        std::mem::forget(caught);
        assert_eq!(target.0.load(SeqCst), 3);
    }
}
