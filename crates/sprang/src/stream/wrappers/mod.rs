//! Receivers, ticks, listeners, lines and directories as streams.
//!
//! Purpose: a type of this crate that gives values, as a [`Stream`](super::Stream) of them.
//!
//! Data flow: `poll_next` calls the poll method of what is wrapped, and so spends the task's budget as that does, and
//! loses nothing when the future of a `next()` is dropped. Receivers of `broadcast` and `watch` have no poll method:
//! `refilled` polls their futures, one after the other.

/// What all wrappers of a value have in common: the way in, the ways to it, and the way out.
macro_rules! wraps {
    ([$($generic:ident)?] $wrapper:ty, $inner:ty) => {
        impl $(<$generic>)? $wrapper {
            /// The stream of what `inner` gives.
            pub fn new(inner: $inner) -> Self {
                Self { inner }
            }

            /// What was wrapped.
            pub fn into_inner(self) -> $inner {
                self.inner
            }
        }

        impl $(<$generic>)? From<$inner> for $wrapper {
            fn from(inner: $inner) -> Self {
                Self::new(inner)
            }
        }

        impl $(<$generic>)? AsRef<$inner> for $wrapper {
            fn as_ref(&self) -> &$inner {
                &self.inner
            }
        }

        impl $(<$generic>)? AsMut<$inner> for $wrapper {
            fn as_mut(&mut self) -> &mut $inner {
                &mut self.inner
            }
        }
    };
}

#[cfg(feature = "sync")]
mod broadcast;
#[cfg(feature = "time")]
mod interval;
#[cfg(feature = "rt")]
mod join_set;
#[cfg(feature = "io-util")]
mod lines;
#[cfg(feature = "sync")]
mod mpsc;
#[cfg(feature = "fs")]
mod read_dir;
#[cfg(feature = "sync")]
mod refilled;
#[cfg(all(feature = "signal", unix))]
mod signal;
#[cfg(feature = "net")]
mod tcp_listener;
#[cfg(all(feature = "net", unix))]
mod unix_listener;
#[cfg(feature = "sync")]
mod watch;

#[cfg(feature = "sync")]
pub use broadcast::BroadcastStream;
#[cfg(feature = "time")]
pub use interval::IntervalStream;
#[cfg(feature = "rt")]
pub use join_set::JoinSetStream;
#[cfg(feature = "io-util")]
pub use lines::{LinesStream, SplitStream};
#[cfg(feature = "sync")]
pub use mpsc::{ReceiverStream, UnboundedReceiverStream};
#[cfg(feature = "fs")]
pub use read_dir::ReadDirStream;
#[cfg(all(feature = "signal", unix))]
pub use signal::SignalStream;
#[cfg(feature = "net")]
pub use tcp_listener::TcpListenerStream;
#[cfg(all(feature = "net", unix))]
pub use unix_listener::UnixListenerStream;
#[cfg(feature = "sync")]
pub use watch::WatchStream;

/// What a stream reports that is no value.
#[cfg(feature = "sync")]
pub mod errors {
    pub use super::broadcast::BroadcastStreamRecvError;
}
