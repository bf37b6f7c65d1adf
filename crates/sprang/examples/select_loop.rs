//! A loop over several kinds of events: `cargo run --example select_loop`.
//!
//! Purpose: the shape of most event loops. Each round waits for whatever comes first: the next tick of an interval,
//! which starts a job, or the end of any of the jobs that run. Branches that cannot come are switched off, and when
//! none is left the loop ends.
//!
//! The clock is paused, so that the program need not be waited for: time jumps to the next timer when all tasks wait.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use sprang::time::{interval, sleep};

/// How long the jobs take, in milliseconds.
const JOBS: [u64; 5] = [250, 30, 180, 20, 250];

/// Does one job, and returns its number.
async fn job(number: usize) -> usize {
    sleep(Duration::from_millis(JOBS[number])).await;
    number
}

#[sprang::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let mut ticks = interval(Duration::from_millis(100));
    let mut started = 0;
    // Futures of one type, as many as there may be, polled by this task. A `JoinSet` would make tasks of them.
    let mut running = FuturesUnordered::new();
    loop {
        // Both futures are made anew in each round, and the one that loses is dropped. That is right for these two: no
        // tick and no result is lost with them.
        sprang::select! {
            _ = ticks.tick(), if started < JOBS.len() => {
                println!("job {started} starts, beside {} others", running.len());
                running.push(job(started));
                started += 1;
            }
            // While nothing runs there is no next one, and this branch is out of the round.
            Some(number) = running.next() => println!("job {number} ends"),
            else => break,
        }
    }
    println!("all {started} jobs are done");
}
