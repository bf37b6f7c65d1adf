//! Stand-ins for crossbeam-deque's queues, on loom's atomics.
//!
//! Purpose: models see every access that the real queues make to decide whether there is an item, with the same
//! orderings; see the header of [`super`]. They differ in what a model cannot reach: the buffers are fixed and small,
//! and slots are relaxed atomic pointers where crossbeam has volatile accesses. Where crossbeam has SeqCst accesses
//! they have AcqRel ones: loom takes a SeqCst access for a fence, which it is not, and so would prove too much.
//!
//! Source: crossbeam-deque 0.8.8 for the orderings; D. Chase and Y. Lev, "Dynamic circular work-stealing deque",
//! SPAA 2005, and N. M. Lê et al., "Correct and efficient work-stealing for weak memory models", PPoPP 2013, for the
//! algorithm.
//!
//! tidy: allow(ordering): they are copies; crossbeam's source says what each pairs with

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use sprang_core::primitive::sync::Arc;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use sprang_core::primitive::sync::atomic::{AtomicPtr, AtomicUsize, fence};
use sprang_core::primitive::thread;

use super::Item;

/// Items that a queue can take over its whole life in a model.
const CAPACITY: usize = 8;

/// Slots that hold items as untyped pointers.
#[derive(Debug)]
struct Slots([AtomicPtr<()>; CAPACITY]);

impl Slots {
    fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())))
    }
}

#[derive(Debug)]
struct Deque {
    front: AtomicUsize,
    back: AtomicUsize,
    slots: Slots,
}

#[derive(Debug)]
pub(crate) struct Local<T>(Arc<Deque>, PhantomData<fn() -> T>);

#[derive(Debug)]
pub(crate) struct Stealer<T>(Arc<Deque>, PhantomData<fn() -> T>);

impl<T: Item> Local<T> {
    pub(crate) fn new() -> Self {
        let deque = Deque {
            front: AtomicUsize::new(0),
            back: AtomicUsize::new(0),
            slots: Slots::new(),
        };
        Self(Arc::new(deque), PhantomData)
    }

    pub(crate) fn stealer(&self) -> Stealer<T> {
        Stealer(Arc::clone(&self.0), PhantomData)
    }

    pub(crate) fn push(&self, item: T) {
        let back = self.0.back.load(Relaxed);
        let _front = self.0.front.load(Acquire);
        self.0.slots.0[back].store(item.into_pointer().as_ptr().cast(), Relaxed);
        fence(Release);
        self.0.back.store(back + 1, Relaxed);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        let back = self.0.back.load(Relaxed);
        let front = self.0.front.load(Relaxed);
        if back.wrapping_sub(front) as isize <= 0 {
            return None;
        }
        let front = self.0.front.fetch_add(1, AcqRel);
        if (back.wrapping_sub(front + 1) as isize) < 0 {
            self.0.front.store(front, Relaxed);
            return None;
        }
        Some(take(self.0.slots.0[front].load(Relaxed)))
    }

    pub(crate) fn len(&self) -> usize {
        let back = self.0.back.load(Relaxed);
        let front = self.0.front.load(Acquire);
        (back.wrapping_sub(front) as isize).max(0) as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Item> Stealer<T> {
    /// Takes one item: a model has too few for a batch to matter.
    pub(crate) fn steal_into(&self, _: &Local<T>) -> Option<T> {
        self.steal()
    }

    pub(crate) fn steal(&self) -> Option<T> {
        loop {
            let front = self.0.front.load(Acquire);
            fence(SeqCst);
            let back = self.0.back.load(Acquire);
            if back.wrapping_sub(front) as isize <= 0 {
                return None;
            }
            let item = self.0.slots.0[front].load(Relaxed);
            if self.0.front.compare_exchange(front, front + 1, AcqRel, Relaxed).is_ok() {
                return Some(take(item));
            }
            thread::yield_now();
        }
    }

    /// The front first: who sees it moved past an item sees what was pushed before that (I2 of [`super`]).
    pub(crate) fn len(&self) -> usize {
        let front = self.0.front.load(Acquire);
        fence(SeqCst);
        let back = self.0.back.load(Acquire);
        (back.wrapping_sub(front) as isize).max(0) as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug)]
pub(crate) struct Injector<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    slots: Slots,
    _items: PhantomData<fn() -> T>,
}

impl<T: Item> Injector<T> {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            slots: Slots::new(),
            _items: PhantomData,
        }
    }

    pub(crate) fn push(&self, item: T) {
        let mut tail = self.tail.load(Acquire);
        while let Err(actual) = self.tail.compare_exchange(tail, tail + 1, AcqRel, Acquire) {
            tail = actual;
        }
        self.slots.0[tail].store(item.into_pointer().as_ptr().cast(), Release);
    }

    pub(crate) fn steal_into(&self, _: &Local<T>) -> Option<T> {
        self.pop()
    }

    pub(crate) fn pop(&self) -> Option<T> {
        loop {
            let head = self.head.load(Acquire);
            fence(SeqCst);
            if head == self.tail.load(Relaxed) {
                return None;
            }
            if self.head.compare_exchange(head, head + 1, AcqRel, Acquire).is_err() {
                thread::yield_now();
                continue;
            }
            loop {
                let item = self.slots.0[head].load(Acquire);
                if !item.is_null() {
                    return Some(take(item));
                }
                thread::yield_now();
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        let head = self.head.load(Acquire);
        let tail = self.tail.load(Acquire);
        tail.saturating_sub(head)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn take<T: Item>(pointer: *mut ()) -> T {
    let pointer = NonNull::new(pointer.cast()).expect("a published slot holds an item");
    // SAFETY: an index is claimed by one read-modify-write, so that the pointer of its slot is taken once.
    unsafe { T::from_pointer(pointer) }
}
