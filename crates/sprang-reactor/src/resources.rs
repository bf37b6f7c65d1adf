//! The registered resources, as all threads see them.
//!
//! Purpose: where registration, delivery, deregistration and the driver's end meet, under the lock of the table. Knows
//! no operating system, so that loom can run all of it.
//!
//! Data flow: `Registration` → `Handle` → [`Resources::insert`], [`Resources::remove`]. `Driver` →
//! [`Resources::deliver`], [`Resources::close`] → `ScheduledIo` → wakers.
//!
//! Invariants:
//! - I1: the table's lock is held while events are looked up and while wakers are collected, and never while a waker
//!   runs or a resource is dropped. The order of locks is table, then a resource's waiters.
//! - I2: every event that is passed to `deliver` is delivered, even if a waker panics.
//! - I3: a resource that is inserted is either shut down by `close`, or not inserted at all: none is left whose waits
//!   nobody ends.
//!
//! Models: `a_registration_against_the_end_is_refused_or_ended`,
//! `a_resource_is_removed_against_its_event_and_the_next_user_of_its_slot_is_left_alone`,
//! `two_tasks_that_wait_for_the_two_directions_are_both_woken`,
//! `a_resource_removed_against_the_end_frees_its_slot_once`.

use std::io;
use std::sync::Arc;

use sprang_core::primitive::sync::Mutex;
use sprang_core::wakeups::Wakeups;

use crate::ready::Ready;
use crate::scheduled_io::ScheduledIo;
use crate::table::{Counts, Table};

/// See the module.
pub(crate) struct Resources(Mutex<Table>);

impl Resources {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Table::default()))
    }

    /// A new resource and its token.
    ///
    /// # Errors
    ///
    /// If they were closed, or there are as many as there can be.
    pub(crate) fn insert(&self) -> io::Result<(Arc<ScheduledIo>, usize)> {
        let io = Arc::new(ScheduledIo::default());
        let token = self.0.lock().insert(Arc::clone(&io))?;
        Ok((io, token))
    }

    /// Frees the slot of `token`, if it was not freed.
    pub(crate) fn remove(&self, token: usize) {
        let io = self.0.lock().remove(token);
        // Outside the lock (I1).
        drop(io);
    }

    /// Wakes the waiters of all these events, each a token and what is ready.
    ///
    /// # Panics
    ///
    /// If a waker panics, after all have been woken (I2).
    pub(crate) fn deliver(&self, events: impl Iterator<Item = (usize, Ready)>) {
        let mut wakeups = Wakeups::new();
        let mut delivered = 0;
        let mut table = self.0.lock();
        for (token, ready) in events {
            delivered += 1;
            if let Some(io) = table.get(token) {
                io.set_ready(ready);
            }
            while table
                .get(token)
                .is_some_and(|io| !io.collect(ready, &mut wakeups.batch))
            {
                drop(table);
                wakeups.flush();
                table = self.0.lock();
            }
        }
        table.counts.ready += delivered;
        drop(table);
        wakeups.finish();
    }

    /// Ends all waits, and lets nothing in any more.
    ///
    /// # Panics
    ///
    /// If a waker panics, after all have been woken.
    pub(crate) fn close(&self) {
        let resources = self.0.lock().close();
        let mut wakeups = Wakeups::new();
        for io in resources {
            io.shut_down();
            while !io.collect(Ready::ALL, &mut wakeups.batch) {
                wakeups.flush();
            }
        }
        wakeups.finish();
    }

    /// What has happened so far.
    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().counts
    }
}

#[cfg(test)]
mod models;
