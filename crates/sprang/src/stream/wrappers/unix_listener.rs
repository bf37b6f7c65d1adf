//! [`UnixListenerStream`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::net::{UnixListener, UnixStream};
use crate::stream::Stream;

/// The connections that come in at a listener: [`incoming`](UnixListener::incoming), which owns its listener.
#[derive(Debug)]
pub struct UnixListenerStream {
    inner: UnixListener,
}

wraps!([] UnixListenerStream, UnixListener);

impl Stream for UnixListenerStream {
    type Item = io::Result<UnixStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.inner.incoming()).poll_next(cx)
    }
}
