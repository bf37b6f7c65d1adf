//! The attributes `#[sprang::main]` and `#[sprang::test]` at work.
//!
//! Purpose: the arguments reach the runtime. What the attributes expand to is tested in `sprang-macros`, what the
//! compiler says about wrong uses in `ui.rs`.

use std::time::Duration;

use sprang::runtime::{Handle, RuntimeFlavor};
use sprang::time::Instant;

#[sprang::test]
async fn a_test_has_a_current_thread_runtime_by_default() {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
}

#[sprang::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_test_has_the_flavor_it_asks_for() {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
}

#[sprang::test(start_paused = true)]
async fn a_test_that_starts_paused_waits_for_nothing() {
    let (paused, real) = (Instant::now(), std::time::Instant::now());
    sprang::time::sleep(Duration::from_secs(86_400)).await;
    assert!(paused.elapsed() >= Duration::from_secs(86_400));
    assert!(real.elapsed() < Duration::from_secs(3_600));
}

#[sprang::test]
async fn a_test_returns_its_result() -> Result<(), sprang::task::JoinError> {
    sprang::spawn(async {}).await
}

#[sprang::test]
#[should_panic(expected = "on purpose")]
async fn a_test_that_panics_fails() {
    panic!("on purpose");
}

#[test]
fn main_has_a_multi_thread_runtime_by_default_and_returns_what_the_body_returns() {
    #[sprang::main]
    async fn body(number: u32) -> (u32, RuntimeFlavor) {
        (number, Handle::current().runtime_flavor())
    }
    assert_eq!(body(5), (5, RuntimeFlavor::MultiThread));
}
