//! A runtime for the tests of sockets and signals: one thread, one driver, one future.
//!
//! Purpose: to test what stands on the reactor without a scheduler in between.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::park::{Driver as _, Unpark, Wait};
use sprang_reactor::{Driver, Handle, set_current};

/// A driver, made the thread's current one while a future runs on it.
pub(crate) struct Rt {
    driver: Driver,
    pub(crate) handle: Handle,
}

struct Unparks(Handle);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

struct Entered(Option<Handle>);

impl Drop for Entered {
    fn drop(&mut self) {
        set_current(self.0.take());
    }
}

impl Rt {
    pub(crate) fn new() -> Self {
        let (driver, handle) = Driver::new(64).unwrap();
        Self { driver, handle }
    }

    pub(crate) fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        let _entered = Entered(set_current(Some(self.handle.clone())));
        let waker = Waker::from(Arc::new(Unparks(self.handle.clone())));
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            self.driver.park(Wait::Forever);
        }
    }

    /// Delivers what is there.
    pub(crate) fn turn(&mut self) {
        self.driver.park(Wait::Poll);
    }
}

/// Runs `future` on a driver of its own.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    Rt::new().block_on(future)
}

/// Polls both until both are done.
pub(crate) async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut done_a, mut done_b) = (None, None);
    poll_fn(|cx| {
        if done_a.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(cx)
        {
            done_a = Some(output);
        }
        if done_b.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(cx)
        {
            done_b = Some(output);
        }
        if done_a.is_some() && done_b.is_some() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    (done_a.unwrap(), done_b.unwrap())
}

/// Polls `future` once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs this test again in a process of its own, unless this is that process.
pub(crate) fn in_own_process(test: impl FnOnce()) {
    const MARK: &str = "SPRANG_TEST_IN_OWN_PROCESS";
    if std::env::var_os(MARK).is_some() {
        return test();
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--test-threads=1", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

/// The number of this process's open file descriptors.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A folder of the test's own, removed with all that is in it when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sprang-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is left in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
