//! [`Refilled`]: a stream out of an `async fn` that takes a receiver and gives it back.
//!
//! Invariant I1: `future` is unfinished between two polls; one that has finished is replaced, in its place, by the next.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::stream::Stream;

/// A stream whose type has no name, for a field.
pub(super) type Boxed<T> = Pin<Box<dyn Stream<Item = T> + Send + Sync>>;

pin_project! {
    pub(super) struct Refilled<M, F> {
        make: M,
        #[pin]
        future: F,
    }
}

impl<M, F> Refilled<M, F> {
    /// The stream that begins with the output of `first` and goes on with those of the futures that `make` makes.
    pub(super) fn new(first: F, make: M) -> Self {
        Self { make, future: first }
    }
}

/// `None` in place of an item ends the stream, as often as it is polled.
impl<R, T, M: FnMut(R) -> F, F: Future<Output = (R, Option<T>)>> Stream for Refilled<M, F> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut me = self.project();
        let (receiver, item) = ready!(me.future.as_mut().poll(cx));
        me.future.set((me.make)(receiver));
        Poll::Ready(item)
    }
}
