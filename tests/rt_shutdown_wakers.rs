//! Wakers that are called while their runtime ends.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::task::{Poll, Waker};
use std::thread;

use sprang_tests::{bounded, multi_thread, on_drop};

/// Whoever calls a waker may hold a lock that the drop of the task's future needs, as the crate event-listener does.
#[test]
fn a_waker_never_drops_the_future() {
    bounded(|| {
        for _ in 0..200 {
            let runtime = multi_thread(2);
            let (polled, wakers) = channel::<Waker>();
            let (gone, dropped) = channel();
            let guard = on_drop(move || gone.send(thread::current().id()).unwrap());
            runtime.spawn(async move {
                let _guard = guard;
                let mut polled = Some(polled);
                poll_fn::<(), _>(|cx| {
                    if let Some(polled) = polled.take() {
                        polled.send(cx.waker().clone()).unwrap();
                    }
                    Poll::Pending
                })
                .await;
            });
            let waker = wakers.recv().unwrap();
            let ended = Arc::new(AtomicBool::new(false));
            let (woken, wakes) = channel();
            let waking = thread::spawn({
                let ended = ended.clone();
                move || {
                    waker.wake_by_ref();
                    woken.send(()).unwrap();
                    while !ended.load(Relaxed) {
                        waker.wake_by_ref();
                    }
                }
            });
            wakes.recv().unwrap();
            drop(runtime);
            ended.store(true, Relaxed);
            assert_ne!(dropped.recv().unwrap(), waking.thread().id());
            waking.join().unwrap();
        }
    });
}
