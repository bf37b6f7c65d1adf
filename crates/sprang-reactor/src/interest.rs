//! What a resource is registered for, and what a task waits for.
//!
//! Purpose: the user-facing set of interests, and its translation to mio's.
//!
//! Called by: `registration`, the facade's `io::Interest`.

use std::{fmt, ops};

use crate::ready::Ready;

const READABLE: u8 = 0b0001;
const WRITABLE: u8 = 0b0010;
const PRIORITY: u8 = 0b0100;
const ERROR: u8 = 0b1000;

/// A set of readiness states to wait for. Never empty.
///
/// ```
/// use sprang_reactor::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert_eq!(both.remove(Interest::READABLE), Some(Interest::WRITABLE));
/// assert_eq!(Interest::READABLE.remove(both), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

impl Interest {
    /// Interest in all readable events, the end of the read side included.
    pub const READABLE: Self = Self(READABLE);

    /// Interest in all writable events, the end of the write side included.
    pub const WRITABLE: Self = Self(WRITABLE);

    /// Interest in error events.
    pub const ERROR: Self = Self(ERROR);

    /// Interest in priority events, such as out-of-band data.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Self = Self(PRIORITY);

    /// Whether the set has the readable interest.
    pub const fn is_readable(self) -> bool {
        self.0 & READABLE != 0
    }

    /// Whether the set has the writable interest.
    pub const fn is_writable(self) -> bool {
        self.0 & WRITABLE != 0
    }

    /// Whether the set has the error interest.
    pub const fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    /// Whether the set has the priority interest.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const fn is_priority(self) -> bool {
        self.0 & PRIORITY != 0
    }

    /// The union of both sets.
    #[must_use = "this returns the result of the operation, without modifying the original"]
    pub const fn add(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The interests of `self` that are not in `other`; `None` if none are left.
    #[must_use = "this returns the result of the operation, without modifying the original"]
    pub fn remove(self, other: Self) -> Option<Self> {
        let left = self.0 & !other.0;
        (left != 0).then_some(Self(left))
    }

    /// The readiness that satisfies this interest.
    pub(crate) fn mask(self) -> Ready {
        let mut mask = Ready::EMPTY;
        if self.is_readable() {
            mask |= Ready::READABLE | Ready::READ_CLOSED;
        }
        if self.is_writable() {
            mask |= Ready::WRITABLE | Ready::WRITE_CLOSED;
        }
        if self.is_error() {
            mask |= Ready::ERROR;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.is_priority() {
            mask |= Ready::PRIORITY | Ready::READ_CLOSED;
        }
        mask
    }

    /// What to register with the OS for this interest.
    ///
    /// Errors are always reported, but the OS wants at least one interest: an interest in errors alone asks for
    /// readable events too, and [`mask`](Self::mask) keeps them from the waiter.
    pub(crate) fn to_mio(self) -> mio::Interest {
        let wanted = [
            (self.is_readable() || self.is_error()).then_some(mio::Interest::READABLE),
            self.is_writable().then_some(mio::Interest::WRITABLE),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            self.is_priority().then_some(mio::Interest::PRIORITY),
        ];
        let union = wanted.into_iter().flatten().reduce(|all, one| all | one);
        union.unwrap_or(mio::Interest::READABLE)
    }
}

impl ops::BitOr for Interest {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.add(other)
    }
}

impl ops::BitOrAssign for Interest {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (READABLE, "READABLE"),
            (WRITABLE, "WRITABLE"),
            (PRIORITY, "PRIORITY"),
            (ERROR, "ERROR"),
        ];
        let mut separator = "";
        for (_, name) in names.into_iter().filter(|(bit, _)| self.0 & bit != 0) {
            write!(f, "{separator}{name}")?;
            separator = " | ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interest_in_errors_alone_is_not_satisfied_by_data() {
        assert!(!Interest::ERROR.to_mio().is_writable());
        assert!((Interest::ERROR.mask() & Ready::READABLE).is_empty());
    }

    #[test]
    fn every_set_of_interests_is_registered_and_printed_in_full() {
        let all = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY | Interest::ERROR;
        assert_eq!(format!("{all:?}"), "READABLE | WRITABLE | PRIORITY | ERROR");
        let mio = all.to_mio();
        assert!(mio.is_readable() && mio.is_writable() && mio.is_priority());
        assert_eq!(all.mask(), Ready::ALL);
    }
}
