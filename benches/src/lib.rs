//! Benchmarks of sprang beside Tokio, smol, and what the system allows.
//!
//! Purpose: the same workloads, from the same source, on each runtime.
//!
//! Data flow: `workloads` names its runtime `rt` and is compiled by `on_sprang` and by `on_tokio`, in part by
//! `on_smol`; `bare` does some of them without a runtime. The binary `compare` and the criterion benches pick from
//! [`groups`] and [`probes`]. What the workloads need besides a runtime ([`signal`], [`clients`]) is compiled once and
//! the same for all, so that only the runtimes differ.

#![allow(clippy::duplicate_mod, reason = "the workloads are compiled once for each runtime")]

mod bare;
pub mod clients;
pub mod meter;
mod on_smol;
mod on_sprang;
mod on_tokio;
pub mod report;
pub mod signal;
mod smol_rt;

use std::fmt;
use std::net::SocketAddr;

/// Workloads of one area: a table of the report.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The heading of its table.
    pub title: &'static str,
    /// In the order of the table, by the module that they are in.
    pub areas: &'static [&'static [Workload]],
}

impl Group {
    /// In the order of the table.
    pub fn workloads(self) -> impl Iterator<Item = &'static Workload> {
        self.areas.iter().copied().flatten()
    }
}

/// One thing to measure.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// What it is called on the command line and in tables.
    pub name: &'static str,
    /// What one operation is.
    pub what: &'static str,
    /// Operations in a round.
    pub ops: u64,
    /// Rounds that make a measurement long enough to trust.
    pub rounds: u32,
    /// What is counted.
    pub unit: Unit,
    /// What it should come to.
    pub wanted: Wanted,
    /// Starts a runtime of two workers and runs so many rounds, after one to warm up where that matters; what they cost
    /// in all.
    ///
    /// Panics when a round does not come to the result that it must come to.
    pub run: fn(rounds: u32) -> f64,
}

impl Workload {
    /// Ten rounds by the clock, with no figure asked for.
    const fn new(name: &'static str, what: &'static str, ops: u64, run: fn(u32) -> f64) -> Self {
        Self {
            name,
            what,
            ops,
            rounds: 10,
            unit: Unit::WallNs,
            wanted: Wanted::NOTHING,
            run,
        }
    }

    const fn rounds(self, rounds: u32) -> Self {
        Self { rounds, ..self }
    }

    /// One round, which counts `unit`.
    const fn once(self, unit: Unit) -> Self {
        Self {
            rounds: 1,
            unit,
            ..self
        }
    }

    /// Wants Tokio to take so many times as much.
    const fn ratio(mut self, ratio: f64) -> Self {
        self.wanted.ratio = Some(ratio);
        self
    }

    /// Wants the floor to take that part of it.
    const fn of_floor(mut self, part: f64) -> Self {
        self.wanted.of_floor = Some(part);
        self
    }

    /// Wants no more than that, in its unit.
    const fn at_most(mut self, cost: f64) -> Self {
        self.wanted.at_most = Some(cost);
        self
    }
}

/// What a workload should come to on sprang.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Tokio's cost by sprang's, at least.
    pub ratio: Option<f64>,
    /// The floor's cost by sprang's, at least.
    pub of_floor: Option<f64>,
    /// Its cost, at most.
    pub at_most: Option<f64>,
}

impl Wanted {
    /// Whatever it is.
    pub const NOTHING: Self = Self {
        ratio: None,
        of_floor: None,
        at_most: None,
    };
}

/// What is watched from outside rather than measured as the cost of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Probes {
    /// How late each of 10,000 sleeps of 1 to 100 ms ends, in milliseconds: less than zero if early. The flag asks for
    /// tasks that keep all workers busy.
    pub lateness_ms: fn(loaded: bool) -> Vec<f64>,
    /// Starts 100,000 tasks that wait, 10,000 sockets and a timer of an hour; prints `ready` when the runtime is quiet and
    /// waits so many seconds; the context switches of the runtime's threads in them.
    pub idle: fn(seconds: u64) -> meter::Switches,
    /// A client sends so many requests, 10 ms apart; the context switches of the runtime's threads meanwhile.
    pub low_load: fn(requests: u32) -> meter::Switches,
    /// Starts an echo server that ends with the process; its address.
    pub serve: fn() -> SocketAddr,
}

/// What a workload costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds on the clock.
    WallNs,
    /// Nanoseconds of processor time, of all threads together.
    CpuNs,
    /// Milliseconds, of the worst case in a round.
    WorstMs,
    /// Microseconds, of a quantile of a round.
    QuantileUs,
    /// Bytes of resident memory.
    Bytes,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WallNs => "ns",
            Self::CpuNs => "ns CPU",
            Self::WorstMs => "ms",
            Self::QuantileUs => "µs",
            Self::Bytes => "bytes",
        })
    }
}

/// A runtime to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// This project's.
    Sprang,
    /// The one to compare with.
    Tokio,
    /// Another one, which has part of what the workloads need.
    Smol,
    /// None: the same by threads and system calls alone, as the floor of what it can cost.
    Bare,
}

impl Runtime {
    /// All, in the order they take turns in.
    pub const ALL: [Self; 4] = [Self::Sprang, Self::Tokio, Self::Smol, Self::Bare];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sprang => "sprang",
            Self::Tokio => "tokio",
            Self::Smol => "smol",
            Self::Bare => "floor",
        }
    }

    /// The runtime of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|runtime| runtime.name() == name)
    }
}

/// The workloads that `runtime` can run.
pub const fn groups(runtime: Runtime) -> &'static [Group] {
    match runtime {
        Runtime::Sprang => on_sprang::workloads::GROUPS,
        Runtime::Tokio => on_tokio::workloads::GROUPS,
        Runtime::Smol => on_smol::GROUPS,
        Runtime::Bare => bare::GROUPS,
    }
}

/// The probes, to be run on `runtime`, if they can be.
pub const fn probes(runtime: Runtime) -> Option<Probes> {
    match runtime {
        Runtime::Sprang => Some(on_sprang::workloads::PROBES),
        Runtime::Tokio => Some(on_tokio::workloads::PROBES),
        Runtime::Smol | Runtime::Bare => None,
    }
}

/// Starts an echo server around epoll, in one thread, that ends with the process; its address.
///
/// # Errors
///
/// Those of the system's calls.
pub fn bare_server() -> std::io::Result<SocketAddr> {
    bare::start_server::<{ clients::MESSAGE }>(1)
}

/// The workload of that name, if `runtime` can run it.
pub fn workload(runtime: Runtime, name: &str) -> Option<&'static Workload> {
    let mut workloads = groups(runtime).iter().flat_map(|group| group.workloads());
    workloads.find(|workload| workload.name == name)
}

/// Times `rounds` rounds, after one more.
fn timed(rounds: u32, mut round: impl FnMut()) -> f64 {
    round();
    let meter = meter::Meter::start();
    for _ in 0..rounds {
        round();
    }
    meter.stop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workloads(runtime: Runtime) -> impl Iterator<Item = &'static Workload> {
        groups(runtime).iter().flat_map(|group| group.workloads())
    }

    #[test]
    fn every_workload_comes_to_its_result_wherever_it_runs() {
        for runtime in Runtime::ALL {
            for workload in workloads(runtime) {
                let cost = (workload.run)(1);
                // Memory that workloads before have left is taken first.
                assert!(
                    cost > 0.0 || workload.unit == Unit::Bytes,
                    "{} on {}: {cost}",
                    workload.name,
                    runtime.name()
                );
            }
        }
    }

    #[test]
    fn a_name_means_the_same_wherever_it_runs() {
        for runtime in Runtime::ALL {
            for workload in workloads(runtime) {
                let ours = super::workload(Runtime::Sprang, workload.name).expect(workload.name);
                assert_eq!(
                    (workload.ops, workload.unit),
                    (ours.ops, ours.unit),
                    "{}",
                    workload.name
                );
            }
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names: Vec<&str> = workloads(Runtime::Sprang).map(|workload| workload.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(workloads(Runtime::Tokio).count(), all);
    }

    #[test]
    fn no_sleep_of_a_probe_ends_early() {
        for runtime in Runtime::ALL {
            let Some(probes) = probes(runtime) else { continue };
            let lateness_ms = (probes.lateness_ms)(false);
            assert_eq!(lateness_ms.len(), 10_000);
            assert!(lateness_ms.iter().all(|&late| late >= 0.0), "{}", runtime.name());
        }
    }
}
