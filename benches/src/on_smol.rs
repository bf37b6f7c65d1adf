//! The workloads on smol, as far as it has what they need.

use crate::{Group, smol_rt as rt};

#[path = "workloads/burn.rs"]
mod burn;
#[path = "workloads/echo.rs"]
mod echo;
#[path = "workloads/harness.rs"]
mod harness;
#[path = "workloads/net.rs"]
mod net;
#[path = "workloads/sleep.rs"]
mod sleep;
#[path = "workloads/spawn.rs"]
mod spawn;
#[path = "workloads/wake.rs"]
mod wake;

use harness::{on_main, on_worker, runtime};

pub(crate) const GROUPS: &[Group] = &[
    Group {
        title: "Scheduler",
        areas: &[spawn::WORKLOADS, wake::WORKLOADS],
    },
    Group {
        title: "Time",
        areas: &[sleep::WORKLOADS],
    },
    Group {
        title: "Network",
        areas: &[echo::WORKLOADS, net::WORKLOADS],
    },
];
