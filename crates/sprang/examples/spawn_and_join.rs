//! Tasks, and waiting for them: `cargo run --example spawn_and_join`.
//!
//! Purpose: what becomes of a task: it gives a value, panics, or is aborted; and how to wait for one or for many.

use std::future::pending;
use std::ops::Range;

use sprang::task::{JoinError, JoinSet, yield_now};

/// Adds up numbers, and lets other tasks run every now and then.
async fn sum(numbers: Range<u64>) -> u64 {
    let mut sum = 0;
    for number in numbers {
        sum += number;
        if number % 100 == 0 {
            yield_now().await;
        }
    }
    sum
}

#[sprang::main]
async fn main() -> Result<(), JoinError> {
    // A task runs from now on, on any of the runtime's threads. A future that is not spawned runs while it is awaited.
    let lower = sprang::spawn(sum(0..500));
    let upper = sprang::spawn(sum(500..1000));
    println!("the sum of both halves: {}", lower.await? + upper.await?);

    // A set holds any number of tasks. Their results come as they end, so in no certain order.
    let mut set = JoinSet::new();
    for number in 1..=5 {
        set.spawn(async move { number * number });
    }
    let mut squares = Vec::new();
    while let Some(square) = set.join_next().await {
        squares.push(square?);
    }
    squares.sort_unstable();
    println!("squares: {squares:?}");

    // A panic ends its task and nothing else. Whoever awaits the handle gets it as an error.
    let broken = sprang::spawn(async { "seven".parse::<u32>().unwrap() });
    if let Err(error) = broken.await {
        println!("the task panicked: {}", error.is_panic());
    }

    // A task that nobody needs any more is dropped where it waits.
    let endless = sprang::spawn(pending::<()>());
    endless.abort();
    if let Err(error) = endless.await {
        println!("the task was aborted: {}", error.is_cancelled());
    }

    // To drop a handle is not to stop its task: the task goes on, and nobody hears what becomes of it.
    drop(sprang::spawn(sum(0..10)));
    Ok(())
}
