//! Wakers that misbehave.
//!
//! Purpose: what a combinator puts between a task and the leaf future that it polls, here with a fault. Such a waker
//! passes everything on to the task's, and besides panics in one of its functions.
//!
//! Invariants:
//! - I1: the data pointer of a waker is that of an `Arc<Faulty>`; each waker but the one lent to a poll owns a count.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// The function of a waker that panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `clone`, before it clones.
    Clone,
    /// `wake` and `wake_by_ref`, after the wake-up.
    Wake,
    /// `drop`, of clones only.
    Drop,
}

struct Faulty {
    inner: Waker,
    fault: Fault,
}

impl Faulty {
    fn act(&self, now: Fault) {
        // A second panic while the first unwinds would abort.
        if self.fault == now && !std::thread::panicking() {
            panic!("a waker whose {now:?} panics");
        }
    }
}

/// Polls `future` with a waker that has a fault.
pub async fn with_fault<F: Future>(fault: Fault, future: F) -> F::Output {
    WithFault {
        fault,
        future: Box::pin(future),
    }
    .await
}

struct WithFault<F> {
    fault: Fault,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for WithFault<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let fault = self.fault;
        lend(fault, cx.waker(), |waker| {
            self.future.as_mut().poll(&mut Context::from_waker(waker))
        })
    }
}

/// Calls `f` with a waker that passes on to `inner`; only its clones are ever dropped.
pub fn lend<R>(fault: Fault, inner: &Waker, f: impl FnOnce(&Waker) -> R) -> R {
    let faulty = Arc::new(Faulty {
        inner: inner.clone(),
        fault,
    });
    // SAFETY: the functions keep a waker's contract (I1); the count stays with `faulty`, which outlives the waker.
    let waker = ManuallyDrop::new(unsafe { Waker::new(Arc::as_ptr(&faulty).cast(), &VTABLE) });
    f(&waker)
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: the waker that is cloned keeps its data alive (I1).
        unsafe { &*data.cast::<Faulty>() }.act(Fault::Clone);
        // SAFETY: as above; the new waker owns this count.
        unsafe { Arc::increment_strong_count(data.cast::<Faulty>()) };
        RawWaker::new(data, &VTABLE)
    },
    |data| {
        // SAFETY: the waker's count is given up here (I1).
        let faulty = unsafe { Arc::from_raw(data.cast::<Faulty>()) };
        faulty.inner.wake_by_ref();
        faulty.act(Fault::Wake);
    },
    |data| {
        // SAFETY: the waker keeps its data alive (I1).
        let faulty = unsafe { &*data.cast::<Faulty>() };
        faulty.inner.wake_by_ref();
        faulty.act(Fault::Wake);
    },
    |data| {
        // SAFETY: the waker's count is given up here (I1).
        let faulty = unsafe { Arc::from_raw(data.cast::<Faulty>()) };
        faulty.act(Fault::Drop);
    },
);
