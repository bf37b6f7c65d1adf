//! [`BufStream`]: a [`BufReader`] and a [`BufWriter`] around one stream.

use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{BufReader, BufWriter};
use crate::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

pin_project! {
    /// A stream with a buffer for each direction.
    ///
    /// What is said of [`BufReader`] and [`BufWriter`] holds for its directions: above all, flush it before it is
    /// dropped.
    ///
    /// ```
    /// use sprang_io::{AsyncBufReadExt, AsyncWriteExt, BufStream, duplex};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # futures::executor::block_on(async {
    /// let (mut client, server) = duplex(64);
    /// let mut server = BufStream::new(server);
    /// client.write_all(b"hello\n").await?;
    /// let mut line = String::new();
    /// server.read_line(&mut line).await?;
    /// server.write_all(line.as_bytes()).await?;
    /// server.flush().await?;
    /// # Ok(()) })
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct BufStream<RW> {
        #[pin]
        inner: BufReader<BufWriter<RW>>,
    }
}

impl<RW: AsyncRead + AsyncWrite> BufStream<RW> {
    /// A stream with buffers of 8 KiB.
    pub fn new(stream: RW) -> BufStream<RW> {
        BufStream {
            inner: BufReader::new(BufWriter::new(stream)),
        }
    }

    /// A stream with buffers of as many bytes.
    ///
    /// # Panics
    ///
    /// If `reader_capacity` is 0.
    #[track_caller]
    pub fn with_capacity(reader_capacity: usize, writer_capacity: usize, stream: RW) -> BufStream<RW> {
        let writer = BufWriter::with_capacity(writer_capacity, stream);
        BufStream {
            inner: BufReader::with_capacity(reader_capacity, writer),
        }
    }

    /// The inner stream.
    pub fn get_ref(&self) -> &RW {
        self.inner.get_ref().get_ref()
    }

    /// The inner stream, mutably. What is read from or written to it directly passes by the buffers.
    pub fn get_mut(&mut self) -> &mut RW {
        self.inner.get_mut().get_mut()
    }

    /// The inner stream, pinned. What is read from or written to it directly passes by the buffers.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut RW> {
        self.project().inner.get_pin_mut().get_pin_mut()
    }

    /// The inner stream. What is left in the buffers is lost.
    pub fn into_inner(self) -> RW {
        self.inner.into_inner().into_inner()
    }
}

impl<RW> From<BufReader<BufWriter<RW>>> for BufStream<RW> {
    fn from(inner: BufReader<BufWriter<RW>>) -> Self {
        BufStream { inner }
    }
}

impl<RW> From<BufWriter<BufReader<RW>>> for BufStream<RW> {
    fn from(outer: BufWriter<BufReader<RW>>) -> Self {
        let BufWriter {
            inner: reader,
            state: write_state,
        } = outer;
        let BufReader {
            inner: stream,
            state: read_state,
        } = reader;
        let writer = BufWriter {
            inner: stream,
            state: write_state,
        };
        BufStream {
            inner: BufReader {
                inner: writer,
                state: read_state,
            },
        }
    }
}

impl<RW: AsyncRead + AsyncWrite> AsyncRead for BufStream<RW> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_read(cx, buf)
    }
}

impl<RW: AsyncRead + AsyncWrite> AsyncBufRead for BufStream<RW> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.project().inner.consume(amt);
    }
}

impl<RW: AsyncRead + AsyncWrite> AsyncWrite for BufStream<RW> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// The write buffer is written out and the read buffer given up before the inner stream moves.
impl<RW: AsyncRead + AsyncWrite + AsyncSeek> AsyncSeek for BufStream<RW> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        self.project().inner.start_seek(position)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.project().inner.poll_complete(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, block_on, give};
    use crate::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

    #[test]
    fn turning_reader_and_writer_around_keeps_both_buffers() {
        let mut inside_out = BufWriter::new(BufReader::new(Script::reads([give(b"abc")])));
        block_on(inside_out.write_all(b"out")).unwrap();
        assert_eq!(block_on(inside_out.read_u8()).unwrap(), b'a');
        let mut stream = BufStream::from(inside_out);
        assert_eq!(block_on(stream.fill_buf()).unwrap(), b"bc");
        assert_eq!(stream.get_ref().written, b"");
        block_on(stream.flush()).unwrap();
        assert_eq!(stream.into_inner().written, b"out");
    }

    #[test]
    fn a_seek_writes_out_one_buffer_and_gives_up_the_other() {
        let mut stream = BufStream::new(Script::reads([give(b"abc"), give(b"xyz")]));
        assert_eq!(block_on(stream.read_u8()).unwrap(), b'a');
        block_on(stream.write_all(b"out")).unwrap();
        block_on(stream.seek(SeekFrom::Current(0))).unwrap();
        assert_eq!(stream.get_ref().written, b"out");
        assert_eq!(stream.get_ref().seeks, [SeekFrom::Current(-2)]);
        assert_eq!(block_on(stream.read_u8()).unwrap(), b'x');
    }
}
