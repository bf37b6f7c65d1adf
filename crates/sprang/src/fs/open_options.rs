//! [`OpenOptions`]: how to open a file.
//!
//! Purpose: `std`'s options, used on a blocking thread.
//!
//! Called by: users, `file`. Calls: `hop`.

use std::fs::OpenOptions as StdOpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{File, hop};

/// How to open a file. As [`std::fs::OpenOptions`], which says more about what goes together.
///
/// ```
/// use sprang::fs::OpenOptions;
/// use sprang::io::AsyncWriteExt;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("sprang-doc-options-{}", std::process::id()));
/// let mut log = OpenOptions::new().append(true).create(true).open(&path).await?;
/// log.write_all(b"one more line\n").await?;
/// log.flush().await?;
/// # sprang::fs::remove_file(&path).await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OpenOptions(StdOpenOptions);

impl OpenOptions {
    /// No option is set.
    #[must_use]
    pub fn new() -> Self {
        Self(StdOpenOptions::new())
    }

    /// Whether to read.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.0.read(read);
        self
    }

    /// Whether to write.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.0.write(write);
        self
    }

    /// Whether every write goes to the end of the file, wherever that is by then.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.0.append(append);
        self
    }

    /// Whether to make a file that exists empty. For files that are opened to write.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.0.truncate(truncate);
        self
    }

    /// Whether to create a file that does not exist. For files that are opened to write.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.0.create(create);
        self
    }

    /// Whether to create the file, and fail if there is something at the path. Then `create` and `truncate` do not
    /// matter.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.0.create_new(create_new);
        self
    }

    /// The permissions of a file that is created, before the process's mask: `0o666` unless set.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.0.mode(mode);
        self
    }

    /// Further flags for the system call `open`, but not those of the access mode.
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.0.custom_flags(flags);
        self
    }

    /// Opens a file.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the file may be opened, and so created or made empty, all the same, and is closed again.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::OpenOptions::open`]; besides, if the runtime has been shut down.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let (options, path) = (self.0.clone(), path.as_ref().to_owned());
        let file = hop(move || options.open(path)).await?;
        Ok(File::from_std(file))
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<StdOpenOptions> for OpenOptions {
    fn from(options: StdOpenOptions) -> Self {
        Self(options)
    }
}
