//! [`TcpListenerStream`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::net::{TcpListener, TcpStream};
use crate::stream::Stream;

/// The connections that come in at a listener: [`incoming`](TcpListener::incoming), which owns its listener.
#[derive(Debug)]
pub struct TcpListenerStream {
    inner: TcpListener,
}

wraps!([] TcpListenerStream, TcpListener);

impl Stream for TcpListenerStream {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.inner.incoming()).poll_next(cx)
    }
}
