//! The table of registered resources.
//!
//! Purpose: turns the token of an event into the resource it is for, or into nothing when that resource is gone.
//!
//! Called by: `resources`, under its lock.
//!
//! A token is a slab key and a generation:
//!
//! | generation | key |
//! |---|---|
//! | the rest | 32 bits (20 where `usize` has 32) |
//!
//! Invariants:
//! - I1: each registration has a generation of its own (they repeat after 2^32 registrations), kept in the slot and
//!   in the token. A stale event, for a resource whose slot was freed or used again after the OS had reported it,
//!   finds no slot of its generation.
//! - I2: no token is [`WAKE`].
//! - I3: once closed, the table is empty for good.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use slab::Slab;

use crate::scheduled_io::ScheduledIo;

const KEY_BITS: u32 = if usize::BITS == 64 { 32 } else { 20 };
const KEY_MASK: usize = (1 << KEY_BITS) - 1;

/// The token of the driver's own waker.
pub(crate) const WAKE: usize = usize::MAX;

/// Numbers of a driver, since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Resources that were registered.
    pub registered: u64,
    /// Resources that were registered and are so no longer.
    pub deregistered: u64,
    /// Readiness events that were delivered.
    pub ready: u64,
}

struct Slot {
    generation: usize,
    io: Arc<ScheduledIo>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Table {
    slots: Slab<Slot>,
    generation: usize,
    is_closed: bool,
    pub(crate) counts: Counts,
}

impl Table {
    /// Adds a resource and returns its token.
    ///
    /// # Errors
    ///
    /// If the table is closed, or holds as many resources as there are keys.
    pub(crate) fn insert(&mut self, io: Arc<ScheduledIo>) -> io::Result<usize> {
        if self.is_closed {
            return Err(gone());
        }
        let entry = self.slots.vacant_entry();
        let key = entry.key();
        if key >= KEY_MASK {
            return Err(io::Error::other(
                "too many resources are registered with one I/O driver",
            ));
        }
        self.generation = (self.generation + 1) & (usize::MAX >> KEY_BITS);
        entry.insert(Slot {
            generation: self.generation,
            io,
        });
        self.counts.registered += 1;
        Ok(self.generation << KEY_BITS | key)
    }

    /// The resource of `token`, if it is still there (I1).
    #[inline]
    pub(crate) fn get(&self, token: usize) -> Option<&ScheduledIo> {
        let slot = self.slots.get(token & KEY_MASK)?;
        (slot.generation == token >> KEY_BITS).then_some(&*slot.io)
    }

    /// Takes out the resource of `token`, if it is still there.
    pub(crate) fn remove(&mut self, token: usize) -> Option<Arc<ScheduledIo>> {
        self.get(token)?;
        self.counts.deregistered += 1;
        Some(self.slots.remove(token & KEY_MASK).io)
    }

    /// Takes out everything, and lets nothing in any more (I3).
    pub(crate) fn close(&mut self) -> impl Iterator<Item = Arc<ScheduledIo>> + use<> {
        self.is_closed = true;
        let slots = std::mem::take(&mut self.slots);
        self.counts.deregistered += slots.len() as u64;
        slots.into_iter().map(|(_, slot)| slot.io)
    }
}

/// What an operation on a resource returns whose driver is gone.
pub(crate) fn gone() -> io::Error {
    io::Error::other(Gone)
}

/// Whether an error says that the resource's driver is gone.
pub fn is_gone(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Gone>())
}

/// The inner error of [`gone`].
#[derive(Debug)]
struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the I/O driver is gone: its runtime has been shut down")
    }
}

impl Error for Gone {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_token_does_not_reach_the_next_user_of_its_slot() {
        let mut table = Table::default();
        let old = table.insert(Arc::default()).unwrap();
        assert!(table.remove(old).is_some());
        assert!(table.remove(old).is_none());
        let new = table.insert(Arc::default()).unwrap();
        assert_eq!(old & KEY_MASK, new & KEY_MASK, "the slot is used again");
        assert!(table.get(old).is_none());
        assert!(table.remove(old).is_none());
        assert!(table.get(new).is_some());
    }

    #[test]
    fn generations_wrap_within_their_bits() {
        let mut table = Table {
            generation: usize::MAX >> KEY_BITS,
            ..Table::default()
        };
        let token = table.insert(Arc::default()).unwrap();
        assert_eq!(token >> KEY_BITS, 0);
        assert!(table.get(token).is_some());
    }

    #[test]
    fn a_closed_table_is_empty_and_takes_nothing() {
        let mut table = Table::default();
        let token = table.insert(Arc::default()).unwrap();
        assert_eq!(table.close().count(), 1);
        assert!(table.get(token).is_none());
        assert!(table.insert(Arc::default()).is_err());
        assert_eq!(
            table.counts,
            Counts {
                registered: 1,
                deregistered: 1,
                ready: 0
            }
        );
    }
}
