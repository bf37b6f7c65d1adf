//! [`Lines`]: a reader line by line.
//!
//! Invariant I1: `partial` holds the start of a line that is not complete yet, also between polls and between calls, so
//! that a dropped `next_line` loses nothing.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::AsyncBufRead;
use crate::ext::poll_read_until;

pin_project! {
    /// The lines of a reader, without their line ends. Made by
    /// [`AsyncBufReadExt::lines`](crate::AsyncBufReadExt::lines).
    #[derive(Debug)]
    #[must_use = "`Lines` reads nothing unless polled"]
    pub struct Lines<R> {
        #[pin]
        reader: R,
        partial: Vec<u8>,
    }
}

impl<R: AsyncBufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            partial: Vec::new(),
        }
    }

    /// Polls for the next line; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// - `InvalidData` if a line is not UTF-8; the line is lost, the next call goes on behind it.
    /// - What the reader reports, except `Interrupted`, which is tried again. The start of the line is kept.
    pub fn poll_next_line(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Option<String>>> {
        let me = self.project();
        ready!(poll_read_until(me.reader, cx, b'\n', me.partial))?;
        if me.partial.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let mut line = mem::take(me.partial);
        if line.pop_if(|last| *last == b'\n').is_some() {
            line.pop_if(|last| *last == b'\r');
        }
        let line = String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
        Poll::Ready(line.map(Some))
    }
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Waits for the next line; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of [`poll_next_line`](Self::poll_next_line).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the start of a line that was read is kept for the next call.
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_line(cx)).await
    }

    /// The reader, mutably. What is read from it directly is missing in the lines.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The reader. The start of a line that was read already is lost.
    pub fn into_inner(self) -> R {
        self.reader
    }
}
