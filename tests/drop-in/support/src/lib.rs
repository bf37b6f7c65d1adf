//! What the tests of the drop-in share.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

/// How long a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test on a current-thread and on a multi-thread runtime.
///
/// # Panics
///
/// As the test does, or when it takes longer than [`PATIENCE`]: measured by the standard library, since what is tested
/// is the runtime.
pub fn on_each(test: impl AsyncFn() + Clone + Send + 'static) {
    on("current-thread", Builder::new_current_thread(), test.clone());
    let mut workers = Builder::new_multi_thread();
    workers.worker_threads(2);
    on("multi-thread", workers, test);
}

/// Runs a test on one runtime, as [`on_each`] does.
fn on(flavour: &str, mut builder: Builder, test: impl AsyncFn() + Send + 'static) {
    let (ended, end) = sync_channel::<()>(0);
    let body = move || {
        let _ended = ended;
        builder.enable_all().build().unwrap().block_on(test());
    };
    let thread = thread::Builder::new().name(flavour.to_owned()).spawn(body).unwrap();
    assert_eq!(
        end.recv_timeout(PATIENCE),
        Err(RecvTimeoutError::Disconnected),
        "the test hangs on the {flavour} runtime"
    );
    thread.join().unwrap_or_else(|panic| resume_unwind(panic));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::runtime::{Handle, RuntimeFlavor};

    #[test]
    fn both_flavours_run_and_a_panic_is_passed_on() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = runs.clone();
        super::on_each(async move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(runs.load(Ordering::Relaxed), 2);

        let failure = std::panic::catch_unwind(|| {
            super::on_each(async || assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread));
        });
        assert!(failure.is_err(), "the multi-thread run has to fail");
    }
}
