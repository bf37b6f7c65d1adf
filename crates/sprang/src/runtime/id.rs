//! Ids of runtimes.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The id of a runtime or of a [`LocalSet`](crate::task::LocalSet): unique among all of the process, also those that
/// have ended.
///
/// ```
/// use sprang::runtime::Runtime;
///
/// let runtimes = [Runtime::new()?, Runtime::new()?];
/// assert_ne!(runtimes[0].handle().id(), runtimes[1].handle().id());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(NonZeroU64);

impl Id {
    pub(crate) fn next() -> Self {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let id = IDS.fetch_add(1, Relaxed);
        Self(NonZeroU64::new(id).expect("2^64 ids are not used up in a lifetime"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
