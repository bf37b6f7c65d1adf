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

#[sprang::test(flavor = "local", name = "a local runtime")]
async fn a_local_runtime_spawns_what_is_not_send() {
    assert_eq!(Handle::current().name(), Some("a local runtime"));
    let number = std::rc::Rc::new(42);
    assert_eq!(sprang::task::spawn_local(async move { *number }).await.unwrap(), 42);
}

#[sprang::test(unhandled_panic = "shutdown_runtime")]
#[should_panic(expected = "a spawned task panicked")]
async fn a_panic_of_a_task_ends_the_test_that_asks_for_it() {
    sprang::spawn(async { panic!("on purpose") });
    std::future::pending::<()>().await;
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
