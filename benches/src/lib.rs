//! Benchmarks of sprang beside Tokio.
//!
//! Purpose: the same workloads, from the same source, on both runtimes.
//!
//! Data flow: `workloads` names its runtime `rt` and is compiled twice, by `on_sprang` and by `on_tokio`; the binary
//! `compare` and the criterion benches pick from [`workloads`]. What the workloads need besides a runtime ([`signal`],
//! [`echo`]) is compiled once and the same for both, so that only the runtimes differ.

#![allow(clippy::duplicate_mod, reason = "the workloads are compiled once for each runtime")]

pub mod echo;
pub mod meter;
mod on_sprang;
mod on_tokio;
pub mod report;
pub mod signal;

use std::fmt;

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
    /// Starts a runtime of two workers, runs one round to warm up and so many rounds that count; what they cost in all.
    ///
    /// Panics when a round does not come to the result that it must come to.
    pub run: fn(rounds: u32) -> f64,
}

/// What a workload costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds on the clock.
    WallNs,
    /// Nanoseconds of processor time, of all threads together.
    CpuNs,
    /// Bytes of resident memory.
    Bytes,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WallNs => "ns",
            Self::CpuNs => "ns CPU",
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
pub const fn workloads(runtime: Runtime) -> &'static [Workload] {
    match runtime {
        Runtime::Sprang => on_sprang::workloads::ALL,
        Runtime::Tokio => on_tokio::workloads::ALL,
    }
}

/// The workload of that name.
pub fn workload(runtime: Runtime, name: &str) -> Option<&'static Workload> {
    workloads(runtime).iter().find(|workload| workload.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_comes_to_its_result_on_both_runtimes() {
        for runtime in Runtime::ALL {
            for workload in workloads(runtime) {
                assert!((workload.run)(1) > 0.0, "{} on {}", workload.name, runtime.name());
            }
        }
    }
}
