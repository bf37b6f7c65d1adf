//! [`FileTimes`]: when a file was used.
//!
//! Purpose: the argument of [`File::set_times`](super::File::set_times).
//!
//! Called by: users, `file`.

use std::fs::FileTimes as StdFileTimes;
use std::time::SystemTime;

/// The times that [`File::set_times`](super::File::set_times) sets.
///
/// ```
/// use std::time::SystemTime;
///
/// use sprang::fs::{File, FileTimes};
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("sprang-doc-times-{}", std::process::id()));
/// let file = File::create(&path).await?;
/// file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)).await?;
/// assert_eq!(file.metadata().await?.modified()?, SystemTime::UNIX_EPOCH);
/// # sprang::fs::remove_file(&path).await
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "times have no effect until `File::set_times`"]
pub struct FileTimes(StdFileTimes);

impl FileTimes {
    /// No time is to be set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets when the file was last read.
    pub fn set_accessed(self, t: SystemTime) -> Self {
        Self(self.0.set_accessed(t))
    }

    /// Sets when the file was last written.
    pub fn set_modified(self, t: SystemTime) -> Self {
        Self(self.0.set_modified(t))
    }

    pub(super) fn into_std(self) -> StdFileTimes {
        self.0
    }
}
