//! Timers, on each runtime.

use criterion::{Criterion, criterion_group, criterion_main};

mod both;

fn timers(criterion: &mut Criterion) {
    for name in ["timeout", "timeout_2", "timeout_ready", "sleep_reset"] {
        both::bench_both(criterion, name);
    }
}

criterion_group!(benches, timers);
criterion_main!(benches);
