//! An end in good order: `cargo run --example graceful_shutdown`, then Ctrl-C.
//!
//! Purpose: the three steps of it. Take no new work, by a `CancellationToken` that all tasks look at; finish the work
//! under way, which a `TaskTracker` waits for; and wait no longer than one cares to.

use std::io;
use std::time::Duration;

use sprang::signal::ctrl_c;
use sprang::task::{CancellationToken, TaskTracker};
use sprang::time::sleep;

/// How long the work under way may take after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// Waits for a job.
async fn next_job() {
    sleep(Duration::from_millis(100)).await;
}

/// Does a job.
async fn do_job() {
    sleep(Duration::from_millis(500)).await;
}

/// Does jobs until it is told to end.
async fn work(number: u32, end: CancellationToken) {
    // Only the wait is cut short: a job that has begun is finished.
    while end.run_until_cancelled(next_job()).await.is_some() {
        println!("worker {number} begins a job");
        do_job().await;
        println!("worker {number} finishes a job");
    }
    // What has to be written, sent or told before the end has its place here.
    println!("worker {number} ends");
}

#[sprang::main]
async fn main() -> io::Result<()> {
    let end = CancellationToken::new();
    let workers = TaskTracker::new();
    for number in 1..=3 {
        workers.spawn(work(number, end.clone()));
    }
    println!("{} workers are busy until Ctrl-C", workers.len());

    ctrl_c().await?;
    println!("ending");
    end.cancel();
    // A tracker that is open might get new tasks. One that is closed has ended when it is empty.
    workers.close();
    sprang::select! {
        () = workers.wait() => {
            println!("all workers have ended");
            Ok(())
        }
        () = sleep(GRACE) => Err(io::Error::other("some workers were cut off: they took too long")),
        again = ctrl_c() => again.and(Err(io::Error::other("some workers were cut off: Ctrl-C again"))),
    }
}
