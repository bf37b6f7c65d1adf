//! An async runtime with Tokio's API: a multi-threaded work-stealing executor, a reactor, timers and the primitives
//! that tasks need to talk to each other and to the world.
//!
//! ```
//! use sprang::io::{AsyncReadExt, AsyncWriteExt};
//! use sprang::net::{TcpListener, TcpStream};
//!
//! #[sprang::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let addr = listener.local_addr()?;
//!
//!     let server = sprang::spawn(async move {
//!         let (mut socket, _) = listener.accept().await?;
//!         socket.write_all(b"hello").await
//!     });
//!
//!     let mut text = String::new();
//!     TcpStream::connect(addr).await?.read_to_string(&mut text).await?;
//!     assert_eq!(text, "hello");
//!     server.await?
//! }
//! ```
//!
//! Most of it works as Tokio's does. What differs is meant to: a task that blocks its worker is reported and does not hold
//! up the others ([`runtime::Builder::blocked_policy`]), nothing panics because a runtime is gone ([`runtime`]), and a
//! running program can be asked what it is doing ([`runtime::Handle::metrics`], [`runtime::Handle::task_dump`]). The guide
//! in the repository, `docs/guide`, goes through all this with examples.
//!
//! # Features
//!
//! None is on by default; `full` turns on all but `futures-io`, `stream`, `test-util` and `tracing`. Their names are
//! Tokio's, but for the first two of these.
//!
//! | feature | what it adds |
//! |---|---|
//! | `rt` | [`runtime`], [`task`], [`spawn`], [`task_local!`]: tasks, and the current-thread runtime |
//! | `rt-multi-thread` | makes the work-stealing runtime the macros' default (it is always there with `rt`) |
//! | `net` | [`net`]: TCP, UDP, Unix sockets and pipes; [`io::unix`]: any other file descriptor |
//! | `time` | [`time`]: sleep, timeout, interval |
//! | `sync` | [`sync`]: channels, locks, notifications |
//! | `fs` | [`fs`]: files and directories |
//! | `io-std` | [`io::stdin`], [`io::stdout`], [`io::stderr`] |
//! | `io-util` | the extension traits and adaptors of [`io`] |
//! | `process` | [`process`]: child processes (turns `net` and `signal` on, too) |
//! | `signal` | [`signal`]: Ctrl-C and Unix signals |
//! | `macros` | `#[sprang::main]`, `#[sprang::test]`, `select!`, `join!`, `try_join!`, `pin!` |
//! | `futures-io` | the traits of [`futures::io`](https://docs.rs/futures-io) for the sockets and pipes of [`net`] |
//! | `stream` | The module `stream`: receivers, ticks, listeners and lines as a [`Stream`](https://docs.rs/futures-core), and `incoming` of the listeners of [`net`] |
//! | `test-util` | `time::{pause, resume, advance}` and `start_paused` |
//! | `tracing` | events of [`tracing`](https://docs.rs/tracing): a warning for each task that [blocks its worker](runtime::BlockedTask), an error for each panic whose join handle is gone |
//! | `parking_lot` | accepted for programs that ask for it; its locks are always used |

#[cfg(feature = "fs")]
pub mod fs;
pub mod io;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod macros;
#[cfg(feature = "net")]
pub mod net;
#[cfg(all(feature = "process", unix))]
pub mod process;
#[cfg(feature = "rt")]
pub mod runtime;
#[cfg(feature = "signal")]
pub mod signal;
#[cfg(feature = "stream")]
pub mod stream;
#[cfg(feature = "sync")]
pub mod sync;
#[cfg(feature = "rt")]
pub mod task;
#[cfg(feature = "time")]
pub mod time;

#[cfg(feature = "rt")]
pub use task::spawn;

#[cfg(all(feature = "macros", feature = "rt-multi-thread"))]
pub use sprang_macros::{main, test};
#[cfg(all(feature = "macros", not(feature = "rt")))]
pub use sprang_macros::{main_fail as main, test_fail as test};
#[cfg(all(feature = "macros", feature = "rt", not(feature = "rt-multi-thread")))]
pub use sprang_macros::{main_rt as main, test_rt as test};

// For the drop-in crate, whose attributes expand to paths in `::tokio`.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use sprang_macros::{tokio_main, tokio_main_rt, tokio_test, tokio_test_rt};
