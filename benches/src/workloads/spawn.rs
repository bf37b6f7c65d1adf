//! Spawning, joining.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::task::{Context, Poll};

use super::rt::{self, runtime::Runtime};
use crate::meter::resident_bytes;
use crate::signal::{Receiver, Sender, signal};

pub(super) const BATCH: u64 = 100_000;
pub(super) const JOINED: u64 = 50_000;
pub(super) const CHAIN: u64 = 1000;
pub(super) const CHAINS: u64 = 100;
pub(super) const DEPTH: u32 = 14;
pub(super) const PARKED: u64 = 100_000;

/// How many tasks of a batch are still to run. Static, so that a task has nothing to carry or count references of.
static LEFT: AtomicU64 = AtomicU64::new(0);
/// What the last task of a batch signals.
static DONE: Mutex<Option<Sender>> = Mutex::new(None);

fn start_batch() -> Receiver {
    let (sender, receiver) = signal();
    LEFT.store(BATCH, Relaxed);
    let before = DONE.lock().unwrap().replace(sender);
    assert!(before.is_none(), "the batch before ran to its end");
    receiver
}

async fn one_of_batch() {
    // ORDERING: the last task comes after all others.
    if LEFT.fetch_sub(1, AcqRel) == 1 {
        DONE.lock().unwrap().take().expect("only one task is the last").send();
    }
}

pub(super) fn outside(runtime: &Runtime) {
    let done = start_batch();
    for _ in 0..BATCH {
        runtime.spawn(one_of_batch());
    }
    runtime.block_on(done);
    assert_eq!(LEFT.load(Relaxed), 0);
}

pub(super) async fn from_task() {
    let done = start_batch();
    for _ in 0..BATCH {
        rt::spawn(one_of_batch());
    }
    done.await;
    assert_eq!(LEFT.load(Relaxed), 0);
}

pub(super) async fn and_join() {
    for number in 0..JOINED {
        assert_eq!(rt::spawn(async move { number }).await.unwrap(), number);
    }
}

pub(super) async fn chained() {
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

pub(super) async fn fork_join() {
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

/// The memory of so many times [`PARKED`] tasks that wait, beside as many that were there before.
pub(super) fn parked(rounds: u32) -> f64 {
    let runtime = super::runtime();
    let park = |rounds| {
        runtime
            .block_on(runtime.spawn(park_tasks(u64::from(rounds) * PARKED)))
            .unwrap()
    };
    park(1);
    let before = resident_bytes();
    park(rounds);
    resident_bytes() - before
}

/// Spawns tasks in batches that need no more room in the queues than the warm-up has made, and has them polled once.
async fn park_tasks(tasks: u64) {
    const BATCH: u64 = 100;
    static POLLED: AtomicU64 = AtomicU64::new(0);

    /// Pends for good. The reference and the number make 16 bytes.
    struct Parked(&'static AtomicU64, u64);

    impl Future for Parked {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            self.0.fetch_add(self.1, Relaxed);
            Poll::Pending
        }
    }

    POLLED.store(0, Relaxed);
    for spawned in (BATCH..=tasks).step_by(BATCH as usize) {
        for _ in 0..BATCH {
            rt::spawn(Parked(&POLLED, 1));
        }
        while POLLED.load(Relaxed) < spawned {
            rt::task::yield_now().await;
        }
    }
    assert_eq!(POLLED.load(Relaxed), tasks);
}
