//! Benchmarks of sprang beside Tokio.
//!
//! Purpose: the same workloads, from the same source, on both runtimes.
//!
//! Data flow: `workloads` names its runtime `rt` and is compiled twice, by `on_sprang` and by `on_tokio`; the binary
//! `compare` and the criterion benches pick from [`groups`] and [`probes`]. What the workloads need besides a runtime
//! ([`signal`], [`echo`]) is compiled once and the same for both, so that only the runtimes differ.

#![allow(clippy::duplicate_mod, reason = "the workloads are compiled once for each runtime")]

pub mod echo;
pub mod meter;
mod on_sprang;
mod on_tokio;
pub mod report;
pub mod signal;

use std::fmt;

/// Workloads of one area: a table of the report.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The heading of its table.
    pub title: &'static str,
    /// In the order of the table.
    pub workloads: &'static [Workload],
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
    /// What it should come to at least, or at most, as the table shows it; empty if nothing is asked for.
    pub wanted: &'static str,
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
            wanted: "",
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

    const fn wanted(self, wanted: &'static str) -> Self {
        Self { wanted, ..self }
    }
}

/// What is watched from outside rather than measured as the cost of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Probes {
    /// How late each of 10,000 sleeps of 1 to 100 ms ends, in milliseconds: less than zero if early. The flag asks for
    /// tasks that keep all workers busy.
    pub lateness_ms: fn(loaded: bool) -> Vec<f64>,
    /// Starts 100,000 tasks that wait, 100 sockets and a timer of an hour; prints `ready` when the runtime is quiet and
    /// waits so many seconds; the context switches of the runtime's threads in them.
    pub idle: fn(seconds: u64) -> meter::Switches,
    /// A client sends so many requests, 10 ms apart; the context switches of the runtime's threads meanwhile.
    pub low_load: fn(requests: u32) -> meter::Switches,
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
    /// Bytes of resident memory.
    Bytes,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WallNs => "ns",
            Self::CpuNs => "ns CPU",
            Self::WorstMs => "ms",
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
}

impl Runtime {
    /// Both, in the order they take turns in.
    pub const ALL: [Self; 2] = [Self::Sprang, Self::Tokio];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sprang => "sprang",
            Self::Tokio => "tokio",
        }
    }

    /// The runtime of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|runtime| runtime.name() == name)
    }
}

/// All workloads, to be run on `runtime`.
pub const fn groups(runtime: Runtime) -> &'static [Group] {
    match runtime {
        Runtime::Sprang => on_sprang::workloads::GROUPS,
        Runtime::Tokio => on_tokio::workloads::GROUPS,
    }
}

/// The probes, to be run on `runtime`.
pub const fn probes(runtime: Runtime) -> Probes {
    match runtime {
        Runtime::Sprang => on_sprang::workloads::PROBES,
        Runtime::Tokio => on_tokio::workloads::PROBES,
    }
}

/// The workload of that name.
pub fn workload(runtime: Runtime, name: &str) -> Option<&'static Workload> {
    let mut workloads = groups(runtime).iter().flat_map(|group| group.workloads);
    workloads.find(|workload| workload.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_comes_to_its_result_on_both_runtimes() {
        for runtime in Runtime::ALL {
            for workload in groups(runtime).iter().flat_map(|group| group.workloads) {
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
    fn no_sleep_of_a_probe_ends_early() {
        for runtime in Runtime::ALL {
            let lateness_ms = (probes(runtime).lateness_ms)(false);
            assert_eq!(lateness_ms.len(), 10_000);
            assert!(lateness_ms.iter().all(|&late| late >= 0.0), "{}", runtime.name());
        }
    }
}
