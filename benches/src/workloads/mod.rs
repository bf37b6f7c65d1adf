//! The workloads, on the runtime that the including module calls `rt`.
//!
//! Purpose: one file an area. Each workload is a *round*, which does a fixed number of operations and asserts that
//! they were all done; or, where the worst case counts, a function of its own. What is watched from outside is in
//! `probe`.
//!
//! Data flow: `compare` or criterion → `Workload::run` → [`on_worker`] or [`on_main`] → the round.

use super::rt;
use crate::meter::Meter;
use crate::{Group, Probes, Unit, Workload};

mod blocking;
mod channels;
mod locks;
mod net;
mod probe;
mod spawn;
mod stall;
mod time;
mod wake;

/// Worker threads of every runtime here.
const WORKERS: usize = 2;

pub(crate) const GROUPS: &[Group] = &[
    Group {
        title: "Scheduler",
        workloads: &[
            Workload::new(
                "spawn_outside",
                "spawn a task from a thread outside the runtime",
                spawn::BATCH,
                |rounds| on_main(rounds, spawn::outside),
            )
            .wanted("≥ 2.00")
            .rounds(5),
            Workload::new(
                "spawn_4_threads",
                "the same from four such threads at once",
                spawn::BATCH,
                |rounds| on_main(rounds, spawn::four_threads),
            )
            .wanted("≥ 1.70")
            .rounds(5),
            Workload::new("spawn_task", "spawn a task from a task", spawn::BATCH, |rounds| {
                on_worker(rounds, spawn::from_task)
            })
            .wanted("≥ 1.70")
            .rounds(5),
            Workload::new(
                "spawn_join",
                "spawn a task and await its handle, one after the other",
                spawn::JOINED,
                |rounds| on_worker(rounds, spawn::and_join),
            )
            .wanted("≥ 1.30"),
            Workload::new(
                "spawn_chained",
                "a task of a chain of 1000, each spawned by the one before",
                spawn::CHAIN * spawn::CHAINS,
                |rounds| on_worker(rounds, spawn::chained),
            )
            .wanted("≥ 1.40"),
            Workload::new(
                "fork_join",
                "a node of a binary tree that spawns and joins its children",
                (2 << spawn::DEPTH) - 2,
                |rounds| on_worker(rounds, spawn::fork_join),
            )
            .wanted("≥ 1.50"),
            Workload::new(
                "yield",
                "one yield of one of 200 tasks",
                wake::YIELDERS * wake::YIELDS,
                |rounds| on_worker(rounds, wake::yields),
            )
            .wanted("≥ 1.10"),
            Workload::new(
                "ping_pong",
                "two tasks spawned, and two of the runtime's oneshots between them",
                wake::PAIRS,
                |rounds| on_worker(rounds, wake::ping_pong),
            )
            .wanted("≥ 1.40"),
            Workload::new(
                "ping_pong_neutral",
                "the same over a signal that is no part of either runtime",
                wake::PAIRS,
                |rounds| on_worker(rounds, wake::ping_pong_neutral),
            ),
            Workload::new(
                "request_reply",
                "a request from the thread in block_on to a task, and the reply",
                wake::REQUESTS,
                |rounds| on_main(rounds, wake::request_reply),
            )
            .wanted("≥ 1.00")
            .rounds(5),
            Workload::new(
                "token_std",
                "the same from a thread that blocks in a channel of std",
                wake::REQUESTS,
                |rounds| on_main(rounds, wake::token_std),
            )
            .wanted("≥ 1.00")
            .rounds(5),
            Workload::new(
                "parked_task",
                "memory of a task that waits, one of 1,000,000, with a future of 16 bytes",
                spawn::RESIDENT,
                spawn::parked,
            )
            .wanted("≤ 128 bytes")
            .once(Unit::Bytes),
        ],
    },
    Group {
        title: "Blocking and liveness",
        workloads: &[
            Workload::new(
                "spawn_blocking_bulk",
                "one of 10,000 closures given to the blocking threads at once",
                blocking::BULK,
                |rounds| on_worker(rounds, blocking::bulk),
            )
            .wanted("≥ 3.00"),
            Workload::new(
                "spawn_blocking_join",
                "a closure given to a blocking thread and awaited, one after the other",
                blocking::JOINED,
                |rounds| on_worker(rounds, blocking::join),
            )
            .wanted("≥ 1.20"),
            Workload::new(
                "stall_sleep",
                "longest gap in a ticker of 1 ms beside four tasks that block 100 ms at a time",
                1,
                stall::sleep,
            )
            .wanted("≤ 30 ms")
            .once(Unit::WorstMs),
            Workload::new("stall_spin", "the same beside tasks that compute", 1, stall::spin)
                .wanted("≤ 30 ms")
                .once(Unit::WorstMs),
            Workload::new(
                "stall_held",
                "how late the last task, timer or socket is that a worker holds while it blocks 1 s",
                1,
                stall::held,
            )
            .wanted("≤ 30 ms")
            .once(Unit::WorstMs),
        ],
    },
    Group {
        title: "Time",
        workloads: &[
            Workload::new("timeout", "a timeout armed and cancelled", time::TIMEOUTS, |rounds| {
                on_worker(rounds, time::arm_and_cancel)
            }),
            Workload::new(
                "timeout_2",
                "a timeout of a future that yields once, in two tasks at once",
                time::TIMEOUTS,
                |rounds| on_worker(rounds, time::two_arm_and_cancel),
            )
            .wanted("≥ 2.50"),
            Workload::new(
                "timeout_ready",
                "a timeout of a future that is ready",
                time::TIMEOUTS,
                |rounds| on_worker(rounds, time::ready),
            )
            .rounds(30)
            .wanted("≥ 1.30"),
            Workload::new(
                "sleep_reset",
                "a sleep moved to a later deadline and polled",
                time::RESETS,
                |rounds| on_worker(rounds, time::reset),
            )
            .rounds(50)
            .wanted("≥ 1.50"),
            Workload::new(
                "sleep",
                "a task that sleeps once, one of 100,000 that wake within 200 ms",
                time::SLEEPERS,
                time::sleepers,
            )
            .once(Unit::CpuNs)
            .wanted("≥ 1.60"),
            Workload::new(
                "sleeping_task",
                "memory of a task that sleeps, one of 1,000,000",
                spawn::RESIDENT,
                spawn::sleeping,
            )
            .once(Unit::Bytes)
            .wanted("≤ 224 bytes"),
        ],
    },
    Group {
        title: "Channels and locks",
        workloads: &[
            Workload::new(
                "oneshot",
                "a oneshot channel made, sent through and received from",
                channels::MESSAGES,
                |rounds| on_worker(rounds, channels::oneshots),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "mpsc_spsc",
                "a message from one sender through a channel that holds 1000",
                channels::MESSAGES,
                |rounds| on_worker(rounds, channels::one_to_one),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "mpsc_5_1",
                "a message from one of five senders through a channel that holds 100",
                channels::MESSAGES,
                |rounds| on_worker(rounds, channels::five_to_one),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "mpsc_unbounded_5_1",
                "a message from one of five senders through an unbounded channel",
                channels::MESSAGES,
                |rounds| on_worker(rounds, channels::unbounded_five_to_one),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "mpsc_ping_pong",
                "a message to another task and back, through two channels that hold one",
                channels::TURNS,
                |rounds| on_worker(rounds, channels::ping_pong),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "mpsc_recv_many",
                "a message from one sender, of up to 100 received at a time",
                channels::MESSAGES,
                |rounds| on_worker(rounds, channels::recv_many),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "watch",
                "a value seen by one of 100 receivers",
                channels::VALUES * channels::WATCHERS,
                |rounds| on_worker(rounds, channels::watch),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "broadcast",
                "a message received by one of 10 receivers",
                channels::BROADCASTS * channels::LISTENERS,
                |rounds| on_worker(rounds, channels::broadcast),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "mutex",
                "lock and unlock of a mutex that nobody else wants",
                locks::LOCKS,
                |rounds| on_worker(rounds, locks::mutex),
            )
            .rounds(50)
            .wanted("≥ 1.20"),
            Workload::new(
                "mutex_contended",
                "lock and unlock of a mutex that eight tasks want",
                locks::LOCKS,
                |rounds| on_worker(rounds, locks::contended_mutex),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "rwlock_read",
                "lock and unlock for reading, in four tasks at once",
                locks::LOCKS,
                |rounds| on_worker(rounds, locks::rwlock_read),
            )
            .rounds(50)
            .wanted("≥ 1.20"),
            Workload::new(
                "rwlock_mixed",
                "the same with every tenth lock for writing",
                locks::LOCKS,
                |rounds| on_worker(rounds, locks::rwlock_mixed),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "semaphore",
                "one of two permits acquired and released by one of eight tasks",
                locks::LOCKS,
                |rounds| on_worker(rounds, locks::semaphore),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "notify_ping_pong",
                "a notification to another task and back",
                locks::TURNS,
                |rounds| on_worker(rounds, locks::notify_ping_pong),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
            Workload::new(
                "notify_waiters",
                "a waiting task woken, one of 1000 at once",
                locks::WAITERS * locks::WAKES,
                |rounds| on_worker(rounds, locks::notify_waiters),
            )
            .rounds(30)
            .wanted("≥ 1.20"),
        ],
    },
    Group {
        title: "Network",
        workloads: &[
            Workload::new(
                "echo_1",
                "64 bytes there and back over TCP, 1 connection",
                net::MESSAGES,
                |rounds| net::echo(rounds, 1),
            )
            .rounds(1),
            Workload::new(
                "echo_64",
                "64 bytes there and back over TCP, 64 connections",
                net::MESSAGES,
                |rounds| net::echo(rounds, 64),
            )
            .rounds(5),
        ],
    },
];

pub(crate) const PROBES: Probes = Probes {
    lateness_ms: probe::lateness_ms,
    idle: probe::idle,
    low_load: probe::low_load,
};

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

/// Spawns so many tasks of one kind, at once; the future waits for their end.
fn in_tasks<F>(tasks: u64, task: impl Fn() -> F) -> impl Future<Output = ()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<_> = (0..tasks).map(|_| rt::spawn(task())).collect();
    async move {
        for task in tasks {
            task.await.unwrap();
        }
    }
}
