//! The connections of a listener, as a stream.
//!
//! Purpose: servers that are written as a chain of stream operations.
//!
//! Data flow: task → `Incoming::poll_next` → `poll_accept` of the listener.

use std::io::{self, ErrorKind};
use std::task::{Poll, ready};

/// Makes the stream of connections `$Stream` that come in at a `$Listener`.
macro_rules! incoming {
    ($Listener:ident, $Stream:ident) => {
        use std::io;
        use std::pin::Pin;
        use std::task::{Context, Poll};

        use futures_core::{FusedStream, Stream};

        #[doc = concat!("The connections of a listener, made by [`", stringify!($Listener), "::incoming`].")]
        #[derive(Debug)]
        #[must_use = "streams do nothing unless polled"]
        pub struct Incoming<'a>(&'a $Listener);

        impl $Listener {
            /// The connections that come in, as a stream. Only one task can wait for them through streams and
            /// [`poll_accept`](Self::poll_accept).
            ///
            /// It never ends. Errors of a connection that was closed before it could be accepted are passed over; all
            /// others are items, and the next one may be a connection again. While the process is out of descriptors
            /// (`EMFILE`) each next item is that error at once: wait a little before asking again. The address of the
            /// peer is [`peer_addr`]'s.
            ///
            /// Panics of [`accept`](Self::accept) are those of the stream.
            ///
            #[doc = concat!("[`peer_addr`]: ", stringify!($Stream), "::peer_addr")]
            ///
            /// ```no_run
            /// use futures::StreamExt;
            #[doc = concat!("use sprang::net::{", stringify!($Listener), ", ", stringify!($Stream), "};")]
            ///
            #[doc = concat!("# async fn serve(stream: ", stringify!($Stream), ") {}")]
            #[doc = concat!("# async fn run(listener: ", stringify!($Listener), ") {")]
            /// listener
            ///     .incoming()
            ///     .for_each_concurrent(1_000, async |connection| match connection {
            ///         Ok(stream) => serve(stream).await,
            ///         Err(error) => eprintln!("no connection: {error}"),
            ///     })
            ///     .await;
            /// # }
            /// ```
            pub fn incoming(&self) -> Incoming<'_> {
                Incoming(self)
            }
        }

        impl Stream for Incoming<'_> {
            type Item = io::Result<$Stream>;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                let accepted = $crate::net::incoming::poll_next(|| self.0.poll_accept(cx));
                accepted.map_ok(|(stream, _)| stream).map(Some)
            }
        }

        impl FusedStream for Incoming<'_> {
            fn is_terminated(&self) -> bool {
                false
            }
        }
    };
}

pub(super) use incoming;

/// The next connection, or error of the listener, that `poll_accept` comes to.
pub(super) fn poll_next<T>(mut poll_accept: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match ready!(poll_accept()) {
            // Of a connection that is gone.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
                ) => {}
            accepted => return Poll::Ready(accepted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No OS can be made to say them at will.
    #[test]
    fn only_the_errors_of_a_connection_are_passed_over() {
        let mut script = [
            Err(ErrorKind::ConnectionAborted),
            Err(ErrorKind::ConnectionReset),
            Ok(1),
            Err(ErrorKind::ConnectionRefused),
            Err(ErrorKind::OutOfMemory),
            Ok(2),
        ]
        .into_iter();
        let mut next = || {
            let poll_accept = || {
                script
                    .next()
                    .map_or(Poll::Pending, |item| Poll::Ready(item.map_err(Into::into)))
            };
            poll_next(poll_accept).map_err(|error: io::Error| error.kind())
        };
        assert_eq!(next(), Poll::Ready(Ok(1)));
        assert_eq!(next(), Poll::Ready(Err(ErrorKind::OutOfMemory)));
        assert_eq!(next(), Poll::Ready(Ok(2)));
        assert_eq!(next(), Poll::Pending);
    }
}
