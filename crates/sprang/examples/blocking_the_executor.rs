//! What happens when a task blocks its thread: `cargo run --example blocking_the_executor`.
//!
//! Purpose: to see the difference between a task that waits and one that blocks, how to block where it does no harm, and
//! what sprang's monitor does about those that block all the same. A heart, which is a task like any other, beats every
//! 10 ms, if it gets to run.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use sprang::runtime::{BlockedPolicy, Builder, Runtime};
use sprang::task;
use sprang::time::sleep;

const BEAT: Duration = Duration::from_millis(10);
const NAP: Duration = Duration::from_millis(300);

/// A runtime with one worker, so that whoever blocks it is in everybody's way.
fn runtime(policy: BlockedPolicy) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .blocked_policy(policy)
        .on_blocked_task(|task| {
            let name = task.name.as_deref().unwrap_or("a task");
            println!("  reported: {name}, spawned at {}", task.spawned_at);
        })
        .build()
}

/// Runs a task that naps, beside the heart, and says how often that beats meanwhile.
fn beats_during<F>(runtime: &Runtime, nap: F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    runtime.block_on(async {
        let beats = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&beats);
        let heart = sprang::spawn(async move {
            loop {
                sleep(BEAT).await;
                counter.fetch_add(1, Relaxed);
            }
        });
        let napper = async move {
            let before = beats.load(Relaxed);
            nap.await;
            beats.load(Relaxed) - before
        };
        let meanwhile = task::Builder::new().name("the napper").spawn(napper)?.await?;
        println!("  heartbeats: {meanwhile}");
        heart.abort();
        Ok(())
    })
}

fn main() -> io::Result<()> {
    let watched = runtime(BlockedPolicy::Rescue)?;

    println!("a task waits:");
    beats_during(&watched, async { sleep(NAP).await })?;

    // For code that cannot help blocking there are threads apart.
    println!("a task waits for a thread that blocks:");
    beats_during(&watched, async {
        let nap = task::spawn_blocking(|| thread::sleep(NAP));
        nap.await.expect("a nap does not panic");
    })?;

    // The monitor notices, and another thread takes the worker's place until the nap is over.
    println!("a task blocks its worker:");
    beats_during(&watched, async { thread::sleep(NAP) })?;
    let metrics = watched.metrics();
    println!("  rescued workers: {}", metrics.rescues_count());

    println!("a task blocks its worker, and nobody looks:");
    beats_during(&runtime(BlockedPolicy::Off)?, async { thread::sleep(NAP) })
}
