//! How long a ready task, an event or a due timer waits at most, in polls of other tasks: what the section "Fairness" of
//! `sprang::runtime` says.
//!
//! A flood of tasks that are always ready keeps a scheduler busy, and each of their polls is a *turn*. In the course of
//! some turn a *victim* becomes ready, and when it is its turn, those are counted that its worker has given to others
//! meanwhile: nothing is measured in time. Many rounds of that, at ever other distances, meet all phases of the
//! intervals.

use std::future::{Future, poll_fn};
use std::io::Write;
use std::net;
use std::pin::Pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use futures::task::AtomicWaker;
use sprang::io::AsyncReadExt;
use sprang::net::TcpStream;
use sprang::runtime::{BlockedPolicy, Builder, Handle, Runtime, worker_index};
use sprang::task::{LocalSet, spawn_local, yield_now};
use sprang::time::sleep_until;
use sprang_tests::{PATIENCE, bounded};

/// Victims of a test, one after the other.
const ROUNDS: usize = 100;
/// Of those that take milliseconds each.
const SLOW_ROUNDS: usize = 5;
/// Turns of each busy worker before the first victim.
const WARM_UP: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    CurrentThread,
    MultiThread {
        workers: usize,
        lifo_slot: bool,
    },
    /// In a current-thread runtime.
    LocalSet,
}

const ONE_WORKER: Kind = Kind::MultiThread {
    workers: 1,
    lifo_slot: true,
};
const TWO_WORKERS: Kind = Kind::MultiThread {
    workers: 2,
    lifo_slot: true,
};

/// A scheduler, and what the documentation says of it.
#[derive(Debug, Clone, Copy)]
struct Setting {
    kind: Kind,
    event_interval: usize,
    global_queue_interval: usize,
}

const INTERVALS: [(usize, usize); 5] = [(61, 61), (1, 1), (2, 2), (7, 100), (100, 7)];
const HUGE: (usize, usize) = (u32::MAX as usize, u32::MAX as usize);

/// Polls after which a worker whose tasks have all yielded looks at the other workers.
const SEARCH_INTERVAL: usize = 16;

/// The tasks that one poll of a `LocalSet` runs.
const LOCAL_TASKS: usize = 61;

impl Setting {
    fn new(kind: Kind, (event_interval, global_queue_interval): (usize, usize)) -> Self {
        Self {
            kind,
            event_interval,
            global_queue_interval,
        }
    }

    /// Those with one thread that runs tasks.
    fn single() -> Vec<Self> {
        let no_lifo_slot = Kind::MultiThread {
            workers: 1,
            lifo_slot: false,
        };
        let other = [(Kind::LocalSet, INTERVALS[0]), (no_lifo_slot, INTERVALS[0])];
        [Kind::CurrentThread, ONE_WORKER]
            .into_iter()
            .flat_map(|kind| INTERVALS.map(|intervals| (kind, intervals)))
            .chain(other)
            .map(|(kind, intervals)| Self::new(kind, intervals))
            .collect()
    }

    fn double() -> Vec<Self> {
        INTERVALS
            .map(|intervals| Self::new(TWO_WORKERS, intervals))
            .into_iter()
            .collect()
    }

    fn workers(self) -> usize {
        match self.kind {
            Kind::MultiThread { workers, .. } => workers,
            _ => 1,
        }
    }

    fn runtime(self) -> Runtime {
        let mut builder = Builder::new_current_thread();
        if let Kind::MultiThread { workers, lifo_slot } = self.kind {
            builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            if !lifo_slot {
                builder.disable_lifo_slot();
            }
        }
        builder
            .enable_all()
            .event_interval(self.event_interval as u32)
            .global_queue_interval(self.global_queue_interval as u32)
            // A turn that takes long, on a busy machine, is to change nothing.
            .blocked_policy(BlockedPolicy::Off)
            .build()
            .unwrap()
    }

    fn block_on<F: Future>(self, future: F) -> F::Output {
        let runtime = self.runtime();
        match self.kind {
            Kind::LocalSet => LocalSet::new().block_on(&runtime, future),
            _ => runtime.block_on(future),
        }
    }

    /// One task in so many comes from the injector.
    fn injector_interval(self) -> usize {
        match self.kind {
            Kind::LocalSet => 31,
            _ => self.global_queue_interval.max(2),
        }
    }

    /// One task in so many, of those that do not, comes from the queue.
    fn queue_interval(self) -> usize {
        match self.kind {
            Kind::MultiThread { lifo_slot: true, .. } => 4,
            _ => 1,
        }
    }

    /// Turns before that of the task at this place, from 1, of a queue: fewer than `place * queue_interval`, and one
    /// more for each `injector_interval`.
    fn queue(self, place: usize) -> usize {
        let injector = self.injector_interval();
        (self.queue_interval() * place * injector - 1) / (injector - 1)
    }

    /// Turns before a look at the driver.
    fn driver(self) -> usize {
        match self.kind {
            // As many as there are until the root future's.
            Kind::CurrentThread => self.event_interval,
            Kind::MultiThread { .. } => self.event_interval - 1,
            Kind::LocalSet => LOCAL_TASKS - 1,
        }
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Makes a victim ready, from the instant on that it returns.
type Ready = Box<dyn FnMut() -> Instant + Send>;

/// Where the turns are counted.
#[derive(Clone)]
struct Stage(Arc<Shared>);

struct Shared {
    /// Of each worker.
    turns: [AtomicUsize; 2],
    /// The workers that the flood keeps busy.
    busy: usize,
    rounds: usize,
    /// Who waits for more turns ends the test.
    limit: usize,
    spawn: fn(Task),
    round: Mutex<Round>,
    over: AtomicBool,
    end: AtomicWaker,
}

#[derive(Default)]
struct Round {
    ready: Option<Ready>,
    /// The turns of all workers after which the next victim is made ready.
    next: usize,
    /// When the victim is ready.
    due: Option<Instant>,
    /// The turns of each worker when it became ready.
    since: Option<[usize; 2]>,
    waits: Vec<usize>,
}

fn here() -> usize {
    worker_index().expect("tasks run on workers")
}

impl Stage {
    fn new(setting: Setting, rounds: usize, limit: usize) -> Self {
        Self(Arc::new(Shared {
            turns: [AtomicUsize::new(0), AtomicUsize::new(0)],
            busy: setting.workers(),
            rounds,
            limit,
            spawn: match setting.kind {
                Kind::LocalSet => |task| drop(spawn_local(task)),
                _ => |task| drop(sprang::spawn(task)),
            },
            round: Mutex::default(),
            over: AtomicBool::new(false),
            end: AtomicWaker::new(),
        }))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        (self.0.spawn)(Box::pin(task));
    }

    fn turns(&self) -> [usize; 2] {
        self.0.turns.each_ref().map(|turns| turns.load(SeqCst))
    }

    /// A poll of the flood, at its end. Ready when the flood has to end.
    fn turn(&self) -> Poll<()> {
        self.0.turns[here()].fetch_add(1, SeqCst);
        // If the other worker is in here, it sees to it.
        if let Ok(mut round) = self.0.round.try_lock() {
            self.go_on(&mut round);
        }
        self.is_over()
    }

    fn go_on(&self, round: &mut Round) {
        let turns = self.turns();
        if let Some(since) = round.since {
            let wait = turns[here()].saturating_sub(since[here()]);
            if wait > self.0.limit.saturating_add(100_000) {
                // The flood has to end for this one.
                round.waits.push(wait);
                self.end();
            }
            return;
        }
        let busy = turns.iter().filter(|turns| **turns >= WARM_UP).count();
        let is_next = busy >= self.0.busy && turns.iter().sum::<usize>() >= round.next;
        let (true, Poll::Pending, Some(ready)) = (is_next, self.is_over(), &mut round.ready) else {
            return;
        };
        let due = *round.due.get_or_insert_with(ready);
        if Instant::now() >= due {
            round.since = Some(self.turns());
        }
    }

    /// The victim is ready only now.
    fn begin(&self) {
        self.0.round.lock().unwrap().since = Some(self.turns());
    }

    /// The victim's turn.
    fn served(&self) {
        let mut round = self.0.round.lock().unwrap();
        let turns = self.turns();
        let wait = round.since.take().map_or(0, |since| turns[here()] - since[here()]);
        round.due = None;
        round.waits.push(wait);
        round.next = turns.iter().sum::<usize>() + 1 + 7 * round.waits.len() % 64;
        if wait > self.0.limit || round.waits.len() == self.0.rounds {
            self.end();
        }
    }

    fn end(&self) {
        self.0.over.store(true, SeqCst);
        self.0.end.wake();
    }

    fn is_over(&self) -> Poll<()> {
        if self.0.over.load(SeqCst) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Waits until all victims have had their turn; the turns that each waited for.
    async fn waits(&self) -> Vec<usize> {
        poll_fn(|cx| {
            self.0.end.register(cx.waker());
            self.is_over()
        })
        .await;
        std::mem::take(&mut self.0.round.lock().unwrap().waits)
    }
}

/// Calls `f` on a thread that runs no tasks.
fn outside(f: impl FnOnce() + Send) {
    thread::scope(|scope| scope.spawn(f).join().unwrap());
}

/// Tasks that keep a scheduler busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flood {
    /// Tasks that always wake themselves.
    SelfWaking,
    /// Two that wake each other.
    Pair,
    /// One that spawns many in each of its polls.
    Spawns,
    /// Tasks from outside, of which the injector is never empty.
    Injected,
}

const FLOODS: [&[Flood]; 6] = [
    &[Flood::SelfWaking],
    &[Flood::Pair],
    &[Flood::Spawns],
    &[Flood::Injected],
    &[Flood::SelfWaking, Flood::Pair, Flood::Injected],
    &[Flood::SelfWaking, Flood::Pair, Flood::Spawns],
];
/// Those that never leave one of two workers without work, once both have some.
const DOUBLE_FLOODS: [&[Flood]; 3] = [FLOODS[0], FLOODS[4], FLOODS[5]];
/// Those that put nothing into the LIFO slot.
const QUEUE_FLOODS: [&[Flood]; 3] = [FLOODS[0], FLOODS[3], &[Flood::SelfWaking, Flood::Injected]];

const SELF_WAKING: usize = 8;
const SPAWNS: usize = 100;
const INJECTED: usize = 120;
/// How few of the injected tasks are left when more are injected.
const RUNNING_OUT: usize = 20;

impl Flood {
    /// The most tasks of it that are ready at a time.
    fn size(self) -> usize {
        match self {
            Self::SelfWaking => SELF_WAKING,
            Self::Pair => 2,
            Self::Spawns => SPAWNS + 1,
            Self::Injected => INJECTED + RUNNING_OUT,
        }
    }

    fn begin(self, stage: &Stage) {
        match self {
            Self::SelfWaking => (0..SELF_WAKING).for_each(|_| self_waking(stage)),
            Self::Pair => pair(stage),
            Self::Spawns => spawns(stage),
            Self::Injected => inject(stage, &Arc::default(), &Handle::current()),
        }
    }
}

fn self_waking(stage: &Stage) {
    let inner = stage.clone();
    stage.spawn(poll_fn(move |cx| {
        cx.waker().wake_by_ref();
        inner.turn()
    }));
}

fn pair(stage: &Stage) {
    let wakers = Arc::new([AtomicWaker::new(), AtomicWaker::new()]);
    for own in 0..2 {
        let (wakers, inner) = (Arc::clone(&wakers), stage.clone());
        stage.spawn(poll_fn(move |cx| {
            wakers[own].register(cx.waker());
            wakers[1 - own].wake();
            inner.turn()
        }));
    }
}

fn spawns(stage: &Stage) {
    let inner = stage.clone();
    stage.spawn(poll_fn(move |cx| {
        for _ in 0..SPAWNS {
            let child = inner.clone();
            inner.spawn(async move {
                let _ = child.turn();
            });
        }
        cx.waker().wake_by_ref();
        inner.turn()
    }));
}

fn inject(stage: &Stage, left: &Arc<AtomicUsize>, handle: &Handle) {
    left.fetch_add(INJECTED, SeqCst);
    outside(|| {
        for _ in 0..INJECTED {
            let (stage, left, inner) = (stage.clone(), Arc::clone(left), handle.clone());
            handle.spawn(async move {
                let flood = stage.turn();
                if left.fetch_sub(1, SeqCst) == RUNNING_OUT && flood.is_pending() {
                    inject(&stage, &left, &inner);
                }
            });
        }
    });
}

/// The most tasks in a queue: the flood's, the victim, and one more.
fn crowd(floods: &[Flood]) -> usize {
    floods.iter().map(|flood| flood.size()).sum::<usize>() + 2
}

/// Sets a victim up.
type Victim = fn(&Stage) -> Ready;

/// The turns that victims wait for.
fn waits(setting: Setting, floods: &'static [Flood], rounds: usize, limit: usize, victim: Victim) -> Vec<usize> {
    bounded(move || {
        setting.block_on(async {
            let stage = Stage::new(setting, rounds, limit);
            let inner = stage.clone();
            stage.spawn(async move {
                let ready = victim(&inner);
                inner.0.round.lock().unwrap().ready = Some(ready);
                floods.iter().for_each(|flood| flood.begin(&inner));
            });
            stage.waits().await
        })
    })
}

/// Fails if a victim waits for longer than `limit`.
fn check(
    settings: impl IntoIterator<Item = Setting>,
    floods: &[&'static [Flood]],
    rounds: usize,
    limit: fn(Setting, &[Flood]) -> usize,
    victim: Victim,
) {
    for setting in settings {
        for floods in floods {
            if setting.kind == Kind::LocalSet && floods.contains(&Flood::Injected) {
                // What is spawned from outside is the runtime's.
                continue;
            }
            // The turn that the other worker was in when the victim became ready.
            let limit = limit(setting, floods) + (setting.workers() - 1);
            let longest = waits(setting, floods, rounds, limit, victim).into_iter().max();
            assert!(
                longest <= Some(limit),
                "{longest:?} turns, not {limit}: {setting:?}, {floods:?}"
            );
        }
    }
}

/// A task at the end of its worker's queue.
fn queued(stage: &Stage) -> Ready {
    let stage = stage.clone();
    Box::new(move || {
        // This takes the LIFO slot, if that is free.
        stage.spawn(async {});
        let victim = stage.clone();
        stage.spawn(async move { victim.served() });
        Instant::now()
    })
}

fn queue_limit(setting: Setting, floods: &[Flood]) -> usize {
    setting.queue(crowd(floods))
}

#[test]
fn a_queued_task_waits_for_those_before_it() {
    let mut settings = Setting::single();
    settings.extend([Kind::CurrentThread, ONE_WORKER].map(|kind| Setting::new(kind, HUGE)));
    check(settings, &FLOODS, ROUNDS, queue_limit, queued);
}

#[test]
fn a_queued_task_of_one_of_two_workers_waits_for_those_before_it() {
    check(Setting::double(), &DOUBLE_FLOODS, ROUNDS, queue_limit, queued);
}

/// Tasks in the LIFO slot, each of them the next one's waker, so that they come from there as often as may be.
#[test]
fn a_task_in_the_lifo_slot_lets_one_of_each_queue_pass() {
    fn victim(stage: &Stage) -> Ready {
        let (stage, mut is_first) = (stage.clone(), true);
        Box::new(move || {
            let victim = stage.clone();
            if std::mem::replace(&mut is_first, false) {
                stage.spawn(async move {
                    for _ in 0..ROUNDS {
                        let next = victim.clone();
                        next.begin();
                        sprang::spawn(async move { next.served() }).await.unwrap();
                    }
                });
            }
            // They see to it by themselves.
            Instant::now() + PATIENCE
        })
    }
    check(
        INTERVALS.map(|intervals| Setting::new(ONE_WORKER, intervals)),
        &QUEUE_FLOODS,
        ROUNDS,
        |setting, _| if setting.injector_interval() == 2 { 3 } else { 2 },
        victim,
    );
}

/// A task that is woken by a thread that runs no tasks.
fn woken_outside(stage: &Stage) -> Ready {
    let (waker, is_woken) = (Arc::new(AtomicWaker::new()), Arc::new(AtomicBool::new(false)));
    let (own_waker, woken, inner) = (Arc::clone(&waker), Arc::clone(&is_woken), stage.clone());
    stage.spawn(poll_fn(move |cx| {
        own_waker.register(cx.waker());
        if woken.swap(false, SeqCst) {
            inner.served();
        }
        Poll::Pending
    }));
    Box::new(move || {
        is_woken.store(true, SeqCst);
        outside(|| waker.wake());
        Instant::now()
    })
}

fn injector_limit(setting: Setting, floods: &[Flood]) -> usize {
    if floods.contains(&Flood::Injected) {
        // It may be taken in a batch, which comes to the end of the queue.
        let before = Flood::Injected.size();
        (before + 1) * setting.injector_interval() + setting.queue(crowd(floods))
    } else {
        setting.injector_interval() - 1
    }
}

#[test]
fn a_task_from_outside_waits_for_the_interval() {
    check(Setting::single(), &FLOODS, ROUNDS, injector_limit, woken_outside);
}

#[test]
fn a_task_from_outside_waits_for_the_interval_of_one_of_two_workers() {
    check(Setting::double(), &DOUBLE_FLOODS, ROUNDS, injector_limit, woken_outside);
}

/// A task that yields, and, in every other round, one with a future inside that does.
fn yielding(stage: &Stage) -> Ready {
    let (stage, mut inside) = (stage.clone(), false);
    Box::new(move || {
        let victim = stage.clone();
        inside = !inside;
        stage.spawn(async move {
            victim.begin();
            if inside {
                FuturesUnordered::from_iter([yield_now()]).collect::<()>().await;
            } else {
                yield_now().await;
            }
            victim.served();
        });
        Instant::now()
    })
}

fn yield_limit(setting: Setting, floods: &[Flood]) -> usize {
    setting.driver() + setting.queue(crowd(floods))
}

#[test]
fn a_task_that_yields_waits_for_the_driver_and_the_queue() {
    check(Setting::single(), &FLOODS, ROUNDS, yield_limit, yielding);
}

#[test]
fn a_task_that_yields_on_one_of_two_workers_waits_for_the_driver_and_the_queue() {
    check(Setting::double(), &DOUBLE_FLOODS, ROUNDS, yield_limit, yielding);
}

fn driver_limit(setting: Setting, floods: &[Flood]) -> usize {
    match setting.kind {
        // For the set, the driver is outside.
        Kind::LocalSet => setting.driver() + setting.injector_interval() - 1,
        _ => yield_limit(setting, floods),
    }
}

/// A task that waits for a byte, which comes.
fn reading(stage: &Stage) -> Ready {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    near.set_nodelay(true).unwrap();
    let (far, _) = listener.accept().unwrap();
    far.set_nonblocking(true).unwrap();
    let spy = far.try_clone().unwrap();
    let (victim, mut far) = (stage.clone(), TcpStream::from_std(far).unwrap());
    stage.spawn(async move {
        while far.read_exact(&mut [0]).await.is_ok() {
            victim.served();
        }
    });
    Box::new(move || {
        near.write_all(&[0]).unwrap();
        // Until it is there, unless another worker takes it at once.
        (0..100)
            .take_while(|_| spy.peek(&mut [0]).is_err())
            .for_each(|_| thread::yield_now());
        Instant::now()
    })
}

#[test]
fn an_event_waits_for_the_driver_and_its_task_for_the_queue() {
    check(Setting::single(), &FLOODS, ROUNDS, driver_limit, reading);
}

/// While the OS keeps one worker from going on inside of the driver, the other finds it taken: so most events, not all.
#[test]
fn most_events_wait_for_the_driver_of_one_of_two_workers() {
    for setting in Setting::double() {
        for floods in DOUBLE_FLOODS {
            let limit = driver_limit(setting, floods) + 1;
            let mut waits = waits(setting, floods, ROUNDS, usize::MAX, reading);
            waits.sort_unstable();
            let median = waits[ROUNDS / 2];
            assert!(median <= limit, "{median} turns, not {limit}: {setting:?}, {floods:?}");
        }
    }
}

/// A task that sleeps; the turns count from the tick on that its deadline is due at.
fn sleeping(stage: &Stage) -> Ready {
    let (stage, tick) = (stage.clone(), Duration::from_millis(1));
    Box::new(move || {
        let (deadline, victim) = (Instant::now() + tick, stage.clone());
        stage.spawn(async move {
            sleep_until(deadline.into()).await;
            victim.served();
        });
        deadline + tick
    })
}

#[test]
fn a_due_timer_waits_for_the_driver_and_its_task_for_the_queue() {
    check(Setting::single(), &FLOODS, SLOW_ROUNDS, driver_limit, sleeping);
}

#[test]
fn a_due_timer_waits_for_the_driver_of_one_of_two_workers() {
    check(Setting::double(), &DOUBLE_FLOODS, SLOW_ROUNDS, driver_limit, sleeping);
}

/// While the other one, in a poll without end, looks at nothing.
#[test]
fn a_worker_without_work_serves_what_comes() {
    let setting = Setting::new(TWO_WORKERS, HUGE);
    for victim in [woken_outside, reading] {
        bounded(move || {
            let stage = Stage::new(Setting::new(ONE_WORKER, HUGE), SLOW_ROUNDS, usize::MAX);
            setting.block_on(async {
                let ready = victim(&stage);
                stage.0.round.lock().unwrap().ready = Some(ready);
                let inner = stage.clone();
                stage.spawn(async move {
                    while inner.turn().is_pending() {
                        thread::yield_now();
                    }
                });
                assert_eq!(stage.waits().await.len(), SLOW_ROUNDS);
            });
        });
    }
}

/// Inside of a `LocalSet` as in the runtime itself.
/// What the other worker is stuck with.
#[test]
fn a_worker_whose_only_task_yields_looks_at_the_other_one() {
    bounded(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .blocked_policy(BlockedPolicy::Off)
            .build()
            .unwrap();
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polls);
        runtime.spawn(async move {
            loop {
                counted.fetch_add(1, SeqCst);
                yield_now().await;
            }
        });
        let stuck = runtime.spawn(async move {
            for _ in 0..ROUNDS {
                let (sender, receiver) = std::sync::mpsc::channel();
                // The first one goes to the LIFO slot, the second one to the queue.
                drop(sprang::spawn(async {}));
                let at = Arc::clone(&polls);
                drop(sprang::spawn(async move { sender.send(at.load(SeqCst)).unwrap() }));
                let before = polls.load(SeqCst);
                let waited = receiver.recv().unwrap().saturating_sub(before);
                assert!(waited <= 2 * SEARCH_INTERVAL, "{waited} polls");
                yield_now().await;
            }
        });
        runtime.block_on(stuck).unwrap();
    });
}

#[test]
fn a_root_future_waits_for_the_interval() {
    let settings = INTERVALS.map(|intervals| Setting::new(Kind::CurrentThread, intervals));
    for setting in settings.into_iter().chain([Setting::new(Kind::LocalSet, INTERVALS[0])]) {
        bounded(move || {
            let limit = match setting.kind {
                Kind::LocalSet => LOCAL_TASKS - 1,
                _ => setting.event_interval - 1,
            };
            let stage = Stage::new(setting, ROUNDS, limit);
            let waker = Arc::new(AtomicWaker::new());
            let root = Arc::clone(&waker);
            stage.0.round.lock().unwrap().ready = Some(Box::new(move || {
                waker.wake();
                Instant::now()
            }));
            setting.block_on(async {
                [Flood::SelfWaking, Flood::Spawns]
                    .iter()
                    .for_each(|flood| flood.begin(&stage));
                poll_fn(|cx| {
                    root.register(cx.waker());
                    let is_victim = stage.0.round.lock().unwrap().since.is_some();
                    if is_victim {
                        stage.served();
                    }
                    stage.is_over()
                })
                .await;
                let longest = stage.waits().await.into_iter().max();
                assert!(longest <= Some(limit), "{longest:?} turns, not {limit}: {setting:?}");
            });
        });
    }
}

/// A poll of many futures that wake themselves, in the place of a root future.
async fn busy_poll(many: &mut FuturesUnordered<impl Future<Output = ()>>) {
    let mut is_first = true;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_first, false) {
            assert!(many.poll_next_unpin(cx).is_pending());
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

fn busy() -> FuturesUnordered<impl Future<Output = ()>> {
    let futures = (0..50).map(|_| {
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    });
    futures.collect()
}

#[test]
fn a_root_future_that_wakes_itself_has_one_poll_in_the_interval() {
    for intervals in INTERVALS {
        bounded(move || {
            let setting = Setting::new(Kind::CurrentThread, intervals);
            setting.block_on(async {
                let stage = Stage::new(setting, 0, 0);
                Flood::SelfWaking.begin(&stage);
                let mut many = busy();
                for polls in 0..ROUNDS {
                    assert_eq!(stage.turns()[0], polls * setting.event_interval, "{setting:?}");
                    busy_poll(&mut many).await;
                }
            });
        });
    }
}

#[test]
fn a_local_set_takes_turns_with_the_tasks_of_the_runtime() {
    for intervals in INTERVALS {
        bounded(move || {
            let setting = Setting::new(Kind::LocalSet, intervals);
            let (local, runtime) = (
                Stage::new(setting, 0, 0),
                Stage::new(Setting::new(Kind::CurrentThread, intervals), 0, 0),
            );
            setting.block_on(async {
                Flood::SelfWaking.begin(&local);
                Flood::SelfWaking.begin(&runtime);
                for polls in 0..ROUNDS {
                    assert_eq!(local.turns()[0], polls * LOCAL_TASKS, "{setting:?}");
                    assert_eq!(runtime.turns()[0], polls * setting.event_interval, "{setting:?}");
                    // The set wakes itself while it has ready tasks.
                    let mut is_first = true;
                    poll_fn(|_| {
                        if std::mem::replace(&mut is_first, false) {
                            Poll::Pending
                        } else {
                            Poll::Ready(())
                        }
                    })
                    .await;
                }
            });
        });
    }
}
