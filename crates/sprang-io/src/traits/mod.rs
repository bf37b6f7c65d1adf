//! The four traits everything else is written against.
//!
//! Purpose: reading, writing, buffered reading and seeking by polls, with the contracts of `tokio::io`. Each file holds
//! one trait and its implementations for the types of `std`.
//!
//! Called by: the adaptors and futures of this crate. Implemented by: sockets, files, pipes, the adaptors.

mod async_buf_read;
mod async_read;
mod async_seek;
mod async_write;

pub use async_buf_read::AsyncBufRead;
pub use async_read::AsyncRead;
pub use async_seek::AsyncSeek;
pub use async_write::AsyncWrite;
