//! A list that only grows, up to a capacity fixed at its start.
//!
//! Purpose: what all threads see of each worker, where workers (spare ones) can be added while others look.
//!
//! Invariants:
//! - I1: entries below `len` are set, and neither moved nor removed while the list lives.

use std::ops::Index;
use std::sync::OnceLock;

use crossbeam_utils::CachePadded;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Release};

/// The list.
#[derive(Debug)]
pub(super) struct Slots<T> {
    entries: Box<[OnceLock<Box<CachePadded<T>>>]>,
    len: AtomicUsize,
}

impl<T> Slots<T> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: (0..capacity).map(|_| OnceLock::new()).collect(),
            len: AtomicUsize::new(0),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry. One thread at a time may do so.
    ///
    /// # Panics
    ///
    /// If the list is full.
    pub(super) fn push(&self, value: T) {
        let len = self.len();
        let set = self.entries[len].set(Box::new(CachePadded::new(value)));
        assert!(set.is_ok(), "one thread at a time adds entries");
        // ORDERING: pairs with `len`: who sees the length sees the entry (I1).
        self.len.store(len + 1, Release);
    }

    pub(super) fn len(&self) -> usize {
        // ORDERING: pairs with `push` (I1).
        self.len.load(Acquire)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        (0..self.len()).map(|index| &self[index])
    }
}

impl<T> Index<usize> for Slots<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        self.entries[index]
            .get()
            .expect("the index of an entry that was pushed")
    }
}
