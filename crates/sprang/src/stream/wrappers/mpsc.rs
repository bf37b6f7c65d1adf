//! [`ReceiverStream`] and [`UnboundedReceiverStream`].

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::stream::Stream;
use crate::sync::mpsc::{Receiver, UnboundedReceiver};

/// The messages of a bounded channel. The stream ends when all senders are gone, or after [`close`](Self::close), and
/// all messages have been taken.
#[derive(Debug)]
pub struct ReceiverStream<T> {
    inner: Receiver<T>,
}

/// The messages of an unbounded channel. The stream ends when all senders are gone, or after [`close`](Self::close),
/// and all messages have been taken.
#[derive(Debug)]
pub struct UnboundedReceiverStream<T> {
    inner: UnboundedReceiver<T>,
}

wraps!([T] ReceiverStream<T>, Receiver<T>);
wraps!([T] UnboundedReceiverStream<T>, UnboundedReceiver<T>);

impl<T> ReceiverStream<T> {
    /// Refuses further messages; those that were sent, and those whose permits were given out, still come.
    pub fn close(&mut self) {
        self.inner.close();
    }
}

impl<T> UnboundedReceiverStream<T> {
    /// Refuses further messages; those that were sent still come.
    pub fn close(&mut self) {
        self.inner.close();
    }
}

impl<T> Stream for ReceiverStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.inner.poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Once closed, it gets what the permits that are out may still send, and no more.
        let most = self
            .inner
            .is_closed()
            .then(|| self.inner.max_capacity() - self.inner.capacity());
        (self.inner.len(), most)
    }
}

impl<T> Stream for UnboundedReceiverStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.inner.poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let closed = self.inner.is_closed();
        let messages = self.inner.len();
        (messages, closed.then_some(messages))
    }
}
