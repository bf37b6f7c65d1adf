//! [`BroadcastStream`].

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::refilled::{Boxed, Refilled};
use crate::stream::Stream;
use crate::sync::broadcast::Receiver;
use crate::sync::broadcast::error::RecvError;

/// The messages of a broadcast channel, and how many were missed. The stream ends when all senders are gone and all
/// messages have been taken.
pub struct BroadcastStream<T> {
    inner: Boxed<Result<T, BroadcastStreamRecvError>>,
}

/// What a [`BroadcastStream`] reports between messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BroadcastStreamRecvError {
    /// The receiver was too slow: so many messages are lost. The next item is the oldest message that is still there.
    Lagged(u64),
}

impl<T: Clone + Send + 'static> BroadcastStream<T> {
    /// The stream of what `receiver` receives.
    pub fn new(receiver: Receiver<T>) -> Self {
        Self {
            inner: Box::pin(Refilled::new(receive(receiver), receive)),
        }
    }
}

async fn receive<T: Clone>(mut receiver: Receiver<T>) -> (Receiver<T>, Option<Result<T, BroadcastStreamRecvError>>) {
    let item = match receiver.recv().await {
        Ok(message) => Some(Ok(message)),
        Err(RecvError::Lagged(missed)) => Some(Err(BroadcastStreamRecvError::Lagged(missed))),
        Err(RecvError::Closed) => None,
    };
    (receiver, item)
}

impl<T> Stream for BroadcastStream<T> {
    type Item = Result<T, BroadcastStreamRecvError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.as_mut().poll_next(cx)
    }
}

impl<T: Clone + Send + 'static> From<Receiver<T>> for BroadcastStream<T> {
    fn from(receiver: Receiver<T>) -> Self {
        Self::new(receiver)
    }
}

impl<T> fmt::Debug for BroadcastStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastStream").finish_non_exhaustive()
    }
}

impl fmt::Display for BroadcastStreamRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged(missed) => write!(f, "the receiver was too slow and has missed {missed} messages"),
        }
    }
}

impl Error for BroadcastStreamRecvError {}
