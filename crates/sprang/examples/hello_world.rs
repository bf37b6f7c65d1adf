//! The smallest async program: `cargo run --example hello_world`.
//!
//! Purpose: to see that calling an async function runs none of it, and that `.await` does.

use std::time::Duration;

use sprang::time::sleep;

async fn greet(name: &str) -> String {
    println!("looking for the {name}");
    // The task waits here. Its thread does not: it would run other tasks meanwhile, if there were any.
    sleep(Duration::from_millis(10)).await;
    format!("Hello, {name}!")
}

/// The attribute starts a runtime, and runs this function on it.
#[sprang::main]
async fn main() {
    // A future is a value like any other. It does nothing until somebody awaits it.
    let greeting = greet("world");
    println!("nothing has happened yet");
    println!("{}", greeting.await);
}
