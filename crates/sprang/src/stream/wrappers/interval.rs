//! [`IntervalStream`].

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::stream::Stream;
use crate::time::{Instant, Interval};

/// The ticks of an interval: the times that they were due at. The stream has no end.
#[derive(Debug)]
pub struct IntervalStream {
    inner: Interval,
}

wraps!([] IntervalStream, Interval);

impl Stream for IntervalStream {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.inner.poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
