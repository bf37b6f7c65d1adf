//! A handler or a precondition of the wrong type is reported where it is.

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

fn main() {}
