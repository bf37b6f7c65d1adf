//! Locks and notifications, on each runtime.

use criterion::{Criterion, criterion_group, criterion_main};

mod both;

fn locks(criterion: &mut Criterion) {
    for name in [
        "mutex",
        "mutex_contended",
        "rwlock_read",
        "rwlock_mixed",
        "semaphore",
        "notify_ping_pong",
        "notify_waiters",
    ] {
        both::bench_both(criterion, name);
    }
}

criterion_group!(benches, locks);
criterion_main!(benches);
