//! Types that wrap a reader or a writer and are one again.
//!
//! Purpose: buffering, joining, limiting and cutting up of streams. Each file holds one type.
//!
//! Called by: users, who make them with `new` or with the methods of the extension traits. Calls: the wrapped stream.
//! All are `Unpin`, `Send` and `Sync` exactly when what they wrap is.

mod buf_reader;
mod buf_stream;
mod buf_writer;
mod chain;
mod join;
mod lines;
mod segments;
mod take;

pub use buf_reader::BufReader;
pub use buf_stream::BufStream;
pub use buf_writer::BufWriter;
pub use chain::Chain;
pub use join::{Join, join};
pub use lines::Lines;
pub use segments::Split;
pub use take::Take;

/// Bytes in the buffer of an adaptor whose maker names no size.
pub(crate) const DEFAULT_CAPACITY: usize = 8 * 1024;
