//! Channels from many senders to one receiver.
//!
//! Purpose: messages between tasks, or between threads and tasks, in the order in which they were sent. A bounded
//! [`channel`] makes its senders wait while it is full; an [`unbounded_channel`] takes whatever comes.
//!
//! Data flow: `bounded` and `unbounded` hold the API; both stand on `chan`, which stands on `queue`. `bounded` limits
//! itself with `permits`.
//!
//! # The end of a channel
//!
//! When all senders are gone the receiver still gets what was sent, then `None`. When the receiver is dropped or
//! closed, sending fails and gives the message back; a closed receiver still gets what was sent before, then `None`.
//! Messages that nobody receives are dropped with the receiver.
//!
//! # Memory
//!
//! An idle channel takes about 500 bytes and one block, which has room for 31 messages. It grows by such blocks, and
//! frees them as it empties. The capacity of a bounded channel is not allocated ahead.
//!
//! ```
//! # futures::executor::block_on(async {
//! use sprang_sync::mpsc;
//!
//! let (sender, mut receiver) = mpsc::channel(8);
//! let threads: Vec<_> = (0..3)
//!     .map(|i| {
//!         let sender = sender.clone();
//!         std::thread::spawn(move || sender.blocking_send(i).unwrap())
//!     })
//!     .collect();
//! drop(sender);
//! let mut sum = 0;
//! while let Some(i) = receiver.recv().await {
//!     sum += i;
//! }
//! assert_eq!(sum, 3);
//! # for thread in threads { thread.join().unwrap(); }
//! # });
//! ```

mod bounded;
mod chan;
pub mod error;
mod queue;
#[cfg(test)]
mod tests;
#[cfg(feature = "time")]
mod timed;
mod unbounded;

pub use bounded::{OwnedPermit, Permit, PermitIterator, Receiver, Sender, WeakSender, channel};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
