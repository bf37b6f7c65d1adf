//! What a resource is ready for.
//!
//! Purpose: the user-facing set of readiness states, its translation from mio's events, and its bits in the readiness
//! word.
//!
//! Called by: `scheduled_io`, `driver`, the facade's `io::Ready`.

use std::{fmt, ops};

const READABLE: usize = 0b00_0001;
const WRITABLE: usize = 0b00_0010;
const READ_CLOSED: usize = 0b00_0100;
const WRITE_CLOSED: usize = 0b00_1000;
const PRIORITY: usize = 0b01_0000;
const ERROR: usize = 0b10_0000;

/// A set of readiness states.
///
/// ```
/// use sprang_reactor::Ready;
///
/// let ready = Ready::READABLE | Ready::WRITE_CLOSED;
/// assert!(ready.is_readable());
/// assert!(ready.is_writable(), "a write would not block: it fails");
/// assert!(!ready.is_read_closed());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready(usize);

impl Ready {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// Ready to read.
    pub const READABLE: Self = Self(READABLE);

    /// Ready to write.
    pub const WRITABLE: Self = Self(WRITABLE);

    /// The read side is closed.
    pub const READ_CLOSED: Self = Self(READ_CLOSED);

    /// The write side is closed.
    pub const WRITE_CLOSED: Self = Self(WRITE_CLOSED);

    /// Priority data, such as out-of-band data, is there.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Self = Self(PRIORITY);

    /// An error is there.
    pub const ERROR: Self = Self(ERROR);

    /// All states of this platform.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const ALL: Self = Self(READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | ERROR | PRIORITY);

    /// All states of this platform.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub const ALL: Self = Self(READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | ERROR);

    /// The states that never end, and so are never cleared.
    pub(crate) const CLOSED: Self = Self(READ_CLOSED | WRITE_CLOSED);

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Whether a read would not block: there is data, or the read side is closed.
    pub fn is_readable(self) -> bool {
        self.0 & (READABLE | READ_CLOSED) != 0
    }

    /// Whether a write would not block: there is room, or the write side is closed.
    pub fn is_writable(self) -> bool {
        self.0 & (WRITABLE | WRITE_CLOSED) != 0
    }

    /// Whether the read side is closed.
    pub fn is_read_closed(self) -> bool {
        self.0 & READ_CLOSED != 0
    }

    /// Whether the write side is closed.
    pub fn is_write_closed(self) -> bool {
        self.0 & WRITE_CLOSED != 0
    }

    /// Whether priority data is there.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn is_priority(self) -> bool {
        self.0 & PRIORITY != 0
    }

    /// Whether an error is there.
    pub fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    /// The states that an event reports.
    #[inline]
    pub(crate) fn from_mio(event: &mio::event::Event) -> Self {
        let bit = |set: bool, bit: usize| if set { bit } else { 0 };
        let bits = bit(event.is_readable(), READABLE)
            | bit(event.is_writable(), WRITABLE)
            | bit(event.is_read_closed(), READ_CLOSED)
            | bit(event.is_write_closed(), WRITE_CLOSED)
            | bit(event.is_error(), ERROR)
            | bit(event.is_priority(), PRIORITY);
        Self(bits & Self::ALL.0)
    }

    /// The states in the low bits of a readiness word.
    #[inline]
    pub(crate) fn from_bits(bits: usize) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The states as the low bits of a readiness word.
    #[inline]
    pub(crate) fn bits(self) -> usize {
        self.0
    }
}

impl ops::BitOr for Ready {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl ops::BitOrAssign for Ready {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl ops::BitAnd for Ready {
    type Output = Self;

    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl ops::Sub for Ready {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("is_readable", &self.is_readable())
            .field("is_writable", &self.is_writable())
            .field("is_read_closed", &self.is_read_closed())
            .field("is_write_closed", &self.is_write_closed())
            .field("is_error", &self.is_error())
            .field("is_priority", &(self.0 & PRIORITY != 0))
            .finish()
    }
}
