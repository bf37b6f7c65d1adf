//! Streams: what gives one value after another, asynchronously.
//!
//! [`Stream`] is the trait of the `futures` crates, and whatever works with that works with the [`wrappers`] here: the
//! combinators of `futures::StreamExt` and `tokio_stream::StreamExt`, and any library that takes a stream. The wrappers
//! have the names and places that they have in `tokio_stream`.
//!
//! ```
//! use futures::StreamExt;
//! use sprang::stream::wrappers::ReceiverStream;
//! use sprang::sync::mpsc;
//!
//! # #[sprang::main(flavor = "current_thread")]
//! # async fn main() {
//! let (sender, receiver) = mpsc::channel(4);
//! sprang::spawn(async move {
//!     for number in 1..=3 {
//!         sender.send(number).await.unwrap();
//!     }
//! });
//! let squares: Vec<u32> = ReceiverStream::new(receiver).map(|number| number * number).collect().await;
//! assert_eq!(squares, [1, 4, 9]);
//! # }
//! ```

pub mod wrappers;

pub use futures_core::Stream;
