//! Channels, on each runtime.

use criterion::{Criterion, criterion_group, criterion_main};

mod both;

fn channels(criterion: &mut Criterion) {
    for name in [
        "oneshot",
        "mpsc_spsc",
        "mpsc_5_1",
        "mpsc_unbounded_5_1",
        "mpsc_ping_pong",
        "mpsc_recv_many",
        "watch",
        "broadcast",
    ] {
        both::bench_both(criterion, name);
    }
}

criterion_group!(benches, channels);
criterion_main!(benches);
