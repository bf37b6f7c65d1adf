//! [`ReadDirStream`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::fs::{DirEntry, ReadDir};
use crate::stream::Stream;

/// The entries of a directory.
#[derive(Debug)]
pub struct ReadDirStream {
    inner: ReadDir,
}

wraps!([] ReadDirStream, ReadDir);

impl Stream for ReadDirStream {
    type Item = io::Result<DirEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.poll_next_entry(cx).map(Result::transpose)
    }
}
