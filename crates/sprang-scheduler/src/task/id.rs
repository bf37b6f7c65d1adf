//! Task ids.
//!
//! Purpose: a number for each task that is never used twice in a process.
//!
//! Ids come in blocks per thread, so that spawning touches no counter shared by all threads; they do not tell the
//! order in which tasks were spawned.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::AtomicU64; // tidy: allow(shim): a counter that guards nothing
use std::sync::atomic::Ordering::Relaxed;

use super::harness::Running;

/// Ids that a thread takes at a time.
const BLOCK: u64 = 1024;

/// The id of a task: unique among all tasks of the process, also those that have ended.
///
/// ```
/// # use std::collections::HashSet;
/// // Ids can be compared, hashed and printed.
/// fn distinct(ids: &[sprang_scheduler::task::Id]) -> bool {
///     ids.iter().collect::<HashSet<_>>().len() == ids.len()
/// }
/// # assert!(distinct(&[]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

impl Id {
    #[inline]
    pub(super) fn next() -> Self {
        thread_local! {
            /// The next id of this thread's block; a multiple of `BLOCK` means that there is no block.
            static NEXT: Cell<u64> = const { Cell::new(0) };
        }
        let id = NEXT
            .try_with(|next| {
                let id = match next.get() {
                    used_up if used_up % BLOCK == 0 => take_block(),
                    id => id,
                };
                next.set(id + 1);
                id
            })
            .unwrap_or_else(|_| take_block());
        Self(NonZeroU64::new(id).expect("2^64 ids are not used up in a lifetime"))
    }
}

/// The first id of a fresh block. It is `1` past a multiple of [`BLOCK`], so that no block holds 0.
#[cold]
fn take_block() -> u64 {
    // Not of the shim: the counter guards nothing.
    static BLOCKS: AtomicU64 = AtomicU64::new(0);
    BLOCKS.fetch_add(1, Relaxed) * BLOCK + 1
}

impl Id {
    /// The number behind the id.
    pub(crate) fn as_u64(self) -> u64 {
        self.0.get()
    }

    /// The id with that number; `None` for 0, which is no id's.
    pub(crate) fn from_u64(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of the task that runs on this thread.
///
/// # Panics
///
/// Outside of a task: [`try_id`] returns `None` there.
#[track_caller]
pub fn id() -> Id {
    try_id().expect("can't get a task id when not inside a task")
}

/// The id of the task that runs on this thread, if there is one.
pub fn try_id() -> Option<Id> {
    Running::id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_of_many_threads_are_distinct() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..3 * BLOCK).map(|_| Id::next()).collect::<Vec<_>>()))
            .collect();
        let ids: Vec<Id> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }
}
