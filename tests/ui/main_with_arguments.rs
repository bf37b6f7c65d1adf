//! A main function has nobody to call it with arguments.

#[sprang::main]
async fn main(_arguments: Vec<String>) {}
