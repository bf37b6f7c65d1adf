//! The intrusive doubly linked list.
//!
//! Purpose: owned tasks, timer entries and waiters link themselves through fields of their own: nothing is allocated
//! to insert, and a node is unlinked in constant time.
//!
//! Called by: `scheduler::task::owned`, the timer wheel's slots, the wait lists of `sprang-sync`, the reactor's
//! readiness waiters.
//!
//! Invariants:
//! - I1: a list never reads or writes a node that is not linked into it.
//! - I2: `head` and `tail` are both `None` or both `Some`; a node in the middle has both neighbours.
//! - I3: whoever holds the list exclusively (`&mut`) holds the links of all its nodes exclusively. A node's links are
//!   touched by nobody else.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::primitive::cell::UnsafeCell;

/// How a list finds the links inside a node.
///
/// # Safety
///
/// `links` returns a pointer to a field of the node that is always the same one, without forming a reference to the
/// node. A node is not moved while it is linked.
pub unsafe trait Linked {
    /// The type of a node.
    type Node;

    /// The node's links.
    ///
    /// # Safety
    ///
    /// `node` points to a live node.
    unsafe fn links(node: NonNull<Self::Node>) -> NonNull<Links<Self::Node>>;
}

/// The links of a node: a field that the list owns while the node is linked.
pub struct Links<N>(UnsafeCell<Pointers<N>>);

struct Pointers<N> {
    prev: Option<NonNull<N>>,
    next: Option<NonNull<N>>,
}

// SAFETY: links hold pointers that only the owner of the list follows (I3).
unsafe impl<N> Send for Links<N> {}
// SAFETY: as for `Send`; a shared `Links` offers no access.
unsafe impl<N> Sync for Links<N> {}

impl<N> Links<N> {
    /// Links of a node that is in no list.
    pub fn new() -> Self {
        Self(UnsafeCell::new(Pointers { prev: None, next: None }))
    }
}

impl<N> Default for Links<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N> fmt::Debug for Links<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links")
    }
}

/// A list of nodes that live elsewhere.
pub struct List<L: Linked> {
    head: Option<NonNull<L::Node>>,
    tail: Option<NonNull<L::Node>>,
    _linked: PhantomData<fn() -> L>,
}

// SAFETY: the list is a pair of pointers; who may follow them is up to the callers of its unsafe functions, which
// require exclusive access to the links (I3).
unsafe impl<L: Linked> Send for List<L> {}
// SAFETY: a shared list only compares its head with `None`.
unsafe impl<L: Linked> Sync for List<L> {}

impl<L: Linked> Default for List<L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: Linked> fmt::Debug for List<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("head", &self.head)
            .field("tail", &self.tail)
            .finish()
    }
}

impl<L: Linked> List<L> {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            head: None,
            tail: None,
            _linked: PhantomData,
        }
    }

    /// Whether no node is linked.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// The node at the front.
    #[inline]
    pub fn front(&self) -> Option<NonNull<L::Node>> {
        self.head
    }

    /// The node at the back.
    #[inline]
    pub fn back(&self) -> Option<NonNull<L::Node>> {
        self.tail
    }

    /// Links `node` at the front.
    ///
    /// # Safety
    ///
    /// `node` is live, in no list, and stays live and in place until it is unlinked.
    #[inline]
    pub unsafe fn push_front(&mut self, node: NonNull<L::Node>) {
        // SAFETY: the node is live, and in no list, so its links are ours (I3).
        unsafe {
            Self::set(
                node,
                Pointers {
                    prev: None,
                    next: self.head,
                },
            )
        };
        match self.head {
            // SAFETY: the head is linked in this list.
            Some(head) => unsafe { Self::pointers(head, |links| links.prev = Some(node)) },
            None => self.tail = Some(node),
        }
        self.head = Some(node);
    }

    /// Links `node` at the back.
    ///
    /// # Safety
    ///
    /// As for [`push_front`](Self::push_front).
    #[inline]
    pub unsafe fn push_back(&mut self, node: NonNull<L::Node>) {
        // SAFETY: the node is live, and in no list, so its links are ours (I3).
        unsafe {
            Self::set(
                node,
                Pointers {
                    prev: self.tail,
                    next: None,
                },
            )
        };
        match self.tail {
            // SAFETY: the tail is linked in this list.
            Some(tail) => unsafe { Self::pointers(tail, |links| links.next = Some(node)) },
            None => self.head = Some(node),
        }
        self.tail = Some(node);
    }

    /// Unlinks and returns the front.
    #[inline]
    pub fn pop_front(&mut self) -> Option<NonNull<L::Node>> {
        let node = self.head?;
        // SAFETY: the head is linked in this list.
        unsafe { self.remove(node) };
        Some(node)
    }

    /// Unlinks and returns the back.
    #[inline]
    pub fn pop_back(&mut self) -> Option<NonNull<L::Node>> {
        let node = self.tail?;
        // SAFETY: the tail is linked in this list.
        unsafe { self.remove(node) };
        Some(node)
    }

    /// The node after `node`.
    ///
    /// # Safety
    ///
    /// `node` is linked in this list.
    #[inline]
    pub unsafe fn next(&self, node: NonNull<L::Node>) -> Option<NonNull<L::Node>> {
        // SAFETY: passed on.
        unsafe { L::links(node).as_ref() }.0.with(|links| {
            // SAFETY: holding the list is holding the links (I3).
            unsafe { (*links).next }
        })
    }

    /// Unlinks `node`.
    ///
    /// # Safety
    ///
    /// `node` is linked in this list.
    #[inline]
    pub unsafe fn remove(&mut self, node: NonNull<L::Node>) {
        // SAFETY: the node is linked here, so its links are ours (I3).
        let Pointers { prev, next } = unsafe { Self::set(node, Pointers { prev: None, next: None }) };
        match prev {
            // SAFETY: the neighbour of a linked node is linked (I2).
            Some(prev) => unsafe { Self::pointers(prev, |links| links.next = next) },
            None => self.head = next,
        }
        match next {
            // SAFETY: as above.
            Some(next) => unsafe { Self::pointers(next, |links| links.prev = prev) },
            None => self.tail = prev,
        }
    }

    /// Takes all nodes out, as a list of their own.
    #[inline]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Moves all nodes of `other` to the back of this list, in their order.
    #[inline]
    pub fn append(&mut self, other: &mut Self) {
        let List { head, tail, .. } = other.take();
        let Some(first) = head else { return };
        match self.tail {
            Some(last) => {
                // SAFETY: the tail is linked in this list.
                unsafe { Self::pointers(last, |links| links.next = head) };
                // SAFETY: the head of the other list was linked there, and is this list's now.
                unsafe { Self::pointers(first, |links| links.prev = Some(last)) };
            }
            None => self.head = head,
        }
        self.tail = tail;
    }

    /// # Safety
    ///
    /// The links of `node` are this list's to touch.
    #[inline]
    unsafe fn pointers<R>(node: NonNull<L::Node>, f: impl FnOnce(&mut Pointers<L::Node>) -> R) -> R {
        // SAFETY: passed on.
        unsafe { L::links(node).as_ref() }.0.with_mut(|links| {
            // SAFETY: passed on: nobody else touches these links.
            f(unsafe { &mut *links })
        })
    }

    /// # Safety
    ///
    /// As for [`pointers`](Self::pointers).
    #[inline]
    unsafe fn set(node: NonNull<L::Node>, new: Pointers<L::Node>) -> Pointers<L::Node> {
        // SAFETY: passed on.
        unsafe { Self::pointers(node, |links| std::mem::replace(links, new)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entry {
        value: u32,
        links: Links<Entry>,
    }

    // SAFETY: the links are one field, reached through a raw pointer.
    unsafe impl Linked for Entry {
        type Node = Entry;

        unsafe fn links(node: NonNull<Entry>) -> NonNull<Links<Entry>> {
            // SAFETY: the node is live, so its field is in bounds and not null.
            unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).links) }
        }
    }

    fn entries(n: u32) -> Vec<NonNull<Entry>> {
        (0..n)
            .map(|value| {
                NonNull::from(Box::leak(Box::new(Entry {
                    value,
                    links: Links::new(),
                })))
            })
            .collect()
    }

    fn drain(list: &mut List<Entry>) -> Vec<u32> {
        std::iter::from_fn(|| list.pop_front())
            .map(|entry| {
                // SAFETY: the entry was leaked by `entries` and is unlinked now.
                unsafe { Box::from_raw(entry.as_ptr()) }.value
            })
            .collect()
    }

    #[test]
    fn nodes_come_out_in_order() {
        let mut list = List::<Entry>::new();
        for entry in entries(4) {
            // SAFETY: a fresh entry.
            unsafe { list.push_back(entry) };
        }
        assert_eq!(drain(&mut list), [0, 1, 2, 3]);
        assert!(list.is_empty());
        assert!(list.back().is_none());
    }

    #[test]
    fn any_node_can_be_removed() {
        for victim in 0..3 {
            let mut list = List::<Entry>::new();
            let nodes = entries(3);
            for entry in nodes.iter().rev() {
                // SAFETY: a fresh entry.
                unsafe { list.push_front(*entry) };
            }
            // SAFETY: linked just above.
            unsafe { list.remove(nodes[victim]) };
            // SAFETY: leaked by `entries`, unlinked now.
            drop(unsafe { Box::from_raw(nodes[victim].as_ptr()) });
            let left: Vec<u32> = (0..3).filter(|value| *value != victim as u32).collect();
            assert_eq!(drain(&mut list), left);
        }
    }

    #[test]
    fn appended_nodes_come_out_after_those_before() {
        for (left, right) in [(0, 0), (0, 2), (2, 0), (2, 3)] {
            let mut lists = [List::<Entry>::new(), List::<Entry>::new()];
            for (i, entry) in entries(left + right).into_iter().enumerate() {
                // SAFETY: a fresh entry.
                unsafe { lists[usize::from(i >= left as usize)].push_back(entry) };
            }
            let [mut list, mut other] = lists;
            list.append(&mut other);
            assert!(other.is_empty());
            for entry in entries(1) {
                // SAFETY: a fresh entry.
                unsafe { list.push_back(entry) };
            }
            let mut expected: Vec<u32> = (0..left + right).collect();
            expected.push(0);
            assert_eq!(drain(&mut list), expected);
        }
    }
}
