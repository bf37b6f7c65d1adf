//! [`WatchStream`].

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::refilled::{Boxed, Refilled};
use crate::stream::Stream;
use crate::sync::watch::Receiver;

/// The values of a watch channel: always the newest, so not each that was sent. The stream ends when the sender is gone
/// and its last value has been seen.
///
/// ```
/// use futures::StreamExt;
/// use sprang::stream::wrappers::WatchStream;
/// use sprang::sync::watch;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// let (sender, receiver) = watch::channel("first");
/// let mut values = WatchStream::new(receiver.clone());
/// let mut changes = WatchStream::from_changes(receiver);
/// assert_eq!(values.next().await, Some("first"));
///
/// sender.send("second").unwrap();
/// assert_eq!((values.next().await, changes.next().await), (Some("second"), Some("second")));
///
/// drop(sender);
/// assert_eq!((values.next().await, changes.next().await), (None, None));
/// # }
/// ```
pub struct WatchStream<T> {
    inner: Boxed<T>,
}

impl<T: Clone + Send + Sync + 'static> WatchStream<T> {
    /// The stream that begins with the value there is.
    pub fn new(receiver: Receiver<T>) -> Self {
        Self::beginning(receiver, true)
    }

    /// The stream that begins with the next value that `receiver` has not seen.
    pub fn from_changes(receiver: Receiver<T>) -> Self {
        Self::beginning(receiver, false)
    }

    fn beginning(receiver: Receiver<T>, at_once: bool) -> Self {
        Self {
            inner: Box::pin(Refilled::new(receive(receiver, at_once), |receiver| {
                receive(receiver, false)
            })),
        }
    }
}

async fn receive<T: Clone>(mut receiver: Receiver<T>, at_once: bool) -> (Receiver<T>, Option<T>) {
    if !at_once && receiver.changed().await.is_err() {
        return (receiver, None);
    }
    let value = receiver.borrow_and_update().clone();
    (receiver, Some(value))
}

impl<T> Stream for WatchStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.inner.as_mut().poll_next(cx)
    }
}

impl<T: Clone + Send + Sync + 'static> From<Receiver<T>> for WatchStream<T> {
    fn from(receiver: Receiver<T>) -> Self {
        Self::new(receiver)
    }
}

impl<T> fmt::Debug for WatchStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchStream").finish_non_exhaustive()
    }
}
