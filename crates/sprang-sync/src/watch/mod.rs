//! A channel that keeps the latest value only.
//!
//! Purpose: many tasks follow a value that changes, such as a configuration or a command to shut down. Values that were
//! replaced before a receiver looked are never seen by it.
//!
//! Data flow: [`Sender::send`] → value and version, under the write lock → `notify`'s `notify_waiters` →
//! [`Receiver::changed`] → [`Receiver::borrow_and_update`] → read lock.
//!
//! Cost: a send takes the write lock and the lock of the waiters once each, whoever waits; a look takes the read lock;
//! a `changed` that finds a new version is two loads, one that waits takes the lock of the waiters once.
//!
//! Invariants:
//! - I1: the version in `state` changes only under the write lock, together with the value: who holds the read lock
//!   sees the version of the value. A receiver remembers the version that it saw last, and compares for equality only,
//!   so that the version may wrap.
//! - I2: whoever changes `state` calls `changed.notify_waiters` afterwards; whoever waits for a change makes its
//!   `Notified` before it looks at `state`. So a change is either seen by the look, or ends the wait.
//! - I3: the same holds for the number of receivers and `gone`.
//! - I4: closures of the user's run under the lock, which is how they get at the value; if they panic the lock is
//!   released and the version stays. Values are dropped and tasks woken without it.
//!
//! Memory ordering: `Sender` (release RMW on `state`) → `Receiver` (acquire load): whoever sees a version, or that the
//! senders are gone, sees what was done before; the value itself is ordered by its lock. `receivers` needs no order of
//! its own: who finds it at 0, or is notified of that, learns nothing else.
//!
//! Models: `a_change_is_never_missed`, `the_last_value_is_seen_before_the_end`, `a_subscriber_sees_each_later_value`,
//! `the_last_receiver_to_go_ends_the_wait`.

pub mod error;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::poll_fn;
use std::mem::swap;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::task::{Poll, ready};

use sprang_core::coop;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use sprang_core::primitive::sync::{Arc, RwLock, RwLockReadGuard};

use self::error::{RecvError, SendError};
use crate::notify::Notify;

/// All senders are gone. The rest of the state is the version.
const CLOSED: usize = 1;
const STEP: usize = 2;
/// Shortly before the end of the numbers, so that every channel of some use wraps.
const INITIAL: usize = 0_usize.wrapping_sub(2 * STEP);

struct Shared<T> {
    value: RwLock<T>,
    /// `CLOSED`, and the version (I1).
    state: AtomicUsize,
    receivers: AtomicUsize,
    senders: AtomicUsize,
    /// Notified of each change of `state` (I2).
    changed: Notify,
    /// Notified when the last receiver goes (I3).
    gone: Notify,
}

// A panic leaves the value as the closure that panicked left it, and everything else whole.
impl<T> UnwindSafe for Shared<T> {}
impl<T> RefUnwindSafe for Shared<T> {}

impl<T> Shared<T> {
    fn state(&self) -> State {
        // ORDERING: pairs with `send_if_modified` and the drop of the last sender.
        State(self.state.load(Acquire))
    }

    /// The value, locked, and whether its version is another than `seen`, which is brought up to date.
    fn look(&self, seen: &mut usize) -> Ref<'_, T> {
        let value = self.value.read();
        let version = self.state().version();
        let has_changed = std::mem::replace(seen, version) != version;
        Ref { value, has_changed }
    }
}

/// What `Shared::state` was.
#[derive(Clone, Copy)]
struct State(usize);

impl State {
    fn version(self) -> usize {
        self.0 & !CLOSED
    }

    fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Shared")
            .field("value", &self.value)
            .field("version", &state.version())
            .field("is_closed", &state.is_closed())
            .field("receivers", &self.receivers.load(Relaxed))
            .finish()
    }
}

/// Sets the value. Clone it for further senders.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Sees the latest value. Clone it, or [`subscribe`](Sender::subscribe), for further receivers.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version seen last.
    version: usize,
}

/// The value, borrowed.
///
/// It locks the value for reading. While it is held senders wait, and with them their threads: keep it short, never
/// across an `.await`, and do not take a second one on the same thread, which may deadlock.
#[derive(Debug)]
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
    has_changed: bool,
}

/// Makes a channel whose first value is `init`, which the receiver counts as seen.
///
/// ```
/// # futures::executor::block_on(async {
/// let (sender, mut receiver) = sprang_sync::watch::channel("first");
/// assert_eq!(*receiver.borrow(), "first");
/// sender.send("second").unwrap();
/// sender.send("third").unwrap();
/// receiver.changed().await.unwrap();
/// assert_eq!(*receiver.borrow_and_update(), "third");
/// # });
/// ```
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(init);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    /// A sender without receivers; [`subscribe`](Self::subscribe) makes them.
    ///
    /// ```
    /// let sender = sprang_sync::watch::Sender::new(1);
    /// assert!(sender.is_closed());
    /// assert_eq!(*sender.subscribe().borrow(), 1);
    /// ```
    pub fn new(init: T) -> Self {
        let shared = Arc::new(Shared {
            value: RwLock::new(init),
            state: AtomicUsize::new(INITIAL),
            receivers: AtomicUsize::new(0),
            senders: AtomicUsize::new(1),
            changed: Notify::new(),
            gone: Notify::new(),
        });
        Self { shared }
    }

    /// Replaces the value and wakes the receivers that wait. The old value is dropped.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no receiver; the old one stays. [`send_replace`](Self::send_replace) also sets
    /// a value that nobody sees yet.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Changes the value in place and wakes the receivers that wait, also without any receiver.
    ///
    /// `modify` runs while the value is locked: it must not use this channel.
    ///
    /// # Panics
    ///
    /// As `modify` does. The value is then what it left behind, and does not count as changed.
    ///
    /// ```
    /// let (sender, receiver) = sprang_sync::watch::channel(1);
    /// sender.send_modify(|value| *value += 1);
    /// assert_eq!(*receiver.borrow(), 2);
    /// ```
    pub fn send_modify<F: FnOnce(&mut T)>(&self, modify: F) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// As [`send_modify`](Self::send_modify), if `modify` says that it changed something; returns what it said.
    ///
    /// ```
    /// let (sender, receiver) = sprang_sync::watch::channel(1);
    /// assert!(!sender.send_if_modified(|value| *value > 5));
    /// assert!(!receiver.has_changed().unwrap());
    /// ```
    pub fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        let mut value = self.shared.value.write();
        if !modify(&mut value) {
            return false;
        }
        // ORDERING: pairs with `Shared::state`.
        self.shared.state.fetch_add(STEP, Release);
        drop(value);
        self.shared.changed.notify_waiters();
        true
    }

    /// Replaces the value, also without any receiver, wakes the receivers that wait, and returns the old value.
    ///
    /// ```
    /// let sender = sprang_sync::watch::Sender::new(1);
    /// assert_eq!(sender.send_replace(2), 1);
    /// ```
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|old| swap(old, &mut value));
        value
    }

    /// The value.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref {
            value: self.shared.value.read(),
            has_changed: false,
        }
    }

    /// Whether there is no receiver now.
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver. [`subscribe`](Self::subscribe) may make one afterwards.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let (sender, receiver) = sprang_sync::watch::channel(());
    /// drop(receiver);
    /// sender.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        let shared = &*self.shared;
        // Made before the look (I3).
        let mut notified = pin!(shared.gone.notified());
        poll_fn(|cx| {
            let proceed = ready!(coop::poll_proceed(cx));
            while shared.receivers.load(Relaxed) > 0 {
                ready!(notified.as_mut().poll(cx));
                notified.set(shared.gone.notified());
            }
            proceed.made_progress();
            Poll::Ready(())
        })
        .await;
    }

    /// A receiver that counts the present value as seen.
    ///
    /// ```
    /// let sender = sprang_sync::watch::Sender::new(1);
    /// let receiver = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert!(receiver.has_changed().unwrap());
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared, self.shared.state().version())
    }

    /// The number of receivers.
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.load(Relaxed)
    }

    /// The number of senders.
    pub fn sender_count(&self) -> usize {
        self.shared.senders.load(Relaxed)
    }

    /// Whether both are senders of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Relaxed);
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // ORDERING: the last one to go passes on what all others did.
        if self.shared.senders.fetch_sub(1, AcqRel) == 1 {
            // ORDERING: pairs with `Shared::state`.
            self.shared.state.fetch_or(CLOSED, Release);
            self.shared.changed.notify_waiters();
        }
    }
}

impl<T> Receiver<T> {
    fn new(shared: &Arc<Shared<T>>, version: usize) -> Self {
        shared.receivers.fetch_add(1, Relaxed);
        Self {
            shared: Arc::clone(shared),
            version,
        }
    }

    /// The latest value. It does not count as seen: [`changed`](Self::changed) still returns for it.
    ///
    /// ```
    /// let (_, receiver) = sprang_sync::watch::channel("hello");
    /// assert_eq!(*receiver.borrow(), "hello");
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.look(&mut self.version.clone())
    }

    /// The latest value, which counts as seen from now on.
    ///
    /// In a loop with [`changed`](Self::changed) this looks once at each value; with [`borrow`](Self::borrow) a value
    /// that came in between the two would be looked at twice.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        self.shared.look(&mut self.version)
    }

    /// Whether the latest value has not been seen.
    ///
    /// # Errors
    ///
    /// If all senders are gone, whether or not the latest value has been seen.
    ///
    /// ```
    /// let (sender, mut receiver) = sprang_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert!(receiver.has_changed().unwrap());
    /// receiver.borrow_and_update();
    /// assert!(!receiver.has_changed().unwrap());
    /// drop(sender);
    /// assert!(receiver.has_changed().is_err());
    /// ```
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        let state = self.shared.state();
        if state.is_closed() {
            return Err(RecvError(()));
        }
        Ok(state.version() != self.version)
    }

    /// Whether all senders are gone.
    pub fn is_closed(&self) -> bool {
        self.shared.state().is_closed()
    }

    /// Counts the latest value as not seen: the next [`changed`](Self::changed) returns at once.
    pub fn mark_changed(&mut self) {
        self.version = self.version.wrapping_sub(STEP);
    }

    /// Counts the latest value as seen.
    pub fn mark_unchanged(&mut self) {
        self.version = self.shared.state().version();
    }

    /// Waits for a value that has not been seen, and counts it as seen.
    ///
    /// # Errors
    ///
    /// If all senders are gone and their last value has been seen.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped: a value counts as seen only when this returns.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let (sender, mut receiver) = sprang_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// drop(sender);
    /// assert!(receiver.changed().await.is_ok());
    /// assert!(receiver.changed().await.is_err());
    /// # });
    /// ```
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        changed(&self.shared, &mut self.version).await
    }

    /// Waits for a value for which `f` holds, the present one included, and returns it. It counts as seen, as do those
    /// for which `f` did not hold.
    ///
    /// `f` runs while the value is locked: it must not use this channel.
    ///
    /// # Errors
    ///
    /// If all senders are gone and `f` did not hold for their last value.
    ///
    /// # Panics
    ///
    /// As `f` does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing but the answers of `f`: values for which it did not hold count as seen.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let (sender, mut receiver) = sprang_sync::watch::channel(1);
    /// sender.send(7).unwrap();
    /// assert_eq!(*receiver.wait_for(|value| *value > 5).await.unwrap(), 7);
    /// # });
    /// ```
    pub async fn wait_for(&mut self, mut f: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        poll_fn(|cx| coop::poll_proceed(cx).map(|proceed| proceed.made_progress())).await;
        let mut closed = false;
        loop {
            {
                // In a block of its own, so that the future can be sent.
                let value = self.shared.look(&mut self.version);
                if (value.has_changed || !closed) && f(&value) {
                    return Ok(value);
                }
            }
            if closed {
                return Err(RecvError(()));
            }
            closed = changed(&self.shared, &mut self.version).await.is_err();
        }
    }

    /// Whether both are receivers of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// Waits until the version is another than `seen`, which is brought up to date.
async fn changed<T>(shared: &Shared<T>, seen: &mut usize) -> Result<(), RecvError> {
    // Made before the look (I2).
    let mut notified = pin!(shared.changed.notified());
    poll_fn(|cx| {
        let proceed = ready!(coop::poll_proceed(cx));
        loop {
            let state = shared.state();
            if state.version() != *seen {
                proceed.made_progress();
                *seen = state.version();
                return Poll::Ready(Ok(()));
            }
            if state.is_closed() {
                proceed.made_progress();
                return Poll::Ready(Err(RecvError(())));
            }
            ready!(notified.as_mut().poll(cx));
            notified.set(shared.changed.notified());
        }
    })
    .await
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::new(&self.shared, self.version)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.shared.receivers.fetch_sub(1, Relaxed) == 1 {
            self.shared.gone.notify_waiters();
        }
    }
}

impl<T> Ref<'_, T> {
    /// Whether the receiver that gave it had not seen the value before. Always `false` if a sender gave it.
    ///
    /// ```
    /// let (sender, mut receiver) = sprang_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert!(receiver.borrow_and_update().has_changed());
    /// assert!(!receiver.borrow_and_update().has_changed());
    /// ```
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::blocking::block_on;
    use sprang_core::primitive::{model, thread};

    #[test]
    fn a_change_is_never_missed() {
        model(|| {
            let (sender, mut receiver) = channel(0);
            // The second version is the one that wraps.
            let sending = thread::spawn(move || {
                sender.send(1).unwrap();
                sender.send(2).unwrap();
                sender
            });
            while *receiver.borrow_and_update() != 2 {
                block_on(receiver.changed()).unwrap();
            }
            assert_eq!(receiver.has_changed().ok(), Some(false));
            sending.join().unwrap();
        });
    }

    #[test]
    fn the_last_value_is_seen_before_the_end() {
        model(|| {
            let (sender, mut receiver) = channel(0);
            let sending = thread::spawn(move || sender.send(1).unwrap());
            if *receiver.borrow_and_update() == 0 {
                block_on(receiver.changed()).unwrap();
                assert_eq!(*receiver.borrow_and_update(), 1);
            }
            assert!(block_on(receiver.changed()).is_err());
            sending.join().unwrap();
        });
    }

    #[test]
    fn a_subscriber_sees_each_later_value() {
        model(|| {
            let sender = Sender::new(0);
            let other = sender.clone();
            let sending = thread::spawn(move || other.send_replace(1));
            let mut receiver = sender.subscribe();
            if *receiver.borrow() == 0 {
                block_on(receiver.changed()).unwrap();
                assert_eq!(*receiver.borrow(), 1);
            }
            assert_eq!(sending.join().unwrap(), 0);
        });
    }

    #[test]
    fn the_last_receiver_to_go_ends_the_wait() {
        model(|| {
            let (sender, receiver) = channel(0);
            let other = receiver.clone();
            let leaving = thread::spawn(move || drop(other));
            let also_leaving = thread::spawn(move || drop(receiver));
            block_on(sender.closed());
            assert!(sender.is_closed());
            leaving.join().unwrap();
            also_leaving.join().unwrap();
        });
    }
}
