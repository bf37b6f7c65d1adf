//! How a round is run.

use super::rt;
use crate::meter::Meter;

/// Worker threads of every runtime here.
const WORKERS: usize = 2;

/// A runtime as all workloads use it.
pub(super) fn runtime() -> rt::runtime::Runtime {
    rt::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("a runtime can be started")
}

/// Times `rounds` rounds, after one more, in a task.
pub(super) fn on_worker<F>(rounds: u32, round: fn() -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = runtime();
    let timed = runtime.spawn(async move {
        round().await;
        let meter = Meter::start();
        for _ in 0..rounds {
            round().await;
        }
        meter.stop()
    });
    runtime.block_on(timed).expect("no round panics")
}

/// Times `rounds` rounds, after one more, on the calling thread, outside the runtime.
pub(super) fn on_main(rounds: u32, round: fn(&rt::runtime::Runtime)) -> f64 {
    let runtime = runtime();
    crate::timed(rounds, || round(&runtime))
}
