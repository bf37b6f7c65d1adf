//! [`AsyncSeekExt`]: seeking as a future.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::AsyncSeek;

/// Methods for every [`AsyncSeek`].
///
/// ```
/// use sprang_io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let mut cursor = std::io::Cursor::new(b"abcdef");
/// assert_eq!(cursor.seek(SeekFrom::End(-2)).await?, 4);
/// assert_eq!(cursor.read_u8().await?, b'e');
/// assert_eq!(cursor.stream_position().await?, 5);
/// cursor.rewind().await?;
/// assert_eq!(cursor.read_u8().await?, b'a');
/// # Ok(()) })
/// # }
/// ```
pub trait AsyncSeekExt: AsyncSeek {
    /// Moves to `pos`, once any seek under way is complete, and returns the new position in bytes from the start.
    ///
    /// # Errors
    ///
    /// If the position lies before the start, and what the stream reports. An error of the earlier seek is reported
    /// too.
    ///
    /// # Cancel safety
    ///
    /// A seek that was started goes on when the future is dropped.
    fn seek(&mut self, pos: SeekFrom) -> Seek<'_, Self>
    where
        Self: Unpin,
    {
        Seek {
            stream: self,
            target: Some(pos),
        }
    }

    /// Moves to the start of the stream: `seek(SeekFrom::Start(0))`.
    ///
    /// # Errors
    ///
    /// Those of [`seek`](Self::seek).
    fn rewind(&mut self) -> Seek<'_, Self>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Start(0))
    }

    /// The position in bytes from the start: `seek(SeekFrom::Current(0))`.
    ///
    /// # Errors
    ///
    /// Those of [`seek`](Self::seek).
    fn stream_position(&mut self) -> Seek<'_, Self>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Current(0))
    }
}

impl<S: AsyncSeek + ?Sized> AsyncSeekExt for S {}

/// Future of [`AsyncSeekExt::seek`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Seek<'a, S: ?Sized> {
    stream: &'a mut S,
    /// Where to go; `None` once the seek is under way.
    target: Option<SeekFrom>,
}

impl<S: AsyncSeek + Unpin + ?Sized> Future for Seek<'_, S> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let me = self.get_mut();
        let mut stream = Pin::new(&mut *me.stream);
        if let Some(target) = me.target {
            ready!(stream.as_mut().poll_complete(cx))?;
            stream.as_mut().start_seek(target)?;
            me.target = None;
        }
        stream.poll_complete(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::pin::pin;

    use super::*;
    use crate::testing::{Script, block_on, poll_once};

    #[test]
    fn a_seek_is_started_once_however_often_it_is_polled() {
        let mut stream = Script::default().slow_seeks(3);
        assert_eq!(block_on(stream.seek(SeekFrom::End(-1))).unwrap(), 1);
        assert_eq!(block_on(stream.rewind()).unwrap(), 2);
        assert_eq!(stream.seeks, [SeekFrom::End(-1), SeekFrom::Start(0)]);
    }

    #[test]
    fn a_seek_waits_for_the_one_before() {
        let mut stream = Script::default().slow_seeks(2);
        assert!(poll_once(pin!(stream.seek(SeekFrom::Start(1)))).is_pending());
        assert!(poll_once(pin!(stream.seek(SeekFrom::Start(2)))).is_pending());
        assert_eq!(stream.seeks, [SeekFrom::Start(1)]);
    }

    #[test]
    fn a_position_before_the_start_is_an_error() {
        let error = block_on(io::Cursor::new(b"abc").seek(SeekFrom::Current(-1))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
