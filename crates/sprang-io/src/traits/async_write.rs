//! [`AsyncWrite`], the trait of byte sinks, and its implementations for the types of `std`.

use std::io::{self, IoSlice};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A sink of bytes that can be written to without blocking.
///
/// The counterpart of [`std::io::Write`] for tasks, with [`poll_shutdown`](Self::poll_shutdown) added. Most callers
/// want the methods of [`AsyncWriteExt`](crate::AsyncWriteExt), which every writer has.
///
/// # Examples
///
/// A writer that counts what another one takes:
///
/// ```
/// use std::io;
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use sprang_io::{AsyncWrite, AsyncWriteExt};
///
/// struct Counting<W>(W, usize);
///
/// impl<W: AsyncWrite + Unpin> AsyncWrite for Counting<W> {
///     fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
///         let result = Pin::new(&mut self.0).poll_write(cx, buf);
///         if let Poll::Ready(Ok(n)) = result {
///             self.1 += n;
///         }
///         result
///     }
///
///     fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Pin::new(&mut self.0).poll_flush(cx)
///     }
///
///     fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Pin::new(&mut self.0).poll_shutdown(cx)
///     }
/// }
///
/// let mut writer = Counting(Vec::new(), 0);
/// futures::executor::block_on(writer.write_all(b"hello")).unwrap();
/// assert_eq!(writer.1, 5);
/// ```
pub trait AsyncWrite {
    /// Tries to write bytes from `buf`, and returns how many were taken.
    ///
    /// # Returns
    ///
    /// - `Ready(Ok(n))`: the first `n <= buf.len()` bytes were taken. 0 means that the sink takes no more bytes, and
    ///   likely never will again, or that `buf` is empty.
    /// - `Pending`: nothing was taken; the task is woken when the sink is writable.
    ///
    /// # Errors
    ///
    /// What the sink reports. Nothing was taken then.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Tries to make everything that was taken reach its destination.
    ///
    /// # Errors
    ///
    /// What the sink reports.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Starts or goes on with an orderly end of the stream: flush, say goodbye to the other side, close the write
    /// direction. `Ready(Ok(()))` says that it is complete.
    ///
    /// A `shutdown` implies a `flush`. After it returned `Ready`, no more writes may be attempted.
    ///
    /// # Errors
    ///
    /// What the sink reports.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Like [`poll_write`](Self::poll_write), with the bytes of several slices one after the other.
    ///
    /// The provided method writes the first slice that is not empty.
    ///
    /// # Errors
    ///
    /// Those of [`poll_write`](Self::poll_write).
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, first.map_or(&[], |buf| buf))
    }

    /// Whether [`poll_write_vectored`](Self::poll_write_vectored) takes more than one slice at a time.
    ///
    /// If not, a caller does better to gather its slices in a buffer first.
    fn is_write_vectored(&self) -> bool {
        false
    }
}

/// The methods of `AsyncWrite` for a type that dereferences to an `Unpin` writer.
macro_rules! forward_to_target {
    () => {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut **self).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut **self).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut **self).poll_shutdown(cx)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut **self).poll_write_vectored(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            (**self).is_write_vectored()
        }
    };
}

impl<T: ?Sized + AsyncWrite + Unpin> AsyncWrite for Box<T> {
    forward_to_target!();
}

impl<T: ?Sized + AsyncWrite + Unpin> AsyncWrite for &mut T {
    forward_to_target!();
}

impl<P> AsyncWrite for Pin<P>
where
    P: DerefMut<Target: AsyncWrite>,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.as_deref_mut().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_deref_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_deref_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.as_deref_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        (**self).is_write_vectored()
    }
}

/// `AsyncWrite` for the writers in memory: what `std::io::Write` does, which never blocks here.
macro_rules! write_in_memory {
    ($($writer:ty),+ $(,)?) => {$(
        impl AsyncWrite for $writer {
            #[inline]
            fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                Poll::Ready(io::Write::write(self.get_mut(), buf))
            }

            #[inline]
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            #[inline]
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            #[inline]
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(io::Write::write_vectored(self.get_mut(), bufs))
            }

            #[inline]
            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    )+};
}

write_in_memory! {
    Vec<u8>,
    io::Cursor<&mut [u8]>,
    io::Cursor<&mut Vec<u8>>,
    io::Cursor<Vec<u8>>,
    io::Cursor<Box<[u8]>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AsyncWriteExt;
    use crate::testing::{Script, block_on};

    #[test]
    fn the_provided_vectored_write_takes_the_first_slice_with_bytes() {
        struct Plain(Vec<u8>);
        impl AsyncWrite for Plain {
            fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.0.extend_from_slice(buf);
                Poll::Ready(Ok(buf.len()))
            }
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
        let mut writer = Plain(Vec::new());
        let slices = [IoSlice::new(b""), IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        assert_eq!(block_on(writer.write_vectored(&slices)).unwrap(), 2);
        assert_eq!(block_on(writer.write_vectored(&[])).unwrap(), 0);
        assert_eq!(writer.0, b"ab");
    }

    #[test]
    fn a_fixed_slice_takes_what_fits_and_then_nothing() {
        let mut memory = [0; 3];
        let mut writer = io::Cursor::new(&mut memory[..]);
        assert_eq!(block_on(writer.write(b"abcd")).unwrap(), 3);
        assert_eq!(
            block_on(writer.write_all(b"e")).unwrap_err().kind(),
            io::ErrorKind::WriteZero
        );
        assert_eq!(&memory, b"abc");
    }

    #[test]
    fn pointers_forward_every_method() {
        let mut script = Script::default().vectored();
        {
            let mut boxed: Box<dyn AsyncWrite + Unpin + '_> = Box::new(Pin::new(&mut script));
            assert!(boxed.is_write_vectored());
            block_on(async {
                boxed.write_vectored(&[IoSlice::new(b"a"), IoSlice::new(b"b")]).await?;
                boxed.write(b"c").await?;
                boxed.flush().await?;
                boxed.shutdown().await
            })
            .unwrap();
        }
        assert_eq!(
            (script.written.as_slice(), script.flushes, script.shutdowns),
            (&b"abc"[..], 1, 1)
        );
    }
}
