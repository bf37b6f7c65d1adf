//! Functions on paths: asking what is there, making it, moving it, removing it.
//!
//! Purpose: `std`'s functions, each as one hop to a blocking thread.
//!
//! Called by: users. Calls: `hop`.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix;
use std::path::{Path, PathBuf};

use super::hop;

/// The absolute path of what is at `path`, without `.`, `..` and symbolic links.
///
/// # Errors
///
/// Those of [`std::fs::canonicalize`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    hop(move || fs::canonicalize(path)).await
}

/// Creates a directory; the one above it must exist.
///
/// # Errors
///
/// Those of [`std::fs::create_dir`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    hop(move || fs::create_dir(path)).await
}

/// Creates a directory and those above it, as far as they do not exist.
///
/// # Errors
///
/// Those of [`std::fs::create_dir_all`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    hop(move || fs::create_dir_all(path)).await
}

/// Gives the file at `original` the path `link` too.
///
/// # Errors
///
/// Those of [`std::fs::hard_link`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    hop(move || fs::hard_link(original, link)).await
}

/// What the file system knows of what is at `path`. Follows symbolic links.
///
/// # Errors
///
/// Those of [`std::fs::metadata`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    hop(move || fs::metadata(path)).await
}

/// Where the symbolic link at `path` points to.
///
/// # Errors
///
/// Those of [`std::fs::read_link`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    hop(move || fs::read_link(path)).await
}

/// Removes a directory, which must be empty.
///
/// # Errors
///
/// Those of [`std::fs::remove_dir`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    hop(move || fs::remove_dir(path)).await
}

/// Removes a directory and all that is in it. Does not follow symbolic links.
///
/// # Errors
///
/// Those of [`std::fs::remove_dir_all`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    hop(move || fs::remove_dir_all(path)).await
}

/// Removes a file, or a symbolic link. Who has the file open goes on to have it.
///
/// # Errors
///
/// Those of [`std::fs::remove_file`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    hop(move || fs::remove_file(path)).await
}

/// Moves what is at `from` to `to`, in the place of what is there. Not from one file system to another.
///
/// # Errors
///
/// Those of [`std::fs::rename`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    hop(move || fs::rename(from, to)).await
}

/// Sets what may be done with what is at `path`, and by whom. Follows symbolic links.
///
/// # Errors
///
/// Those of [`std::fs::set_permissions`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn set_permissions(path: impl AsRef<Path>, perm: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    hop(move || fs::set_permissions(path, perm)).await
}

/// Creates a symbolic link at `link` that points to `original`, whether or not there is something.
///
/// # Errors
///
/// Those of [`std::os::unix::fs::symlink`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    hop(move || unix::fs::symlink(original, link)).await
}

/// What the file system knows of what is at `path`. Does not follow a symbolic link.
///
/// # Errors
///
/// Those of [`std::fs::symlink_metadata`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    hop(move || fs::symlink_metadata(path)).await
}

/// Whether there is something at `path`. Follows symbolic links: one that points to nothing does not count.
///
/// # Errors
///
/// Those of [`std::fs::exists`]; besides, if the runtime has been shut down.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref().to_owned();
    hop(move || fs::exists(path)).await
}
