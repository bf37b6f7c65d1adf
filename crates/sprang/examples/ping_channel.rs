//! A task that handles messages: `cargo run --example ping_channel`.
//!
//! Purpose: the life of a channel. Messages wait in it, up to a bound; the receiver sees its end when the last sender is
//! gone; and the handler's result comes through its join handle.

use std::error::Error;

use sprang::sync::mpsc;

/// Handles pings until nobody can send any more. Returns how many there were.
async fn handle_pings(mut pings: mpsc::Receiver<u32>) -> usize {
    let mut handled = 0;
    while let Some(number) = pings.recv().await {
        println!("ping {number}");
        handled += 1;
    }
    println!("no more pings");
    handled
}

#[sprang::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // With four messages in the channel, the next `send` waits: a quick sender cannot run away from a slow handler.
    let (sender, receiver) = mpsc::channel(4);
    let handler = sprang::spawn(handle_pings(receiver));

    for number in 1..=10 {
        // An error would say that the handler has ended.
        sender.send(number).await?;
    }
    // Without this the handler would wait for more, and the next line for the handler.
    drop(sender);
    println!("{} pings were handled", handler.await?);
    Ok(())
}
