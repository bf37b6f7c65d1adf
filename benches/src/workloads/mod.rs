//! The workloads, on the runtime that the including module calls `rt`.
//!
//! Purpose: one file an area. Each workload is a *round*, which does a fixed number of operations and asserts that
//! they were all done.
//!
//! Data flow: `compare` or criterion → `Workload::run` → [`on_worker`] or [`on_main`] → the round.

use super::rt;
use crate::meter::Meter;
use crate::{Unit, Workload};

mod blocking;
mod channels;
mod net;
mod spawn;
mod time;
mod wake;

/// Worker threads of every runtime here.
const WORKERS: usize = 2;

pub(crate) const ALL: &[Workload] = &[
    Workload {
        name: "spawn_outside",
        what: "spawn a task from a thread outside the runtime",
        ops: spawn::BATCH,
        rounds: 5,
        unit: Unit::WallNs,
        run: |rounds| on_main(rounds, spawn::outside),
    },
    Workload {
        name: "spawn_task",
        what: "spawn a task from a task",
        ops: spawn::BATCH,
        rounds: 5,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, spawn::from_task),
    },
    Workload {
        name: "spawn_join",
        what: "spawn a task and await its handle, one after the other",
        ops: spawn::JOINED,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, spawn::and_join),
    },
    Workload {
        name: "spawn_chained",
        what: "a task of a chain of 1000, each spawned by the one before",
        ops: spawn::CHAIN * spawn::CHAINS,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, spawn::chained),
    },
    Workload {
        name: "fork_join",
        what: "a node of a binary tree that spawns and joins its children",
        ops: (2 << spawn::DEPTH) - 2,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, spawn::fork_join),
    },
    Workload {
        name: "yield",
        what: "one yield of one of 200 tasks",
        ops: wake::YIELDERS * wake::YIELDS,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, wake::yields),
    },
    Workload {
        name: "ping_pong",
        what: "two tasks spawned, and two of the runtime's oneshots between them",
        ops: wake::PAIRS,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, wake::ping_pong),
    },
    Workload {
        name: "ping_pong_neutral",
        what: "the same over a signal that is no part of either runtime",
        ops: wake::PAIRS,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, wake::ping_pong_neutral),
    },
    Workload {
        name: "request_reply",
        what: "a request from the thread in block_on to a task, and the reply",
        ops: wake::REQUESTS,
        rounds: 5,
        unit: Unit::WallNs,
        run: |rounds| on_main(rounds, wake::request_reply),
    },
    Workload {
        name: "mpsc_1_1",
        what: "a message through a bounded channel, one sender",
        ops: channels::MESSAGES,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, channels::one_to_one),
    },
    Workload {
        name: "mpsc_5_1",
        what: "a message through a bounded channel, five senders",
        ops: channels::MESSAGES,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, channels::five_to_one),
    },
    Workload {
        name: "mutex_contended",
        what: "lock and unlock of a mutex that eight tasks want",
        ops: channels::LOCKS * channels::LOCKERS,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, channels::contended_mutex),
    },
    Workload {
        name: "spawn_blocking_bulk",
        what: "one of 10,000 closures given to the blocking threads at once",
        ops: blocking::BULK,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, blocking::bulk),
    },
    Workload {
        name: "spawn_blocking_join",
        what: "a closure given to a blocking thread and awaited, one after the other",
        ops: blocking::JOINED,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, blocking::join),
    },
    Workload {
        name: "timeout",
        what: "a timeout armed and cancelled",
        ops: time::TIMEOUTS,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| on_worker(rounds, time::arm_and_cancel),
    },
    Workload {
        name: "sleep",
        what: "a task that sleeps once, one of 100,000 that wake within half a second",
        ops: time::SLEEPERS,
        rounds: 1,
        unit: Unit::CpuNs,
        run: time::sleepers,
    },
    Workload {
        name: "parked_task",
        what: "memory of a task that waits, with a future of 16 bytes",
        ops: spawn::PARKED,
        rounds: 1,
        unit: Unit::Bytes,
        run: spawn::parked,
    },
    Workload {
        name: "echo_1",
        what: "64 bytes there and back over TCP, 1 connection",
        ops: net::MESSAGES,
        rounds: 3,
        unit: Unit::WallNs,
        run: |rounds| net::echo(rounds, 1),
    },
    Workload {
        name: "echo_64",
        what: "64 bytes there and back over TCP, 64 connections",
        ops: net::MESSAGES,
        rounds: 10,
        unit: Unit::WallNs,
        run: |rounds| net::echo(rounds, 64),
    },
];

fn runtime() -> rt::runtime::Runtime {
    rt::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("a runtime can be started")
}

/// Times `rounds` rounds, after one more, in a task.
fn on_worker<F>(rounds: u32, round: fn() -> F) -> f64
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
fn on_main(rounds: u32, round: fn(&rt::runtime::Runtime)) -> f64 {
    let runtime = runtime();
    round(&runtime);
    let meter = Meter::start();
    for _ in 0..rounds {
        round(&runtime);
    }
    meter.stop()
}
