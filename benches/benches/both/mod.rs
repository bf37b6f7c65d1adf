//! One workload as criterion benchmarks: `NAME/sprang`, `NAME/tokio` and, where there are such, `NAME/smol` and
//! `NAME/floor`.

use std::time::Duration;

use criterion::{Criterion, Throughput};
use sprang_benches::{Runtime, workload};

/// Measures the rounds of a workload wherever it runs; the throughput is that of its operations.
pub(crate) fn bench_both(criterion: &mut Criterion, name: &str) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10);
    for runtime in Runtime::ALL {
        let Some(workload) = workload(runtime, name) else {
            assert_ne!(runtime, Runtime::Sprang, "there is no workload {name}");
            continue;
        };
        group.throughput(Throughput::Elements(workload.ops));
        group.bench_function(runtime.name(), |bencher| {
            bencher.iter_custom(|rounds| {
                let wall_ns = (workload.run)(u32::try_from(rounds).expect("few rounds"));
                Duration::from_nanos(wall_ns as u64)
            });
        });
    }
    group.finish();
}
