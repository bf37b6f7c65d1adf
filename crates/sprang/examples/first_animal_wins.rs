//! A race between futures: `cargo run --example first_animal_wins`.
//!
//! Purpose: what `select!` does with those that lose: futures that it owns are dropped where they wait, and futures that
//! it borrows can be awaited later.
//!
//! The clock is paused, so that the race need not be waited for: time jumps to the next timer when all tasks wait.

use std::pin::pin;
use std::time::Duration;

use sprang::time::sleep;

/// An animal in the race. It says so if it does not get to the finish.
struct Runner {
    name: &'static str,
    finished: bool,
}

impl Drop for Runner {
    fn drop(&mut self) {
        if !self.finished {
            println!("the {} is called back", self.name);
        }
    }
}

/// Runs for some time, and returns the animal's name.
async fn run(name: &'static str, time: Duration) -> &'static str {
    let mut runner = Runner { name, finished: false };
    sleep(time).await;
    runner.finished = true;
    name
}

#[sprang::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let (quick, slow) = (Duration::from_secs(20), Duration::from_secs(30));

    // The losers are dropped. A dropped future is cancelled: its destructors run, and nothing else of it.
    let winner = sprang::select! {
        name = run("cat", quick) => name,
        name = run("dog", slow) => name,
        name = run("cow", slow) => name,
    };
    println!("the {winner} wins");

    // Only references to these are dropped, so the race goes on. Who is polled through a reference has to be pinned.
    let mut hare = pin!(run("hare", quick));
    let mut tortoise = pin!(run("tortoise", slow));
    let (first, second) = sprang::select! {
        first = &mut hare => (first, tortoise.await),
        first = &mut tortoise => (first, hare.await),
    };
    println!("the {first} comes first, the {second} second");
}
