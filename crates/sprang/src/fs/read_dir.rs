//! [`ReadDir`]: what is in a directory.
//!
//! Purpose: a directory listed in chunks, so that neither each entry is a hop of its own nor all of them are in memory.
//!
//! Data flow: task → [`ReadDir`] → `io::offload` → a blocking thread, with the open directory → a chunk of entries, and
//! the directory back.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::future::poll_fn;
use std::io;
use std::mem;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sprang_core::coop;

use super::hop;
use crate::io::offload;
use crate::task::JoinHandle;

/// The most entries that come with one hop.
const CHUNK: usize = 128;

/// Lists a directory, without `.` and `..`, in no particular order.
///
/// # Errors
///
/// Those of [`std::fs::read_dir`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut entries = sprang::fs::read_dir("src").await?;
/// let mut names = Vec::new();
/// while let Some(entry) = entries.next_entry().await? {
///     names.push(entry.file_name());
/// }
/// assert!(names.contains(&"lib.rs".into()));
/// # Ok(())
/// # }
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    hop(move || Ok(list(fs::read_dir(path)?))).await
}

/// The entries of a directory: from [`read_dir`].
#[derive(Debug)]
#[must_use = "a directory that nobody goes through was listed in vain"]
pub struct ReadDir {
    listed: VecDeque<io::Result<DirEntry>>,
    rest: Rest,
}

/// What was not listed yet.
#[derive(Debug)]
enum Rest {
    /// Nothing.
    None,
    Some(fs::ReadDir),
    /// A blocking thread lists some of it.
    UnderWay(JoinHandle<ReadDir>),
}

impl ReadDir {
    /// The next entry, or `None` at the end.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped no entry is lost.
    ///
    /// # Errors
    ///
    /// Those of the operating system; besides, if the runtime has been shut down, and there are no more entries then.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// As [`next_entry`](Self::next_entry), for poll functions: only the last task that polled is woken.
    ///
    /// # Errors
    ///
    /// As for [`next_entry`](Self::next_entry).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        loop {
            if !self.listed.is_empty() {
                ready!(coop::poll_proceed(cx)).made_progress();
                return Poll::Ready(self.listed.pop_front().transpose());
            }
            match mem::replace(&mut self.rest, Rest::None) {
                Rest::None => return Poll::Ready(Ok(None)),
                Rest::Some(rest) => self.rest = Rest::UnderWay(offload::start(move || list(rest))),
                Rest::UnderWay(mut chunk) => match Pin::new(&mut chunk).poll(cx) {
                    Poll::Ready(chunk) => *self = chunk.map_err(offload::not_run)?,
                    Poll::Pending => {
                        self.rest = Rest::UnderWay(chunk);
                        return Poll::Pending;
                    }
                },
            }
        }
    }
}

/// Lists the next chunk.
fn list(mut rest: fs::ReadDir) -> ReadDir {
    let listed: VecDeque<_> = rest
        .by_ref()
        .take(CHUNK)
        .map(|entry| entry.map(DirEntry::new))
        .collect();
    let rest = if listed.len() < CHUNK {
        Rest::None
    } else {
        Rest::Some(rest)
    };
    ReadDir { listed, rest }
}

/// An entry of a directory.
#[derive(Debug)]
pub struct DirEntry {
    std: Arc<fs::DirEntry>,
    /// If the listing said it.
    file_type: Option<FileType>,
}

impl DirEntry {
    fn new(std: fs::DirEntry) -> Self {
        Self {
            file_type: std.file_type().ok(),
            std: Arc::new(std),
        }
    }

    /// The path that was listed, with the name of the entry.
    pub fn path(&self) -> PathBuf {
        self.std.path()
    }

    /// The name, without the path.
    pub fn file_name(&self) -> OsString {
        self.std.file_name()
    }

    /// What the file system knows of the entry. Does not follow a symbolic link.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::DirEntry::metadata`]; besides, if the runtime has been shut down.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let std = Arc::clone(&self.std);
        hop(move || std.metadata()).await
    }

    /// What kind of file it is. Does not follow a symbolic link.
    ///
    /// # Errors
    ///
    /// As for [`metadata`](Self::metadata).
    ///
    /// # Panics
    ///
    /// Outside of a runtime, perhaps.
    pub async fn file_type(&self) -> io::Result<FileType> {
        if let Some(file_type) = self.file_type {
            return Ok(file_type);
        }
        let std = Arc::clone(&self.std);
        hop(move || std.file_type()).await
    }

    /// The number of the file in its file system.
    pub fn ino(&self) -> u64 {
        self.std.ino()
    }
}
