//! What the attributes say when the crate lacks the features that they need: those that it has then.

#[sprang_macros::main_fail]
async fn no_runtime() {}

#[sprang_macros::test_fail]
async fn no_runtime_for_a_test() {}

#[sprang_macros::main_rt]
async fn no_flavor() {}

#[sprang_macros::main_rt(flavor = "multi_thread")]
async fn no_multi_thread() {}

#[sprang_macros::test_rt(flavor = "multi_thread")]
async fn no_multi_thread_for_a_test() {}

fn main() {}
