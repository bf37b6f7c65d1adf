//! tokio-util and tokio-stream on the drop-in.

#![cfg(test)]

mod codec;
mod io;
mod stream;
mod sync;
mod task;
mod time;
