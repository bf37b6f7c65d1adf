//! Spawning, joining; what tasks that wait take.

use std::pin::Pin;
use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::thread;

use super::rt::{self, runtime::Runtime};
use super::{on_main, on_worker};
use crate::meter::resident_bytes;
use crate::signal::{Countdown, Sender, signal};
use crate::{Unit, Workload};

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "spawn_outside",
        "spawn a task from a thread outside the runtime",
        BATCH,
        |rounds| on_main(rounds, outside),
    )
    .ratio(2.0)
    .rounds(5),
    Workload::new(
        "spawn_4_threads",
        "the same from four such threads at once",
        BATCH,
        |rounds| on_main(rounds, four_threads),
    )
    .ratio(1.7)
    .rounds(5),
    Workload::new("spawn_task", "spawn a task from a task", BATCH, |rounds| {
        on_worker(rounds, from_task)
    })
    .ratio(1.7)
    .rounds(5),
    Workload::new(
        "spawn_join",
        "spawn a task and await its handle, one after the other",
        JOINED,
        |rounds| on_worker(rounds, and_join),
    )
    .ratio(1.3),
    Workload::new(
        "spawn_chained",
        "a task of a chain of 1000, each spawned by the one before",
        CHAIN * CHAINS,
        |rounds| on_worker(rounds, chained),
    )
    .ratio(1.4),
    Workload::new(
        "fork_join",
        "a node of a binary tree that spawns and joins its children",
        (2 << DEPTH) - 2,
        |rounds| on_worker(rounds, fork_join),
    )
    .ratio(1.5),
    Workload::new(
        "parked_task",
        "memory of a task that waits, one of 1,000,000, with a future of 16 bytes",
        RESIDENT,
        parked,
    )
    .at_most(128.0)
    .once(Unit::Bytes),
];

const BATCH: u64 = 100_000;
const JOINED: u64 = 50_000;
const CHAIN: u64 = 1000;
const CHAINS: u64 = 100;
const DEPTH: u32 = 14;
pub(super) const RESIDENT: u64 = 1_000_000;

static BATCH_DONE: Countdown = Countdown::new();

async fn one_of_batch() {
    BATCH_DONE.one();
}

fn outside(runtime: &Runtime) {
    let done = BATCH_DONE.start(BATCH);
    for _ in 0..BATCH {
        runtime.spawn(one_of_batch());
    }
    runtime.block_on(done);
}

fn four_threads(runtime: &Runtime) {
    const THREADS: u64 = 4;
    let done = BATCH_DONE.start(BATCH);
    let ready = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                ready.wait();
                for _ in 0..BATCH / THREADS {
                    runtime.spawn(one_of_batch());
                }
            });
        }
    });
    runtime.block_on(done);
}

async fn from_task() {
    let done = BATCH_DONE.start(BATCH);
    for _ in 0..BATCH {
        rt::spawn(one_of_batch());
    }
    done.await;
}

async fn and_join() {
    for number in 0..JOINED {
        assert_eq!(rt::spawn(async move { number }).await.unwrap(), number);
    }
}

async fn chained() {
    fn link(left: u64, done: Sender) {
        rt::spawn(async move {
            match left {
                1 => done.send(),
                _ => link(left - 1, done),
            }
        });
    }
    for _ in 0..CHAINS {
        let (sender, done) = signal();
        link(CHAIN, sender);
        done.await;
    }
}

async fn fork_join() {
    fn tree(depth: u32) -> Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let children = [rt::spawn(tree(depth - 1)), rt::spawn(tree(depth - 1))];
            let mut leaves = 0;
            for child in children {
                leaves += child.await.unwrap();
            }
            leaves
        })
    }
    assert_eq!(tree(DEPTH).await, 1 << DEPTH);
}

/// The memory of so many times [`RESIDENT`] tasks that wait.
fn parked(rounds: u32) -> f64 {
    assert_eq!(size_of::<Parked>(), 16);
    resident(rounds, Parked::new)
}

/// What tasks of [`spawn_polled`] count in when they are polled.
pub(super) static POLLED: AtomicU64 = AtomicU64::new(0);

/// The memory of so many times [`RESIDENT`] tasks, beside a tenth as many that were there before.
pub(super) fn resident<F>(rounds: u32, task: fn() -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = super::runtime();
    let wait = |tasks| runtime.block_on(runtime.spawn(spawn_polled(tasks, task))).unwrap();
    wait(RESIDENT / 10);
    let before = resident_bytes();
    wait(u64::from(rounds) * RESIDENT);
    resident_bytes() - before
}

/// Spawns tasks in batches that need no more room in the queues than the warm-up has made, and has them polled once.
pub(super) async fn spawn_polled<F>(tasks: u64, task: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    const BATCH: u64 = 100;
    POLLED.store(0, Relaxed);
    for spawned in (BATCH..=tasks).step_by(BATCH as usize) {
        for _ in 0..BATCH {
            rt::spawn(task());
        }
        while POLLED.load(Relaxed) < spawned {
            rt::task::yield_now().await;
        }
    }
    assert_eq!(POLLED.load(Relaxed), tasks);
}

/// Pends for good. The reference and the number make 16 bytes.
pub(super) struct Parked(&'static AtomicU64, u64);

impl Parked {
    pub(super) fn new() -> Self {
        Self(&POLLED, 1)
    }
}

impl Future for Parked {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.0.fetch_add(self.1, Relaxed);
        Poll::Pending
    }
}
