//! Yields and wake-ups, on both runtimes.

use criterion::{Criterion, criterion_group, criterion_main};

mod both;

fn wake(criterion: &mut Criterion) {
    for name in ["yield", "ping_pong", "ping_pong_neutral"] {
        both::bench_both(criterion, name);
    }
}

criterion_group!(benches, wake);
criterion_main!(benches);
