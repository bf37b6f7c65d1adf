//! The shim: `std`'s primitives, or loom's under the cfg `sprang_loom`.
//!
//! Purpose: every atomic, lock and shared cell of the engine crates comes from here, so that the same code runs in
//! production and under the model checker. The API is loom's where the two differ (`UnsafeCell::with`), and
//! parking_lot's for locks (no poisoning).
//!
//! Called by: all engine crates. Calls: `std`, `parking_lot`, `loom`.
//!
//! [`model`] runs a body under loom, or a number of times on plain threads without it: every model is a unit test too.

#[cfg(not(sprang_loom))]
mod real;
#[cfg(not(sprang_loom))]
pub use real::{cell, hint, model, sync, thread};

#[cfg(sprang_loom)]
mod checked;
#[cfg(sprang_loom)]
pub use checked::{cell, hint, model, sync, thread};
