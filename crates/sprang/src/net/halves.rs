//! The halves of a stream.
//!
//! Purpose: reading and writing at the same time, borrowed within one task and owned for two. A stream of TCP and one
//! of Unix have halves of their own types, which are made here.
//!
//! Called by: `split` and `into_split` of a stream. Calls: the stream.
//!
//! Invariants:
//! - I1: exactly two owned halves share a stream: `reunite` finds itself the only owner once it has given up one of the
//!   two.

/// Makes the halves of `$Stream`, whose ends have addresses of type `$Addr`.
macro_rules! halves {
    ($Stream:ident, $Addr:ty) => {
        use std::error::Error;
        use std::net::Shutdown;
        use std::pin::Pin;
        use std::sync::Arc;
        use std::task::{Context, Poll};
        use std::{fmt, io};

        use bytes::BufMut;
        use sprang_io::{AsyncRead, AsyncWrite, ReadBuf};
        use sprang_reactor::{Interest, Ready};

        #[doc = concat!("The half to read of a stream split by [`", stringify!($Stream), "::split`].")]
        #[derive(Debug)]
        pub struct ReadHalf<'a>(&'a $Stream);

        #[doc = concat!("The half to write of a stream split by [`", stringify!($Stream), "::split`].")]
        ///
        /// Shutting it down shuts down the write side of the stream; dropping it does nothing.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(&'a $Stream);

        #[doc = concat!("The half to read of a stream split by [`", stringify!($Stream), "::into_split`].")]
        #[derive(Debug)]
        pub struct OwnedReadHalf(Arc<$Stream>);

        #[doc = concat!("The half to write of a stream split by [`", stringify!($Stream), "::into_split`].")]
        ///
        /// Dropping it shuts the write side of the stream down, unless that was done already; see
        /// [`forget`](Self::forget).
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: Arc<$Stream>,
            shutdown_on_drop: bool,
        }

        /// Two halves that were to be reunited, but are of different streams.
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tried to reunite halves that are not from the same socket")
            }
        }

        impl Error for ReuniteError {}

        pub(super) fn split(stream: &mut $Stream) -> (ReadHalf<'_>, WriteHalf<'_>) {
            (ReadHalf(stream), WriteHalf(stream))
        }

        pub(super) fn into_split(stream: $Stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = Arc::new(stream);
            let read = OwnedReadHalf(Arc::clone(&stream));
            let write = OwnedWriteHalf {
                stream,
                shutdown_on_drop: true,
            };
            (read, write)
        }

        fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
            if !Arc::ptr_eq(&read.0, &write.stream) {
                return Err(ReuniteError(read, write));
            }
            write.forget();
            Ok(Arc::into_inner(read.0).expect("the other half is gone (I1)"))
        }

        impl OwnedReadHalf {
            /// Puts the two halves of a stream together again.
            ///
            /// # Errors
            ///
            /// If they are of different streams: both are handed back.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
                reunite(self, other)
            }
        }

        impl OwnedWriteHalf {
            /// Puts the two halves of a stream together again.
            ///
            /// # Errors
            ///
            /// If they are of different streams: both are handed back.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$Stream, ReuniteError> {
                reunite(other, self)
            }

            /// Drops the half without shutting the write side down.
            pub fn forget(mut self) {
                self.shutdown_on_drop = false;
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.shutdown_on_drop {
                    // Fails only if the connection is broken: then nothing is left to be told to the peer.
                    let _ = self.stream.shut_down(Shutdown::Write);
                }
            }
        }

        impl AsRef<$Stream> for ReadHalf<'_> {
            fn as_ref(&self) -> &$Stream {
                self.0
            }
        }

        impl AsRef<$Stream> for WriteHalf<'_> {
            fn as_ref(&self) -> &$Stream {
                self.0
            }
        }

        impl AsRef<$Stream> for OwnedReadHalf {
            fn as_ref(&self) -> &$Stream {
                &self.0
            }
        }

        impl AsRef<$Stream> for OwnedWriteHalf {
            fn as_ref(&self) -> &$Stream {
                &self.stream
            }
        }

        $crate::net::halves::read_half!(ReadHalf<'_>, $Stream, $Addr);
        $crate::net::halves::read_half!(OwnedReadHalf, $Stream, $Addr);
        $crate::net::halves::write_half!(WriteHalf<'_>, $Stream, $Addr);
        $crate::net::halves::write_half!(OwnedWriteHalf, $Stream, $Addr);

        impl AsyncWrite for WriteHalf<'_> {
            $crate::net::halves::async_write!();

            /// Shuts the write side of the stream down.
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.0.shut_down(Shutdown::Write))
            }
        }

        impl AsyncWrite for OwnedWriteHalf {
            $crate::net::halves::async_write!();

            /// Shuts the write side of the stream down.
            fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                let result = self.stream.shut_down(Shutdown::Write);
                self.shutdown_on_drop &= result.is_err();
                Poll::Ready(result)
            }
        }
    };
}

/// What both kinds of read halves do.
macro_rules! read_half {
    ($Half:ty, $Stream:ident, $Addr:ty) => {
        impl $Half {
            #[doc = concat!("As [`", stringify!($Stream), "::ready`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.as_ref().ready(interest).await
            }

            #[doc = concat!("As [`", stringify!($Stream), "::readable`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn readable(&self) -> io::Result<()> {
                self.as_ref().readable().await
            }

            #[doc = concat!("As [`", stringify!($Stream), "::try_read`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.as_ref().try_read(buf)
            }

            #[doc = concat!("As [`", stringify!($Stream), "::try_read_vectored`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
                self.as_ref().try_read_vectored(bufs)
            }

            #[doc = concat!("As [`", stringify!($Stream), "::try_read_buf`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
                self.as_ref().try_read_buf(buf)
            }

            /// The address of the other end.
            ///
            /// # Errors
            ///
            /// Those of the OS.
            pub fn peer_addr(&self) -> io::Result<$Addr> {
                self.as_ref().peer_addr()
            }

            /// The address of this end.
            ///
            /// # Errors
            ///
            /// Those of the OS.
            pub fn local_addr(&self) -> io::Result<$Addr> {
                self.as_ref().local_addr()
            }
        }

        impl AsyncRead for $Half {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                (*self).as_ref().poll_read_shared(cx, buf)
            }
        }
    };
}

/// What both kinds of write halves do.
macro_rules! write_half {
    ($Half:ty, $Stream:ident, $Addr:ty) => {
        impl $Half {
            #[doc = concat!("As [`", stringify!($Stream), "::ready`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.as_ref().ready(interest).await
            }

            #[doc = concat!("As [`", stringify!($Stream), "::writable`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn writable(&self) -> io::Result<()> {
                self.as_ref().writable().await
            }

            #[doc = concat!("As [`", stringify!($Stream), "::try_write`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.as_ref().try_write(buf)
            }

            #[doc = concat!("As [`", stringify!($Stream), "::try_write_vectored`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
                self.as_ref().try_write_vectored(bufs)
            }

            /// The address of the other end.
            ///
            /// # Errors
            ///
            /// Those of the OS.
            pub fn peer_addr(&self) -> io::Result<$Addr> {
                self.as_ref().peer_addr()
            }

            /// The address of this end.
            ///
            /// # Errors
            ///
            /// Those of the OS.
            pub fn local_addr(&self) -> io::Result<$Addr> {
                self.as_ref().local_addr()
            }
        }
    };
}

/// The methods of `AsyncWrite` in which the write halves do not differ.
macro_rules! async_write {
    () => {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            (*self).as_ref().poll_write_shared(cx, buf)
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            (*self).as_ref().poll_write_vectored_shared(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            self.as_ref().is_write_vectored()
        }

        /// Does nothing: written bytes are the kernel's.
        #[inline]
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    };
}

pub(super) use {async_write, halves, read_half, write_half};
