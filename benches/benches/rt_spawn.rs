//! Spawning and joining, on both runtimes.

use criterion::{Criterion, criterion_group, criterion_main};

mod both;

fn spawn(criterion: &mut Criterion) {
    for name in [
        "spawn_outside",
        "spawn_task",
        "spawn_join",
        "spawn_chained",
        "fork_join",
    ] {
        both::bench_both(criterion, name);
    }
}

criterion_group!(benches, spawn);
criterion_main!(benches);
