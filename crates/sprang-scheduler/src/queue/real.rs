//! The run queues over crossbeam-deque.

use crossbeam_deque::{Steal, Worker};

use super::Item;

/// A worker's own queue.
#[derive(Debug)]
pub(crate) struct Local<T>(Worker<T>);

/// The thieves' end of a worker's queue.
#[derive(Debug)]
pub(crate) struct Stealer<T>(crossbeam_deque::Stealer<T>);

/// The queue for tasks that come from outside of the workers.
#[derive(Debug)]
pub(crate) struct Injector<T>(crossbeam_deque::Injector<T>);

impl<T: Item> Local<T> {
    pub(crate) fn new() -> Self {
        Self(Worker::new_fifo())
    }

    pub(crate) fn stealer(&self) -> Stealer<T> {
        Stealer(self.0.stealer())
    }

    /// Adds an item at the back.
    #[inline]
    pub(crate) fn push(&self, item: T) {
        self.0.push(item);
    }

    /// Takes the item at the front.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        self.0.pop()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T: Item> Stealer<T> {
    /// Moves up to half of the queue to `into`, and takes one of that.
    pub(crate) fn steal_into(&self, into: &Local<T>) -> Option<T> {
        until_decided(|| self.0.steal_batch_and_pop(&into.0))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes one item.
    pub(crate) fn steal(&self) -> Option<T> {
        until_decided(|| self.0.steal())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Item> Injector<T> {
    pub(crate) fn new() -> Self {
        Self(crossbeam_deque::Injector::new())
    }

    #[inline]
    pub(crate) fn push(&self, item: T) {
        self.0.push(item);
    }

    /// Moves a batch to `into`, and takes one of that.
    #[inline]
    pub(crate) fn steal_into(&self, into: &Local<T>) -> Option<T> {
        until_decided(|| self.0.steal_batch_and_pop(&into.0))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes one item.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        until_decided(|| self.0.steal())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Steals until it succeeds or there is nothing: a retry means that another thread got something.
#[inline]
fn until_decided<T>(mut steal: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(item) => return Some(item),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
