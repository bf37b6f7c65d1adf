//! The attributes are for functions.

#[sprang::main]
struct Main;

fn main() {}
