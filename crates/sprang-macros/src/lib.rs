//! Procedural macros of the sprang async runtime.
//!
//! Purpose: `#[main]` and `#[test]` turn an `async fn` into a function that builds a runtime and blocks on the body;
//! `select!`, `join!` and `try_join!` are written here too, behind `macro_rules!` of the facade that tell them its path.
//! Users reach them through the facade, as `sprang::main` and `sprang::test`, or as `tokio::main` and `tokio::test`
//! on the drop-in; this crate is not meant to be used alone.
//!
//! Data flow: rustc calls one of the functions below → `entry::Entry::expand` → `entry::function` takes the item apart,
//! `entry::options` reads and checks the arguments, `entry` writes the new function. The others → `branches`.
//!
//! | macro | exported by the facade as | when |
//! |---|---|---|
//! | [`macro@main`], [`macro@test`] | `sprang::main`, `sprang::test` | features `rt` and `rt-multi-thread` |
//! | [`macro@main_rt`], [`macro@test_rt`] | the same | feature `rt` alone |
//! | [`macro@main_fail`], [`macro@test_fail`] | the same | neither |
//!
//! Those with the prefix `tokio_` are their twins whose expansion names the crate `tokio`.

//! The examples are not compiled here, since this crate cannot depend on the facade: `tests/ui` compiles them.

mod branches;
mod entry;

use branches::Join;
use entry::{Entry, Kind};
use proc_macro::TokenStream;

const SPRANG: Entry = Entry {
    name: "sprang",
    path: "::sprang",
    kind: Kind::Main,
    multi_thread: true,
};

// A program may bring `tokio` into scope under that name by a `use`, and Tokio's own attributes find it there.
const TOKIO: Entry = Entry {
    name: "tokio",
    path: "tokio",
    ..SPRANG
};

/// Runs the body of an `async fn` on a runtime.
///
/// The function becomes an ordinary one that builds a runtime with I/O and time enabled and blocks on the body. It
/// keeps its name, arguments, attributes and return type. The body runs on the calling thread and is not a task of its
/// own: work that should use all workers is spawned.
///
/// # Arguments
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `flavor = "multi_thread"` | which runtime: `"multi_thread"`, `"current_thread"` or `"local"` | `"multi_thread"` |
/// | `worker_threads = 4` | number of worker threads, at least 1; multi-thread only | one per CPU |
/// | `start_paused = true` | start with the clock paused; not for multi-thread | `false` |
/// | `unhandled_panic = "shutdown_runtime"` | what a panic of a task does: that or `"ignore"`; not for multi-thread | `"ignore"` |
/// | `name = "…"` | the name of the runtime | none |
/// | `crate = "…"` | path of the crate that has `runtime::Builder` | `"::sprang"` |
///
/// # Errors
///
/// A wrong argument is a compile error at that argument; so are a function that is not `async` and a function called
/// `main` that takes arguments.
///
/// # Panics
///
/// The function panics if the runtime cannot be built, which happens when the operating system refuses a thread or a
/// file descriptor.
///
/// # Examples
///
/// ```ignore
/// #[sprang::main(worker_threads = 2)]
/// async fn main() {
///     let task = sprang::spawn(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// }
/// ```
///
/// which is the same as
///
/// ```ignore
/// fn main() {
///     sprang::runtime::Builder::new_multi_thread()
///         .worker_threads(2)
///         .enable_all()
///         .build()
///         .expect("failed to build the runtime")
///         .block_on(async {
///             let task = sprang::spawn(async { 6 * 7 });
///             assert_eq!(task.await.unwrap(), 42);
///         })
/// }
/// ```
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    SPRANG.expand(args.into(), item.into()).into()
}

/// Runs an `async fn` as a test, on a runtime of its own.
///
/// Takes the arguments of [`macro@main`]; the default flavor is `"current_thread"`. The function is marked `#[test]`;
/// a test attribute that is already there is a compile error, since the test would run twice.
///
/// # Examples
///
/// ```ignore
/// #[sprang::test(start_paused = true)]
/// async fn an_hour_takes_no_time() {
///     sprang::time::sleep(std::time::Duration::from_secs(3_600)).await;
/// }
/// ```
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    SPRANG.test().expand(args.into(), item.into()).into()
}

/// [`macro@main`] for builds without the feature `rt-multi-thread`: a flavor has to be named, and `"multi_thread"` is a
/// compile error.
#[proc_macro_attribute]
pub fn main_rt(args: TokenStream, item: TokenStream) -> TokenStream {
    SPRANG.single_threaded().expand(args.into(), item.into()).into()
}

/// [`macro@test`] for builds without the feature `rt-multi-thread`: the flavor `"multi_thread"` is a compile error.
#[proc_macro_attribute]
pub fn test_rt(args: TokenStream, item: TokenStream) -> TokenStream {
    SPRANG.test().single_threaded().expand(args.into(), item.into()).into()
}

/// [`macro@main`] for builds without the feature `rt`: always a compile error.
#[proc_macro_attribute]
pub fn main_fail(_args: TokenStream, item: TokenStream) -> TokenStream {
    entry::refuse(item.into()).into()
}

/// [`macro@test`] for builds without the feature `rt`: always a compile error.
#[proc_macro_attribute]
pub fn test_fail(_args: TokenStream, item: TokenStream) -> TokenStream {
    entry::refuse(item.into()).into()
}

/// [`macro@main`] whose expansion names the crate `tokio`.
#[proc_macro_attribute]
pub fn tokio_main(args: TokenStream, item: TokenStream) -> TokenStream {
    TOKIO.expand(args.into(), item.into()).into()
}

/// [`macro@test`] whose expansion names the crate `tokio`.
#[proc_macro_attribute]
pub fn tokio_test(args: TokenStream, item: TokenStream) -> TokenStream {
    TOKIO.test().expand(args.into(), item.into()).into()
}

/// [`macro@main_rt`] whose expansion names the crate `tokio`.
#[proc_macro_attribute]
pub fn tokio_main_rt(args: TokenStream, item: TokenStream) -> TokenStream {
    TOKIO.single_threaded().expand(args.into(), item.into()).into()
}

/// [`macro@test_rt`] whose expansion names the crate `tokio`.
#[proc_macro_attribute]
pub fn tokio_test_rt(args: TokenStream, item: TokenStream) -> TokenStream {
    TOKIO.test().single_threaded().expand(args.into(), item.into()).into()
}

/// The facade's `select!`, with the path of its support module, in parentheses, before the branches.
#[proc_macro]
pub fn select_branches(input: TokenStream) -> TokenStream {
    branches::select(input.into()).into()
}

/// The facade's `join!`, with the path of its support module, in parentheses, before the futures.
#[proc_macro]
pub fn join_branches(input: TokenStream) -> TokenStream {
    Join::All.expand(input.into()).into()
}

/// The facade's `try_join!`, with the path of its support module, in parentheses, before the futures.
#[proc_macro]
pub fn try_join_branches(input: TokenStream) -> TokenStream {
    Join::UntilError.expand(input.into()).into()
}
