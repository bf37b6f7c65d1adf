//! The workloads, on the runtime that the including module calls `rt`.
//!
//! Purpose: one file an area, with its table on top. Each workload is a *round*, which does a fixed number of
//! operations and asserts that they were all done; or, where something else than time counts, a function of its own.
//! What is watched from outside is in `probe`.
//!
//! Data flow: `compare` or criterion → `Workload::run` → `harness` → the round.

use std::net::SocketAddr;

use super::rt;
use crate::clients::MESSAGE;
use crate::{Group, Probes};

mod blocking;
mod burn;
mod channels;
mod echo;
mod fs;
mod harness;
mod locks;
mod net;
mod probe;
mod select;
mod sleep;
mod spawn;
mod stall;
mod time;
mod wake;

use harness::{on_main, on_worker, runtime};

pub(crate) const GROUPS: &[Group] = &[
    Group {
        title: "Scheduler",
        areas: &[spawn::WORKLOADS, wake::WORKLOADS],
    },
    Group {
        title: "Blocking and liveness",
        areas: &[blocking::WORKLOADS, stall::WORKLOADS],
    },
    Group {
        title: "Time",
        areas: &[time::WORKLOADS, sleep::WORKLOADS],
    },
    Group {
        title: "Channels and locks",
        areas: &[channels::WORKLOADS, locks::WORKLOADS],
    },
    Group {
        title: "Macros",
        areas: &[select::WORKLOADS],
    },
    Group {
        title: "Network",
        areas: &[echo::WORKLOADS, net::WORKLOADS],
    },
    Group {
        title: "Files, processes, signals",
        areas: &[fs::WORKLOADS],
    },
];

pub(crate) const PROBES: Probes = Probes {
    lateness_ms: probe::lateness_ms,
    idle: probe::idle,
    low_load: probe::low_load,
    serve,
};

/// Starts an echo server whose runtime is never shut down.
fn serve() -> SocketAddr {
    let runtime = runtime();
    let server = echo::start_server::<MESSAGE>(&runtime);
    std::mem::forget(runtime);
    server
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
