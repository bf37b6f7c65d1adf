//! Every wrong argument is reported at the token that is wrong.

#[sprang::main(threads = 2)]
async fn unknown() {}

#[sprang::main(flavor)]
async fn without_value() {}

#[sprang::main(multi_thread)]
async fn flavor_as_argument() {}

#[sprang::main(flavor = "threaded")]
async fn unknown_flavor() {}

#[sprang::main(flavor = 1)]
async fn flavor_is_no_string() {}

#[sprang::main(worker_threads = 0)]
async fn no_threads() {}

#[sprang::main(worker_threads = "two")]
async fn threads_are_no_number() {}

#[sprang::main(worker_threads = available())]
async fn threads_are_no_literal() {}

#[sprang::main(flavor = "current_thread", worker_threads = 2)]
async fn threads_without_workers() {}

#[sprang::test(worker_threads = 2)]
async fn threads_without_workers_by_default() {}

#[sprang::main(start_paused = true)]
async fn paused_multi_thread() {}

#[sprang::main(start_paused = "yes")]
async fn paused_is_no_bool() {}

#[sprang::main(flavor = "current_thread", flavor = "current_thread")]
async fn given_twice() {}

#[sprang::main(crate = sprang)]
async fn crate_is_no_string() {}

#[sprang::main(crate = "not a path")]
async fn crate_is_no_path() {}

#[sprang::main(unhandled_panic = "ignore")]
async fn panics_of_workers() {}

#[sprang::test(unhandled_panic = "abort")]
async fn unknown_behavior() {}

#[sprang::main(flavor = "local", worker_threads = 2)]
async fn local_threads() {}

#[sprang::main(name = "")]
async fn blank_name() {}

fn main() {}
