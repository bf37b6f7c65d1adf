//! `select!`, on each runtime.

use criterion::{Criterion, criterion_group, criterion_main};

mod both;

fn select(criterion: &mut Criterion) {
    for name in [
        "select_2_ready",
        "select_8_ready",
        "select_2_pending",
        "select_8_pending",
    ] {
        both::bench_both(criterion, name);
    }
}

criterion_group!(benches, select);
criterion_main!(benches);
