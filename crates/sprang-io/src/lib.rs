//! Async I/O traits and runtime-free adaptors of the sprang async runtime.
//!
//! Purpose: the part of `tokio::io` that needs neither a runtime nor the operating system. Nothing here knows sockets,
//! files or tasks; everything works with any executor.
//!
//! | module | what it holds |
//! |---|---|
//! | `traits` | [`AsyncRead`], [`AsyncWrite`], [`AsyncBufRead`], [`AsyncSeek`] |
//! | `read_buf` | [`ReadBuf`], a buffer that need not be initialised |
//! | `ext` | [`AsyncReadExt`], [`AsyncWriteExt`], [`AsyncBufReadExt`], [`AsyncSeekExt`] and their futures |
//! | `adaptors` | [`BufReader`], [`BufWriter`], [`BufStream`], [`Chain`], [`Take`], [`Join`], [`Lines`], [`Split`] |
//! | `copy` | [`copy()`], [`copy_buf`], [`copy_bidirectional`] |
//! | `halves` | [`split()`] into [`ReadHalf`] and [`WriteHalf`] |
//! | `pipe` | [`duplex`] and [`simplex`], pipes in memory |
//! | `constant` | [`empty`], [`sink`], [`repeat`] |
//!
//! Data flow: sockets, files and pipes implement the traits; users call the extension traits; adaptors wrap a reader or
//! a writer and implement the traits again. What is always ready (`constant`, `copy`, `pipe`) spends the task's budget
//! through [`sprang_core::coop`].
//!
//! Unsafe code is allowed in the modules that say so below and in `ext`, and denied everywhere else.

#![deny(unsafe_code)]

mod adaptors;
mod constant;
mod copy;
mod ext;
#[allow(unsafe_code, reason = "pins the shared stream in its allocation")]
mod halves;
mod pipe;
#[allow(unsafe_code, reason = "keeps count of initialised memory")]
mod read_buf;
#[cfg(test)]
mod testing;
mod traits;

pub use adaptors::{BufReader, BufStream, BufWriter, Chain, Join, Lines, Split, Take, join};
pub use constant::{Empty, Repeat, Sink, empty, repeat, sink};
pub use copy::{copy, copy_bidirectional, copy_bidirectional_with_sizes, copy_buf};
pub use ext::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
pub use halves::{ReadHalf, WriteHalf, split};
pub use pipe::{DuplexStream, SimplexStream, duplex, simplex};
pub use read_buf::ReadBuf;
#[doc(no_inline)]
pub use std::io::{Error, ErrorKind, Result, SeekFrom};
pub use traits::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
