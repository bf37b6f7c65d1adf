//! The hierarchical timer wheel: a plain data structure, with no lock and no clock.
//!
//! Purpose: files nodes by the tick they are due at, in constant time, and yields those that are due in the order of
//! their ticks. Source: G. Varghese, T. Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.
//!
//! Data flow: `lane` holds one wheel under a lock and calls [`Wheel::insert`], [`Wheel::remove`], [`Wheel::poll`].
//!
//! Six levels of 64 slots. A slot of level *l* spans 64^*l* ticks; a node goes to the level of the highest base-64
//! digit in which its deadline differs from `elapsed`, to the slot of that digit. When `elapsed` reaches the first
//! tick of a slot, its nodes are due or move to a lower level. Each level keeps a bitmap of its occupied slots, so that
//! the next one is found with a rotation and a count of zeros.
//!
//! Invariants:
//! - I1: a node is linked into exactly the list that its [`Place`] names, and that list's bit is set.
//! - I2: an occupied slot of level *l* starts after `elapsed`, by 1 to 63 slots of its level. Below the top level it
//!   lies in the slot of level *l + 1* that `elapsed` lies in, so a lower level's slots come before a higher one's.
//! - I3: a deadline beyond the top level's reach waits in the farthest slot of the top level and is filed anew there:
//!   a node never waits in a slot that starts after its deadline.
//! - I4: a node's deadline may grow while it is filed (a forward reset touches no list); it never shrinks. The slot
//!   then comes too early, and the node is filed anew.
//!
//! Tests: `agrees_with_a_sorted_map`.

use std::fmt;
use std::ptr::NonNull;

use sprang_core::list::{Linked, List};
use sprang_core::primitive::cell::UnsafeCell;

const LEVELS: usize = 6;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;

/// Nodes that a [`Wheel`] can file.
///
/// # Safety
///
/// As for [`Linked`]; [`place`](Self::place) too returns a pointer to a field that is always the same one, without
/// forming a reference to the node.
pub unsafe trait Filed: Linked {
    /// The tick that the node is due at. It may grow while the node is filed, never shrink.
    ///
    /// # Safety
    ///
    /// `node` points to a live node.
    unsafe fn deadline(node: NonNull<Self::Node>) -> u64;

    /// Where the wheel notes the node's list.
    ///
    /// # Safety
    ///
    /// `node` points to a live node.
    unsafe fn place(node: NonNull<Self::Node>) -> NonNull<Place>;
}

/// The list that a node is filed in: a field that the wheel owns while the node is filed.
pub struct Place(UnsafeCell<u16>);

// SAFETY: a shared `Place` offers no access; the wheel reaches it only through the exclusive borrow of itself.
unsafe impl Sync for Place {}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// The place of a node that is not filed.
    pub fn new() -> Self {
        Self(UnsafeCell::new(0))
    }
}

/// The place of nodes that are due: the one slot of a level above the top level.
const DUE: usize = LEVELS * SLOTS;

/// A timer wheel.
pub struct Wheel<T: Filed> {
    elapsed: u64,
    /// A bitmap for each level of the slots that are not empty, the last one for those that are due.
    occupied: [u64; LEVELS + 1],
    /// Slot *s* of level *l* is at `l * SLOTS + s`, which is its place.
    slots: Box<[List<T>]>,
}

impl<T: Filed> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Filed> fmt::Debug for Wheel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel")
            .field("elapsed", &self.elapsed)
            .field("next_deadline", &self.next_deadline())
            .finish()
    }
}

impl<T: Filed> Wheel<T> {
    /// An empty wheel at tick 0.
    pub fn new() -> Self {
        Self {
            elapsed: 0,
            occupied: [0; LEVELS + 1],
            slots: (0..=DUE).map(|_| List::new()).collect(),
        }
    }

    /// The tick that the wheel has been advanced to.
    pub fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// A tick at or before the earliest deadline: the one to [`poll`](Self::poll) at next. `None` if nothing is filed.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.occupied[LEVELS] != 0 {
            return Some(self.elapsed);
        }
        self.next_turn().map(|(level, turn)| start_of(level, turn))
    }

    /// Files `node` under its deadline and returns the tick that the wheel must be polled at for its sake.
    ///
    /// # Safety
    ///
    /// The node is live, in no list, and not moved or freed before it is removed or yielded.
    pub unsafe fn insert(&mut self, node: NonNull<T::Node>) -> u64 {
        // SAFETY: the node is live.
        let deadline = unsafe { T::deadline(node) };
        if deadline <= self.elapsed {
            // SAFETY: passed on.
            unsafe { self.link(node, DUE) };
            return self.elapsed;
        }
        let (level, turn) = self.turn_of(deadline);
        // SAFETY: passed on.
        unsafe { self.link(node, place_of(level, turn)) };
        start_of(level, turn)
    }

    /// Takes `node` out.
    ///
    /// # Safety
    ///
    /// The node is filed in this wheel.
    pub unsafe fn remove(&mut self, node: NonNull<T::Node>) {
        // SAFETY: a filed node is live.
        let place = unsafe { T::place(node) };
        // SAFETY: a field of a live node.
        let place = unsafe { place.as_ref() }.0.with(|place| {
            // SAFETY: the place of a filed node is ours.
            unsafe { *place }
        });
        let place = usize::from(place);
        let list = &mut self.slots[place];
        // SAFETY: the node is linked where its place says (I1).
        unsafe { list.remove(node) };
        if list.is_empty() {
            self.occupied[place / SLOTS] &= !(1 << (place % SLOTS));
        }
    }

    /// Yields the next node that is due at the tick `now`, unfiled, in the order of deadlines; advances the wheel to
    /// `now` when there is none left. A `now` before [`elapsed`](Self::elapsed) counts as that tick.
    pub fn poll(&mut self, now: u64) -> Option<NonNull<T::Node>> {
        loop {
            if let Some(node) = self.slots[DUE].front() {
                // SAFETY: the front of a list of ours is filed.
                unsafe { self.remove(node) };
                // SAFETY: a node is live while it is filed.
                if unsafe { T::deadline(node) } <= self.elapsed {
                    return Some(node);
                }
                // It was due and grew (I4).
                // SAFETY: just unlinked, and as live as it was.
                unsafe { self.insert(node) };
                continue;
            }
            match self.next_turn() {
                Some((level, turn)) if start_of(level, turn) <= now => self.turn(level, turn),
                _ => {
                    self.elapsed = self.elapsed.max(now);
                    return None;
                }
            }
        }
    }

    /// Advances the wheel to `now` if nothing is filed up to then, so that what is inserted next is filed finely.
    pub fn catch_up(&mut self, now: u64) {
        if now > self.elapsed && self.next_deadline().is_none_or(|next| next > now) {
            self.elapsed = now;
        }
    }

    /// Takes out any node, whatever its deadline.
    pub fn pop(&mut self) -> Option<NonNull<T::Node>> {
        let node = match self.next_turn() {
            Some((level, turn)) => self.slots[place_of(level, turn)].front(),
            None => self.slots[DUE].front(),
        }?;
        // SAFETY: the front of a list of ours is filed.
        unsafe { self.remove(node) };
        Some(node)
    }

    /// Advances to the start of an occupied slot and files its nodes anew: those that are due go to the due list.
    fn turn(&mut self, level: usize, turn: u64) {
        self.elapsed = start_of(level, turn);
        let place = place_of(level, turn);
        self.occupied[level] &= !(1 << (place % SLOTS));
        let mut nodes = self.slots[place].take();
        while let Some(node) = nodes.pop_front() {
            // SAFETY: just unlinked, and as live as it was.
            unsafe { self.insert(node) };
        }
    }

    /// The earliest occupied slot, as its level and its number counted from tick 0.
    fn next_turn(&self) -> Option<(usize, u64)> {
        // The lowest occupied level holds it (I2).
        let level = self.occupied[..LEVELS].iter().position(|slots| *slots != 0)?;
        let current = turn_at(level, self.elapsed);
        let ahead = self.occupied[level]
            .rotate_right((current % SLOTS as u64) as u32)
            .trailing_zeros();
        Some((level, current + u64::from(ahead)))
    }

    /// The level and the slot, counted from tick 0, for a deadline after `elapsed`.
    fn turn_of(&self, deadline: u64) -> (usize, u64) {
        let highest_bit = (self.elapsed ^ deadline).ilog2();
        let level = ((highest_bit / BITS) as usize).min(LEVELS - 1);
        // Binds in the top level only (I3); the sum does not overflow, a turn of the top level is below 2^34.
        let farthest = turn_at(level, self.elapsed).saturating_add(SLOTS as u64 - 1);
        (level, turn_at(level, deadline).min(farthest))
    }

    /// # Safety
    ///
    /// As for [`insert`](Self::insert).
    unsafe fn link(&mut self, node: NonNull<T::Node>, place: usize) {
        // SAFETY: the node is live.
        let noted = unsafe { T::place(node) };
        // SAFETY: a field of a live node.
        unsafe { noted.as_ref() }.0.with_mut(|noted| {
            // SAFETY: the node is in no list, so its place is ours from here on (I1).
            unsafe { *noted = place as u16 }
        });
        self.occupied[place / SLOTS] |= 1 << (place % SLOTS);
        // SAFETY: passed on.
        unsafe { self.slots[place].push_back(node) };
    }
}

/// The number, counted from tick 0, of the slot of `level` that holds `tick`.
fn turn_at(level: usize, tick: u64) -> u64 {
    tick >> (BITS * level as u32)
}

/// The first tick of a slot.
fn start_of(level: usize, turn: u64) -> u64 {
    turn << (BITS * level as u32)
}

/// The place of a slot.
fn place_of(level: usize, turn: u64) -> usize {
    level * SLOTS + (turn % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use sprang_core::list::Links;

    use super::*;

    struct Node {
        links: Links<Node>,
        place: Place,
        deadline: Cell<u64>,
        id: usize,
    }

    // SAFETY: the links are one field, reached through a raw pointer.
    unsafe impl Linked for Node {
        type Node = Node;

        unsafe fn links(node: NonNull<Node>) -> NonNull<Links<Node>> {
            // SAFETY: the node is live, so its field is in bounds and not null.
            unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).links) }
        }
    }

    // SAFETY: the place is one field, reached through a raw pointer.
    unsafe impl Filed for Node {
        unsafe fn deadline(node: NonNull<Node>) -> u64 {
            // SAFETY: the node is live.
            unsafe { node.as_ref() }.deadline.get()
        }

        unsafe fn place(node: NonNull<Node>) -> NonNull<Place> {
            // SAFETY: the node is live, so its field is in bounds and not null.
            unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).place) }
        }
    }

    /// A wheel beside a sorted map of the same nodes.
    #[derive(Default)]
    struct Pair {
        wheel: Wheel<Node>,
        map: BTreeMap<(u64, usize), NonNull<Node>>,
        inserted: usize,
        now: u64,
    }

    impl Pair {
        fn insert(&mut self, deadline: u64) {
            let id = self.inserted;
            self.inserted += 1;
            let node = NonNull::from(Box::leak(Box::new(Node {
                links: Links::new(),
                place: Place::new(),
                deadline: Cell::new(deadline),
                id,
            })));
            // SAFETY: a fresh node, freed only after it has been taken out.
            let at = unsafe { self.wheel.insert(node) };
            assert!(at <= deadline.max(self.wheel.elapsed()), "filed to be polled too late");
            self.map.insert((deadline, id), node);
        }

        fn nth(&self, nth: usize) -> Option<((u64, usize), NonNull<Node>)> {
            let nth = nth.checked_rem(self.map.len())?;
            self.map.iter().nth(nth).map(|(key, node)| (*key, *node))
        }

        fn remove(&mut self, nth: usize) {
            if let Some((key, node)) = self.nth(nth) {
                self.map.remove(&key);
                // SAFETY: filed by `insert` and not yielded.
                unsafe { self.wheel.remove(node) };
                free(node);
            }
        }

        fn extend(&mut self, nth: usize, by: u64) {
            if let Some((key, node)) = self.nth(nth) {
                let later = key.0.saturating_add(by);
                // SAFETY: a live node.
                unsafe { node.as_ref() }.deadline.set(later);
                self.map.remove(&key);
                self.map.insert((later, key.1), node);
            }
        }

        /// As a reset to an earlier deadline does.
        fn refile(&mut self, nth: usize, after: u64) {
            if let Some((key, node)) = self.nth(nth) {
                let deadline = self.wheel.elapsed().saturating_add(after);
                // SAFETY: filed by `insert` and not yielded.
                unsafe { self.wheel.remove(node) };
                // SAFETY: a live node.
                unsafe { node.as_ref() }.deadline.set(deadline);
                // SAFETY: just taken out, and freed only after it has been taken out again.
                unsafe { self.wheel.insert(node) };
                self.map.remove(&key);
                self.map.insert((deadline, key.1), node);
            }
        }

        fn advance(&mut self, by: u64) {
            self.now = self.now.saturating_add(by);
            let before = self.wheel.elapsed();
            let mut last = 0;
            while let Some(node) = self.wheel.poll(self.now) {
                let key = free(node);
                assert!(key.0 <= self.now, "yielded early");
                assert!(key.0 >= last || key.0 <= before, "yielded out of order");
                last = last.max(key.0);
                assert!(self.map.remove(&key).is_some(), "yielded twice");
            }
            assert_eq!(self.wheel.elapsed(), self.now);
            self.check_next();
            if let Some((key, _)) = self.map.first_key_value() {
                assert!(key.0 > self.now, "a due node was left behind");
            }
        }

        fn check_next(&self) {
            let next = self.wheel.next_deadline();
            assert_eq!(next.is_some(), !self.map.is_empty());
            if let (Some(next), Some((key, _))) = (next, self.map.first_key_value()) {
                assert!(
                    next <= key.0.max(self.wheel.elapsed()),
                    "the next deadline is announced too late"
                );
                assert!(next >= self.wheel.elapsed());
            }
        }
    }

    impl Drop for Pair {
        fn drop(&mut self) {
            let mut left = 0;
            while let Some(node) = self.wheel.pop() {
                free(node);
                left += 1;
            }
            assert!(std::thread::panicking() || left == self.map.len());
        }
    }

    fn free(node: NonNull<Node>) -> (u64, usize) {
        // SAFETY: leaked by `insert`, and out of the wheel.
        let node = unsafe { Box::from_raw(node.as_ptr()) };
        (node.deadline.get(), node.id)
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64),
        Remove(usize),
        Extend(usize, u64),
        Refile(usize, u64),
        CatchUp(u64),
        Advance(u64),
    }

    /// Any number of bits is as likely as any other.
    fn delta() -> impl Strategy<Value = u64> {
        (0..=64_u32, any::<u64>()).prop_map(|(bits, number)| number.checked_shr(64 - bits).unwrap_or(0))
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => delta().prop_map(Step::Insert),
            1 => any::<usize>().prop_map(Step::Remove),
            1 => (any::<usize>(), delta()).prop_map(|(nth, by)| Step::Extend(nth, by)),
            1 => (any::<usize>(), delta()).prop_map(|(nth, after)| Step::Refile(nth, after)),
            1 => (0..200_u64).prop_map(Step::CatchUp),
            2 => (0..48_u32, any::<u64>()).prop_map(|(bits, by)| Step::Advance(by & ((1 << bits) - 1))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_a_sorted_map(steps in prop::collection::vec(step(), 1..80)) {
            let mut pair = Pair::default();
            for step in steps {
                match step {
                    Step::Insert(after) => pair.insert(pair.wheel.elapsed().saturating_add(after)),
                    Step::Remove(nth) => pair.remove(nth),
                    Step::Extend(nth, by) => pair.extend(nth, by),
                    Step::Refile(nth, after) => pair.refile(nth, after),
                    Step::CatchUp(by) => {
                        pair.wheel.catch_up(pair.now.saturating_add(by));
                        pair.now = pair.now.max(pair.wheel.elapsed());
                    }
                    Step::Advance(by) => pair.advance(by),
                }
                pair.check_next();
            }
        }
    }

    #[test]
    fn nodes_come_out_in_the_order_of_their_ticks() {
        let mut pair = Pair::default();
        let deadlines = [70_000_000_000, 5, 64, 63, 65, 4_096, 4_095, 300_000, 64, 1, 1 << 36];
        for deadline in deadlines {
            pair.insert(deadline);
        }
        let mut yielded = Vec::new();
        while let Some(node) = pair.wheel.poll(u64::MAX) {
            let key = free(node);
            pair.map.remove(&key);
            yielded.push(key.0);
        }
        let mut sorted = deadlines.to_vec();
        sorted.sort_unstable();
        assert_eq!(yielded, sorted);
    }

    #[test]
    fn a_deadline_across_the_end_of_the_top_level_is_on_time() {
        let end = 1 << (BITS * LEVELS as u32);
        let mut pair = Pair::default();
        pair.advance(end - 1);
        pair.insert(end + 5);
        pair.advance(5);
        assert_eq!(pair.map.len(), 1);
        pair.advance(1);
        assert!(pair.map.is_empty());
    }

    #[test]
    fn the_last_tick_of_all_does_not_overflow() {
        let mut pair = Pair::default();
        pair.advance(u64::MAX - 100);
        pair.insert(u64::MAX);
        pair.advance(99);
        pair.insert(u64::MAX);
        assert_eq!(pair.map.len(), 2);
        pair.advance(1);
        assert!(pair.map.is_empty());
    }
}
