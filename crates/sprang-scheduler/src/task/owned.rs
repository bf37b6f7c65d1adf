//! The owned set: the idle tasks of a scheduler, so that they can be dropped when it ends.
//!
//! Purpose: a waker alone does not keep a task reachable; the set does. It is one [`Shard`] per worker: a worker
//! enters tasks into its own, so the locks are nearly always free.
//!
//! Data flow: `harness` → `Schedule::bind` → [`Shard::bind`]; on completion, on any worker, [`Shard::release`]; at the
//! end of the runtime [`Shard::close`].
//!
//! Invariants:
//! - I1: a task in a list is not COMPLETE: its runner releases it first.
//! - I2: `links` of a task and `len` change under the shard's lock.
//! - I3: after `close` a shard only shrinks: idle tasks were taken out and cancelled, the others are marked as
//!   cancelled and come out through their queue or their runner. A scheduler has ended when all shards are closed and
//!   empty.

use std::ptr::NonNull;

use sprang_core::list::List;
use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::{Acquire, Release};

use super::cell::Header;
use super::harness::cancel;
use super::state::ToShutdown;
use crate::dump::{TaskRecord, TaskState};

/// The shard index of a task that is in no shard.
pub(super) const UNBOUND: u32 = u32::MAX;

/// A part of the owned set.
#[derive(Debug)]
pub(crate) struct Shard {
    tasks: Mutex<Tasks>,
    /// The number of tasks, readable without the lock.
    len: AtomicUsize,
}

#[derive(Debug)]
struct Tasks {
    list: List<Header>,
    len: usize,
    closed: bool,
}

impl Shard {
    pub(crate) fn new() -> Self {
        Self {
            tasks: Mutex::new(Tasks {
                list: List::new(),
                len: 0,
                closed: false,
            }),
            len: AtomicUsize::new(0),
        }
    }

    /// The index of the shard that a task is in, among its scheduler's.
    ///
    /// # Safety
    ///
    /// The caller runs the task, which is bound.
    pub(crate) unsafe fn index_of(task: NonNull<Header>) -> usize {
        // SAFETY: the runner's custody includes a reference.
        unsafe { task.as_ref() }.shard.with(|shard| {
            // SAFETY: the index is the runner's (I4 of `super`).
            unsafe { *shard as usize }
        })
    }

    /// Enters a task; `false` if the shard is closed.
    ///
    /// # Safety
    ///
    /// The caller has the custody of the task, as its runner or its spawner, and it is in no shard. `index` is this
    /// shard's.
    pub(crate) unsafe fn bind(&self, task: NonNull<Header>, index: usize) -> bool {
        let mut tasks = self.tasks.lock();
        if tasks.closed {
            return false;
        }
        // SAFETY: the task lives until it completes, before which it is released (I1); it is in no list.
        unsafe { tasks.list.push_front(task) };
        tasks.len += 1;
        self.publish(&tasks);
        drop(tasks);
        // SAFETY: the runner's custody includes a reference.
        unsafe { task.as_ref() }.shard.with_mut(|shard| {
            // SAFETY: the index is the runner's (I4 of `super`).
            unsafe { *shard = index as u32 }
        });
        true
    }

    /// Takes a task out; returns whether that leaves the shard closed and empty.
    ///
    /// # Safety
    ///
    /// The caller runs the task, which is in this shard.
    pub(crate) unsafe fn release(&self, task: NonNull<Header>) -> bool {
        let mut tasks = self.tasks.lock();
        // SAFETY: the task is in this list.
        unsafe { tasks.list.remove(task) };
        tasks.len -= 1;
        self.publish(&tasks);
        tasks.closed && tasks.len == 0
    }

    fn publish(&self, tasks: &Tasks) {
        // ORDERING: pairs with `is_empty`: who sees an empty shard sees its last task released (I3).
        self.len.store(tasks.len, Release);
    }

    /// Whether the shard holds no task. Final once it is closed.
    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: pairs with `publish`.
        self.len.load(Acquire) == 0
    }

    /// The tasks, as they are at the moment.
    pub(crate) fn list(&self) -> Vec<TaskRecord> {
        let tasks = self.tasks.lock();
        let mut records = Vec::with_capacity(tasks.len);
        let mut next = tasks.list.front();
        while let Some(task) = next {
            // SAFETY: the task is in this list.
            next = unsafe { tasks.list.next(task) };
            // SAFETY: a task in the list is not complete, hence alive (I1).
            let header = unsafe { task.as_ref() };
            let state = header.state.load();
            records.push(TaskRecord {
                id: header.id,
                spawned_at: header.spawned_at,
                state: if state.is_running() {
                    TaskState::Running { worker: None }
                } else if state.is_notified() {
                    TaskState::Queued
                } else {
                    TaskState::Idle
                },
                track: None,
            });
        }
        records
    }

    /// Closes the shard, drops the futures of its idle tasks, and marks the others as cancelled. Returns how many it
    /// dropped.
    pub(crate) fn close(&self) -> usize {
        let mut dropped = 0;
        let mut idle = List::<Header>::new();
        {
            let mut tasks = self.tasks.lock();
            if std::mem::replace(&mut tasks.closed, true) {
                return 0;
            }
            let mut next = tasks.list.front();
            while let Some(task) = next {
                // SAFETY: the task is in this list.
                next = unsafe { tasks.list.next(task) };
                // SAFETY: a task in the list is not complete, hence alive (I1).
                match unsafe { task.as_ref() }.state.transition_to_shutdown() {
                    ToShutdown::Later => {}
                    ToShutdown::Cancel => {
                        // SAFETY: the task is in this list.
                        unsafe { tasks.list.remove(task) };
                        // SAFETY: and in none now; RUNNING, which we took, keeps it alive.
                        unsafe { idle.push_back(task) };
                        // SAFETY: as above.
                        unsafe { task.as_ref() }.shard.with_mut(|shard| {
                            // SAFETY: the index is the runner's (I4 of `super`), which we are.
                            unsafe { *shard = UNBOUND }
                        });
                    }
                }
            }
            // The tasks to cancel still count: the scheduler must outlive the drop of their futures.
        }
        while let Some(task) = idle.pop_front() {
            // SAFETY: RUNNING is ours since `transition_to_shutdown`.
            unsafe { cancel(task) };
            dropped += 1;
            let mut tasks = self.tasks.lock();
            tasks.len -= 1;
            self.publish(&tasks);
        }
        dropped
    }
}
