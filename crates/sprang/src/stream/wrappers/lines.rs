//! [`LinesStream`] and [`SplitStream`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::io::{AsyncBufRead, Lines, Split};
use crate::stream::Stream;

pin_project! {
    /// The lines of a reader. The stream ends with the reader's data; after an error it goes on where that came up.
    #[derive(Debug)]
    pub struct LinesStream<R> {
        #[pin]
        inner: Lines<R>,
    }
}

pin_project! {
    /// The segments of a reader between delimiters. The stream ends with the reader's data; after an error it goes on
    /// where that came up.
    #[derive(Debug)]
    pub struct SplitStream<R> {
        #[pin]
        inner: Split<R>,
    }
}

wraps!([R] LinesStream<R>, Lines<R>);
wraps!([R] SplitStream<R>, Split<R>);

impl<R> LinesStream<R> {
    /// What is wrapped, pinned as the stream is.
    pub fn as_pin_mut(self: Pin<&mut Self>) -> Pin<&mut Lines<R>> {
        self.project().inner
    }
}

impl<R> SplitStream<R> {
    /// What is wrapped, pinned as the stream is.
    pub fn as_pin_mut(self: Pin<&mut Self>) -> Pin<&mut Split<R>> {
        self.project().inner
    }
}

impl<R: AsyncBufRead> Stream for LinesStream<R> {
    type Item = io::Result<String>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.as_pin_mut().poll_next_line(cx).map(Result::transpose)
    }
}

impl<R: AsyncBufRead> Stream for SplitStream<R> {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.as_pin_mut().poll_next_segment(cx).map(Result::transpose)
    }
}
