//! The web server example on Tokio, for a comparison under load: the same source, in which `sprang` is Tokio here.

extern crate tokio as sprang;

#[path = "../../../crates/sprang/examples/web_server/main.rs"]
mod web_server;

fn main() -> std::process::ExitCode {
    web_server::main()
}
