//! [`Split`]: a reader cut up at a delimiter.
//!
//! Invariant I1: `partial` holds the start of a segment that is not complete yet, also between polls and between calls,
//! so that a dropped `next_segment` loses nothing.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::AsyncBufRead;
use crate::ext::poll_read_until;

pin_project! {
    /// The segments of a reader between delimiters. Made by
    /// [`AsyncBufReadExt::split`](crate::AsyncBufReadExt::split).
    #[derive(Debug)]
    #[must_use = "`Split` reads nothing unless polled"]
    pub struct Split<R> {
        #[pin]
        reader: R,
        delimiter: u8,
        partial: Vec<u8>,
    }
}

impl<R: AsyncBufRead> Split<R> {
    pub(crate) fn new(reader: R, delimiter: u8) -> Self {
        Self {
            reader,
            delimiter,
            partial: Vec::new(),
        }
    }

    /// Polls for the next segment, without its delimiter; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// What the reader reports, except `Interrupted`, which is tried again. The start of the segment is kept.
    pub fn poll_next_segment(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Option<Vec<u8>>>> {
        let me = self.project();
        ready!(poll_read_until(me.reader, cx, *me.delimiter, me.partial))?;
        if me.partial.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let mut segment = mem::take(me.partial);
        segment.pop_if(|last| last == me.delimiter);
        Poll::Ready(Ok(Some(segment)))
    }
}

impl<R: AsyncBufRead + Unpin> Split<R> {
    /// Waits for the next segment, without its delimiter; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of [`poll_next_segment`](Self::poll_next_segment).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the start of a segment that was read is kept for the next call.
    pub async fn next_segment(&mut self) -> io::Result<Option<Vec<u8>>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_segment(cx)).await
    }
}
