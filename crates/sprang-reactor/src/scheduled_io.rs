//! One resource's readiness and waiters.
//!
//! Purpose: where the driver, which learns that a resource is ready, meets the tasks that wait for it. Knows neither
//! mio nor the table of resources, so that loom can run all of it.
//!
//! Data flow: driver → [`ScheduledIo::set_ready`], then [`ScheduledIo::collect`] → wakers. Task →
//! [`ScheduledIo::poll_ready`] (one waiter a direction, the last one wins) or [`ScheduledIo::readiness`] (any number)
//! → the operation → [`ScheduledIo::clear_ready`] when it would block.
//!
//! The readiness word:
//!
//! | tick | shut down | readiness |
//! |---|---|---|
//! | the rest | 1 bit | 16 bits |
//!
//! Invariants:
//! - I1: each event increments the tick, in the same step that sets its readiness. A clear names the tick it saw and
//!   changes nothing if there is a newer one: it cannot erase an event that it did not see.
//! - I2: a waiter is stored under the lock, and only after the word has been read again under the same lock; the driver
//!   changes the word first and takes the lock to collect waiters after. Whichever of the two holds the lock later
//!   sees what the other did: no wake-up is lost.
//! - I3: a waiter's node is linked from the moment it is pushed until `collect` unlinks it and sets `is_ready`, or
//!   until its future is dropped: both under the lock. `state` of a linked node is touched only under the lock.
//! - I4: wakers are cloned, dropped and woken outside the lock.
//! - I5: shut down and closed states are final: no clear removes them.
//!
//! Memory ordering: the word carries no data but itself (what was read or written lies in the kernel), and the lock
//! orders the word against the waiters (I2), so every access is Relaxed.
//!
//! Models: `an_event_is_never_missed_by_a_poll`, `an_event_is_never_missed_by_a_listed_waiter`,
//! `a_clear_never_erases_a_newer_event`, `a_waiter_dropped_against_its_wake_is_unlinked_once`,
//! `shutdown_reaches_every_waiter`.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use sprang_core::list::{Linked, Links, List};
use sprang_core::primitive::cell::UnsafeCell;
use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::AtomicUsize;
use sprang_core::primitive::sync::atomic::Ordering::Relaxed;
use sprang_core::waiting;
use sprang_core::wake_batch::WakeBatch;

use crate::interest::Interest;
use crate::ready::Ready;

/// What the task waits for that waits here.
const IO: &str = "I/O";

const SHUT_DOWN: usize = 1 << 16;
const TICK_SHIFT: u32 = 17;

/// Which of the two waiters that a resource has for poll functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The waiter for data to read.
    Read,
    /// The waiter for room to write.
    Write,
}

impl Direction {
    fn mask(self) -> Ready {
        match self {
            Self::Read => Ready::READABLE | Ready::READ_CLOSED,
            Self::Write => Ready::WRITABLE | Ready::WRITE_CLOSED,
        }
    }
}

/// The readiness that a waiter saw, and when: what a later clear may remove.
#[derive(Debug, Clone, Copy)]
pub struct ReadyEvent {
    tick: usize,
    ready: Ready,
    is_shut_down: bool,
}

impl ReadyEvent {
    fn new(word: usize, mask: Ready) -> Self {
        Self {
            tick: word >> TICK_SHIFT,
            ready: Ready::from_bits(word) & mask,
            is_shut_down: word & SHUT_DOWN != 0,
        }
    }

    /// The states that are ready.
    pub fn ready(&self) -> Ready {
        self.ready
    }

    /// Whether the driver is gone: nothing will become ready any more.
    pub fn is_shut_down(&self) -> bool {
        self.is_shut_down
    }

    /// The same event with other states: to clear only some of them.
    #[must_use]
    pub fn with_ready(self, ready: Ready) -> Self {
        Self { ready, ..self }
    }

    fn ends_a_wait(&self) -> bool {
        !self.ready.is_empty() || self.is_shut_down
    }
}

/// One resource's readiness and waiters. See the module.
pub struct ScheduledIo {
    word: AtomicUsize,
    waiters: Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    /// The waiters of the poll functions, by [`Direction`].
    polling: [Option<Waker>; 2],
    /// The waiters of [`ScheduledIo::readiness`], first come first.
    listed: List<Waiter>,
}

impl Default for ScheduledIo {
    fn default() -> Self {
        Self {
            word: AtomicUsize::new(0),
            waiters: Mutex::new(Waiters::default()),
        }
    }
}

impl fmt::Debug for ScheduledIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.event(Ready::ALL);
        f.debug_struct("ScheduledIo")
            .field("ready", &event.ready)
            .field("is_shut_down", &event.is_shut_down)
            .finish_non_exhaustive()
    }
}

impl ScheduledIo {
    /// Records an event. Its waiters are there for [`collect`](Self::collect).
    #[inline]
    pub fn set_ready(&self, ready: Ready) {
        let _ = self.word.fetch_update(Relaxed, Relaxed, |word| {
            Some((word | ready.bits()).wrapping_add(1 << TICK_SHIFT))
        });
    }

    /// Says that an operation is worth a try, without an event from the OS. For a resource that nobody waits for yet.
    pub fn assume_ready(&self, ready: Ready) {
        self.word.fetch_or(ready.bits(), Relaxed);
    }

    /// Removes the readiness of `event`, unless an event came after it (I1). Closed states stay (I5).
    #[inline]
    pub fn clear_ready(&self, event: ReadyEvent) {
        let cleared = (event.ready - Ready::CLOSED).bits();
        let _ = self.word.fetch_update(Relaxed, Relaxed, |word| {
            (word >> TICK_SHIFT == event.tick).then_some(word & !cleared)
        });
    }

    /// Makes all waits end, now and from now on. The waiters are there for [`collect`](Self::collect).
    pub fn shut_down(&self) {
        self.word.fetch_or(SHUT_DOWN, Relaxed);
    }

    /// What is ready of `interest`, at this moment.
    #[inline]
    pub fn ready_event(&self, interest: Interest) -> ReadyEvent {
        self.event(interest.mask())
    }

    #[inline]
    fn event(&self, mask: Ready) -> ReadyEvent {
        ReadyEvent::new(self.word.load(Relaxed), mask)
    }

    /// Moves the wakers of all waiters that `ready` satisfies into `batch`. To be called after the word changed (I2).
    ///
    /// Returns false if the batch is full: wake it, then call again.
    #[must_use = "waiters may be left"]
    pub fn collect(&self, ready: Ready, batch: &mut WakeBatch) -> bool {
        let mut waiters = self.waiters.lock();
        let Waiters { polling, listed } = &mut *waiters;
        for direction in [Direction::Read, Direction::Write] {
            let slot = &mut polling[direction as usize];
            if slot.is_none() || (ready & direction.mask()).is_empty() {
                continue;
            }
            if !batch.can_push() {
                return false;
            }
            batch.push(slot.take().expect("the slot is not empty"));
        }
        let mut next = listed.front();
        while let Some(node) = next {
            // SAFETY: the node is linked, and the lock is held (I3).
            next = unsafe { listed.next(node) };
            // SAFETY: a linked node is live (I3), and its mask never changes.
            let waiter = unsafe { node.as_ref() };
            if (ready & waiter.mask).is_empty() {
                continue;
            }
            if !batch.can_push() {
                return false;
            }
            // SAFETY: linked in this list, under the lock (I3).
            unsafe { listed.remove(node) };
            waiter.state.with_mut(|state| {
                // SAFETY: the lock is held (I3).
                let state = unsafe { &mut *state };
                state.is_ready = true;
                batch.push(state.waker.take().expect("a linked waiter has a waker"));
            });
        }
        true
    }

    /// What is ready of `direction`; if nothing is, the task is woken when something might be.
    ///
    /// Only the last task to call this for a direction is woken.
    #[inline]
    pub fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<ReadyEvent> {
        let event = self.event(direction.mask());
        if event.ends_a_wait() {
            return Poll::Ready(event);
        }
        self.poll_waiting(cx, direction)
    }

    fn poll_waiting(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<ReadyEvent> {
        let waker = cx.waker().clone();
        let (poll, unused) = {
            let mut waiters = self.waiters.lock();
            let event = self.event(direction.mask());
            let slot = &mut waiters.polling[direction as usize];
            match slot {
                _ if event.ends_a_wait() => (Poll::Ready(event), Some(waker)),
                Some(registered) if registered.will_wake(&waker) => (Poll::Pending, Some(waker)),
                slot => (Poll::Pending, slot.replace(waker)),
            }
        };
        // Outside the lock (I4).
        drop(unused);
        if poll.is_pending() {
            waiting::on(IO);
        }
        poll
    }

    /// Waits for any state of `interest`. Any number of tasks can wait at once.
    ///
    /// Cancel safe: a wait that is dropped loses nothing, readiness stays until it is cleared.
    pub fn readiness(&self, interest: Interest) -> Readiness<'_> {
        Readiness {
            io: self,
            stage: Cell::new(Stage::Idle),
            waiter: Waiter {
                links: Links::new(),
                mask: interest.mask(),
                state: UnsafeCell::new(WaiterState {
                    waker: None,
                    is_ready: false,
                }),
            },
            _pinned: PhantomPinned,
        }
    }
}

/// A node of the wait list: part of a [`Readiness`].
struct Waiter {
    links: Links<Waiter>,
    mask: Ready,
    state: UnsafeCell<WaiterState>,
}

struct WaiterState {
    waker: Option<Waker>,
    is_ready: bool,
}

// SAFETY: the links are one field, reached through a raw pointer; a node is pinned while linked.
unsafe impl Linked for Waiter {
    type Node = Self;

    unsafe fn links(node: NonNull<Self>) -> NonNull<Links<Self>> {
        // SAFETY: the node is live, so its field is in bounds and not null.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).links) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The node is not linked.
    Idle,
    /// The node was pushed: it is linked, or `is_ready` is set (I3).
    Waiting,
}

/// The future of [`ScheduledIo::readiness`].
#[must_use = "futures do nothing unless polled"]
pub struct Readiness<'a> {
    io: &'a ScheduledIo,
    stage: Cell<Stage>,
    waiter: Waiter,
    _pinned: PhantomPinned,
}

// SAFETY: a shared `Readiness` gives no access to its cells: `stage` is touched only through exclusive access to the
// future, `state` besides only under the lock (I3).
unsafe impl Sync for Readiness<'_> {}

impl fmt::Debug for Readiness<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("io", self.io).finish_non_exhaustive()
    }
}

impl Readiness<'_> {
    /// Links the node, unless there is something to return.
    fn start(&self, cx: &mut Context<'_>) -> Poll<ReadyEvent> {
        let event = self.io.event(self.waiter.mask);
        if event.ends_a_wait() {
            return Poll::Ready(event);
        }
        let waker = cx.waker().clone();
        let mut waiters = self.io.waiters.lock();
        let event = self.io.event(self.waiter.mask);
        if event.ends_a_wait() {
            drop(waiters);
            return Poll::Ready(event);
        }
        self.waiter.state.with_mut(|state| {
            // SAFETY: the node is not linked, so only its future reaches it (I3).
            let state = unsafe { &mut *state };
            state.is_ready = false;
            state.waker = Some(waker);
        });
        // SAFETY: the node is not linked; it is pinned, and its drop unlinks it (I3).
        unsafe { waiters.listed.push_back(NonNull::from(&self.waiter)) };
        self.stage.set(Stage::Waiting);
        waiting::on(IO);
        Poll::Pending
    }

    /// Keeps the waker of a linked node up to date; ready when the node has been collected.
    fn wait(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let (poll, unused) = {
            let _waiters = self.io.waiters.lock();
            self.waiter.state.with_mut(|state| {
                // SAFETY: the lock is held (I3).
                let state = unsafe { &mut *state };
                match &mut state.waker {
                    _ if state.is_ready => (Poll::Ready(()), Some(waker)),
                    Some(registered) if registered.will_wake(&waker) => (Poll::Pending, Some(waker)),
                    slot => (Poll::Pending, slot.replace(waker)),
                }
            })
        };
        // Outside the lock (I4).
        drop(unused);
        poll
    }
}

impl Future for Readiness<'_> {
    type Output = ReadyEvent;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ReadyEvent> {
        let this = self.as_ref().get_ref();
        if this.stage.get() == Stage::Waiting {
            if this.wait(cx).is_pending() {
                waiting::on(IO);
                return Poll::Pending;
            }
            this.stage.set(Stage::Idle);
        }
        // Another waiter may have used up the event that woke this one: then wait for the next.
        this.start(cx)
    }
}

impl Drop for Readiness<'_> {
    fn drop(&mut self) {
        if self.stage.get() == Stage::Idle {
            return;
        }
        let waker = {
            let mut waiters = self.io.waiters.lock();
            self.waiter.state.with_mut(|state| {
                // SAFETY: the lock is held (I3).
                let state = unsafe { &mut *state };
                if !state.is_ready {
                    // SAFETY: pushed and not collected: the node is linked (I3).
                    unsafe { waiters.listed.remove(NonNull::from(&self.waiter)) };
                }
                state.waker.take()
            })
        };
        // Outside the lock (I4).
        drop(waker);
    }
}

#[cfg(test)]
mod models;
#[cfg(test)]
mod tests;
