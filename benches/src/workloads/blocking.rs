//! Closures that block.

use super::rt::task::spawn_blocking;

pub(super) const BULK: u64 = 10_000;
pub(super) const JOINED: u64 = 5_000;

pub(super) async fn bulk() {
    let closures: Vec<_> = (0..BULK).map(|number| spawn_blocking(move || number)).collect();
    let mut sum = 0;
    for closure in closures {
        sum += closure.await.unwrap();
    }
    assert_eq!(sum, BULK * (BULK - 1) / 2);
}

pub(super) async fn join() {
    for number in 0..JOINED {
        assert_eq!(spawn_blocking(move || number).await.unwrap(), number);
    }
}
