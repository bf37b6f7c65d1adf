//! A handler, a precondition, a pattern or a future of the wrong type is reported where it is.

use std::future::ready;

async fn other_type() -> u32 {
    sprang::select! {
        number = ready(3) => number,
        _ = ready(4) => "four",
    }
}

async fn precondition() {
    sprang::select! {
        _ = ready(5), if "five" => {}
    }
}

async fn no_future() {
    sprang::select! {
        _ = ready(6) => {}
        _ = number(7) => {}
    }
}

fn number(number: u32) -> u32 {
    number
}

async fn other_pattern() {
    sprang::select! {
        Some(9) = ready(10) => {}
    }
}

fn main() {}
