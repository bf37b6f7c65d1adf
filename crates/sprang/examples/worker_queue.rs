//! A worker that takes jobs from a queue: `cargo run --example worker_queue`.
//!
//! Purpose: a task that owns its state, and is asked by messages instead of being locked. Each job brings a `oneshot`
//! channel for its reply; between jobs the worker reports how it gets on.
//!
//! The clock is paused, so that the program need not be waited for: time jumps to the next timer when all tasks wait.
//! Without `start_paused` it runs as well, in real time.

use std::error::Error;
use std::time::Duration;

use sprang::sync::{mpsc, oneshot};
use sprang::time::{Instant, interval_at, sleep};

/// How often the worker reports.
const REPORT: Duration = Duration::from_millis(100);
/// How long a job takes.
const JOB: Duration = Duration::from_millis(30);

/// A text whose letters are to be counted.
struct Job {
    text: &'static str,
    reply: oneshot::Sender<usize>,
}

/// Does jobs until nobody can send any more. Returns how many letters it has seen.
async fn work(mut jobs: mpsc::Receiver<Job>) -> usize {
    let (mut done, mut letters) = (0, 0);
    let mut reports = interval_at(Instant::now() + REPORT, REPORT);
    loop {
        sprang::select! {
            // Looks at the branches from the top; without this at a random one first.
            biased;
            _ = reports.tick() => println!("report: {done} jobs, {letters} letters"),
            job = jobs.recv() => match job {
                Some(Job { text, reply }) => {
                    // No tick is lost meanwhile: a report that is due is made after the job.
                    sleep(JOB).await;
                    done += 1;
                    letters += text.len();
                    // An error says that nobody waits for the reply any more.
                    let _ = reply.send(text.len());
                }
                None => return letters,
            }
        }
    }
}

/// Has a job done.
async fn count(queue: &mpsc::Sender<Job>, text: &'static str) -> Result<usize, Box<dyn Error>> {
    let (reply, replied) = oneshot::channel();
    queue.send(Job { text, reply }).await?;
    Ok(replied.await?)
}

#[sprang::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let (queue, jobs) = mpsc::channel(8);
    let worker = sprang::spawn(work(jobs));

    for text in ["one", "two", "three", "four", "five", "six", "seven"] {
        println!("{text} has {} letters", count(&queue, text).await?);
    }
    drop(queue);
    println!("{} letters in all", worker.await?);
    Ok(())
}
