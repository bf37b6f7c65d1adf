//! TCP and UDP, on each runtime.

use criterion::{Criterion, criterion_group, criterion_main};

mod both;

fn sockets(criterion: &mut Criterion) {
    for name in [
        "echo_1",
        "echo_64",
        "echo_1000",
        "echo_1k_buf",
        "bulk",
        "accept_close",
        "udp_ping_pong",
        "udp_echo",
    ] {
        both::bench_both(criterion, name);
    }
}

criterion_group!(benches, sockets);
criterion_main!(benches);
