//! [`Notify`]: wake-ups without data.
//!
//! Purpose: a condition variable for tasks that also remembers one wake-up for a task that comes later.
//!
//! Data flow: [`Notify::notified`] → poll → state word, or wait list; [`Notify::notify_one`] → state word, or the first
//! waiter; [`Notify::notify_waiters`] → all waiters, and all futures that were made before.
//!
//! Cost: a notification without waiters and a wait that finds one are one compare-exchange each; with waiters, one
//! lock. A notified waiter finds that out without the lock.
//!
//! Invariants:
//! - I1: the low bits of `state` are `WAITING` exactly while the list `waiting` is not empty, seen under the lock; they
//!   leave `WAITING` only under the lock. Between `EMPTY` and `NOTIFIED` they move without it.
//! - I2: the rest of `state` is the generation, the number of `notify_waiters` calls so far; it changes only under the
//!   lock. A future that was made in an earlier generation is notified.
//! - I3: the list `waiting` holds waiters of the current generation, the list `leaving` those of earlier ones, which
//!   `notify_waiters` calls in progress will pop. So a `notify_one` never serves one that is notified already.
//! - I4: a waiter served by `notify_one` or `notify_last` that is dropped before it was polled passes the notification
//!   on.
//!
//! Memory ordering: `notify_one` (release CAS on `state`, also from `NOTIFIED` to `NOTIFIED`) → `poll` (acquire CAS):
//! what happened before the notification is seen after the wait. `notify_waiters` (release RMW, the generation) →
//! `notified`, `poll` (acquire load). Through the list the edge is `wait_list`'s.
//!
//! Models: `a_notification_is_never_lost`, `a_dropped_waiter_passes_its_notification_on`,
//! `notify_waiters_reaches_a_future_made_before`.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use sprang_core::primitive::sync::{Mutex, MutexGuard};
use sprang_core::waiting;

use crate::wait_list::{Fill, WaitList, Waiter, wake_in_batches};

const EMPTY: usize = 0;
const WAITING: usize = 1;
const NOTIFIED: usize = 2;
const STATE: usize = 0b11;
const GENERATION: usize = 0b100;

/// Wakes tasks, one or all that wait, without handing over any data.
///
/// A `Notify` holds at most one *permit*. [`notify_one`](Self::notify_one) wakes the task that has waited longest, or
/// stores the permit if none waits; [`notified().await`](Self::notified) takes the permit or waits.
///
/// ```
/// use std::sync::Arc;
/// use sprang_sync::Notify;
///
/// let notify = Arc::new(Notify::new());
/// let other = Arc::clone(&notify);
/// let thread = std::thread::spawn(move || other.notify_one());
/// futures::executor::block_on(notify.notified());
/// thread.join().unwrap();
/// ```
pub struct Notify {
    state: AtomicUsize,
    lists: Mutex<Lists>,
}

struct Lists {
    /// Waiters of the current generation (I3).
    waiting: WaitList<By>,
    /// Waiters of earlier generations, about to be woken (I3).
    leaving: WaitList<By>,
}

/// What notified a waiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Nobody,
    One,
    Last,
    All,
}

impl UnwindSafe for Notify {}
impl RefUnwindSafe for Notify {}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state.load(Relaxed) & STATE {
            EMPTY => "empty",
            WAITING => "waiting",
            _ => "notified",
        };
        f.debug_struct("Notify").field("state", &state).finish()
    }
}

impl Notify {
    /// A `Notify` without a permit.
    pub fn new() -> Self {
        Self {
            state: AtomicUsize::new(EMPTY),
            lists: Mutex::new(Lists::new()),
        }
    }

    /// As [`new`](Self::new), in constants and statics.
    ///
    /// ```
    /// static NOTIFY: sprang_sync::Notify = sprang_sync::Notify::const_new();
    /// # NOTIFY.notify_one();
    /// ```
    #[cfg(not(sprang_loom))]
    pub const fn const_new() -> Self {
        Self {
            state: AtomicUsize::new(EMPTY),
            lists: Mutex::new(Lists::new()),
        }
    }

    /// Waits for a notification.
    ///
    /// The future counts as waiting for [`notify_waiters`](Self::notify_waiters) from this call on, and for
    /// [`notify_one`](Self::notify_one) from its first poll or [`enable`](Notified::enable) on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the place in the queue. A notification that had reached it goes to the next.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let notify = sprang_sync::Notify::new();
    /// notify.notify_one();
    /// notify.notified().await;
    /// # });
    /// ```
    pub fn notified(&self) -> Notified<'_> {
        Notified(Wait::new(self))
    }

    /// As [`notified`](Self::notified), with a future that owns the `Notify`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # futures::executor::block_on(async {
    /// let notify = Arc::new(sprang_sync::Notify::new());
    /// let notified = Arc::clone(&notify).notified_owned();
    /// notify.notify_waiters();
    /// notified.await;
    /// # });
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified(Wait::new(self))
    }

    /// Wakes the task that has waited longest, or stores the permit for one that comes.
    ///
    /// Stored permits do not add up: two calls without a waiter let one wait through.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// # let notify = sprang_sync::Notify::new();
    /// notify.notify_one();
    /// notify.notified().await;
    /// # });
    /// ```
    pub fn notify_one(&self) {
        self.notify(By::One);
    }

    /// Wakes the task that has waited shortest, or stores the permit for one that comes.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// # let notify = sprang_sync::Notify::new();
    /// notify.notify_last();
    /// notify.notified().await;
    /// # });
    /// ```
    pub fn notify_last(&self) {
        self.notify(By::Last);
    }

    /// Wakes all tasks that wait. No permit is stored.
    ///
    /// Every future made by [`notified`](Self::notified) before this call is notified, polled or not.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let notify = sprang_sync::Notify::new();
    /// let (first, second) = (notify.notified(), notify.notified());
    /// notify.notify_waiters();
    /// first.await;
    /// second.await;
    /// # });
    /// ```
    pub fn notify_waiters(&self) {
        let mut lists = self.lists.lock();
        let state = self.state.load(Relaxed);
        if state & STATE != WAITING {
            // ORDERING: pairs with `Wait::new` and `Wait::poll` (I2).
            self.state.fetch_add(GENERATION, AcqRel);
            return;
        }
        // ORDERING: as above. In WAITING nobody changes the word without the lock (I1).
        self.state
            .store((state & !STATE).wrapping_add(GENERATION) | EMPTY, Release);
        let Lists { waiting, leaving } = &mut *lists;
        leaving.append(waiting);
        let mut locked = Some(lists);
        wake_in_batches(|batch| {
            let mut lists = locked.take().unwrap_or_else(|| self.lists.lock());
            let leaving = &mut lists.leaving;
            while batch.can_push() && leaving.with_front(|by| *by = By::All).is_some() {
                if let Some(waker) = leaving.pop_front() {
                    batch.push(waker);
                }
            }
            if leaving.is_empty() { Fill::Through } else { Fill::More }
        });
    }

    fn notify(&self, by: By) {
        if !self.store_permit(self.state.load(Relaxed)) {
            self.notify_waiting(by, self.lists.lock());
        }
    }

    /// Stores the permit, unless somebody waits.
    #[inline]
    fn store_permit(&self, mut state: usize) -> bool {
        while state & STATE != WAITING {
            // ORDERING: release pairs with `take_permit`; also if the permit is there already, so that the task that
            // takes it sees what this caller did.
            match self
                .state
                .compare_exchange_weak(state, (state & !STATE) | NOTIFIED, Release, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes the permit if there is one.
    #[inline]
    fn take_permit(&self, mut state: usize) -> bool {
        while state & STATE == NOTIFIED {
            // ORDERING: acquire pairs with `store_permit`.
            match self
                .state
                .compare_exchange_weak(state, (state & !STATE) | EMPTY, Acquire, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Serves a waiter, or stores the permit if none is left.
    #[cold]
    fn notify_waiting(&self, by: By, mut lists: MutexGuard<'_, Lists>) {
        let state = self.state.load(Relaxed);
        if self.store_permit(state) {
            return;
        }
        // WAITING, which holds while the lock is held: the list is not empty (I1).
        let waiting = &mut lists.waiting;
        let waker = if by == By::Last {
            waiting.with_back(|slot| *slot = by);
            waiting.pop_back()
        } else {
            waiting.with_front(|slot| *slot = by);
            waiting.pop_front()
        };
        self.settle(&lists);
        drop(lists);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Leaves WAITING if nobody waits any more (I1).
    fn settle(&self, lists: &Lists) {
        let state = self.state.load(Relaxed);
        if lists.waiting.is_empty() && state & STATE == WAITING {
            // ORDERING: release keeps the generation's edge (I2), which a plain store would cut.
            self.state.store((state & !STATE) | EMPTY, Release);
        }
    }
}

impl Lists {
    const fn new() -> Self {
        Self {
            waiting: WaitList::new(),
            leaving: WaitList::new(),
        }
    }
}

/// Waits for a notification; made by [`Notify::notified`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Notified<'a>(Wait<&'a Notify>);

/// Waits for a notification; made by [`Notify::notified_owned`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct OwnedNotified(Wait<Arc<Notify>>);

impl<'a> Notified<'a> {
    /// Joins the queue without waiting: [`Notify::notify_one`] counts this future from now on.
    ///
    /// Returns whether it is notified already, as a poll would.
    ///
    /// ```
    /// use std::pin::pin;
    /// # futures::executor::block_on(async {
    /// let notify = sprang_sync::Notify::new();
    /// let mut notified = pin!(notify.notified());
    /// assert!(!notified.as_mut().enable());
    /// notify.notify_one();
    /// notified.await;
    /// # });
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.inner().poll(None).is_ready()
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut Wait<&'a Notify>> {
        // SAFETY: a field of a pinned struct that is never moved out of it.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }
    }
}

impl OwnedNotified {
    /// Joins the queue without waiting; as [`Notified::enable`].
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.inner().poll(None).is_ready()
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut Wait<Arc<Notify>>> {
        // SAFETY: a field of a pinned struct that is never moved out of it.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.inner().poll(Some(cx))
    }
}

impl Future for OwnedNotified {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.inner().poll(Some(cx))
    }
}

/// What both futures are.
#[derive(Debug)]
struct Wait<N: Deref<Target = Notify>> {
    notify: N,
    stage: Stage,
    /// The generation this future was made in.
    generation: usize,
    waiter: Waiter<By>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not in a list yet.
    New,
    /// The waiter is queued, or was served meanwhile.
    Queued,
    /// Notified.
    Done,
}

impl<N: Deref<Target = Notify>> Wait<N> {
    fn new(notify: N) -> Self {
        // ORDERING: pairs with `notify_waiters`: a call that is counted here happened before (I2).
        let generation = notify.state.load(Acquire) & !STATE;
        Self {
            notify,
            stage: Stage::New,
            generation,
            waiter: Waiter::new(By::Nobody),
        }
    }

    fn poll(self: Pin<&mut Self>, cx: Option<&mut Context<'_>>) -> Poll<()> {
        // SAFETY: nothing is moved out of `this`; the waiter stays where it is.
        let this = unsafe { self.get_unchecked_mut() };
        let notified = match this.stage {
            Stage::New => {
                // ORDERING: pairs with `notify_waiters` (I2).
                let state = this.notify.state.load(Acquire);
                state & !STATE != this.generation || this.notify.take_permit(state) || this.queue(cx)
            }
            Stage::Queued => !this.waiter.is_queued() || this.poll_queued(cx),
            Stage::Done => true,
        };
        if notified {
            this.stage = Stage::Done;
            return Poll::Ready(());
        }
        waiting::on("a notification");
        Poll::Pending
    }

    /// Queues the waiter, unless it finds itself notified. Called pinned.
    fn queue(&mut self, cx: Option<&mut Context<'_>>) -> bool {
        let waker = cx.map(|cx| cx.waker().clone());
        let mut lists = self.notify.lists.lock();
        // ORDERING: pairs with `notify_waiters`, should the generation have changed.
        let mut state = self.notify.state.load(Acquire);
        loop {
            if state & !STATE != self.generation || self.notify.take_permit(state) {
                return true;
            }
            // Only EMPTY is left, unless a permit came or went meanwhile.
            match state & STATE {
                WAITING => break,
                // ORDERING: none: with the list empty there is nothing to be seen; the lock orders the rest.
                _ => match self.notify.state.compare_exchange(
                    (state & !STATE) | EMPTY,
                    (state & !STATE) | WAITING,
                    Relaxed,
                    Relaxed,
                ) {
                    Ok(_) => break,
                    Err(now) => state = now,
                },
            }
        }
        self.stage = Stage::Queued;
        // SAFETY: `self` is pinned, see above.
        let waiter = unsafe { Pin::new_unchecked(&self.waiter) };
        // SAFETY: ours, in no list; `drop` removes it.
        let old = unsafe { lists.waiting.push_back(waiter, waker) };
        drop(lists);
        drop(old);
        false
    }

    /// Looks again under the lock, and renews the waker.
    fn poll_queued(&mut self, cx: Option<&mut Context<'_>>) -> bool {
        let waker = cx.map(|cx| cx.waker().clone());
        let mut lists = self.notify.lists.lock();
        if !self.waiter.is_queued() {
            return true;
        }
        if self.is_leaving() {
            // SAFETY: queued, and of an earlier generation: in that list (I3).
            let old = unsafe { lists.leaving.remove(&self.waiter) };
            drop(lists);
            drop(old);
            return true;
        }
        if let Some(waker) = waker {
            // SAFETY: the lock is held.
            let old = unsafe { self.waiter.replace_waker(Some(waker)) };
            drop(lists);
            drop(old);
        }
        false
    }

    /// Whether `notify_waiters` was called since this future was made. Called under the lock.
    fn is_leaving(&self) -> bool {
        self.notify.state.load(Relaxed) & !STATE != self.generation
    }
}

impl<N: Deref<Target = Notify>> Drop for Wait<N> {
    fn drop(&mut self) {
        if self.stage != Stage::Queued {
            return;
        }
        let mut lists = self.notify.lists.lock();
        if self.waiter.is_queued() {
            let list = if self.is_leaving() {
                &mut lists.leaving
            } else {
                &mut lists.waiting
            };
            // SAFETY: queued, in the list of its generation (I3).
            let waker: Option<Waker> = unsafe { list.remove(&self.waiter) };
            self.notify.settle(&lists);
            drop(lists);
            drop(waker);
            return;
        }
        // SAFETY: ours, and not queued.
        let by = unsafe { self.waiter.with_data(|by| *by) };
        if by == By::One || by == By::Last {
            // Served but never told: the next one gets it (I4).
            self.notify.notify_waiting(by, lists);
        }
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::blocking::block_on;
    use sprang_core::primitive::cell::UnsafeCell;
    use sprang_core::primitive::{model, sync, thread};

    struct Shared {
        notify: Notify,
        value: UnsafeCell<usize>,
    }

    // SAFETY: the models write `value` before a notification and read it after.
    unsafe impl Sync for Shared {}
    // SAFETY: as above.
    unsafe impl Send for Shared {}

    #[test]
    fn a_notification_is_never_lost() {
        model(|| {
            let shared = sync::Arc::new(Shared {
                notify: Notify::new(),
                value: UnsafeCell::new(0),
            });
            let other = sync::Arc::clone(&shared);
            let notifying = thread::spawn(move || {
                other.value.with_mut(|value| {
                    // SAFETY: the reader waits for the notification.
                    unsafe { *value = 1 }
                });
                other.notify.notify_one();
            });
            block_on(shared.notify.notified());
            // SAFETY: the writer notified after it wrote.
            assert_eq!(shared.value.with(|value| unsafe { *value }), 1);
            notifying.join().unwrap();
        });
    }

    #[test]
    fn a_dropped_waiter_passes_its_notification_on() {
        model(|| {
            let notify = sync::Arc::new(Notify::new());
            let other = sync::Arc::clone(&notify);
            let dropping = thread::spawn(move || {
                let mut notified = Box::pin(other.notified());
                if notified.as_mut().enable() {
                    other.notify_one();
                }
            });
            let other = sync::Arc::clone(&notify);
            let notifying = thread::spawn(move || other.notify_one());
            block_on(notify.notified());
            dropping.join().unwrap();
            notifying.join().unwrap();
        });
    }

    #[test]
    fn notify_waiters_reaches_a_future_made_before() {
        model(|| {
            let notify = sync::Arc::new(Notify::new());
            let notified = notify.notified();
            let other = sync::Arc::clone(&notify);
            let notifying = thread::spawn(move || other.notify_waiters());
            block_on(notified);
            notifying.join().unwrap();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::task::noop_waker_ref;
    use std::pin::pin;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(noop_waker_ref()))
    }

    #[test]
    fn permits_do_not_add_up() {
        let notify = Notify::new();
        notify.notify_one();
        notify.notify_one();
        assert!(poll(pin!(notify.notified())).is_ready());
        assert!(poll(pin!(notify.notified())).is_pending());
    }

    #[test]
    fn one_serves_the_first_and_last_the_last() {
        let notify = Notify::new();
        let mut waits: Vec<_> = (0..3).map(|_| Box::pin(notify.notified())).collect();
        for wait in &mut waits {
            assert!(poll(wait.as_mut()).is_pending());
        }
        notify.notify_last();
        notify.notify_one();
        assert!(poll(waits[0].as_mut()).is_ready());
        assert!(poll(waits[1].as_mut()).is_pending());
        assert!(poll(waits[2].as_mut()).is_ready());
    }

    #[test]
    fn a_served_waiter_that_is_dropped_passes_it_on_in_the_same_order() {
        let notify = Notify::new();
        let mut waits: Vec<_> = (0..3).map(|_| Some(Box::pin(notify.notified()))).collect();
        for wait in waits.iter_mut().flatten() {
            assert!(poll(wait.as_mut()).is_pending());
        }
        notify.notify_last();
        waits[2] = None;
        assert!(poll(waits[0].as_mut().unwrap().as_mut()).is_pending());
        assert!(poll(waits[1].as_mut().unwrap().as_mut()).is_ready());
    }

    #[test]
    fn notify_waiters_stores_no_permit_and_reaches_the_unpolled() {
        let notify = Notify::new();
        let mut before = pin!(notify.notified());
        notify.notify_waiters();
        assert!(poll(before.as_mut()).is_ready());
        assert!(poll(pin!(notify.notified())).is_pending());
    }

    #[test]
    fn a_notify_one_during_notify_waiters_serves_nobody_twice() {
        use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
        use std::task::Wake;

        /// Calls `notify_one` when it is woken.
        struct Again(Arc<Notify>, AtomicBool);
        impl Wake for Again {
            fn wake(self: Arc<Self>) {
                if !self.1.swap(true, SeqCst) {
                    self.0.notify_one();
                }
            }
        }

        let notify = Arc::new(Notify::new());
        let again = Waker::from(Arc::new(Again(Arc::clone(&notify), AtomicBool::new(false))));
        // More than one batch, so that waiters are left in the list while the first is woken.
        let mut waits: Vec<_> = (0..100)
            .map(|_| Box::pin(Arc::clone(&notify).notified_owned()))
            .collect();
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut Context::from_waker(&again)).is_pending());
        }
        notify.notify_waiters();
        assert!(waits.iter_mut().all(|wait| poll(wait.as_mut()).is_ready()));
        assert!(
            poll(pin!(notify.notified())).is_ready(),
            "the permit is stored, not spent on a notified waiter"
        );
    }

    #[test]
    fn waiters_can_leave_while_others_are_woken() {
        use std::sync::Mutex;
        use std::task::Wake;

        type Wait = Pin<Box<OwnedNotified>>;
        /// Drops the last waiter when it is woken.
        struct Dropper(Mutex<Option<Wait>>);
        impl Wake for Dropper {
            fn wake(self: Arc<Self>) {
                let last = self.0.lock().unwrap().take();
                drop(last);
            }
        }

        let notify = Arc::new(Notify::new());
        let dropper = Arc::new(Dropper(Mutex::new(None)));
        let waker = Waker::from(Arc::clone(&dropper));
        let mut waits: Vec<_> = (0..100)
            .map(|_| Box::pin(Arc::clone(&notify).notified_owned()))
            .collect();
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        *dropper.0.lock().unwrap() = waits.pop();
        notify.notify_waiters();
        assert!(waits.iter_mut().all(|wait| poll(wait.as_mut()).is_ready()));
    }
}
