//! A crate that is not there is reported at its name.

#[sprang::main(crate = "no_such_crate")]
async fn main() {}
