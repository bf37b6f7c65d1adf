//! [`AsyncBufReadExt`]: reading up to a delimiter, line by line, or straight from the buffer.
//!
//! Data flow: `read_until`, `read_line`, [`Lines`] and [`Split`] all go through [`poll_read_until`].

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::fill_buf::FillBuf;
use super::interrupted;
use crate::{AsyncBufRead, Lines, Split};

/// Methods for every [`AsyncBufRead`].
///
/// ```
/// use sprang_io::AsyncBufReadExt;
///
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let mut text: &[u8] = b"key=value\nrest";
/// let mut key = Vec::new();
/// assert_eq!(text.read_until(b'=', &mut key).await?, 4);
/// let mut value = String::new();
/// assert_eq!(text.read_line(&mut value).await?, 6);
/// assert_eq!((key.as_slice(), value.as_str()), (&b"key="[..], "value\n"));
/// assert_eq!(text.fill_buf().await?, b"rest");
/// # Ok(()) })
/// # }
/// ```
pub trait AsyncBufReadExt: AsyncBufRead {
    /// Appends bytes to `buf` up to and with the first `byte`, or up to the end of the stream, and returns how many.
    ///
    /// 0 means that the stream was at its end. Without a last `byte` in `buf` the stream has ended.
    ///
    /// # Errors
    ///
    /// What the reader reports, except `Interrupted`, which is tried again. What was read before is in `buf`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what was read is in `buf`, and another call goes on from there; the count of that call
    /// is without those bytes.
    fn read_until<'a>(&'a mut self, byte: u8, buf: &'a mut Vec<u8>) -> ReadUntil<'a, Self>
    where
        Self: Unpin,
    {
        let start = buf.len();
        ReadUntil {
            reader: self,
            delimiter: byte,
            buf,
            start,
        }
    }

    /// Appends a line with its `\n` to `buf`, or the rest of the stream, and returns how many bytes that was.
    ///
    /// # Errors
    ///
    /// - `InvalidData` if the line is not UTF-8: `buf` is as it was before, the line is lost.
    /// - What the reader reports, except `Interrupted`, which is tried again. The part of the line that was read is in
    ///   `buf` if it is UTF-8 by itself, and lost otherwise.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, what was read is lost, and `buf` may have lost its contents. Use
    /// [`lines`](Self::lines), or [`read_until`](Self::read_until), where that matters.
    fn read_line<'a>(&'a mut self, buf: &'a mut String) -> ReadLine<'a, Self>
    where
        Self: Unpin,
    {
        let bytes = mem::take(buf).into_bytes();
        let start = bytes.len();
        ReadLine {
            reader: self,
            output: buf,
            bytes,
            start,
        }
    }

    /// The parts of the stream between the bytes `byte`, one after the other, without that byte.
    ///
    /// ```
    /// use sprang_io::AsyncBufReadExt;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # futures::executor::block_on(async {
    /// let mut parts = AsyncBufReadExt::split(&b"a-b"[..], b'-');
    /// assert_eq!(parts.next_segment().await?.as_deref(), Some(&b"a"[..]));
    /// assert_eq!(parts.next_segment().await?.as_deref(), Some(&b"b"[..]));
    /// assert_eq!(parts.next_segment().await?, None);
    /// # Ok(()) })
    /// # }
    /// ```
    fn split(self, byte: u8) -> Split<Self>
    where
        Self: Sized + Unpin,
    {
        Split::new(self, byte)
    }

    /// Waits for bytes in the buffer of the reader and returns them. No bytes mean the end of the stream.
    ///
    /// Pair it with [`consume`](Self::consume), or the same bytes are returned again.
    ///
    /// # Errors
    ///
    /// What the reader reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is taken out of the buffer.
    fn fill_buf(&mut self) -> FillBuf<'_, Self>
    where
        Self: Unpin,
    {
        FillBuf::new(self)
    }

    /// Takes the first `amt` bytes out of the buffer that [`fill_buf`](Self::fill_buf) returned.
    fn consume(&mut self, amt: usize)
    where
        Self: Unpin,
    {
        Pin::new(self).consume(amt);
    }

    /// The lines of the stream, without their line ends (`\n` or `\r\n`).
    ///
    /// ```
    /// use sprang_io::AsyncBufReadExt;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # futures::executor::block_on(async {
    /// let mut lines = b"one\r\ntwo".as_slice().lines();
    /// assert_eq!(lines.next_line().await?.as_deref(), Some("one"));
    /// assert_eq!(lines.next_line().await?.as_deref(), Some("two"));
    /// assert_eq!(lines.next_line().await?, None);
    /// # Ok(()) })
    /// # }
    /// ```
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines::new(self)
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufReadExt for R {}

/// Appends bytes to `buf` until the last one is the delimiter, or the stream is at its end.
pub(crate) fn poll_read_until<R: AsyncBufRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    delimiter: u8,
    buf: &mut Vec<u8>,
) -> Poll<io::Result<()>> {
    loop {
        let result = ready!(reader.as_mut().poll_fill_buf(cx));
        if interrupted(&result) {
            continue;
        }
        let available = result?;
        let found = memchr::memchr(delimiter, available);
        let used = found.map_or(available.len(), |at| at + 1);
        buf.extend_from_slice(&available[..used]);
        reader.as_mut().consume(used);
        if found.is_some() || used == 0 {
            return Poll::Ready(Ok(()));
        }
    }
}

/// Makes `bytes` the contents of `output`, whose contents `bytes[..start]` were; without the rest if that is not UTF-8.
///
/// Returns the number of bytes after `start`, or what went wrong.
pub(super) fn put_back(output: &mut String, bytes: Vec<u8>, start: usize, result: io::Result<()>) -> io::Result<usize> {
    let read = bytes.len() - start;
    match String::from_utf8(bytes) {
        Ok(string) => {
            *output = string;
            result.map(|()| read)
        }
        Err(error) => {
            let invalid = error.utf8_error();
            let mut bytes = error.into_bytes();
            bytes.truncate(start);
            *output = String::from_utf8(bytes).expect("the bytes came out of a string");
            result.and(Err(io::Error::new(io::ErrorKind::InvalidData, invalid)))
        }
    }
}

/// Future of [`AsyncBufReadExt::read_until`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadUntil<'a, R: ?Sized> {
    reader: &'a mut R,
    delimiter: u8,
    buf: &'a mut Vec<u8>,
    start: usize,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadUntil<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        ready!(poll_read_until(Pin::new(&mut *me.reader), cx, me.delimiter, me.buf))?;
        Poll::Ready(Ok(me.buf.len() - me.start))
    }
}

/// Future of [`AsyncBufReadExt::read_line`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ReadLine<'a, R: ?Sized> {
    reader: &'a mut R,
    /// Empty until the end: its bytes are in `bytes`, where they need not be UTF-8.
    output: &'a mut String,
    bytes: Vec<u8>,
    start: usize,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadLine<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let result = ready!(poll_read_until(Pin::new(&mut *me.reader), cx, b'\n', &mut me.bytes));
        Poll::Ready(put_back(
            me.output,
            mem::take(&mut me.bytes),
            mem::take(&mut me.start),
            result,
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::pin::pin;

    use sprang_core::rng::Rng;

    use super::*;
    use crate::BufReader;
    use crate::testing::{Script, Step, block_on, give, poll_once};

    #[test]
    fn a_delimiter_is_found_across_pieces_and_taken_along() {
        let steps = [
            give(b"ab"),
            Step::Wait,
            Step::Fail(ErrorKind::Interrupted),
            give(b"c;d"),
            give(b"e"),
        ];
        let mut reader = BufReader::new(Script::reads(steps));
        let mut buf = b">".to_vec();
        assert_eq!(block_on(reader.read_until(b';', &mut buf)).unwrap(), 4);
        assert_eq!(buf, b">abc;");
        assert_eq!(block_on(reader.read_until(b';', &mut buf)).unwrap(), 2);
        assert_eq!(block_on(reader.read_until(b';', &mut buf)).unwrap(), 0);
        assert_eq!(buf, b">abc;de");
    }

    #[test]
    fn a_dropped_read_until_goes_on_where_it_was() {
        let mut reader = BufReader::new(Script::reads([give(b"ab"), Step::Wait, give(b"c;")]));
        let mut buf = Vec::new();
        assert!(poll_once(pin!(reader.read_until(b';', &mut buf))).is_pending());
        assert_eq!(buf, b"ab");
        assert_eq!(block_on(reader.read_until(b';', &mut buf)).unwrap(), 2);
        assert_eq!(buf, b"abc;");
    }

    #[test]
    fn a_line_that_is_not_utf8_is_lost_and_the_string_kept() {
        let mut reader = &b"bad\xff\ngood\n"[..];
        let mut text = String::from("before ");
        assert_eq!(
            block_on(reader.read_line(&mut text)).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
        assert_eq!(text, "before ");
        assert_eq!(block_on(reader.read_line(&mut text)).unwrap(), 5);
        assert_eq!(text, "before good\n");
    }

    #[test]
    fn a_failed_read_line_keeps_the_part_that_is_utf8() {
        for (piece, kept) in [(&b"half"[..], "before half"), (b"half\xc3", "before ")] {
            let mut reader = BufReader::new(Script::reads([give(piece), Step::Fail(ErrorKind::TimedOut)]));
            let mut text = String::from("before ");
            assert_eq!(
                block_on(reader.read_line(&mut text)).unwrap_err().kind(),
                ErrorKind::TimedOut
            );
            assert_eq!(text, kept);
        }
    }

    #[test]
    fn lines_and_segments_are_those_of_std() {
        let mut rng = Rng::new(2);
        for round in 0..200 {
            let text = (0..rng.below(120))
                .map(|_| char::from(b"ab\r\n"[rng.below(4) as usize]))
                .collect::<String>();
            let mut lines = BufReader::with_capacity(7, Script::pieces(&mut rng, text.as_bytes())).lines();
            for expected in io::BufRead::lines(text.as_bytes()) {
                assert_eq!(
                    block_on(lines.next_line()).unwrap(),
                    Some(expected.unwrap()),
                    "round {round}"
                );
            }
            assert_eq!(block_on(lines.next_line()).unwrap(), None);
            let mut segments = BufReader::with_capacity(7, Script::pieces(&mut rng, text.as_bytes())).split(b'a');
            for expected in io::BufRead::split(text.as_bytes(), b'a') {
                assert_eq!(
                    block_on(segments.next_segment()).unwrap(),
                    Some(expected.unwrap()),
                    "round {round}"
                );
            }
            assert_eq!(block_on(segments.next_segment()).unwrap(), None);
        }
    }

    #[test]
    fn a_dropped_next_line_loses_nothing() {
        let steps = [
            give(b"fi"),
            Step::Wait,
            give(b"rst\nsec"),
            Step::Fail(ErrorKind::TimedOut),
            give(b"ond"),
        ];
        let mut lines = BufReader::new(Script::reads(steps)).lines();
        assert!(poll_once(pin!(lines.next_line())).is_pending());
        assert_eq!(block_on(lines.next_line()).unwrap().as_deref(), Some("first"));
        assert_eq!(block_on(lines.next_line()).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(block_on(lines.next_line()).unwrap().as_deref(), Some("second"));
    }

    #[test]
    fn a_line_that_is_not_utf8_does_not_end_the_lines() {
        let mut lines = (&b"\xff\nnext"[..]).lines();
        assert_eq!(block_on(lines.next_line()).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(block_on(lines.next_line()).unwrap().as_deref(), Some("next"));
    }
}
