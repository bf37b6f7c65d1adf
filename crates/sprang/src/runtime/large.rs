//! Futures that are too large to be moved around.
//!
//! Purpose: a future that is spawned or blocked on goes through several functions, each of which has a copy of it on
//! its stack if nothing is optimised. So a large one is put into a box where it comes in, and the box goes on.
//!
//! Called by: whatever takes a future or a closure from the user, as `if const { is_large::<F>() }`, of which only the
//! branch that is taken is compiled.

/// The most bytes that are moved around; Tokio has the same limits.
const LIMIT: usize = if cfg!(debug_assertions) { 2 * 1024 } else { 16 * 1024 };

/// Whether what has this type is to be boxed.
pub(crate) const fn is_large<T>() -> bool {
    size_of::<T>() > LIMIT
}
