//! What the end-to-end tests of sprang share.
//!
//! | item | what it is for |
//! |---|---|
//! | [`bounded`], [`eventually`] | waits that fail instead of hanging |
//! | [`current_thread`], [`multi_thread`], [`FLAVOURS`] | runtimes with all drivers |
//! | [`on_each`] | a property that every flavour of runtime has |
//! | [`Counter`], [`on_drop`] | seeing destructors run |
//! | [`child`], [`is_child`] | running a test in a process of its own |
//! | [`panic_message`] | what a caught panic says |
//! | [`temp`] | directories for files |
//! | [`wakers`] | wakers that misbehave |

#[cfg(any(doctest, test))]
mod guide;
pub mod temp;
pub mod wakers;

use std::any::Any;
use std::panic::resume_unwind;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use sprang::runtime::{Builder, Runtime};

/// How long a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a test's body on a thread of its own, and fails if it does not end.
///
/// # Panics
///
/// As the body does, or when it takes longer than [`PATIENCE`].
#[track_caller]
pub fn bounded<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (ended, end) = sync_channel::<()>(0);
    let thread = thread::spawn(move || {
        let _ended = ended;
        body()
    });
    assert_eq!(
        end.recv_timeout(PATIENCE),
        Err(RecvTimeoutError::Disconnected),
        "the test hangs"
    );
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Waits for a state that nothing announces.
///
/// # Panics
///
/// When it takes longer than [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, mut state: impl FnMut() -> bool) {
    let start = Instant::now();
    while !state() {
        assert!(start.elapsed() < PATIENCE, "never came to be: {what}");
        thread::yield_now();
    }
}

/// A current-thread runtime with I/O and time.
pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A multi-thread runtime with I/O and time.
pub fn multi_thread(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).enable_all().build().unwrap()
}

/// Every flavour that a test should try.
pub const FLAVOURS: [fn() -> Runtime; 3] = [current_thread, || multi_thread(1), || multi_thread(3)];

/// Tests a property on a runtime of each flavour, [`bounded`] each time.
#[track_caller]
pub fn on_each(property: impl Fn(Runtime) + Clone + Send + 'static) {
    for flavour in FLAVOURS {
        let property = property.clone();
        bounded(move || property(flavour()));
    }
}

/// A number that threads and destructors count up.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicUsize>);

impl Counter {
    /// Counts one.
    pub fn add(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    /// The number so far.
    pub fn get(&self) -> usize {
        self.0.load(SeqCst)
    }

    /// Counts one when it is dropped.
    pub fn count_drop(&self) -> OnDrop<impl FnOnce() + Send + use<>> {
        let counter = self.clone();
        on_drop(move || counter.add())
    }
}

/// See [`on_drop`].
#[derive(Debug)]
pub struct OnDrop<F: FnOnce()>(Option<F>);

/// Something whose destructor calls `action`.
pub fn on_drop<F: FnOnce()>(action: F) -> OnDrop<F> {
    OnDrop(Some(action))
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(action) = self.0.take() {
            action();
        }
    }
}

/// The text of a panic that was caught.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a payload that is no text")
}

const CHILD: &str = "SPRANG_TEST_CHILD";

/// Whether this process was made by [`child`].
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// A process that runs one test of this executable and sees [`is_child`]; `limits` are `ulimit`'s options, if any.
pub fn child(test: &str, limits: &str) -> Command {
    let script = if limits.is_empty() {
        "exec \"$0\" \"$@\"".to_owned()
    } else {
        format!("ulimit {limits} && exec \"$0\" \"$@\"")
    };
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1");
    command
}

/// The README's examples have to compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
