//! The tree of cancellation tokens.
//!
//! Purpose: a [`Node`] is what the clones of a token share. It knows its parent and its children, so that a cancellation
//! reaches all descendants, and has a list of those who wait for it. A [`Handle`] is one of the clones.
//!
//! Data flow: [`Handle::child`] links a node; [`Handle::cancel`] marks and unlinks all nodes below, then wakes; the last
//! handle that is dropped gives the children to the parent and unlinks the node.
//!
//! A cancellation flattens the tree while it goes: a node that has children gives them to the one that is cancelled, to be
//! marked before it, and is marked itself when its turn comes again.
//!
//! Cost: a node is one allocation, and takes none in its parent: children are linked through themselves. Asking whether
//! a node is cancelled is one load. A cancellation allocates nothing, and uses the same stack whatever the tree's shape.
//! It takes the lock of a child once, and of a node further down no more than three times.
//!
//! Invariants:
//! - I1: while a node's lock is free, the node has a parent exactly if it is linked into that parent's children. A link
//!   to a parent is written with both locks held; the links between siblings belong to the lock of their parent.
//! - I2: a linked node and its parent are alive: before a node is freed it is unlinked, and so are its children.
//! - I3: locks are taken downwards: whoever holds a node's lock waits for those of its descendants only.
//! - I4: `cancelled` is set under the node's lock. Once it is, the node has no children and gets no waiters.
//! - I5: a node is marked when all that ever were its descendants are: who finds a node cancelled, or returns from a
//!   cancellation, finds all descendants cancelled.
//! - I6: a node whose children a cancellation took, to mark them first, is `flattened`: it gets no children any more. Its
//!   parent is the node that is cancelled, whose lock is held until all are marked.
//! - I7: all handles of a node together hold one count of its `Arc`. A pointer to a node is that of its `Arc`.
//! - I8: no waker is woken, dropped or cloned under a lock.
//!
//! Memory ordering: `cancel` (release store of `cancelled`) → `is_cancelled` (acquire load): what happened before the
//! cancellation is seen after it was noticed, and so are the cancellations below (I5). A handle's drop (AcqRel RMW of
//! `handles`) → the last one's: whatever the others did with the node comes before it is freed.
//!
//! Models: those of the module above.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

use sprang_core::list::{Linked, Links, List};
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use sprang_core::primitive::sync::atomic::{AtomicBool, AtomicUsize};
use sprang_core::primitive::sync::{Arc, Mutex, MutexGuard};
use sprang_core::wake_batch::WakeBatch;

use crate::wait_list::{Fill, WaitList, Waiter, wake_in_batches};

/// What the clones of a token share.
struct Node {
    handles: AtomicUsize,
    cancelled: AtomicBool,
    siblings: Links<Node>,
    state: Mutex<State>,
}

struct State {
    parent: Option<NonNull<Node>>,
    children: List<Node>,
    flattened: bool,
    waiters: WaitList<()>,
}

// SAFETY: what is not atomic is accessed under the lock that guards it, and the pointers lead to live nodes (I1, I2).
unsafe impl Send for Node {}
// SAFETY: as for `Send`.
unsafe impl Sync for Node {}

// SAFETY: the links are one field, reached through a raw pointer; a node stays where its `Arc` put it.
unsafe impl Linked for Node {
    type Node = Self;

    #[inline]
    unsafe fn links(node: NonNull<Self>) -> NonNull<Links<Self>> {
        // SAFETY: the node is live, so its field is in bounds and not null.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).siblings) }
    }
}

impl Node {
    /// A node with one handle.
    fn with_handle(cancelled: bool, parent: Option<NonNull<Node>>) -> Handle {
        let node = Arc::new(Self {
            handles: AtomicUsize::new(1),
            cancelled: AtomicBool::new(cancelled),
            siblings: Links::new(),
            state: Mutex::new(State {
                parent,
                children: List::new(),
                flattened: false,
                waiters: WaitList::new(),
            }),
        });
        // SAFETY: the pointer of an `Arc` is not null.
        Handle(unsafe { NonNull::new_unchecked(Arc::into_raw(node).cast_mut()) })
    }

    /// Takes the node's lock, if it is free, which is no matter of the order of locks (I3).
    fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        // Under loom who tries a lock waits for it, if another thread takes it at that moment. So the models are of those
        // who never find it free; the others differ in nothing but that.
        if cfg!(sprang_loom) { None } else { self.state.try_lock() }
    }

    /// Fills `batch` with those who wait for this node.
    fn collect(&self, batch: &mut WakeBatch) -> Fill {
        let mut state = self.state.lock();
        while batch.can_push() {
            match state.waiters.pop_front() {
                Some(waker) => batch.push(waker),
                None => return Fill::Through,
            }
        }
        Fill::More
    }
}

impl State {
    /// Makes the children of `other` those of `node`, whose state this is. Called with both locks held.
    fn adopt(&mut self, node: NonNull<Node>, other: &mut State) {
        while let Some(child) = other.children.pop_front() {
            // SAFETY: linked until just now, under a lock that is still held, so it is alive (I2).
            unsafe { child.as_ref() }.state.lock().parent = Some(node);
            // SAFETY: alive and in no list. Whoever saw its new parent meanwhile waits for the lock held here (I1).
            unsafe { self.children.push_front(child) };
        }
    }
}

/// One of the clones of a token.
pub(super) struct Handle(NonNull<Node>);

// SAFETY: a handle is a counted reference (I7) to a node, which can be shared.
unsafe impl Send for Handle {}
// SAFETY: as for `Send`.
unsafe impl Sync for Handle {}
// No code of users runs under its locks (I8).
impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

impl Clone for Handle {
    #[inline]
    fn clone(&self) -> Self {
        let before = self.node().handles.fetch_add(1, Relaxed);
        // So many can only be if they are forgotten; a count that wraps would free the node under them.
        if before > isize::MAX as usize {
            std::process::abort();
        }
        Self(self.0)
    }
}

impl Drop for Handle {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: pairs with itself: the other handles are done with the node before it is freed.
        if self.node().handles.fetch_sub(1, AcqRel) == 1 {
            self.leave();
            // SAFETY: gives back the count that all handles shared (I7).
            unsafe { Arc::decrement_strong_count(self.0.as_ptr()) };
        }
    }
}

impl Handle {
    /// The one handle of a node without a parent.
    pub(super) fn new() -> Self {
        Node::with_handle(false, None)
    }

    #[inline]
    fn node(&self) -> &Node {
        // SAFETY: a handle keeps its node alive (I7).
        unsafe { self.0.as_ref() }
    }

    /// The node's address, which no other node has while this handle lives.
    pub(super) fn address(&self) -> usize {
        self.0.as_ptr().addr()
    }

    /// A child; cancelled, and linked nowhere, if this node is cancelled or about to be.
    pub(super) fn child(&self) -> Self {
        if self.is_cancelled() {
            return Node::with_handle(true, None);
        }
        let child = Node::with_handle(false, Some(self.0));
        let mut state = self.node().state.lock();
        if state.flattened || self.node().cancelled.load(Relaxed) {
            drop(state);
            child.node().state.lock().parent = None;
            child.cancel();
        } else {
            // SAFETY: new, so in no list; it is unlinked before it is freed (I2).
            unsafe { state.children.push_back(child.0) };
        }
        child
    }

    /// Whether the node is cancelled.
    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        // ORDERING: pairs with `cancel` (I5).
        self.node().cancelled.load(Acquire)
    }

    /// Cancels the node and all its descendants, and wakes those who wait for them.
    pub(super) fn cancel(&self) {
        if self.is_cancelled() {
            return;
        }
        let mut state = self.node().state.lock();
        if self.node().cancelled.load(Relaxed) {
            return;
        }
        if state.flattened
            && let Some(parent) = state.parent
        {
            // SAFETY: read under the lock that is still held.
            let parent = unsafe { Self::keep(parent) };
            drop(state);
            // Who holds it marks this node after those that were its descendants (I6).
            drop(parent.state.lock());
            return;
        }
        let mut waited_for = List::new();
        while let Some(child) = state.children.front() {
            // SAFETY: linked, under a lock that is held, so it is alive (I2).
            let node = unsafe { child.as_ref() };
            let mut below = node.state.lock();
            if !below.children.is_empty() {
                below.flattened = true;
                // In front of it, so before it (I5).
                state.adopt(self.0, &mut below);
                continue;
            }
            state.children.pop_front();
            below.parent = None;
            if !below.waiters.is_empty() {
                // SAFETY: alive; the count is given back by `wake`.
                unsafe { Arc::increment_strong_count(child.as_ptr()) };
                // SAFETY: kept alive by that count, and without a parent its links are free (I1).
                unsafe { waited_for.push_back(child) };
            }
            // ORDERING: pairs with `is_cancelled`.
            node.cancelled.store(true, Release);
        }
        // ORDERING: pairs with `is_cancelled`.
        self.node().cancelled.store(true, Release);
        let nobody_waits = state.waiters.is_empty() && waited_for.is_empty();
        drop(state);
        if !nobody_waits {
            self.wake(waited_for);
        }
    }

    /// Wakes those who wait for the descendants, of each of which a count is given back, and for this node.
    #[cold]
    fn wake(&self, mut descendants: List<Node>) {
        wake_in_batches(|batch| {
            while let Some(first) = descendants.front() {
                // SAFETY: kept alive by its count.
                if let Fill::More = unsafe { first.as_ref() }.collect(batch) {
                    return Fill::More;
                }
                descendants.pop_front();
                // SAFETY: taken by `cancel`, and not needed any more.
                unsafe { Arc::decrement_strong_count(first.as_ptr()) };
            }
            self.node().collect(batch)
        });
    }

    /// Unlinks the node, which is about to lose its last handle. Its children go on as its parent's.
    fn leave(&self) {
        let mut state = self.node().state.lock();
        while let Some(parent) = state.parent {
            // SAFETY: the node is linked, since its lock was free (I1); so its parent is alive (I2).
            let above = unsafe { parent.as_ref() };
            if let Some(mut above) = above.try_lock() {
                return self.leave_parent(&mut state, parent, &mut above);
            }
            // The parent's lock comes first (I3), and the parent has to be there until then.
            // SAFETY: read under the lock that is still held.
            let kept = unsafe { Self::keep(parent) };
            drop(state);
            let mut above = kept.state.lock();
            state = self.node().state.lock();
            if state.parent == Some(parent) {
                return self.leave_parent(&mut state, parent, &mut above);
            }
            // Cancelled or adopted meanwhile.
        }
        while let Some(child) = state.children.pop_front() {
            // SAFETY: linked until just now, under a lock that is still held, so it is alive (I2).
            unsafe { child.as_ref() }.state.lock().parent = None;
        }
    }

    /// Keeps a node's parent alive.
    ///
    /// # Safety
    ///
    /// `parent` is what the node's state says, and the lock of that has been held since.
    unsafe fn keep(parent: NonNull<Node>) -> Arc<Node> {
        // SAFETY: alive, since a node that is linked is under its lock (I1, I2).
        unsafe { Arc::increment_strong_count(parent.as_ptr()) };
        // SAFETY: owns the count just taken.
        unsafe { Arc::from_raw(parent.as_ptr().cast_const()) }
    }

    /// Called with both locks held.
    fn leave_parent(&self, state: &mut State, parent: NonNull<Node>, above: &mut State) {
        // SAFETY: linked there, since its lock was free (I1).
        unsafe { above.children.remove(self.0) };
        state.parent = None;
        above.adopt(parent, state);
    }

    /// Queues `waiter`, or gives it another waker, unless the node is cancelled. Returns whether it is.
    ///
    /// # Safety
    ///
    /// The caller owns `waiter`, waits with it for this node only, and calls [`forget`](Self::forget) before it is
    /// dropped.
    pub(super) unsafe fn wait(&self, waiter: Pin<&Waiter<()>>, waker: Waker) -> bool {
        let mut state = self.node().state.lock();
        if self.node().cancelled.load(Relaxed) {
            drop(state);
            return true;
        }
        let old = if waiter.is_queued() {
            // SAFETY: the lock is held.
            unsafe { waiter.replace_waker(Some(waker)) }
        } else {
            // SAFETY: passed on; it is in no list.
            unsafe { state.waiters.push_back(waiter, Some(waker)) }
        };
        drop(state);
        drop(old);
        false
    }

    /// Takes `waiter` out of the queue, if it is still there.
    ///
    /// # Safety
    ///
    /// The caller owns `waiter`, and waited with it for this node only.
    pub(super) unsafe fn forget(&self, waiter: &Waiter<()>) {
        if !waiter.is_queued() {
            return;
        }
        let mut state = self.node().state.lock();
        if waiter.is_queued() {
            // SAFETY: passed on: it is queued, so it is queued here.
            let waker = unsafe { state.waiters.remove(waiter) };
            drop(state);
            drop(waker);
        }
    }
}
