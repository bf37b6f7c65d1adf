//! [`SignalStream`].

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::signal::unix::Signal;
use crate::stream::Stream;

/// An item for each time that a signal has come in; several may be one. The stream ends when the runtime is shut down.
#[derive(Debug)]
pub struct SignalStream {
    inner: Signal,
}

wraps!([] SignalStream, Signal);

impl Stream for SignalStream {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.inner.poll_recv(cx)
    }
}
