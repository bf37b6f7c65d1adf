//! The drop-in: [`sprang`] under Tokio's package name.
//!
//! Purpose: one line moves a program, and every crate that it depends on, from Tokio to sprang:
//!
//! ```toml
//! [patch.crates-io]
//! tokio = { path = "…/sprang/crates/tokio" }
//! ```
//!
//! What Tokio has and sprang has not yet is absent here: a compile error, never a stub. The features are Tokio's, and so
//! is the environment variable `TOKIO_WORKER_THREADS`. What Tokio hides behind `--cfg tokio_unstable` is there with and
//! without it.

pub use sprang::io;

/// Streams are the crate tokio-stream's, here as in Tokio.
pub mod stream {}

#[cfg(feature = "fs")]
pub use sprang::fs;
#[cfg(feature = "net")]
pub use sprang::net;
#[cfg(feature = "process")]
pub use sprang::process;
#[cfg(feature = "signal")]
pub use sprang::signal;
#[cfg(feature = "sync")]
pub use sprang::sync;
#[cfg(feature = "time")]
pub use sprang::time;
#[cfg(feature = "rt")]
pub use sprang::{runtime, spawn, task, task_local};

#[cfg(feature = "macros")]
pub use sprang::{join, pin, select, try_join};

#[cfg(all(feature = "macros", not(feature = "rt")))]
pub use sprang::{main, test};
#[cfg(all(feature = "macros", feature = "rt-multi-thread"))]
pub use sprang::{tokio_main as main, tokio_test as test};
#[cfg(all(feature = "macros", feature = "rt", not(feature = "rt-multi-thread")))]
pub use sprang::{tokio_main_rt as main, tokio_test_rt as test};
