//! `AsyncReadExt::read_buf`: one read into any [`BufMut`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use crate::AsyncRead;
use crate::read_buf::lend;

/// Future of [`AsyncReadExt::read_buf`](crate::AsyncReadExt::read_buf).
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadIntoBuf<'a, R: ?Sized, B: ?Sized> {
    pub(super) reader: &'a mut R,
    pub(super) buf: &'a mut B,
}

impl<R, B> Future for ReadIntoBuf<'_, R, B>
where
    R: AsyncRead + Unpin + ?Sized,
    B: BufMut + ?Sized,
{
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        if !me.buf.has_remaining_mut() {
            return Poll::Ready(Ok(0));
        }
        // SAFETY: the slice only goes into a `ReadBuf`, which writes no uninitialised bytes (I3 there).
        let memory = unsafe { me.buf.chunk_mut().as_uninit_slice_mut() };
        // SAFETY: no byte is said to be initialised.
        let lent = unsafe { lend(memory, 0, |buf| Pin::new(&mut *me.reader).poll_read(cx, buf)) };
        ready!(lent.result)?;
        // SAFETY: the first `filled` bytes of the chunk are initialised, as `lend` says.
        unsafe { me.buf.advance_mut(lent.filled) };
        Poll::Ready(Ok(lent.filled))
    }
}
