//! `select!`, `join!`, `try_join!` and `pin!`.
//!
//! Purpose: the macros' documentation, and what their expansions call.
//!
//! Data flow: a macro here gives the path of [`support`] to its namesake in `sprang-macros`, which writes the code; it
//! works under whatever name this crate is known to the user's, also through the drop-in.

mod join;
mod pin;
mod select;
pub mod support;
mod try_join;
