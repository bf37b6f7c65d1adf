//! The keyword that is missing is reported at its place.

#[sprang::main]
fn main() {}

#[sprang::test]
fn test() {}
