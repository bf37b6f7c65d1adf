//! [`File`]: a file that tasks read and write.
//!
//! Purpose: the public type; what it does with the file's position is in `cursor`.
//!
//! Data flow: task → [`File`] → `cursor` (what reads, writes, seeks) or `hop` (what does not) → a blocking thread; but
//! what is in memory already is read by the task itself (`cached`).

mod ahead;
mod cached;
mod cursor;
#[allow(unsafe_code, reason = "`FromRawFd`, whose caller vouches for the descriptor")]
mod descriptor;

use std::fmt;
use std::fs::{File as StdFile, Metadata, Permissions};
use std::io::{self, IoSlice, SeekFrom};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use sprang_sync::Mutex;

use super::{FileTimes, OpenOptions, hop};
use crate::io::offload::MAX_BUF_SIZE;
use crate::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use cursor::Cursor;

/// An open file.
///
/// It is read, written and moved in through [`AsyncRead`], [`AsyncWrite`] and [`AsyncSeek`], by the methods of their
/// extension traits. Every operation is done on a blocking thread, with a buffer of at most
/// [`max_buf_size`](Self::max_buf_size) bytes, one operation at a time in the order in which they were begun. Only what
/// the OS has in memory already, and can say so (on Linux), is read without that thread: as much of it as there is, at
/// most 1 MiB at a time.
///
/// # Writes are finished later
///
/// A write is complete, for the task, when the bytes are in the file's buffer: a blocking thread then writes them, even
/// if the `File` is dropped or the runtime ends. If that fails, the next operation that writes, flushes or syncs
/// gives the error instead of doing its work. (Of writes of 64 KiB and more, one more may have been taken by then, which
/// is not done either.) Call [`flush`](crate::io::AsyncWriteExt::flush) to wait for the end of
/// the last write, and [`sync_all`](Self::sync_all) to have the data on the disk.
///
/// # Cancel safety
///
/// An operation that was begun goes on if the future that waits for it is dropped. What a read has found by then is kept
/// for the next one, so that no byte is lost; a write, a flush or a seek in between takes the position back to where
/// the task stood.
///
/// # Errors
///
/// Besides those of the operating system: every operation fails if the runtime has been shut down before it was done.
///
/// # Panics
///
/// Operations panic outside of a runtime.
///
/// ```
/// use sprang::fs::File;
/// use sprang::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("sprang-doc-file-{}", std::process::id()));
/// let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).await?;
/// file.write_all(b"hello, file").await?;
/// file.flush().await?;
///
/// file.rewind().await?;
/// let mut text = String::new();
/// file.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello, file");
/// # sprang::fs::remove_file(&path).await
/// # }
/// ```
pub struct File {
    std: Arc<StdFile>,
    cursor: Mutex<Cursor>,
    max_buf_size: usize,
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options().read(true).open(path).await
    }

    /// Opens a file to write it; one that exists is made empty, one that does not is created.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::create`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options().write(true).create(true).truncate(true).open(path).await
    }

    /// Creates a file to read and write it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if there is something at the path; else those of [`std::fs::File::create_new`].
    pub async fn create_new<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::options().read(true).write(true).create_new(true).open(path).await
    }

    /// Options to open a file with, none of which is set.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Makes a file of one of `std`'s.
    pub fn from_std(std: StdFile) -> Self {
        Self {
            std: Arc::new(std),
            cursor: Mutex::default(),
            max_buf_size: MAX_BUF_SIZE,
        }
    }

    /// Waits for the write under way, then until the data and metadata of the file are on the disk.
    ///
    /// # Errors
    ///
    /// That of a write, if one has failed and not been reported yet; else those of [`std::fs::File::sync_all`].
    pub async fn sync_all(&self) -> io::Result<()> {
        self.sync(StdFile::sync_all).await
    }

    /// As [`sync_all`](Self::sync_all), without metadata that is not needed to read the data.
    ///
    /// # Errors
    ///
    /// As for [`sync_all`](Self::sync_all).
    pub async fn sync_data(&self) -> io::Result<()> {
        self.sync(StdFile::sync_data).await
    }

    async fn sync(&self, sync: fn(&StdFile) -> io::Result<()>) -> io::Result<()> {
        // Kept meanwhile: nothing is written that the caller might think synchronised.
        let mut cursor = self.cursor.lock().await;
        cursor.flush().await?;
        self.hop(sync).await
    }

    /// Cuts the file off, or fills it up with zeros, to `size` bytes. The position stays what it is.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::set_len`].
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        self.cursor.lock().await.set_len(&self.std, size).await
    }

    /// What the file system knows of the file.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::metadata`].
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.hop(StdFile::metadata).await
    }

    /// Another file with the same position, after the operation under way.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::try_clone`].
    pub async fn try_clone(&self) -> io::Result<Self> {
        self.cursor.lock().await.settle().await;
        let mut clone = Self::from_std(self.hop(StdFile::try_clone).await?);
        clone.max_buf_size = self.max_buf_size;
        Ok(clone)
    }

    /// Waits for the operation under way, and gives the file as one of `std`'s.
    ///
    /// The error of a write that was not reported yet is lost: [flush](crate::io::AsyncWriteExt::flush) before.
    ///
    /// # Panics
    ///
    /// If a blocking thread still uses the file for an operation that was cancelled (like [`metadata`](Self::metadata)),
    /// and its descriptor cannot be duplicated either.
    pub async fn into_std(mut self) -> StdFile {
        self.cursor.get_mut().settle().await;
        Arc::try_unwrap(self.std)
            .or_else(|shared| shared.try_clone())
            .expect("the descriptor of a file that is in use cannot be duplicated")
    }

    /// Gives the file as one of `std`'s, if no operation is under way; otherwise gives it back.
    ///
    /// # Errors
    ///
    /// The file itself, if a blocking thread uses it.
    #[allow(clippy::result_large_err, reason = "Tokio's signature")]
    pub fn try_into_std(mut self) -> Result<StdFile, Self> {
        match Arc::try_unwrap(self.std) {
            Ok(std) => Ok(std),
            Err(shared) => {
                self.std = shared;
                Err(self)
            }
        }
    }

    /// Sets what may be done with the file, and by whom.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::set_permissions`].
    pub async fn set_permissions(&self, perm: Permissions) -> io::Result<()> {
        self.hop(|std| std.set_permissions(perm)).await
    }

    /// Sets when the file was last read and written, after the operation under way.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::set_times`].
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.cursor.lock().await.settle().await;
        self.hop(move |std| std.set_times(times.into_std())).await
    }

    /// Sets when the file was last written, after the operation under way.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::set_modified`].
    pub async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }

    /// Sets the most bytes that one read or write moves, which the buffer may grow to: 2 MiB unless set.
    ///
    /// # Panics
    ///
    /// If `max_buf_size` is 0.
    #[track_caller]
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        self.max_buf_size = max_buf_size;
    }

    /// The most bytes that one read or write moves.
    pub fn max_buf_size(&self) -> usize {
        self.max_buf_size
    }

    /// Does on a blocking thread what does not touch the position.
    async fn hop<R: Send + 'static>(
        &self,
        call: impl FnOnce(&StdFile) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let std = Arc::clone(&self.std);
        hop(move || call(&std)).await
    }
}

impl AsyncRead for File {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let file = self.get_mut();
        let cursor = file.cursor.get_mut();
        cursor.poll_read(cx, &file.std, buf, file.max_buf_size)
    }
}

impl AsyncWrite for File {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let file = self.get_mut();
        let cursor = file.cursor.get_mut();
        cursor.poll_write(cx, &file.std, bufs, file.max_buf_size)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().cursor.get_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let file = self.get_mut();
        file.cursor.get_mut().start_seek(&file.std, position)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.get_mut().cursor.get_mut().poll_complete(cx)
    }
}

impl From<StdFile> for File {
    fn from(std: StdFile) -> Self {
        Self::from_std(std)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("std", &self.std).finish_non_exhaustive()
    }
}
