//! A set of join handles that tells which task has finished.
//!
//! Purpose: what a `JoinSet` is made of: waiting for any of many tasks without asking all of them.
//!
//! Data flow: a task that completes → its join waker, a [`Member`] → the key of its slot goes to [`Finished`], and the
//! waiter is woken → [`HandleSet::poll_next`] takes the key, and the output from the handle in that slot.
//!
//! Invariants:
//! - I1: a key is pushed after its task is complete, or is stale: its handle was dropped while the task completed. So a
//!   key whose slot holds no finished handle means nothing.
//! - I2: a task in the set that completes has its key pushed: by the waker, or by [`HandleSet::insert`] if it was
//!   complete before the waker was registered.
//! - I3: the waiter registers before it looks at the keys for the last time; a key is pushed before the waiter is
//!   woken.
//!
//! Memory ordering: keys change hands under their lock; I3 rests on [`AtomicWaker`].
//!
//! Models: `models::*`.
//!
//! Cost: slots keep their wakers for the next task, so an insertion allocates only where the set becomes larger than
//! it ever was (32 bytes and the slot). Finished keys are taken a batch at a time: one lock a batch.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::atomic_waker::AtomicWaker;
use sprang_core::coop;
use sprang_core::primitive::sync::Mutex;

use super::error::JoinError;
use super::id::Id;
use super::join::{AbortHandle, JoinHandle};

/// Join handles of tasks with the same output. Dropping it aborts them all.
pub struct HandleSet<T> {
    slots: Vec<Slot<T>>,
    /// The keys of slots without a handle.
    vacant: Vec<usize>,
    /// Keys taken from `finished`, in the order in which the tasks finished.
    batch: VecDeque<usize>,
    finished: Arc<Finished>,
}

/// A place for a handle; its key is its index.
struct Slot<T> {
    handle: Option<JoinHandle<T>>,
    waker: Waker,
}

/// What completing tasks reach.
#[derive(Debug)]
struct Finished {
    keys: Mutex<VecDeque<usize>>,
    waiter: AtomicWaker,
}

/// The join waker of the task in one slot.
struct Member {
    key: usize,
    set: Arc<Finished>,
}

impl Wake for Member {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set.keys.lock().push_back(self.key);
        // Last (I3).
        self.set.waiter.wake();
    }
}

impl<T> HandleSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            batch: VecDeque::new(),
            finished: Arc::new(Finished {
                keys: Mutex::new(VecDeque::new()),
                waiter: AtomicWaker::new(),
            }),
        }
    }

    /// The number of handles.
    pub fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// Whether there are no handles.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a handle.
    pub fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        let key = match self.vacant.pop() {
            Some(key) => key,
            None => self.add_slot(),
        };
        let slot = &mut self.slots[key];
        if slot.handle.insert(handle).poll_complete(&slot.waker) {
            // Nobody else will say so (I2).
            slot.waker.wake_by_ref();
        }
        abort
    }

    fn add_slot(&mut self) -> usize {
        let key = self.slots.len();
        let set = Arc::clone(&self.finished);
        self.slots.push(Slot {
            handle: None,
            waker: Waker::from(Arc::new(Member { key, set })),
        });
        key
    }

    /// Takes the output of a task that has finished, or `None` if the set is empty. Spends the cooperative budget.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Id, Result<T, JoinError>)>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let mut next = self.next_finished();
        // What the drop of the waker before may do is no matter of this poll.
        let mut _before = None;
        if next.is_none() {
            _before = self.finished.waiter.replace(cx.waker());
            // Again (I3).
            next = self.next_finished();
        }
        match next {
            Some(key) => self.take(key, cx).map(Some),
            None => Poll::Pending,
        }
    }

    /// Takes the output of a task that has finished, if there is one.
    pub fn try_next(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        let key = self.next_finished()?;
        let mut cx = Context::from_waker(Waker::noop());
        match coop::unconstrained(|| self.take(key, &mut cx)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => unreachable!("a finished task is ready"),
        }
    }

    /// The key of a finished task.
    fn next_finished(&mut self) -> Option<usize> {
        loop {
            if self.batch.is_empty() {
                std::mem::swap(&mut self.batch, &mut *self.finished.keys.lock());
            }
            let key = self.batch.pop_front()?;
            let handle = self.slots[key].handle.as_ref();
            // Stale otherwise (I1).
            if handle.is_some_and(JoinHandle::is_finished) {
                return Some(key);
            }
        }
    }

    /// Takes the output of the finished task `key`, if the budget allows.
    fn take(&mut self, key: usize, cx: &mut Context<'_>) -> Poll<(Id, Result<T, JoinError>)> {
        let slot = &mut self.slots[key];
        let handle = slot.handle.as_mut().expect("a finished key has a handle");
        let id = handle.id();
        match Pin::new(handle).poll(cx) {
            Poll::Ready(output) => {
                slot.handle = None;
                self.vacant.push(key);
                Poll::Ready((id, output))
            }
            Poll::Pending => {
                self.batch.push_front(key);
                Poll::Pending
            }
        }
    }

    /// Aborts all tasks, which stay in the set.
    pub fn abort_all(&mut self) {
        for slot in &self.slots {
            if let Some(handle) = &slot.handle {
                handle.abort();
            }
        }
    }

    /// Drops all handles; the tasks go on.
    pub fn detach_all(&mut self) {
        for (key, slot) in self.slots.iter_mut().enumerate() {
            if slot.handle.take().is_some() {
                self.vacant.push(key);
            }
        }
    }
}

impl<T> Default for HandleSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for HandleSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> fmt::Debug for HandleSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleSet").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod models {
    use super::super::models::{Counted, Flag, queue, spawn};
    use super::*;
    use sprang_core::primitive::sync::atomic::AtomicBool;
    use sprang_core::primitive::{model, thread};
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    fn poll<T>(set: &mut HandleSet<T>, waker: &Waker) -> Poll<Option<T>> {
        let next = set.poll_next(&mut Context::from_waker(waker));
        next.map(|next| next.map(|(_, output)| output.unwrap()))
    }

    /// The output of the next task; a poll that is pending must have been followed by a wake-up when `ended` returns.
    fn next<T>(set: &mut HandleSet<T>, ended: impl FnOnce()) -> Option<T> {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        if let Poll::Ready(next) = poll(set, &Waker::from(Arc::clone(&flag))) {
            return next;
        }
        ended();
        assert!(flag.0.load(Relaxed), "the waiter was not woken");
        match poll(set, Waker::noop()) {
            Poll::Ready(next) => next,
            Poll::Pending => panic!("the output was lost"),
        }
    }

    #[test]
    fn a_task_that_completes_is_seen_or_wakes_the_waiter() {
        model(|| {
            let queue = queue();
            let (task, handle) = spawn(&queue, async { Box::new(7) });
            let running = thread::spawn(move || task.run());
            let mut set = HandleSet::new();
            set.insert(handle);
            assert_eq!(next(&mut set, || running.join().unwrap()), Some(Box::new(7)));
            assert!(matches!(poll(&mut set, Waker::noop()), Poll::Ready(None)));
        });
    }

    #[test]
    fn tasks_that_complete_at_once_are_all_seen() {
        model(|| {
            let queue = queue();
            let mut set = HandleSet::new();
            let running = [1, 2].map(|number| {
                let (task, handle) = spawn(&queue, async move { number });
                set.insert(handle);
                thread::spawn(move || task.run())
            });
            let [first, second] = running;
            let early = poll(&mut set, Waker::noop());
            first.join().unwrap();
            second.join().unwrap();
            let mut sum = match early {
                Poll::Ready(next) => next.unwrap(),
                Poll::Pending => 0,
            };
            while let Some((_, output)) = set.try_next() {
                sum += output.unwrap();
            }
            assert_eq!(sum, 3);
            assert!(set.is_empty());
        });
    }

    #[test]
    fn a_stale_key_does_not_touch_the_next_task_of_its_slot() {
        model(|| {
            let queue = queue();
            let mut set = HandleSet::new();
            let drops = Arc::new(AtomicUsize::new(0));
            let counted = Counted(Arc::clone(&drops));
            let (task, handle) = spawn(&queue, async move { Some(counted) });
            set.insert(handle);
            let running = thread::spawn(move || task.run());
            set.detach_all();
            let (task, handle) = spawn(&queue, async { None });
            set.insert(handle);
            assert!(set.try_next().is_none(), "the task has not run");
            running.join().unwrap();
            assert_eq!(drops.load(Relaxed), 1);
            task.run();
            assert!(matches!(next(&mut set, || ()), Some(None)));
        });
    }
}
