//! Files, directories and processes, on each runtime.

use criterion::{Criterion, criterion_group, criterion_main};

mod both;

fn files(criterion: &mut Criterion) {
    for name in ["fs_read_4k", "fs_read_1m", "fs_write_1m", "read_dir", "process"] {
        both::bench_both(criterion, name);
    }
}

criterion_group!(benches, files);
criterion_main!(benches);
