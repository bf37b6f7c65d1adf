//! [`CancellationToken`]: asking tasks to stop.
//!
//! Purpose: a request to stop, made once and seen by all who hold a clone of the token or a descendant of it. Nobody is
//! forced: tasks look at the token, wait for it, or run something until it is cancelled.
//!
//! Data flow: [`CancellationToken::cancel`] → `tree` → [`WaitForCancellationFuture`].
//!
//! Cost: asking is one load. A wait that finds the token not cancelled takes its lock once, and once more if it is dropped
//! in vain; polled again by the same task it takes none.
//!
//! Models: `a_cancellation_wakes_who_waits`, `a_wait_may_end_while_its_token_is_cancelled`, `what_came_before_a_cancellation_is_seen`,
//! `a_child_made_meanwhile_is_cancelled`, `a_grandchild_outlives_its_parent`, `a_chain_ends_from_both_sides`,
//! `who_sees_a_token_cancelled_sees_its_children`, `who_returns_from_a_cancellation_sees_the_children`.

mod tree;

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use sprang_core::waiting;

use crate::wait_list::Waiter;
use tree::Handle;

/// Asks tasks to stop.
///
/// Clones are the same token. A [child](Self::child_token) is cancelled with its parent, but not the other way round.
/// A cancellation is final.
///
/// Dropping tokens cancels nothing. When the last clone of a token is dropped, its children stay cancellable by those
/// that it was a descendant of. What is dropped takes no memory in those that remain.
///
/// ```
/// # use sprang_sync::cancellation_token::CancellationToken;
/// # futures::executor::block_on(async {
/// let server = CancellationToken::new();
/// let request = server.child_token();
/// std::thread::spawn(move || server.cancel());
/// request.cancelled().await;
/// assert!(request.is_cancelled());
/// # });
/// ```
#[derive(Clone)]
pub struct CancellationToken {
    handle: Handle,
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}

/// Whether they are clones of one token.
impl PartialEq for CancellationToken {
    fn eq(&self, other: &Self) -> bool {
        self.handle.address() == other.handle.address()
    }
}

impl Eq for CancellationToken {}

impl Hash for CancellationToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.handle.address().hash(state);
    }
}

impl CancellationToken {
    /// A token without a parent that is not cancelled.
    pub fn new() -> Self {
        Self { handle: Handle::new() }
    }

    /// A token that is cancelled when this one is, or by itself.
    ///
    /// It is cancelled already if this one is.
    ///
    /// ```
    /// # use sprang_sync::cancellation_token::CancellationToken;
    /// let parent = CancellationToken::new();
    /// let (first, second) = (parent.child_token(), parent.child_token());
    /// first.cancel();
    /// assert!(!parent.is_cancelled() && !second.is_cancelled());
    /// parent.cancel();
    /// assert!(second.is_cancelled());
    /// ```
    #[must_use]
    pub fn child_token(&self) -> Self {
        Self {
            handle: self.handle.child(),
        }
    }

    /// Cancels this token and all its descendants.
    ///
    /// When the call returns they all are, even if the call found the token cancelled.
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Whether the token is cancelled.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.handle.is_cancelled()
    }

    /// Waits for the cancellation.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        WaitForCancellationFuture(Wait::new(self))
    }

    /// As [`cancelled`](Self::cancelled), with a future that owns the token.
    ///
    /// ```
    /// # use sprang_sync::cancellation_token::CancellationToken;
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let cancelled = token.clone().cancelled_owned();
    /// token.cancel();
    /// cancelled.await;
    /// # });
    /// ```
    pub fn cancelled_owned(self) -> WaitForCancellationFutureOwned {
        WaitForCancellationFutureOwned(Wait::new(self))
    }

    /// Runs a future until it is ready, or until the token is cancelled: then the future is dropped, and this gives `None`.
    ///
    /// The future is not polled at all if the token is cancelled before; if both happen at once, its output counts.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    ///
    /// ```
    /// # use sprang_sync::cancellation_token::CancellationToken;
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// assert_eq!(token.run_until_cancelled(async { 1 }).await, Some(1));
    /// token.cancel();
    /// assert_eq!(token.run_until_cancelled(async { 2 }).await, None);
    /// # });
    /// ```
    pub fn run_until_cancelled<F: Future>(&self, future: F) -> impl Future<Output = Option<F::Output>> + use<'_, F> {
        RunUntilCancelled::new(self, future)
    }

    /// As [`run_until_cancelled`](Self::run_until_cancelled), with a future that owns the token.
    pub fn run_until_cancelled_owned<F: Future>(self, future: F) -> impl Future<Output = Option<F::Output>> + use<F> {
        RunUntilCancelled::new(self, future)
    }

    /// Cancels the token when the guard is dropped.
    ///
    /// ```
    /// # use sprang_sync::cancellation_token::CancellationToken;
    /// let token = CancellationToken::new();
    /// drop(token.clone().drop_guard());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { token: Some(self) }
    }

    /// As [`drop_guard`](Self::drop_guard), with a guard that borrows the token.
    pub fn drop_guard_ref(&self) -> DropGuardRef<'_> {
        DropGuardRef { token: Some(self) }
    }
}

/// Cancels its token when it is dropped; made by [`CancellationToken::drop_guard`].
#[derive(Debug)]
#[must_use = "the token is cancelled when the guard is dropped"]
pub struct DropGuard {
    token: Option<CancellationToken>,
}

/// Cancels its token when it is dropped; made by [`CancellationToken::drop_guard_ref`].
#[derive(Debug)]
#[must_use = "the token is cancelled when the guard is dropped"]
pub struct DropGuardRef<'a> {
    token: Option<&'a CancellationToken>,
}

const ARMED: &str = "a guard has a token until it is dropped";

impl DropGuard {
    /// The token.
    pub fn token(&self) -> &CancellationToken {
        self.token.as_ref().expect(ARMED)
    }

    /// Gives the token back, not cancelled.
    pub fn disarm(mut self) -> CancellationToken {
        self.token.take().expect(ARMED)
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            token.cancel();
        }
    }
}

impl<'a> DropGuardRef<'a> {
    /// The token.
    pub fn token(&self) -> &CancellationToken {
        self.token.expect(ARMED)
    }

    /// Gives the token back, not cancelled.
    pub fn disarm(mut self) -> &'a CancellationToken {
        self.token.take().expect(ARMED)
    }
}

impl Drop for DropGuardRef<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            token.cancel();
        }
    }
}

/// Waits for a cancellation; made by [`CancellationToken::cancelled`].
#[must_use = "futures do nothing unless polled"]
pub struct WaitForCancellationFuture<'a>(Wait<&'a CancellationToken>);

/// Waits for a cancellation; made by [`CancellationToken::cancelled_owned`].
#[must_use = "futures do nothing unless polled"]
pub struct WaitForCancellationFutureOwned(Wait<CancellationToken>);

impl fmt::Debug for WaitForCancellationFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCancellationFuture").finish()
    }
}

impl fmt::Debug for WaitForCancellationFutureOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCancellationFutureOwned").finish()
    }
}

impl Future for WaitForCancellationFuture<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: a field of a pinned struct that is never moved out of it.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(cx)
    }
}

impl Future for WaitForCancellationFutureOwned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: a field of a pinned struct that is never moved out of it.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(cx)
    }
}

/// What both futures are.
struct Wait<T: Borrow<CancellationToken>> {
    token: T,
    waiter: Waiter<()>,
    /// Whose waker the waiter was queued with, see [`identity`].
    queued_for: Option<(usize, usize)>,
}

/// What makes a waker the same as another: equal if [`Waker::will_wake`] is true.
///
/// A waker that is queued has this to itself until it is woken, since it is alive.
fn identity(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}

impl<T: Borrow<CancellationToken>> Wait<T> {
    fn new(token: T) -> Self {
        Self {
            token,
            waiter: Waiter::new(()),
            queued_for: None,
        }
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: nothing is moved out of `this`; the waiter stays where it is.
        let this = unsafe { self.get_unchecked_mut() };
        let handle = &this.token.borrow().handle;
        if handle.is_cancelled() {
            return Poll::Ready(());
        }
        let identity = identity(cx.waker());
        if this.queued_for != Some(identity) {
            let waker = cx.waker().clone();
            // Before the call: from then on it may be queued, whatever happens.
            this.queued_for = Some(identity);
            // SAFETY: `self` is pinned, see above.
            let waiter = unsafe { Pin::new_unchecked(&this.waiter) };
            // SAFETY: ours, and for this node only; `drop` forgets it.
            if unsafe { handle.wait(waiter, waker) } {
                return Poll::Ready(());
            }
        }
        waiting::on("a cancellation");
        Poll::Pending
    }
}

impl<T: Borrow<CancellationToken>> Drop for Wait<T> {
    fn drop(&mut self) {
        if self.queued_for.is_some() {
            // SAFETY: ours, and for this node only.
            unsafe { self.token.borrow().handle.forget(&self.waiter) };
        }
    }
}

/// The future of [`CancellationToken::run_until_cancelled`].
struct RunUntilCancelled<T: Borrow<CancellationToken>, F> {
    /// `None` when it has ended or was cancelled.
    future: Option<F>,
    cancelled: Wait<T>,
    started: bool,
}

impl<T: Borrow<CancellationToken>, F> RunUntilCancelled<T, F> {
    fn new(token: T, future: F) -> Self {
        Self {
            future: Some(future),
            cancelled: Wait::new(token),
            started: false,
        }
    }
}

impl<T: Borrow<CancellationToken>, F: Future> Future for RunUntilCancelled<T, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        // SAFETY: nothing is moved out of `this`.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `self` is pinned, and so is its field.
        let mut future = unsafe { Pin::new_unchecked(&mut this.future) };
        let running = future.as_mut().as_pin_mut().expect("polled after it was ready");
        let too_late = !this.started && this.cancelled.token.borrow().is_cancelled();
        this.started = true;
        if !too_late && let Poll::Ready(output) = running.poll(cx) {
            future.set(None);
            return Poll::Ready(Some(output));
        }
        // SAFETY: as above.
        ready!(unsafe { Pin::new_unchecked(&mut this.cancelled) }.poll(cx));
        future.set(None);
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::blocking::block_on;
    use crate::testing::poll;
    use sprang_core::primitive::cell::UnsafeCell;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::{model, thread};

    #[test]
    fn a_cancellation_wakes_who_waits() {
        model(|| {
            let token = CancellationToken::new();
            let child = token.child_token();
            let waiting = thread::spawn(move || block_on(child.cancelled_owned()));
            token.cancel();
            waiting.join().unwrap();
        });
    }

    #[test]
    fn a_wait_may_end_while_its_token_is_cancelled() {
        model(|| {
            let root = CancellationToken::new();
            let mut wait = Box::pin(root.child_token().cancelled_owned());
            let cancelling = thread::spawn(move || root.cancel());
            _ = poll(wait.as_mut());
            // The last handle of the child, which may be about to be woken.
            drop(wait);
            cancelling.join().unwrap();
        });
    }

    struct Shared(UnsafeCell<usize>);

    // SAFETY: the model writes before the cancellation and reads after.
    unsafe impl Sync for Shared {}
    // SAFETY: as above.
    unsafe impl Send for Shared {}

    #[test]
    fn what_came_before_a_cancellation_is_seen() {
        model(|| {
            let shared = Arc::new(Shared(UnsafeCell::new(0)));
            let token = CancellationToken::new();
            let (writer, child) = (Arc::clone(&shared), token.child_token());
            let cancelling = thread::spawn(move || {
                writer.0.with_mut(|value| {
                    // SAFETY: the reader waits for the cancellation.
                    unsafe { *value = 1 }
                });
                token.cancel();
            });
            if child.is_cancelled() {
                // SAFETY: written before the cancellation.
                assert_eq!(shared.0.with(|value| unsafe { *value }), 1);
            }
            cancelling.join().unwrap();
            assert!(child.is_cancelled());
        });
    }

    #[test]
    fn a_child_made_meanwhile_is_cancelled() {
        model(|| {
            let root = CancellationToken::new();
            let (parent, other) = (root.clone(), root.clone());
            let cancelling = thread::spawn(move || root.cancel());
            let making = thread::spawn(move || {
                let child = parent.child_token();
                drop(parent);
                child
            });
            let dropped = other.child_token();
            drop((dropped, other));
            cancelling.join().unwrap();
            assert!(making.join().unwrap().is_cancelled());
        });
    }

    #[test]
    fn a_grandchild_outlives_its_parent() {
        model(|| {
            let root = CancellationToken::new();
            let middle = root.child_token();
            let leaf = middle.child_token();
            let dropping = thread::spawn(move || drop(middle));
            let waiting = thread::spawn(move || block_on(leaf.cancelled()));
            root.cancel();
            dropping.join().unwrap();
            waiting.join().unwrap();
        });
    }

    #[test]
    fn a_chain_ends_from_both_sides() {
        model(|| {
            let root = CancellationToken::new();
            let upper = root.child_token();
            let lower = upper.child_token();
            let leaf = lower.child_token();
            let first = thread::spawn(move || drop(upper));
            let second = thread::spawn(move || drop(lower));
            first.join().unwrap();
            second.join().unwrap();
            root.cancel();
            assert!(leaf.is_cancelled());
        });
    }

    #[test]
    fn who_sees_a_token_cancelled_sees_its_children() {
        model(|| {
            let root = CancellationToken::new();
            let middle = root.child_token();
            let leaf = middle.child_token();
            let other = root.clone();
            let looking = thread::spawn(move || {
                let upper = !other.is_cancelled() || middle.is_cancelled();
                let lower = !middle.is_cancelled() || leaf.is_cancelled();
                upper && lower
            });
            // On this thread, so that loom tries all moments to look: it knows the last access of each atomic only.
            root.cancel();
            assert!(looking.join().unwrap());
        });
    }

    #[test]
    fn who_returns_from_a_cancellation_sees_the_children() {
        model(|| {
            let root = CancellationToken::new();
            let middle = root.child_token();
            let leaf = middle.child_token();
            let cancelling = thread::spawn(move || root.cancel());
            middle.cancel();
            assert!(leaf.is_cancelled() && middle.child_token().is_cancelled());
            cancelling.join().unwrap();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Count, poll};
    use std::pin::pin;
    use std::sync::atomic::Ordering::SeqCst;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    #[test]
    fn another_waker_takes_the_place_of_the_one_before() {
        let token = CancellationToken::new();
        let mut cancelled = pin!(token.cancelled());
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        for count in [&first, &first, &second, &second] {
            let waker = Waker::from(Arc::clone(count));
            assert!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&first), 1, "the first waker is not kept");
        token.cancel();
        assert_eq!((first.wakes.load(SeqCst), second.wakes.load(SeqCst)), (0, 1));
        assert!(poll(cancelled).is_ready());
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_from_being_woken() {
        let root = CancellationToken::new();
        let count = Arc::new(Count {
            panics: true,
            ..Count::default()
        });
        let waker = Waker::from(Arc::clone(&count));
        let mut waits: Vec<_> = (0..100)
            .map(|i| Box::pin(if i % 2 == 0 { root.clone() } else { root.child_token() }.cancelled_owned()))
            .collect();
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert!(std::panic::catch_unwind(|| root.cancel()).is_err());
        assert_eq!(count.wakes.load(SeqCst), 100);
        assert!(root.is_cancelled());
    }

    /// Does to the tokens what it is told when it is woken.
    struct Act(Mutex<Option<Box<dyn FnOnce() + Send>>>);

    impl Wake for Act {
        fn wake(self: Arc<Self>) {
            let act = self.0.lock().unwrap().take();
            act.unwrap()();
        }
    }

    #[test]
    fn a_waker_may_do_anything_to_the_tree() {
        let root = CancellationToken::new();
        let child = root.child_token();
        let mut last = Box::pin(root.clone().cancelled_owned());
        assert!(poll(last.as_mut()).is_pending());
        let other = root.clone();
        let act = Act(Mutex::new(Some(Box::new(move || {
            other.cancel();
            assert!(other.is_cancelled() && other.child_token().is_cancelled());
            drop((other, last));
        }))));
        let waker = Waker::from(Arc::new(act));
        let mut cancelled = pin!(child.cancelled_owned());
        assert!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        root.cancel();
        assert!(poll(cancelled).is_ready());
    }
}
