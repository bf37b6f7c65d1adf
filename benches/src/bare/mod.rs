//! Some of the workloads without a runtime: what the system and the allocator alone take.
//!
//! Purpose: a floor. Each does what its namesake in `workloads` does, for the same clients and with the same checks, by
//! the shortest way there is.

use crate::Group;

mod echo;
mod memory;
mod net;
mod threads;

pub(crate) const GROUPS: &[Group] = &[
    Group {
        title: "Scheduler",
        areas: &[memory::WORKLOADS, threads::WORKLOADS],
    },
    Group {
        title: "Network",
        areas: &[echo::WORKLOADS, net::WORKLOADS],
    },
];

pub(crate) use echo::start_server;
