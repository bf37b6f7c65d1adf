//! A test that is marked twice would run twice.

#[sprang::test]
#[test]
async fn short() {}

#[sprang::test]
#[::core::prelude::v1::test]
async fn long() {}

fn main() {}
