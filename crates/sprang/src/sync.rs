//! Channels, locks and notifications between tasks.
//!
//! Purpose: what tasks use to wait for each other. They work with every executor, and between threads.

pub use sprang_sync::*;
