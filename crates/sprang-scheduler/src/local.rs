//! The scheduler of tasks that stay on one thread, run by whoever polls it there.
//!
//! Purpose: what a `LocalSet` is made of: a queue, an owned set, and a future that runs what is queued. It has no
//! thread and no driver; the scheduler around it, or any other executor, polls it like any future.
//!
//! Data flow: [`Scheduler::poll`] or [`Scheduler::poll_until`] registers the poller's waker, then runs queued tasks; a
//! wake inside of the set → the queue; any other, also from the same thread → the injector, then the poller's waker.
//!
//! Invariants: I1, I4 and I5 of `task`. Besides:
//! - I1: tasks are run, cancelled and dropped through a `Core` only, which never leaves the thread that made it. Other
//!   threads see `Shared`: they push to its injector and never take from it.
//! - I2: a task is in the queue, in the injector, in `yielding`, or bound to the shard. A foreign thread can have the
//!   custody of bound tasks only, since no other is ever idle. So there are no tasks when the first three and the
//!   shard are empty, and `Core::shutdown` ends when they are.
//! - I3: the poller registers its waker before it looks at the injector for the last time; a foreign thread pushes
//!   before it takes that waker. So a push is seen, or the poller woken.
//! - I4: a scheduler is not dropped while it is polled: both polls borrow it.
//!
//! Memory ordering: there is no atomic of its own here. I3 rests on the read-modify-writes of
//! `AtomicWaker`, the end (I2) on the release and acquire of the shard's length.
//!
//! Models: `models::*`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sprang_core::atomic_waker::AtomicWaker;
use sprang_core::coop;
use sprang_core::slot::{self, Slot};

use crate::panics::survive;
use crate::park_thread;
use crate::queue::Injector;
use crate::task::{self, Anchored, Header, JoinHandle, Notified, Schedule, Shard};
use crate::yielding::Yielding;

/// Tasks that one poll runs at most, before the poller's own scheduler has its turn.
const TASKS_PER_POLL: usize = 61;

/// Tasks after which one from the injector comes before the queue.
const INJECTOR_INTERVAL: u8 = 31;

/// A set of tasks that stay on this thread. Dropping it drops all of them.
pub struct Scheduler {
    core: Rc<Core>,
}

/// What the thread has that owns the set.
#[derive(Debug)]
struct Core {
    shared: Arc<Anchored<Shared>>,
    queue: RefCell<VecDeque<Notified>>,
    yielding: Yielding,
    /// Whether a poll is on the stack, which will see to what is queued.
    polling: Cell<bool>,
    closed: Cell<bool>,
    /// Tasks taken, wrapping.
    tick: Cell<u8>,
}

/// What tasks point to.
#[derive(Debug)]
struct Shared {
    injector: Injector<Notified>,
    shard: Shard,
    /// Of whoever polls the set.
    poller: AtomicWaker,
}

thread_local! {
    /// The set that the thread is inside of.
    static CURRENT: Slot<Rc<Core>> = const { Slot::new() };
}

/// Leaves the set when dropped. See [`Scheduler::enter`].
#[derive(Debug)]
pub struct Entered {
    outer: Option<Rc<Core>>,
}

/// Spawns a task on the set that this thread is inside of.
///
/// # Errors
///
/// The future, if the thread is inside of none.
pub fn spawn<F>(future: F, spawned_at: &'static Location<'static>) -> Result<JoinHandle<F::Output>, F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match slot::with(&CURRENT, Rc::clone) {
        Some(core) => Ok(core.spawn(future, spawned_at)),
        None => Err(future),
    }
}

/// Whether the thread is inside of a set that runs its tasks, or drops them at its end.
pub fn runs_here() -> bool {
    slot::with(&CURRENT, |core| core.polling.get() || core.closed.get()) == Some(true)
}

impl Scheduler {
    /// An empty set.
    pub fn new() -> Self {
        Self {
            core: Rc::new(Core::new()),
        }
    }

    /// Spawns a task, which runs when the set is polled.
    pub fn spawn<F>(&self, future: F, spawned_at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.core.spawn(future, spawned_at)
    }

    /// Makes this the set that [`spawn`] spawns on, until the guard is dropped.
    pub fn enter(&self) -> Entered {
        Core::enter(&self.core)
    }

    /// Runs tasks; ready when there are none left.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let _entered = self.enter();
        self.core.poll(cx)
    }

    /// Polls `future`, inside of the set, then runs tasks; ready when the future is.
    pub fn poll_until<F: Future>(&self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = self.enter();
        // Also when the future panics: somebody else may go on to poll the set.
        let _polling = self.core.begin_poll(cx);
        let output = future.poll(cx);
        if output.is_pending() {
            self.core.run_some(cx);
        }
        output
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("local::Scheduler").finish_non_exhaustive()
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // Destructors may wake tasks, or spawn some, which are cancelled at once.
        let _entered = self.enter();
        self.core.shutdown();
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        slot::replace(&CURRENT, self.outer.take());
    }
}

/// The defer hook of the time in which tasks of a set run.
fn defer(waker: &Waker) {
    match slot::with(&CURRENT, Rc::clone) {
        // A set that is only entered may never be polled.
        Some(core) if core.polling.get() => core.yielding.defer(waker),
        _ => waker.wake_by_ref(),
    }
}

/// Says that the set is being polled, until it is dropped.
struct Polling<'a> {
    core: &'a Core,
    outer: bool,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.core.polling.set(self.outer);
        // Tasks that the poll did not come round to. Who injected some may have taken a waker from before this poll.
        if !self.core.queue.borrow().is_empty() || !self.core.shared.injector.is_empty() {
            self.core.shared.wake_poller();
        }
    }
}

impl Core {
    fn new() -> Self {
        Self {
            shared: Anchored::new(Shared {
                injector: Injector::new(),
                shard: Shard::new(),
                poller: AtomicWaker::new(),
            }),
            queue: RefCell::new(VecDeque::new()),
            yielding: Yielding::new(),
            polling: Cell::new(false),
            closed: Cell::new(false),
            tick: Cell::new(0),
        }
    }

    fn enter(this: &Rc<Self>) -> Entered {
        Entered {
            outer: slot::replace(&CURRENT, Some(Rc::clone(this))),
        }
    }

    fn spawn<F>(&self, future: F, spawned_at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: the task is polled and dropped on this thread only (I1).
        let (task, handle) = unsafe { task::new(future, &self.shared, spawned_at) };
        if self.closed.get() {
            drop(task);
        } else {
            self.push(task);
        }
        handle
    }

    /// Queues a task, and sees to it that the set is polled.
    fn push(&self, task: Notified) {
        self.queue.borrow_mut().push_back(task);
        if !self.polling.get() {
            self.shared.wake_poller();
        }
    }

    fn begin_poll(&self, cx: &mut Context<'_>) -> Polling<'_> {
        // First (I3).
        self.shared.poller.register(cx.waker());
        Polling {
            core: self,
            outer: self.polling.replace(true),
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let _polling = self.begin_poll(cx);
        let ran_dry = self.run_some(cx);
        if ran_dry && self.yielding.is_empty() && self.shared.shard.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Runs what is queued, but no more than [`TASKS_PER_POLL`]; returns whether it found the end of it. What is left
    /// is up to [`Polling`].
    fn run_some(&self, cx: &mut Context<'_>) -> bool {
        let ran_dry = self.with_hook(|| {
            self.yielding.drain(|task| self.queue.borrow_mut().push_back(task));
            for _ in 0..TASKS_PER_POLL {
                let Some(task) = self.next() else { return true };
                self.yielding.reset();
                coop::budget(|| task.run());
            }
            false
        });
        if !self.yielding.is_empty() {
            // To those who yielded, the driver is the poller's.
            coop::defer(cx.waker());
        }
        ran_dry
    }

    fn with_hook<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<fn(&Waker)>);
        impl Drop for Restore {
            fn drop(&mut self) {
                coop::set_defer(self.0);
            }
        }
        let _restore = Restore(coop::set_defer(Some(defer)));
        f()
    }

    fn next(&self) -> Option<Notified> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        let queued = || self.queue.borrow_mut().pop_front();
        let injected = || self.shared.injector.pop();
        if tick.is_multiple_of(INJECTOR_INTERVAL) {
            injected().or_else(queued)
        } else {
            queued().or_else(injected)
        }
    }

    /// Drops all tasks.
    fn shutdown(&self) {
        self.closed.set(true);
        self.shared.shard.close();
        self.drop_queued();
        if !self.shared.shard.is_empty() {
            // Other threads have woken tasks and are about to inject them.
            park_thread::block_on(poll_fn(|cx| {
                // First (I3).
                self.shared.poller.register(cx.waker());
                self.drop_queued();
                if self.shared.shard.is_empty() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
        }
    }

    fn drop_queued(&self) {
        self.yielding.drain(|task| self.queue.borrow_mut().push_back(task));
        while let Some(task) = self.next() {
            drop(task);
        }
    }
}

impl Shared {
    /// Calls `f` with the set that the thread is inside of, if it is this one.
    fn with_core<R>(this: &Arc<Anchored<Self>>, f: impl FnOnce(&Core) -> R) -> Option<R> {
        let core = slot::with(&CURRENT, |core| {
            Arc::ptr_eq(&core.shared, this).then(|| Rc::clone(core))
        })??;
        Some(f(&core))
    }

    fn wake_poller(&self) {
        if let Some(waker) = self.poller.take() {
            survive(|| waker.wake());
        }
    }
}

impl Schedule for Shared {
    fn schedule(this: &Arc<Anchored<Self>>, task: Notified) {
        let mut task = Some(task);
        Self::with_core(this, |core| core.push(task.take().expect("called once")));
        let Some(task) = task else { return };
        // As soon as the task is pushed it may complete, and the set end.
        let this = Arc::clone(this);
        this.injector.push(task);
        // Last (I3).
        this.wake_poller();
    }

    fn reschedule(this: &Arc<Anchored<Self>>, task: Notified) {
        let mut task = Some(task);
        Self::with_core(this, |core| {
            let task = task.take().expect("called once");
            if core.yielding.take_yielded() {
                core.yielding.push(task);
            } else {
                core.push(task);
            }
        });
        if let Some(task) = task {
            Self::schedule(this, task);
        }
    }

    fn bind(this: &Arc<Anchored<Self>>, task: NonNull<Header>) -> bool {
        // SAFETY: the caller runs the task, which is in no shard yet.
        unsafe { this.shard.bind(task, 0) }
    }

    fn release(this: &Arc<Anchored<Self>>, task: NonNull<Header>) {
        // Whoever waits for the shard to be empty is the thread that this runs on (I1).
        // SAFETY: the caller runs the task, which is in this shard.
        unsafe { this.shard.release(task) };
    }
}

#[cfg(test)]
mod models {
    //! The models use a [`Core`] without entering it: loom's threads share the thread-locals of one real thread.

    use super::*;
    use crate::task::models::{Flag, message};
    use sprang_core::primitive::sync::Mutex;
    use sprang_core::primitive::sync::atomic::AtomicBool;
    use sprang_core::primitive::{model, thread};
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    /// A set with one task, which waits for a message, and what wakes it.
    struct Waiting {
        core: Core,
        handle: JoinHandle<()>,
        sent: Arc<AtomicBool>,
        drops: Arc<AtomicUsize>,
        waker: Waker,
    }

    fn waiting() -> Waiting {
        let (slot, sent) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let drops = Arc::new(AtomicUsize::new(0));
        let core = Core::new();
        let handle = core.spawn(
            message(Arc::clone(&slot), Arc::clone(&sent), Arc::clone(&drops)),
            Location::caller(),
        );
        assert!(poll(&core, Waker::noop()).is_pending());
        let waker = slot.lock().take().expect("the poll gave it away");
        Waiting {
            core,
            handle,
            sent,
            drops,
            waker,
        }
    }

    fn poll(core: &Core, waker: &Waker) -> Poll<()> {
        core.poll(&mut Context::from_waker(waker))
    }

    #[test]
    fn a_remote_wake_is_seen_by_the_poll_or_wakes_the_poller() {
        model(|| {
            let Waiting {
                core,
                handle,
                sent,
                waker,
                ..
            } = waiting();
            let waking = thread::spawn(move || {
                sent.store(true, Relaxed);
                waker.wake();
            });
            let flag = Arc::new(Flag(AtomicBool::new(false)));
            let early = poll(&core, &Waker::from(Arc::clone(&flag)));
            waking.join().unwrap();
            if early.is_pending() {
                assert!(flag.0.load(Relaxed), "the wake-up was lost");
                assert!(poll(&core, Waker::noop()).is_ready());
            }
            assert!(handle.is_finished());
        });
    }

    /// Runs a model of the end on a thread that joins no other: loom takes an unpark of a thread in `join` for its end.
    fn model_of_the_end(body: fn()) {
        model(move || thread::spawn(body).join().unwrap());
    }

    fn end(core: Core, handle: &JoinHandle<()>, drops: &AtomicUsize) {
        core.shutdown();
        assert!(handle.is_finished());
        assert_eq!(drops.load(Relaxed), 1, "the future is dropped by the end, once");
    }

    #[test]
    fn the_end_waits_for_a_task_that_is_being_woken() {
        model_of_the_end(|| {
            let Waiting {
                core,
                handle,
                drops,
                waker,
                ..
            } = waiting();
            thread::spawn(move || {
                waker.wake_by_ref();
                // The set may be gone by now.
                waker.wake();
            });
            end(core, &handle, &drops);
        });
    }

    #[test]
    fn the_end_waits_for_a_task_that_is_being_aborted() {
        model_of_the_end(|| {
            let Waiting {
                core, handle, drops, ..
            } = waiting();
            let abort = handle.abort_handle();
            thread::spawn(move || abort.abort());
            end(core, &handle, &drops);
        });
    }
}
