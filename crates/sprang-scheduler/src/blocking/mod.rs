//! The blocking pool: elastic threads for closures that block.
//!
//! Purpose: `spawn_blocking`. A closure is a task (one allocation, a join handle like any other) whose future runs it
//! in its first poll; what is special is only where it waits, and who runs it.
//!
//! Data flow: `sprang::runtime::Handle::spawn_blocking` → [`Pool::spawn`] → `crew`, which says who is to be woken or
//! started → [`StartThread`] → a thread with a [`Seat`] → [`Seat::run`] → the closure → its `JoinHandle`.
//!
//! Invariants:
//! - I1: a closure is run or dropped exactly once (`crew`, I4; `task`, I1).
//! - I2: such a task is never idle: it is queued, runs, or is complete. So nothing ever schedules or binds it.
//! - I3: a job's guard is dropped after its task is complete and whoever waits for it is woken.
//!
//! When the OS refuses a thread, closures that other threads of the pool can run stay queued. If there are none, the
//! join handles resolve at once, with a panic's payload that says why; Tokio panics in `spawn_blocking` itself.

mod crew;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crew::{Call, Crew, Member};

use crate::panics::drop_quietly;
use crate::task::{self, Anchored, Header, JoinHandle, Notified, Schedule};

/// The settings of a blocking pool.
#[derive(Debug, Clone)]
pub struct Config {
    /// The most threads at a time; not 0.
    pub max_threads: usize,
    /// What a thread waits for the next closure before it ends.
    pub keep_alive: Duration,
}

/// Whether a closure that is queued is still run when the pool is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtClose {
    /// It is dropped, its task cancelled.
    Drop,
    /// It is run.
    Run,
}

/// How a pool gets its threads.
pub trait StartThread<G> {
    /// Starts a thread that calls [`Seat::run`].
    ///
    /// # Errors
    ///
    /// If there can be no such thread. The seat is dropped then.
    fn start_thread(&self, seat: Seat<G>) -> io::Result<()>;
}

/// How much a pool has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Its threads, idle ones included.
    pub threads: usize,
    /// Threads that wait for a closure.
    pub idle: usize,
    /// Closures that wait for a thread.
    pub queued: usize,
}

/// A pool of threads that run closures. Cheap to clone.
///
/// Each closure comes with a guard `G`, which is dropped when the closure is done with and its result is published.
pub struct Pool<G> {
    shared: Arc<Shared<G>>,
}

/// A thread's place in a pool.
pub struct Seat<G> {
    shared: Arc<Shared<G>>,
    member: Member,
}

struct Shared<G> {
    crew: Crew<Job<G>>,
    anchor: Arc<Anchored<Unscheduled>>,
}

/// A closure on its way. The order of the fields is that of I3.
struct Job<G> {
    task: Notified,
    _guard: G,
    at_close: AtClose,
}

impl<G: Send + 'static> Pool<G> {
    /// A pool without threads.
    pub fn new(config: Config) -> Self {
        Self {
            shared: Arc::new(Shared {
                crew: Crew::new(config.max_threads, config.keep_alive),
                anchor: Anchored::new(Unscheduled),
            }),
        }
    }

    /// Queues a closure, and wakes or starts a thread for it if none is on its way.
    ///
    /// In a pool that is closed the task is cancelled at once. If no thread can be started and there is no other, the
    /// task fails at once, as if the closure had panicked; the payload is a `String` that says why.
    pub fn spawn<F, R>(
        &self,
        closure: F,
        guard: G,
        at_close: AtClose,
        start: &impl StartThread<G>,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        // SAFETY: the closure and its result are `Send`.
        let (task, handle) = unsafe { task::new(Closure(Some(closure)), &self.shared.anchor, spawned_at) };
        let job = Job {
            task,
            _guard: guard,
            at_close,
        };
        match self.shared.crew.push(job) {
            Ok(call) => self.shared.make(call, start),
            Err(job) => drop(job),
        }
        handle
    }

    /// Begins the end: later closures are cancelled at once, queued ones dropped, unless they are
    /// [to be run](AtClose::Run), and threads end when there is nothing left to run.
    pub fn close(&self) {
        let closed = self.shared.crew.close(|job| job.at_close == AtClose::Run);
        closed.woken.iter().for_each(|idle| idle.unpark());
        drop(closed.dropped);
    }

    /// How much the pool has to do.
    pub fn load(&self) -> Load {
        self.shared.crew.load()
    }

    /// Whether the pool was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.crew.is_closed()
    }
}

impl<G: Send + 'static> Seat<G> {
    /// Runs closures until the pool is closed, or there were none for too long. Never panics.
    ///
    /// `start` starts the threads that this one finds to be needed.
    pub fn run(mut self, start: &impl StartThread<G>) {
        while let Some((job, call)) = self.shared.crew.next(&mut self.member) {
            self.shared.make(call, start);
            job.task.run();
        }
    }
}

impl<G: Send + 'static> Shared<G> {
    fn make(self: &Arc<Self>, call: Call, start: &impl StartThread<G>) {
        match call {
            Call::Nobody => {}
            Call::Wake(idle) => idle.unpark(),
            Call::Start(member) => self.start(member, start),
        }
    }

    #[cold]
    fn start(self: &Arc<Self>, member: Member, start: &impl StartThread<G>) {
        let seat = Seat {
            shared: Arc::clone(self),
            member,
        };
        // Starting calls what the user names threads with.
        let started = catch_unwind(AssertUnwindSafe(|| start.start_thread(seat))).unwrap_or_else(|panic| {
            drop_quietly(panic);
            Err(io::Error::other("what names threads panicked"))
        });
        let Err(error) = started else { return };
        let (failed, woken) = self.crew.refused();
        if let Some(idle) = woken {
            idle.unpark();
        }
        failed.into_iter().for_each(|job| refuse(job, &error));
    }
}

thread_local! {
    /// Why the closure that is about to be polled on this thread is not to be run.
    static REFUSAL: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has the job's task fail.
fn refuse<G>(job: Job<G>, error: &io::Error) {
    let reason = format!("OS can't spawn worker thread: {error}");
    // A thread that is being torn down can say no more than that the task is cancelled.
    if REFUSAL.try_with(|refusal| refusal.replace(Some(reason))).is_ok() {
        job.task.run();
        // The task did not look at it if it was aborted.
        REFUSAL.take();
    }
}

/// A future that is ready in its first poll.
struct Closure<F>(Option<F>);

// The closure is never pinned.
impl<F> Unpin for Closure<F> {}

impl<F: FnOnce() -> R, R> Future for Closure<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        if let Some(reason) = REFUSAL.take() {
            resume_unwind(Box::new(reason));
        }
        let closure = self.0.take().expect("a task is not polled after it completed");
        Poll::Ready(closure())
    }
}

/// The scheduler of tasks that are never idle (I2).
#[derive(Debug)]
struct Unscheduled;

impl Schedule for Unscheduled {
    fn schedule(_: &Arc<Anchored<Self>>, _: Notified) {
        unreachable!("a closure is never idle")
    }

    fn reschedule(_: &Arc<Anchored<Self>>, _: Notified) {
        unreachable!("a closure is never pending")
    }

    fn bind(_: &Arc<Anchored<Self>>, _: NonNull<Header>) -> bool {
        unreachable!("a closure is never pending")
    }

    fn release(_: &Arc<Anchored<Self>>, _: NonNull<Header>) {
        unreachable!("a closure is never bound")
    }
}

impl<G> Clone for Pool<G> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<G> fmt::Debug for Pool<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl<G> fmt::Debug for Seat<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("member", &self.member).finish()
    }
}
