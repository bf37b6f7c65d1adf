//! What the guards of locks have in common.
//!
//! Purpose: the traits of a guard that follow from where it points.
//!
//! Called by: `mutex`, `rwlock`.
//!
//! Invariants:
//! - I1: the field `data` of a guard points into the value of its lock, to which the guard has access as long as it
//!   lives: shared access, or exclusive access if it is a guard for writing.

/// Gives shared access to what `data` points to (I1).
macro_rules! reads_data {
    ($([$($generics:tt)*] $guard:ty as $value:ident;)*) => {$(
        impl<$($generics)*> std::ops::Deref for $guard {
            type Target = $value;

            #[inline]
            fn deref(&self) -> &$value {
                // SAFETY: the guard has access as long as it lives (I1 of `guard`).
                unsafe { &*self.data }
            }
        }
    )*};
}

/// Gives exclusive access to what `data` points to (I1).
macro_rules! writes_data {
    ($([$($generics:tt)*] $guard:ty as $value:ident;)*) => {$(
        $crate::guard::reads_data! {
            [$($generics)*] $guard as $value;
        }

        impl<$($generics)*> std::ops::DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut $value {
                // SAFETY: the guard has exclusive access (I1 of `guard`), and is borrowed exclusively.
                unsafe { &mut *self.data }
            }
        }
    )*};
}

/// Shows each guard as the value it guards.
macro_rules! show_as_value {
    ($([$($generics:tt)*] $guard:ty as $value:ident;)*) => {$(
        impl<$($generics)*> std::fmt::Debug for $guard
        where
            $value: std::fmt::Debug,
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<$($generics)*> std::fmt::Display for $guard
        where
            $value: std::fmt::Display,
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }
    )*};
}

pub(crate) use {reads_data, show_as_value, writes_data};
