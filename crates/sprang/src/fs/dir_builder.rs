//! [`DirBuilder`]: how to create a directory.
//!
//! Purpose: `std`'s builder, used on a blocking thread.
//!
//! Called by: users. Calls: `hop`.

use std::fs::DirBuilder as StdDirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::hop;

/// How to create a directory.
///
/// ```
/// use std::os::unix::fs::PermissionsExt;
///
/// use sprang::fs::{self, DirBuilder};
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let top = std::env::temp_dir().join(format!("sprang-doc-dir-{}", std::process::id()));
/// let path = top.join("of/mine");
/// DirBuilder::new().recursive(true).mode(0o700).create(&path).await?;
/// assert_eq!(fs::metadata(&path).await?.permissions().mode() & 0o777, 0o700);
/// # fs::remove_dir_all(&top).await
/// # }
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    mode: Option<u32>,
}

impl DirBuilder {
    /// Not recursive, with the usual permissions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to create the directories above it too, if they do not exist. Then it is no error if it exists itself.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// The permissions of what is created, before the process's mask: `0o777` unless set.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Creates the directory.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the directory may be created all the same.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::DirBuilder::create`]; besides, if the runtime has been shut down.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref().to_owned();
        let mut builder = StdDirBuilder::new();
        builder.recursive(self.recursive);
        if let Some(mode) = self.mode {
            builder.mode(mode);
        }
        hop(move || builder.create(path)).await
    }
}
