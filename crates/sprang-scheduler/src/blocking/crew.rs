//! The threads of a blocking pool and the jobs that wait for them: who is woken, who is started, who may sleep.
//!
//! Purpose: everything that must hold between a push and a thread that goes to sleep or away, in one place that
//! neither starts threads nor knows what a job is, and that loom can run.
//!
//! Data flow: `Pool::spawn` → [`Crew::push`] → [`Call`] → unpark or start; a thread → [`Crew::next`] → a job, and the
//! [`Call`] that it makes before it runs the job; [`Crew::refused`] when a thread could not be started.
//!
//! A thread of the crew is in one of three states: *running* a job; *searching*, which is on its way to the queue; or
//! *idle*, asleep. A job may block for as long as it likes, so it is never left to a thread that runs one; but a
//! searcher is sure to come. Therefore a push calls somebody only if nobody is searching, and a searcher that takes a
//! job and leaves more behind calls the next. A burst of jobs so wakes one thread after the other, for as long as
//! there is anything for it to do, and a thread that comes back for more in time makes the next call unnecessary.
//!
//! Invariants:
//! - I1: all of [`State`] changes under its lock, and no code of a user's runs under it.
//! - I2 (nothing is stranded): while the queue holds a job, a thread is searching, or nobody is idle and the crew has
//!   as many threads as it may have, or as the OS would give it when it was last asked. So a job waits for a thread
//!   only while all threads run others.
//! - I3: whoever takes an idle thread off the list counts it as searching, marks it as woken, and unparks it. An idle
//!   thread goes by the mark alone: without it, every return from its sleep is spurious or the end of its keep-alive,
//!   and it may leave only by taking itself off the list.
//! - I4: a job that is pushed is handed out exactly once: by `next`, by `close` or by `refused`.
//! - I5: after `close` the crew takes no jobs, its threads leave when the queue is empty, and nobody sleeps.
//!
//! One lock, held for a few instructions: a push and a `next` are one acquisition each, and the calls are made after
//! it. Of the idle threads the one that came last is woken, so that those that are not needed reach their keep-alive.
//!
//! A thread sleeps at once when it finds nothing. One that looked again for 4 µs or 16 µs before it slept was measured,
//! too: a closure spawned and awaited, one after the other, took longer that way, and up to twice the processor time.
//!
//! Models: `models::*` below.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sprang_core::primitive::sync::Mutex;
use sprang_core::primitive::sync::atomic::AtomicBool;
use sprang_core::primitive::sync::atomic::Ordering::Relaxed;
use sprang_core::primitive::thread::{self, Thread};

use super::Load;

/// Jobs and threads.
#[derive(Debug)]
pub(super) struct Crew<J> {
    state: Mutex<State<J>>,
    max_threads: usize,
    /// What an idle thread waits for a job before it leaves.
    keep_alive: Duration,
}

#[derive(Debug)]
struct State<J> {
    queue: VecDeque<J>,
    /// Idle threads; the last one is the first to be woken.
    idle: Vec<Arc<Idle>>,
    /// Threads that are searching: woken, or being started, and not yet at the queue.
    searching: usize,
    /// Threads in all, those included that are being started.
    threads: usize,
    closed: bool,
}

/// How a thread of the crew is woken.
#[derive(Debug)]
pub(super) struct Idle {
    thread: Thread,
    /// Relaxed everywhere: it is set under the lock, before the unpark, and whoever sees it takes the lock next.
    woken: AtomicBool,
}

/// A thread's own view of its place in the crew.
#[derive(Debug)]
pub(super) struct Member {
    searching: bool,
    /// There once the thread was idle.
    idle: Option<Arc<Idle>>,
}

/// Whom a job needs, decided under the lock and done after it.
#[derive(Debug)]
#[must_use = "a job may be stranded if the call is not made"]
pub(super) enum Call {
    /// Nobody: a thread is on its way, or there may be no more.
    Nobody,
    /// This idle thread: [unpark](Idle::unpark) it.
    Wake(Arc<Idle>),
    /// A new thread: start it, or report that it was [refused](Crew::refused).
    Start(Member),
}

/// What [`Crew::close`] leaves to its caller.
#[derive(Debug)]
#[must_use = "the threads have to be unparked"]
pub(super) struct Closed<J> {
    /// Jobs that are not run any more.
    pub(super) dropped: Vec<J>,
    /// Threads to unpark.
    pub(super) woken: Vec<Arc<Idle>>,
}

impl<J> Crew<J> {
    pub(super) fn new(max_threads: usize, keep_alive: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                idle: Vec::new(),
                searching: 0,
                threads: 0,
                closed: false,
            }),
            max_threads,
            keep_alive,
        }
    }

    /// Queues a job, or gives it back if the crew is closed.
    pub(super) fn push(&self, job: J) -> Result<Call, J> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(job);
        }
        state.queue.push_back(job);
        Ok(state.call(self.max_threads))
    }

    /// The next job for a thread that comes from the last one, or was just started, and the call to make before the
    /// job is run. Sleeps as long as there is none; `None` when the thread has left the crew.
    pub(super) fn next(&self, member: &mut Member) -> Option<(J, Call)> {
        loop {
            let mut state = self.state.lock();
            if std::mem::take(&mut member.searching) {
                state.searching -= 1;
            }
            if let Some(job) = state.queue.pop_front() {
                let call = state.call(self.max_threads);
                return Some((job, call));
            }
            if state.closed {
                state.threads -= 1;
                return None;
            }
            // Under the lock under which the queue was seen empty (I2).
            let idle = Arc::clone(member.idle.get_or_insert_with(Idle::this_thread));
            idle.woken.store(false, Relaxed);
            state.idle.push(Arc::clone(&idle));
            drop(state);
            if !self.sleep(&idle) {
                return None;
            }
            member.searching = true;
        }
    }

    /// Sleeps until the thread is woken, or has waited too long, and so has left.
    fn sleep(&self, idle: &Arc<Idle>) -> bool {
        // A keep-alive that is too long for the clock is for ever.
        let deadline = Instant::now().checked_add(self.keep_alive);
        while !idle.woken.load(Relaxed) {
            if !park_until(deadline) {
                continue;
            }
            let mut state = self.state.lock();
            // Under the lock: who is on the list is not woken (I3).
            let place = state.idle.iter().position(|other| Arc::ptr_eq(other, idle));
            if let Some(place) = place {
                state.idle.remove(place);
                state.threads -= 1;
                return false;
            }
        }
        true
    }

    /// Reports that a thread could not be started. Returns the jobs that nobody is there to run, and the thread to
    /// wake in its place.
    pub(super) fn refused(&self) -> (VecDeque<J>, Option<Arc<Idle>>) {
        let mut state = self.state.lock();
        state.searching -= 1;
        state.threads -= 1;
        if state.threads == 0 {
            return (std::mem::take(&mut state.queue), None);
        }
        // The others look at the queue when they are done with what they run; one that is idle must be told.
        let needed = !state.queue.is_empty() && state.searching == 0;
        (VecDeque::new(), if needed { state.wake() } else { None })
    }

    /// Takes no more jobs. Of those that are queued it keeps as many as threads are on their way to take, whose start
    /// counts as that of the job, and what `keep` says.
    pub(super) fn close(&self, keep: impl Fn(&J) -> bool) -> Closed<J> {
        let mut state = self.state.lock();
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        let mut places = 0..state.searching;
        let (kept, dropped): (VecDeque<J>, VecDeque<J>) =
            queue.into_iter().partition(|job| places.next().is_some() || keep(job));
        state.queue = kept;
        let woken: Vec<_> = std::iter::from_fn(|| state.wake()).collect();
        Closed {
            dropped: dropped.into(),
            woken,
        }
    }

    pub(super) fn load(&self) -> Load {
        let state = self.state.lock();
        Load {
            threads: state.threads,
            idle: state.idle.len(),
            queued: state.queue.len(),
        }
    }

    /// Whether the crew was closed.
    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }
}

impl<J> State<J> {
    /// Whom the queue needs.
    fn call(&mut self, max_threads: usize) -> Call {
        if self.queue.is_empty() || self.searching > 0 {
            return Call::Nobody;
        }
        if let Some(idle) = self.wake() {
            return Call::Wake(idle);
        }
        if self.threads == max_threads {
            return Call::Nobody;
        }
        self.threads += 1;
        self.searching += 1;
        Call::Start(Member {
            searching: true,
            idle: None,
        })
    }

    /// Takes an idle thread off the list, for the caller to unpark (I3).
    fn wake(&mut self) -> Option<Arc<Idle>> {
        let idle = self.idle.pop()?;
        self.searching += 1;
        idle.woken.store(true, Relaxed);
        Some(idle)
    }
}

impl Idle {
    fn this_thread() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            woken: AtomicBool::new(false),
        })
    }

    /// Ends the thread's sleep.
    pub(super) fn unpark(&self) {
        self.thread.unpark();
    }
}

/// Parks, possibly for too short a time; returns whether the deadline had passed before.
fn park_until(deadline: Option<Instant>) -> bool {
    match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
        Some(Duration::ZERO) => return true,
        Some(left) => thread::park_timeout(left),
        None => thread::park(),
    }
    false
}

#[cfg(all(test, not(sprang_loom)))]
mod tests {
    use super::*;

    const FOREVER: Duration = Duration::MAX;

    fn start(call: Call) -> Member {
        match call {
            Call::Start(member) => member,
            other => panic!("a thread should be started, not {other:?}"),
        }
    }

    fn take<J>(crew: &Crew<J>, member: &mut Member) -> (J, Call) {
        crew.next(member).expect("the thread stays")
    }

    #[test]
    fn a_burst_calls_nobody_while_a_thread_is_on_its_way() {
        let crew = Crew::new(512, FOREVER);
        let _first = start(crew.push(0).unwrap());
        for job in 1..10_000 {
            assert!(matches!(crew.push(job), Ok(Call::Nobody)));
        }
    }

    #[test]
    fn a_job_whose_thread_is_on_its_way_is_run_after_the_close() {
        let crew = Crew::new(512, FOREVER);
        let mut thread = start(crew.push(0).unwrap());
        for job in 1..3 {
            let _nobody = crew.push(job).unwrap();
        }
        assert_eq!(crew.close(|job| *job == 2).dropped, [1]);
        assert_eq!(take(&crew, &mut thread).0, 0);
        assert_eq!(take(&crew, &mut thread).0, 2);
        assert!(crew.next(&mut thread).is_none());
    }

    #[test]
    fn a_thread_that_comes_back_in_time_saves_the_next_call() {
        let crew = Crew::new(512, FOREVER);
        let mut first = start(crew.push(0).unwrap());
        for job in 1..10_000 {
            assert!(matches!(crew.push(job), Ok(Call::Nobody)));
        }
        let (_, call) = take(&crew, &mut first);
        let mut second = start(call);
        // The second is still on its way: however much the first one takes, it calls nobody.
        for job in 1..10_000 - 1 {
            let (taken, call) = take(&crew, &mut first);
            assert_eq!(taken, job);
            assert!(matches!(call, Call::Nobody));
        }
        let (last, call) = take(&crew, &mut second);
        assert_eq!(last, 9_999);
        assert!(
            matches!(call, Call::Nobody),
            "there is nothing left to call anybody for"
        );
        let state = crew.state.lock();
        assert_eq!((state.threads, state.searching), (2, 0));
    }

    #[test]
    fn jobs_that_block_get_a_thread_each_up_to_the_cap() {
        const CAP: usize = 7;
        let crew = Crew::new(CAP, FOREVER);
        let mut called = Vec::new();
        for job in 0..20 {
            if let Call::Start(member) = crew.push(job).unwrap() {
                called.push(member);
            }
        }
        let mut taken = 0;
        while let Some(mut member) = called.pop() {
            let (_, call) = take(&crew, &mut member);
            taken += 1;
            if let Call::Start(member) = call {
                called.push(member);
            }
        }
        assert_eq!(taken, CAP);
        assert!(matches!(crew.push(20), Ok(Call::Nobody)));
    }

    #[test]
    fn a_refused_thread_fails_what_no_other_can_run() {
        let crew = Crew::new(4, FOREVER);
        let _refused = start(crew.push(0).unwrap());
        assert!(matches!(crew.push(1), Ok(Call::Nobody)));
        let (failed, woken) = crew.refused();
        assert_eq!(failed, [0, 1]);
        assert!(woken.is_none());

        let mut running = start(crew.push(2).unwrap());
        let (_, call) = take(&crew, &mut running);
        assert!(matches!(call, Call::Nobody));
        let _refused = start(crew.push(3).unwrap());
        let (failed, _) = crew.refused();
        assert!(failed.is_empty(), "the thread that runs can take it");
        assert_eq!(take(&crew, &mut running).0, 3);
    }

    #[test]
    fn a_closed_crew_keeps_what_it_must_and_lets_its_threads_go() {
        let crew = Crew::new(1, FOREVER);
        let mut only = start(crew.push(0).unwrap());
        let _ = take(&crew, &mut only);
        for job in 1..5 {
            let _ = crew.push(job).unwrap();
        }
        let closed = crew.close(|job| job % 2 == 0);
        assert_eq!(closed.dropped, [1, 3]);
        assert!(closed.woken.is_empty());
        assert_eq!(crew.push(5).unwrap_err(), 5);
        assert_eq!([(); 2].map(|()| take(&crew, &mut only).0), [2, 4]);
        assert!(crew.next(&mut only).is_none());
        assert_eq!(crew.state.lock().threads, 0);
    }

    #[test]
    fn a_thread_leaves_after_its_keep_alive() {
        let crew = Crew::new(1, Duration::ZERO);
        let mut only = start(crew.push(()).unwrap());
        let _ = take(&crew, &mut only);
        assert!(crew.next(&mut only).is_none());
        let _ = start(crew.push(()).unwrap());
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use sprang_core::primitive::model;
    use sprang_core::primitive::sync::Arc;
    use sprang_core::primitive::sync::atomic::AtomicUsize;
    use sprang_core::primitive::sync::atomic::Ordering::SeqCst;
    use sprang_core::primitive::thread::JoinHandle;

    const FOREVER: Duration = Duration::MAX;

    /// A crew whose jobs are counted.
    struct Shared {
        crew: Crew<()>,
        ran: AtomicUsize,
        threads: Mutex<Vec<JoinHandle<()>>>,
    }

    fn shared(max_threads: usize, keep_alive: Duration) -> Arc<Shared> {
        Arc::new(Shared {
            crew: Crew::new(max_threads, keep_alive),
            ran: AtomicUsize::new(0),
            threads: Mutex::new(Vec::new()),
        })
    }

    /// Makes the call; a new thread takes `jobs` jobs, unless it leaves before that.
    fn make(shared: &Arc<Shared>, call: Call, jobs: usize) {
        match call {
            Call::Nobody => {}
            Call::Wake(idle) => idle.unpark(),
            Call::Start(mut member) => {
                let this = Arc::clone(shared);
                let thread = thread::spawn(move || {
                    for _ in 0..jobs {
                        let Some(((), call)) = this.crew.next(&mut member) else {
                            break;
                        };
                        make(&this, call, jobs);
                        this.ran.fetch_add(1, SeqCst);
                    }
                });
                shared.threads.lock().push(thread);
            }
        }
    }

    fn push(shared: &Arc<Shared>, jobs: usize) {
        let call = shared.crew.push(()).expect("the crew is open");
        make(shared, call, jobs);
    }

    /// Waits for all threads, those included that these start.
    fn join(shared: &Shared) {
        loop {
            let thread = shared.threads.lock().pop();
            match thread {
                Some(thread) => thread.join().unwrap(),
                None => break,
            }
        }
    }

    /// A thread that finds nothing goes to sleep while the second job is pushed. Who strands that one hangs.
    #[test]
    fn a_push_finds_or_wakes_the_thread_that_goes_idle() {
        model(|| {
            let shared = shared(1, FOREVER);
            push(&shared, 2);
            push(&shared, 2);
            join(&shared);
            assert_eq!(shared.ran.load(SeqCst), 2);
        });
    }

    /// The thread is at the end of its keep-alive while the second job is pushed, and is woken, or replaced.
    #[test]
    fn a_thread_that_leaves_strands_nothing() {
        model(|| {
            let shared = shared(1, Duration::ZERO);
            push(&shared, 3);
            push(&shared, 3);
            join(&shared);
            assert_eq!(shared.ran.load(SeqCst), 2);
            assert_eq!(shared.crew.state.lock().threads, 0);
        });
    }

    /// Threads that never come back from their job: each job needs one of its own.
    #[test]
    fn a_searcher_that_leaves_jobs_behind_calls_the_next() {
        model(|| {
            let shared = shared(2, FOREVER);
            push(&shared, 1);
            push(&shared, 1);
            join(&shared);
            assert_eq!(shared.ran.load(SeqCst), 2);
        });
    }

    #[test]
    fn close_against_push_and_idle_accounts_for_every_job() {
        model(|| {
            let shared = shared(1, FOREVER);
            push(&shared, 3);
            let other = Arc::clone(&shared);
            let pushing = thread::spawn(move || match other.crew.push(()) {
                Ok(call) => {
                    assert!(matches!(&call, Call::Nobody | Call::Wake(_)));
                    make(&other, call, 3);
                    0
                }
                Err(()) => 1,
            });
            let closed = shared.crew.close(|()| false);
            closed.woken.iter().for_each(|idle| idle.unpark());
            let given_back = pushing.join().unwrap();
            join(&shared);
            assert_eq!(shared.ran.load(SeqCst) + closed.dropped.len() + given_back, 2);
        });
    }

    /// The only thread is refused while the crew is closed, which keeps what is queued or does not.
    #[test]
    fn close_against_a_refusal_accounts_for_every_job() {
        for keeps in [false, true] {
            model(move || {
                let shared = shared(1, FOREVER);
                let Ok(Call::Start(_)) = shared.crew.push(()) else {
                    panic!("the first job starts a thread")
                };
                let other = Arc::clone(&shared);
                let closing = thread::spawn(move || {
                    let closed = other.crew.close(|()| keeps);
                    assert!(closed.woken.is_empty());
                    closed.dropped.len()
                });
                let (failed, woken) = shared.crew.refused();
                assert!(woken.is_none());
                assert_eq!(closing.join().unwrap() + failed.len(), 1);
                let late = shared.crew.push(()).is_err();
                assert!(late && shared.crew.load().threads == 0, "nobody is left to run a job");
            });
        }
    }

    /// A push relies on a thread that is refused, while the other one goes to sleep, and away.
    #[test]
    fn a_refusal_wakes_the_thread_that_went_idle() {
        model(|| {
            let shared = shared(2, Duration::ZERO);
            let Ok(Call::Start(mut member)) = shared.crew.push(()) else {
                panic!("the first job starts a thread")
            };
            let Some(((), Call::Nobody)) = shared.crew.next(&mut member) else {
                panic!("which runs it")
            };
            let Ok(Call::Start(_)) = shared.crew.push(()) else {
                panic!("the second job needs another one")
            };
            make(&shared, Call::Start(member), 3);
            let relies = shared.crew.push(()).expect("the crew is open");
            assert!(matches!(relies, Call::Nobody));
            let (failed, woken) = shared.crew.refused();
            if let Some(idle) = woken {
                idle.unpark();
            }
            join(&shared);
            assert_eq!(shared.ran.load(SeqCst) + failed.len(), 2);
        });
    }

    /// A thread is refused while another job is pushed, which relied on it or starts its own.
    #[test]
    fn a_refused_thread_strands_nothing() {
        model(|| {
            let shared = shared(2, Duration::ZERO);
            let Ok(Call::Start(_)) = shared.crew.push(()) else {
                panic!("the first job starts a thread")
            };
            let other = Arc::clone(&shared);
            let pushing = thread::spawn(move || push(&other, 3));
            let (failed, woken) = shared.crew.refused();
            if let Some(idle) = woken {
                idle.unpark();
            }
            pushing.join().unwrap();
            join(&shared);
            assert_eq!(shared.ran.load(SeqCst) + failed.len(), 2);
        });
    }
}
