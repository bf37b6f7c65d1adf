//! Files and directories.
//!
//! | item | what it is |
//! |---|---|
//! | [`read`], [`read_to_string`], [`write()`], [`copy`] | whole files, in one go |
//! | [`File`], [`OpenOptions`], [`FileTimes`] | a file that is read and written piece by piece |
//! | [`read_dir`], [`ReadDir`], [`DirEntry`] | what is in a directory |
//! | [`create_dir`], [`create_dir_all`], [`DirBuilder`] | making directories |
//! | [`metadata`], [`symlink_metadata`], [`try_exists`], [`canonicalize`], [`read_link`] | asking about paths |
//! | [`hard_link`], [`symlink`], [`rename`], [`set_permissions`], [`remove_file`], [`remove_dir`], [`remove_dir_all`] | changing them |
//!
//! # Where the work is done
//!
//! Files cannot be waited for as sockets can: the system calls block. The runtime makes them on blocking threads, as
//! [`spawn_blocking`](crate::task::spawn_blocking) does, but on threads of their own, so that they never wait behind
//! closures of the program; there may be [as many](crate::runtime::Builder::max_blocking_threads) of them. A hop to
//! such a thread and back takes longer than many of the system calls themselves. So the functions for whole files, which
//! make one hop, are to be preferred (a [`File`] makes none for what the OS has in memory already, though); else large
//! buffers, [`BufReader`](crate::io::BufReader) and
//! [`BufWriter`](crate::io::BufWriter); for many small operations in a row, `std::fs` within one `spawn_blocking`.
//!
//! For FIFOs and devices use [`net::unix::pipe`](crate::net::unix::pipe) or
//! [`AsyncFd`](crate::io::unix::AsyncFd): a read from them may block for ever, and
//! the end of the runtime waits for it.
//!
//! # Cancellation
//!
//! What was begun on a blocking thread cannot be stopped. If a future of this module is dropped after its first poll, its
//! operation may be done all the same.
//!
//! # Errors
//!
//! Besides those of the operating system, which are `std`'s, every function fails if the runtime has been shut down
//! before the work was done
//! ([`is_rt_shutdown_err`](crate::runtime::is_rt_shutdown_err)).
//!
//! # Panics
//!
//! The futures panic when they are polled outside of a runtime.
//
// Data flow: task → a function or type → [`hop`] → `io::offload` → `runtime::blocking` → `std::fs` on a blocking thread.

#![deny(unsafe_code)]

mod contents;
mod dir_builder;
mod entries;
mod file;
mod file_times;
mod open_options;
mod read_dir;

pub use contents::{copy, read, read_to_string, write};
pub use dir_builder::DirBuilder;
pub use entries::{
    canonicalize, create_dir, create_dir_all, hard_link, metadata, read_link, remove_dir, remove_dir_all, remove_file,
    rename, set_permissions, symlink, symlink_metadata, try_exists,
};
pub use file::File;
pub use file_times::FileTimes;
pub use open_options::OpenOptions;
pub use read_dir::{DirEntry, ReadDir, read_dir};

use std::io;

use crate::io::offload;

/// Runs `call` on a blocking thread.
///
/// # Errors
///
/// Those of `call`; besides, if it was not run.
///
/// # Panics
///
/// Outside of a runtime.
async fn hop<R, F>(call: F) -> io::Result<R>
where
    F: FnOnce() -> io::Result<R> + Send + 'static,
    R: Send + 'static,
{
    offload::start(call).await.map_err(offload::not_run)?
}
