//! Tasks and wakers that yielded: they run again after the driver was looked at.
//!
//! Purpose: a task that gives way does so to all other ready tasks and to I/O and timers, not only to the queue that
//! it is in.
//!
//! Data flow: `coop::defer` → a scheduler's defer hook → [`Yielding::defer`]; end of the poll → `reschedule` →
//! [`Yielding::take_yielded`] → [`Yielding::push`]; the run loop → [`Yielding::drain`] after it polled the driver.
//!
//! A task that yields by its own waker, the common case, costs no reference: it is marked, and queued here by custody
//! when its poll ends.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use crate::panics::survive;
use crate::task::{Notified, current_header};

/// What yielded on one thread.
#[derive(Debug)]
pub(crate) struct Yielding {
    /// Whether the task that runs has yielded in this poll.
    yielded: Cell<bool>,
    tasks: RefCell<Vec<Notified>>,
    wakers: RefCell<Vec<Waker>>,
}

impl Yielding {
    pub(crate) fn new() -> Self {
        Self {
            yielded: Cell::new(false),
            tasks: RefCell::new(Vec::new()),
            wakers: RefCell::new(Vec::new()),
        }
    }

    /// A poll begins.
    #[inline]
    pub(crate) fn reset(&self) {
        self.yielded.set(false);
    }

    /// The future that runs wants to be woken after the driver was looked at.
    pub(crate) fn defer(&self, waker: &Waker) {
        let own = current_header().is_some_and(|task| waker.data() == task.as_ptr().cast_const().cast());
        if own {
            self.yielded.set(true);
            waker.wake_by_ref();
        } else {
            let waker = waker.clone();
            self.wakers.borrow_mut().push(waker);
        }
    }

    /// Whether the task whose poll just ended yielded.
    #[inline]
    pub(crate) fn take_yielded(&self) -> bool {
        self.yielded.replace(false)
    }

    /// Keeps a task that yielded.
    #[inline]
    pub(crate) fn push(&self, task: Notified) {
        self.tasks.borrow_mut().push(task);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.borrow().is_empty() && self.wakers.borrow().is_empty()
    }

    /// Passes on the tasks that yielded, in order, and wakes the wakers.
    pub(crate) fn drain(&self, mut queue: impl FnMut(Notified)) {
        // Queueing runs no user code; waking does, and that may defer again.
        self.tasks.borrow_mut().drain(..).for_each(&mut queue);
        let mut wakers = self.wakers.take();
        wakers.drain(..).for_each(|waker| survive(|| waker.wake()));
        let mut current = self.wakers.borrow_mut();
        if current.is_empty() {
            // Keep the allocation.
            *current = wakers;
        }
    }
}
