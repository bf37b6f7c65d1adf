//! Functions on the contents of whole files.
//!
//! Purpose: one hop to a blocking thread for however many system calls.
//!
//! Called by: users. Calls: `hop`.

use std::fs;
use std::io;
use std::path::Path;

use super::hop;

/// The contents of a file.
///
/// # Errors
///
/// Those of [`std::fs::read`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref().to_owned();
    hop(move || fs::read(path)).await
}

/// The contents of a file, which must be UTF-8.
///
/// # Errors
///
/// `InvalidData` if they are not; else those of [`std::fs::read_to_string`]; besides, if the runtime has been shut
/// down.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let manifest = sprang::fs::read_to_string("Cargo.toml").await?;
/// assert!(manifest.starts_with("[package]"));
/// # Ok(())
/// # }
/// ```
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref().to_owned();
    hop(move || fs::read_to_string(path)).await
}

/// Writes a file, in the place of its contents if it exists.
///
/// `contents` are copied, since the write may go on for longer than the caller has them.
///
/// # Errors
///
/// Those of [`std::fs::write`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("sprang-doc-write-{}", std::process::id()));
/// sprang::fs::write(&path, "hello").await?;
/// assert_eq!(sprang::fs::read(&path).await?, b"hello");
/// # sprang::fs::remove_file(&path).await
/// # }
/// ```
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, contents) = (path.as_ref().to_owned(), contents.as_ref().to_owned());
    hop(move || fs::write(path, contents)).await
}

/// Copies the contents and the permissions of the file at `from` to `to`, in the place of what is there; returns how
/// many bytes there were.
///
/// # Errors
///
/// Those of [`std::fs::copy`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    hop(move || fs::copy(from, to)).await
}
