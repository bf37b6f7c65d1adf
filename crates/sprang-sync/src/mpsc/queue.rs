//! The queue under both channels: a linked list of small blocks, with the receiver's waker in its tail word.
//!
//! Purpose: many threads push, one pops. A block is recycled when it was read to its end, and freed when the queue runs
//! empty: an idle queue keeps one block. The tail word also says whether the receiver is parked, so that a push learns
//! by claiming its slot whether it has to wake somebody. Source of the block list: the unbounded channel of
//! crossbeam-channel, with a single consumer; source of the parking: own.
//!
//! Data flow: [`Queue::push`] → slot → [`Queue::pop`]; [`Queue::park`] → tail word → `push` → the receiver's waker.
//!
//! Cost, in atomic read-modify-writes: a push 1 (its claim), one more if it wakes the receiver, two more at the end of a
//! block; a pop 0, one more at the end of a block; parking 1, being polled again by the same task 0.
//!
//! Invariants:
//! - I1: an index belongs to whoever moved the tail past it. Each lap of the index has one more number than a block has
//!   slots: while the tail stands on it, the thread that claimed the last slot links the next block, and others wait.
//! - I2: `tail.block` is the block of the tail's lap, except in that moment. A thread touches a block only between its
//!   claim of a slot in it and its store to that slot's `ready`.
//! - I3: a slot's value belongs to the claimer until `ready`, then to the receiver. When the receiver has read a block
//!   to its end nobody else touches it (I2), and it is linked to the next (linking comes before `ready`).
//! - I4: the receiver's waker slot is written by the receiver only, while neither `PARKED` nor `WAKING` is set. The
//!   waker in it belongs to whoever replaces `PARKED` by `WAKING`, who reads it and clears `WAKING` before the wake, or
//!   by nothing, which only the receiver does.
//! - I5: `PARKED` is set only on an empty queue, and the first claim replaces it by `WAKING`; that pusher wakes the
//!   receiver after its value is ready. A receiver that finds a claimed slot not ready does not park: it comes again.
//! - I6: nothing is claimed after `CLOSED`, and nothing after `SENDERS_GONE`.
//!
//! Memory ordering: `push` (release store of `ready`) → `pop` (acquire): the value, and the link. Claims are AcqRel:
//! acquire, to see the block that the lap's first claimers see, and the parked waker; release, so that a block pointer
//! read before a claim cannot come from a later lap. `park` is AcqRel on the same word: of a claim and a park, the later
//! one sees the earlier one; no fence is needed.
//!
//! Models: `values_arrive_in_order_across_blocks`, `pushes_from_two_threads_both_arrive`, `a_parked_receiver_is_woken`,
//! `senders_that_leave_wake_the_receiver`, `what_is_done_before_wake_parked_is_seen_or_wakes`,
//! `a_closed_queue_takes_nothing`.

use std::any::Any;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;
use std::task::{Context, Waker};

use crossbeam_utils::CachePadded;
use sprang_core::primitive::cell::UnsafeCell;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use sprang_core::primitive::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
use sprang_core::primitive::{hint, thread};

use crate::waker_slot::WakerSlot;

/// Numbers in a lap of the index. Small under the model checker, so that models cross blocks.
const LAP: usize = if cfg!(sprang_loom) { 3 } else { 32 };
/// Slots in a block (I1).
const CAPACITY: usize = LAP - 1;

/// The receiver waits, with its waker in the slot (I4).
const PARKED: usize = 1;
/// Somebody is about to wake the receiver (I4).
const WAKING: usize = 1 << 1;
/// The last sender was dropped (I6).
const SENDERS_GONE: usize = 1 << 2;
/// The receiver takes no more (I6).
const CLOSED: usize = 1 << 3;
const SHIFT: u32 = 4;
const ONE: usize = 1 << SHIFT;

/// Rounds of spinning before a wait gives the processor to other threads.
const SPINS: u32 = if cfg!(sprang_loom) { 1 } else { 6 };

struct Block<T> {
    next: AtomicPtr<Block<T>>,
    ready: [AtomicBool; CAPACITY],
    values: [UnsafeCell<MaybeUninit<T>>; CAPACITY],
}

impl<T> Block<T> {
    fn allocate() -> Box<Self> {
        let mut block = Box::<Self>::new_uninit();
        let this = block.as_mut_ptr();
        // SAFETY: in bounds of the allocation.
        unsafe { (&raw mut (*this).next).write(AtomicPtr::new(null_mut())) };
        for slot in 0..CAPACITY {
            // SAFETY: as above.
            unsafe { (&raw mut (*this).ready[slot]).write(AtomicBool::new(false)) };
            // SAFETY: as above. The cell is written in place: a block of large values never lies on the stack.
            unsafe { (&raw mut (*this).values[slot]).write(UnsafeCell::new(MaybeUninit::uninit())) };
        }
        // SAFETY: all fields are written.
        unsafe { block.assume_init() }
    }
}

/// Frees a block.
///
/// # Safety
///
/// Nobody else uses the block, which came from [`Block::allocate`]. Its values were read.
unsafe fn free<T>(block: *mut Block<T>) {
    // SAFETY: passed on.
    drop(unsafe { Box::from_raw(block) });
}

/// The side of the senders.
struct Tail<T> {
    /// The flags, and from bit `SHIFT` on the next index to be claimed.
    position: AtomicUsize,
    block: AtomicPtr<Block<T>>,
    /// An empty block for the next lap, or null.
    spare: AtomicPtr<Block<T>>,
}

/// The side of the receiver.
struct Head<T> {
    cursor: UnsafeCell<Cursor<T>>,
    waker: WakerSlot,
}

struct Cursor<T> {
    index: usize,
    block: *mut Block<T>,
}

/// The queue.
pub(super) struct Queue<T> {
    tail: CachePadded<Tail<T>>,
    head: CachePadded<Head<T>>,
}

// SAFETY: values go from the threads that push to the one that pops.
unsafe impl<T: Send> Send for Queue<T> {}
// SAFETY: slots have one accessor at a time (I3), the cursor is the receiver's.
unsafe impl<T: Send> Sync for Queue<T> {}

/// What [`Queue::park`] came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Park {
    /// The queue is empty, and the task will be woken.
    Parked,
    /// A push or a wake-up is under way on another thread.
    InFlight,
    /// The queue is empty and stays so.
    Over,
}

/// Waits for another thread to get a few instructions further.
pub(super) struct Pause(u32);

impl Pause {
    pub(super) const fn new() -> Self {
        Self(0)
    }

    /// Spins; `false` when that has gone on for long.
    pub(super) fn spin(&mut self) -> bool {
        for _ in 0..1_u32 << self.0.min(SPINS) {
            hint::spin_loop();
        }
        self.0 += 1;
        self.0 <= SPINS
    }

    /// Spins, then yields the processor.
    pub(super) fn wait(&mut self) {
        if !self.spin() {
            thread::yield_now();
        }
    }
}

impl<T> Queue<T> {
    /// An empty queue.
    pub(super) fn new() -> Self {
        let block = Box::into_raw(Block::allocate());
        Self {
            tail: CachePadded::new(Tail {
                position: AtomicUsize::new(0),
                block: AtomicPtr::new(block),
                spare: AtomicPtr::new(null_mut()),
            }),
            head: CachePadded::new(Head {
                cursor: UnsafeCell::new(Cursor { index: 0, block }),
                waker: WakerSlot::new(),
            }),
        }
    }

    /// Appends `value` and wakes the receiver if it is parked. Gives the value back if the queue is closed.
    #[inline]
    pub(super) fn push(&self, value: T) -> Result<(), T> {
        let mut pause = Pause::new();
        let mut next = None;
        // ORDERING: pairs with the claim that moved the tail into this lap (I2).
        let mut position = self.tail.position.load(Acquire);
        let (block, offset) = loop {
            if position & CLOSED != 0 {
                return Err(value);
            }
            let offset = (position >> SHIFT) % LAP;
            if offset == CAPACITY {
                pause.wait();
                // ORDERING: as above.
                position = self.tail.position.load(Acquire);
                continue;
            }
            if offset + 1 == CAPACITY && next.is_none() {
                next = Some(self.take_spare().unwrap_or_else(Block::allocate));
            }
            // ORDERING: pairs with `link`; if the claim succeeds, this is the block of its lap (I2).
            let block = self.tail.block.load(Acquire);
            let claimed = position + ONE + (position & PARKED) * (WAKING - PARKED);
            // ORDERING: see above; acquire also pairs with `park` (I4).
            match self
                .tail
                .position
                .compare_exchange_weak(position, claimed, AcqRel, Acquire)
            {
                Ok(_) => break (block, offset),
                Err(now) => position = now,
            }
        };
        // SAFETY: the claimed slot keeps the block alive until it is ready (I2).
        let this = unsafe { &*block };
        if offset + 1 == CAPACITY {
            self.link(this, next);
        }
        this.values[offset].with_mut(|slot| {
            // SAFETY: the claimed slot is ours (I3).
            unsafe { (*slot).write(value) };
        });
        // ORDERING: pairs with `pop` (I3).
        this.ready[offset].store(true, Release);
        if position & PARKED != 0 {
            // SAFETY: our claim replaced PARKED by WAKING.
            unsafe { self.wake() };
        }
        Ok(())
    }

    /// Links the next block behind `last`, whose last slot the caller has claimed.
    #[cold]
    fn link(&self, last: &Block<T>, next: Option<Box<Block<T>>>) {
        let next = Box::into_raw(next.unwrap_or_else(Block::allocate));
        // ORDERING: pairs with the load in `push` (I2).
        self.tail.block.store(next, Release);
        // ORDERING: pairs with the claims of the next lap, which see the block (I2).
        self.tail.position.fetch_add(ONE, Release);
        // Seen by the receiver through `ready` of the last slot (I3).
        last.next.store(next, Relaxed);
    }

    /// Wakes the receiver.
    ///
    /// # Safety
    ///
    /// The caller has replaced PARKED by WAKING.
    #[cold]
    unsafe fn wake(&self) {
        // SAFETY: the waker is the caller's (I4).
        let waker = unsafe { self.head.waker.take() };
        // ORDERING: pairs with `park`: the slot was read (I4).
        self.tail.position.fetch_and(!WAKING, Release);
        waker.wake();
    }

    /// Wakes the receiver if it is parked, after the caller has changed something that the receiver looks at after
    /// it parked.
    #[cold]
    pub(super) fn wake_parked(&self) {
        self.set(0);
    }

    /// Marks that no sender is left.
    #[cold]
    pub(super) fn senders_gone(&self) {
        self.set(SENDERS_GONE);
    }

    /// Sets `flag` and wakes the receiver if it is parked.
    fn set(&self, flag: usize) {
        let mut position = self.tail.position.load(Relaxed);
        loop {
            let parked = position & PARKED;
            let next = (position | flag) + parked * (WAKING - PARKED);
            // ORDERING: acquire pairs with `park` (I4). Release, and a write even if nothing changes: a `park` that
            // comes later sees what the caller did before.
            match self
                .tail
                .position
                .compare_exchange_weak(position, next, AcqRel, Relaxed)
            {
                Ok(_) if parked != 0 => {
                    // SAFETY: PARKED was replaced by WAKING.
                    return unsafe { self.wake() };
                }
                Ok(_) => return,
                Err(now) => position = now,
            }
        }
    }

    /// Lets nothing in any more. Called by the receiver.
    pub(super) fn close(&self) {
        // ORDERING: pairs with `is_closed`; what is in the queue was claimed before.
        self.tail.position.fetch_or(CLOSED, AcqRel);
    }

    /// Whether the queue was [closed](Self::close).
    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: pairs with `close`.
        self.tail.position.load(Acquire) & CLOSED != 0
    }

    /// Takes the oldest value, if it is ready.
    ///
    /// # Safety
    ///
    /// Called by the receiver, from one place at a time.
    #[inline]
    pub(super) unsafe fn pop(&self) -> Option<T> {
        self.head.cursor.with_mut(|cursor| {
            // SAFETY: the cursor is the receiver's.
            let cursor = unsafe { &mut *cursor };
            // SAFETY: the receiver's block lives until it was read to its end (I3).
            let block = unsafe { &*cursor.block };
            let offset = cursor.index % LAP;
            // ORDERING: pairs with `push` (I3).
            if !block.ready[offset].load(Acquire) {
                return None;
            }
            let value = block.values[offset].with(|slot| {
                // SAFETY: it is ready, and read once, as the cursor moves on (I3).
                unsafe { (*slot).assume_init_read() }
            });
            cursor.index += 1;
            if offset + 1 == CAPACITY {
                // SAFETY: the last slot was read.
                unsafe { self.next_block(cursor) };
            }
            Some(value)
        })
    }

    /// Moves the cursor to the next block, and keeps the old one as the spare.
    ///
    /// # Safety
    ///
    /// Called by the receiver when it has read the block to its end.
    #[cold]
    unsafe fn next_block(&self, cursor: &mut Cursor<T>) {
        let old = cursor.block;
        // SAFETY: nobody else uses the block any more (I3), nor will before it is handed out again.
        let block = unsafe { &*old };
        // Linked before the last slot was ready (I3).
        cursor.block = block.next.load(Relaxed);
        cursor.index += 1;
        for ready in &block.ready {
            ready.store(false, Relaxed);
        }
        // ORDERING: pairs with `take_spare`: the flags are reset.
        let spare = self.tail.spare.swap(old, AcqRel);
        if !spare.is_null() {
            // SAFETY: a spare belongs to whoever swaps it out, and its values were read.
            unsafe { free(spare) };
        }
    }

    fn take_spare(&self) -> Option<Box<Block<T>>> {
        if self.tail.spare.load(Relaxed).is_null() {
            return None;
        }
        // ORDERING: pairs with `next_block`.
        let spare = self.tail.spare.swap(null_mut(), Acquire);
        if spare.is_null() {
            return None;
        }
        // SAFETY: a spare came from `Block::allocate`, and belongs to whoever swaps it out.
        Some(unsafe { Box::from_raw(spare) })
    }

    /// Leaves the task's waker for the next push, if the queue is empty.
    ///
    /// # Safety
    ///
    /// Called by the receiver, from one place at a time.
    pub(super) unsafe fn park(&self, cx: &Context<'_>) -> Park {
        let waker = cx.waker();
        let mut own = None;
        loop {
            // ORDERING: pairs with `wake` (I4), and with `set`.
            let position = self.tail.position.load(Acquire);
            // SAFETY: passed on.
            if position >> SHIFT != unsafe { self.index() } {
                return self.in_flight(position, waker);
            }
            if position & (SENDERS_GONE | CLOSED) != 0 {
                return Park::Over;
            }
            if position & (PARKED | WAKING) != 0 {
                // SAFETY: only this side writes to the slot (I4).
                let same = unsafe { self.head.waker.will_wake(waker) };
                if same {
                    return Park::Parked;
                }
                if position & WAKING != 0 {
                    // The slot is being read, and free again in a moment.
                    return Park::InFlight;
                }
                // SAFETY: passed on.
                drop(unsafe { self.unpark() });
                continue;
            }
            let mine = own.take().unwrap_or_else(|| waker.clone());
            // SAFETY: neither bit is set (I4).
            unsafe { self.head.waker.put(mine) };
            // ORDERING: release hands the waker over (I4); acquire sees what `set` stands for.
            match self
                .tail
                .position
                .compare_exchange(position, position | PARKED, AcqRel, Relaxed)
            {
                Ok(_) => {
                    drop(self.take_spare());
                    return Park::Parked;
                }
                Err(_) => {
                    // SAFETY: PARKED was not set, so the waker is still ours.
                    own = Some(unsafe { self.head.waker.take() });
                }
            }
        }
    }

    /// A claimed slot is not ready. With a wake-up of the same task under way there is nothing to do.
    #[cold]
    fn in_flight(&self, position: usize, waker: &Waker) -> Park {
        // SAFETY: called by the receiver, the only one that writes to the slot (I4).
        if position & WAKING != 0 && unsafe { self.head.waker.will_wake(waker) } {
            return Park::Parked;
        }
        Park::InFlight
    }

    /// Takes the receiver's own waker back, if nobody is about to wake it.
    ///
    /// # Safety
    ///
    /// Called by the receiver, from one place at a time.
    pub(super) unsafe fn unpark(&self) -> Option<Waker> {
        let mut position = self.tail.position.load(Relaxed);
        while position & PARKED != 0 {
            // ORDERING: none: this thread, or one it has synchronised with, wrote the slot.
            match self
                .tail
                .position
                .compare_exchange_weak(position, position & !PARKED, Relaxed, Relaxed)
            {
                // SAFETY: PARKED was cleared by us (I4).
                Ok(_) => return Some(unsafe { self.head.waker.take() }),
                Err(now) => position = now,
            }
        }
        None
    }

    /// Whether the queue is empty, and stays so: `None` if it is not empty.
    ///
    /// # Safety
    ///
    /// Called by the receiver.
    pub(super) unsafe fn empty_for_good(&self) -> Option<bool> {
        // ORDERING: pairs with `set` and `push`.
        let position = self.tail.position.load(Acquire);
        // SAFETY: passed on.
        (position >> SHIFT == unsafe { self.index() }).then_some(position & (SENDERS_GONE | CLOSED) != 0)
    }

    /// The number of values, pushes under way included.
    ///
    /// # Safety
    ///
    /// Called by the receiver.
    pub(super) unsafe fn len(&self) -> usize {
        let values = |index: usize| index / LAP * CAPACITY + (index % LAP).min(CAPACITY);
        // ORDERING: pairs with `push`: a value that was pushed before is counted.
        let tail = self.tail.position.load(Acquire) >> SHIFT;
        // SAFETY: passed on.
        values(tail) - values(unsafe { self.index() })
    }

    /// Drops all values that are ready, calling `after` for each. A destructor that panics does not keep the others.
    ///
    /// # Safety
    ///
    /// Called by the receiver, from one place at a time.
    pub(super) unsafe fn drain(&self, mut after: impl FnMut()) {
        let mut panic: Option<Box<dyn Any + Send>> = None;
        // SAFETY: passed on.
        while let Some(value) = unsafe { self.pop() } {
            after();
            if let Err(caught) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                panic.get_or_insert(caught);
            }
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// # Safety
    ///
    /// Called by the receiver.
    #[inline]
    unsafe fn index(&self) -> usize {
        self.head.cursor.with(|cursor| {
            // SAFETY: the cursor is the receiver's.
            unsafe { (*cursor).index }
        })
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        /// Frees the blocks when the values are gone, or while the panic of one unwinds.
        struct Blocks<'a, T>(&'a mut Queue<T>);

        impl<T> Drop for Blocks<'_, T> {
            fn drop(&mut self) {
                drop(self.0.take_spare());
                let block = self.0.head.cursor.with(|cursor| {
                    // SAFETY: dropped exclusively.
                    unsafe { (*cursor).block }
                });
                // SAFETY: the last block, read as far as it was written.
                unsafe { free(block) };
            }
        }

        let blocks = Blocks(self);
        // SAFETY: dropped exclusively.
        drop(unsafe { blocks.0.unpark() });
        // SAFETY: as above.
        unsafe { blocks.0.drain(|| ()) };
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::blocking::block_on;
    use sprang_core::primitive::model;
    use sprang_core::primitive::sync::Arc;
    use std::future::poll_fn;
    use std::task::Poll;

    /// Waits for a value; `None` when the queue is over.
    fn wait<T>(queue: &Queue<T>) -> Option<T> {
        block_on(poll_fn(|cx| {
            // SAFETY: the models receive on one thread.
            if let Some(value) = unsafe { queue.pop() } {
                return Poll::Ready(Some(value));
            }
            // SAFETY: as above.
            match unsafe { queue.park(cx) } {
                Park::Parked => Poll::Pending,
                Park::Over => Poll::Ready(None),
                Park::InFlight => {
                    cx.waker().wake_by_ref();
                    thread::yield_now();
                    Poll::Pending
                }
            }
        }))
    }

    #[test]
    fn values_arrive_in_order_across_blocks() {
        model(|| {
            let queue = Arc::new(Queue::new());
            let other = Arc::clone(&queue);
            let pushing = thread::spawn(move || {
                for i in 0..CAPACITY + 1 {
                    other.push(Box::new(i)).unwrap();
                }
            });
            for i in 0..CAPACITY + 1 {
                assert_eq!(wait(&queue), Some(Box::new(i)));
            }
            pushing.join().unwrap();
        });
    }

    #[test]
    fn pushes_from_two_threads_both_arrive() {
        model(|| {
            let queue = Arc::new(Queue::new());
            // One slot is left in the block: one of the two has to link the next.
            for i in 2..CAPACITY + 1 {
                queue.push(Box::new(i)).unwrap();
            }
            let other = Arc::clone(&queue);
            let pushing = thread::spawn(move || other.push(Box::new(0)).unwrap());
            queue.push(Box::new(1)).unwrap();
            pushing.join().unwrap();
            let sum: usize = (0..CAPACITY + 1).map(|_| *wait(&queue).unwrap()).sum();
            assert_eq!(sum, (0..CAPACITY + 1).sum());
        });
    }

    #[test]
    fn a_parked_receiver_is_woken() {
        model(|| {
            let queue = Arc::new(Queue::new());
            let other = Arc::clone(&queue);
            let pushing = thread::spawn(move || other.push(1).unwrap());
            // Another task was parked before.
            // SAFETY: this is the receiver.
            if unsafe { queue.pop() }.is_none() {
                // SAFETY: as above.
                unsafe { queue.park(&Context::from_waker(Waker::noop())) };
                assert_eq!(wait(&queue), Some(1));
            }
            pushing.join().unwrap();
        });
    }

    #[test]
    fn senders_that_leave_wake_the_receiver() {
        model(|| {
            let queue = Arc::new(Queue::new());
            let other = Arc::clone(&queue);
            let leaving = thread::spawn(move || {
                other.push(1).unwrap();
                other.senders_gone();
            });
            assert_eq!(wait(&queue), Some(1));
            assert_eq!(wait(&queue), None);
            leaving.join().unwrap();
        });
    }

    #[test]
    fn what_is_done_before_wake_parked_is_seen_or_wakes() {
        model(|| {
            let queue = Arc::new(Queue::<u8>::new());
            let done = Arc::new(AtomicBool::new(false));
            let (other, doing) = (Arc::clone(&queue), Arc::clone(&done));
            let doing = thread::spawn(move || {
                doing.store(true, Relaxed);
                other.wake_parked();
            });
            block_on(poll_fn(|cx| {
                // SAFETY: this is the receiver.
                unsafe { queue.park(cx) };
                if done.load(Relaxed) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
            doing.join().unwrap();
        });
    }

    #[test]
    fn a_closed_queue_takes_nothing() {
        model(|| {
            let queue = Arc::new(Queue::new());
            let other = Arc::clone(&queue);
            let pushing = thread::spawn(move || other.push(Box::new(1)).is_ok());
            queue.close();
            let received = wait(&queue).is_some();
            assert_eq!(pushing.join().unwrap(), received);
        });
    }
}
