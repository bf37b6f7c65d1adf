//! Models of a task's state word: wake against poll against completion, the join handle against completion and abort.
//!
//! The scheduler of these models is one list of queued tasks, and counts what it is told; the stand-in queues have
//! models of their own (`multi_thread::pool`).

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::sync::atomic::Ordering::Relaxed;
use sprang_core::primitive::{model, thread};

use super::{Anchored, Header, JoinHandle, Notified, Schedule, Shard};

/// Queues tasks in a list, and keeps one shard.
pub(crate) struct Queue {
    tasks: Mutex<Vec<Notified>>,
    shard: Shard,
}

impl Schedule for Queue {
    fn schedule(this: &Arc<Anchored<Self>>, task: Notified) {
        this.tasks.lock().push(task);
    }

    fn reschedule(this: &Arc<Anchored<Self>>, task: Notified) {
        Self::schedule(this, task);
    }

    fn bind(this: &Arc<Anchored<Self>>, task: NonNull<Header>) -> bool {
        // SAFETY: the caller runs the task, which is in no shard.
        unsafe { this.shard.bind(task, 0) }
    }

    fn release(this: &Arc<Anchored<Self>>, task: NonNull<Header>) {
        // SAFETY: the caller runs the task, which is in the shard.
        unsafe { this.shard.release(task) };
    }
}

pub(crate) fn queue() -> Arc<Anchored<Queue>> {
    Anchored::new(Queue {
        tasks: Mutex::new(Vec::new()),
        shard: Shard::new(),
    })
}

impl Queue {
    /// Runs what is queued until nothing is.
    pub(crate) fn run(&self) {
        loop {
            let task = self.tasks.lock().pop();
            match task {
                Some(task) => task.run(),
                None => break,
            }
        }
    }
}

pub(crate) fn spawn<F>(queue: &Arc<Anchored<Queue>>, future: F) -> (Notified, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // SAFETY: the future is `Send`.
    unsafe { super::new(future, queue, Location::caller()) }
}

/// Counts its drops.
pub(crate) struct Counted(pub(crate) Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

pub(crate) struct Flag(pub(crate) AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

fn poll<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, super::JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

/// A future that is pending once, gives its waker away, and is ready when the message is there.
pub(crate) fn message(
    slot: Arc<Mutex<Option<Waker>>>,
    sent: Arc<AtomicBool>,
    drops: Arc<AtomicUsize>,
) -> impl Future<Output = ()> {
    let counted = Counted(drops);
    poll_fn(move |cx| {
        let _ = &counted;
        if sent.load(Relaxed) {
            return Poll::Ready(());
        }
        *slot.lock() = Some(cx.waker().clone());
        Poll::Pending
    })
}

/// The waker's message is a relaxed store: only the state word may carry it to the poll.
#[test]
fn wake_during_poll_is_never_lost() {
    model(|| {
        let (slot, sent) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = queue();
        let (task, handle) = spawn(
            &queue,
            message(Arc::clone(&slot), Arc::clone(&sent), Arc::clone(&drops)),
        );
        let waking = thread::spawn(move || {
            let waker: Option<Waker> = slot.lock().take();
            sent.store(true, Relaxed);
            if let Some(waker) = waker {
                waker.wake();
                return true;
            }
            false
        });
        task.run();
        queue.run();
        let woken = waking.join().unwrap();
        queue.run();
        if woken {
            assert!(handle.is_finished(), "the wake-up was lost");
            assert_eq!(drops.load(Relaxed), 1);
        }
        drop(handle);
        queue.shard.close();
        assert!(queue.shard.is_empty());
        assert_eq!(drops.load(Relaxed), 1, "the future is dropped exactly once");
    });
}

/// The wake-up that brings the message may find the task queued already, by one that brings none.
#[test]
fn wake_of_a_queued_task_brings_its_message() {
    model(|| {
        let (slot, sent) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = queue();
        let (task, handle) = spawn(&queue, message(Arc::clone(&slot), Arc::clone(&sent), drops));
        task.run();
        let first = slot.lock().take().expect("the poll gave it away");
        let second = first.clone();
        let waking = thread::spawn(move || {
            sent.store(true, Relaxed);
            first.wake_by_ref();
        });
        second.wake_by_ref();
        queue.run();
        waking.join().unwrap();
        queue.run();
        assert!(handle.is_finished(), "the message was lost");
        drop(slot.lock().take());
    });
}

/// Two wakers, one of which finds the task complete, or frees it.
#[test]
fn wakers_and_completion_free_the_task_once() {
    model(|| {
        let (slot, sent) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = queue();
        let (task, handle) = spawn(
            &queue,
            message(Arc::clone(&slot), Arc::clone(&sent), Arc::clone(&drops)),
        );
        drop(handle);
        task.run();
        let first = slot.lock().take().expect("the poll gave it away");
        let second = first.clone();
        sent.store(true, Relaxed);
        let other = Arc::clone(&queue);
        let waking = thread::spawn(move || {
            first.wake();
            other.run();
        });
        second.wake();
        queue.run();
        waking.join().unwrap();
        queue.run();
        assert_eq!(drops.load(Relaxed), 1, "the future is dropped exactly once");
        assert!(queue.shard.is_empty());
    });
}

#[test]
fn join_sees_the_output_or_is_woken() {
    model(|| {
        let queue = queue();
        let (task, mut handle) = spawn(&queue, async { Box::new(7) });
        let running = thread::spawn(move || task.run());
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let early = poll(&mut handle, &waker);
        running.join().unwrap();
        match early {
            Poll::Ready(output) => assert_eq!(*output.unwrap(), 7),
            Poll::Pending => {
                assert!(flag.0.load(Relaxed), "the joiner was not woken");
                assert!(matches!(poll(&mut handle, &waker), Poll::Ready(Ok(output)) if *output == 7));
            }
        }
    });
}

#[test]
fn join_with_a_second_waker_wakes_the_second() {
    model(|| {
        let queue = queue();
        let (task, mut handle) = spawn(&queue, async { 7 });
        let flags = [(); 2].map(|()| Arc::new(Flag(AtomicBool::new(false))));
        let wakers = flags.each_ref().map(|flag| Waker::from(Arc::clone(flag)));
        assert!(poll(&mut handle, &wakers[0]).is_pending());
        let running = thread::spawn(move || task.run());
        let early = poll(&mut handle, &wakers[1]);
        running.join().unwrap();
        if early.is_pending() {
            assert!(flags[1].0.load(Relaxed), "the second waker was not woken");
            assert!(poll(&mut handle, &wakers[1]).is_ready());
        }
    });
}

#[test]
fn join_dropped_during_completion_drops_the_output_once() {
    model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = queue();
        let output = Counted(Arc::clone(&drops));
        let (task, mut handle) = spawn(&queue, async move { output });
        assert!(poll(&mut handle, Waker::noop()).is_pending());
        let running = thread::spawn(move || task.run());
        drop(handle);
        running.join().unwrap();
        assert_eq!(drops.load(Relaxed), 1);
    });
}

#[test]
fn abort_ends_the_task_exactly_once() {
    model(|| {
        let (slot, sent) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = queue();
        let (task, mut handle) = spawn(&queue, message(Arc::clone(&slot), sent, Arc::clone(&drops)));
        let abort = handle.abort_handle();
        let aborting = thread::spawn(move || abort.abort());
        task.run();
        aborting.join().unwrap();
        queue.run();
        assert!(handle.is_finished(), "an aborted task goes on");
        assert_eq!(drops.load(Relaxed), 1);
        assert!(matches!(poll(&mut handle, Waker::noop()), Poll::Ready(Err(error)) if error.is_cancelled()));
        drop(slot.lock().take());
    });
}

#[test]
fn shutdown_during_a_poll_drops_the_future_once() {
    model(|| {
        let (slot, sent) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = queue();
        let (task, handle) = spawn(&queue, message(Arc::clone(&slot), sent, Arc::clone(&drops)));
        let other = Arc::clone(&queue);
        let running = thread::spawn(move || {
            task.run();
            other.run();
        });
        queue.shard.close();
        running.join().unwrap();
        queue.run();
        assert!(handle.is_finished());
        assert_eq!(drops.load(Relaxed), 1);
        assert!(queue.shard.is_empty());
        drop(slot.lock().take());
    });
}
