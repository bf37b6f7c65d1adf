//! Closures that block, on each runtime.

use criterion::{Criterion, criterion_group, criterion_main};

mod both;

fn blocking(criterion: &mut Criterion) {
    for name in ["spawn_blocking_bulk", "spawn_blocking_join"] {
        both::bench_both(criterion, name);
    }
}

criterion_group!(benches, blocking);
criterion_main!(benches);
