//! Giving way to other tasks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use sprang_core::coop;

/// Lets other tasks run: returns after the other ready tasks of this worker had their turn, and the I/O and timers
/// of the runtime were looked at.
///
/// The task may go on on another thread. Other executors than this crate's simply see their waker woken.
///
/// ```
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static RAN: AtomicBool = AtomicBool::new(false);
/// sprang::spawn(async { RAN.store(true, Ordering::Relaxed) });
/// sprang::task::yield_now().await;
/// assert!(RAN.load(Ordering::Relaxed));
/// # }
/// ```
pub async fn yield_now() {
    YieldNow { yielded: false }.await
}

struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        coop::defer(cx.waker());
        Poll::Pending
    }
}
