//! What a workload is measured with.
//!
//! Purpose: time on the clock is what counts, but on a machine that does other work beside it is noise; the processor
//! time of the process says then which of two runtimes does more for the same result.
//!
//! Data flow: `compare --cpu` calls [`count_cpu_time`] before it runs a workload; the workloads start a `Meter`, and
//! read from `/proc` what memory and how many context switches there were.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Bytes of a page, as `/proc` counts them on x86-64.
const PAGE: f64 = 4096.0;

static COUNT_CPU_TIME: AtomicBool = AtomicBool::new(false);

/// Has all workloads from now on measured by processor time.
pub fn count_cpu_time() {
    COUNT_CPU_TIME.store(true, Relaxed);
}

/// A running measurement of time.
#[derive(Debug)]
pub(crate) enum Meter {
    Wall(Instant),
    Cpu(f64),
}

impl Meter {
    /// Starts to measure what was asked for: time on the clock, unless it is processor time.
    pub(crate) fn start() -> Self {
        if COUNT_CPU_TIME.load(Relaxed) {
            Self::start_cpu()
        } else {
            Self::Wall(Instant::now())
        }
    }

    /// Starts to measure processor time.
    pub(crate) fn start_cpu() -> Self {
        Self::Cpu(cpu_ns())
    }

    /// The nanoseconds since the start.
    pub(crate) fn stop(self) -> f64 {
        match self {
            Self::Wall(start) => start.elapsed().as_nanos() as f64,
            Self::Cpu(start) => cpu_ns() - start,
        }
    }
}

/// The processor time that all threads of this process have used.
fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The memory of this process that is resident.
///
/// # Panics
///
/// If `/proc` is not mounted.
pub(crate) fn resident_bytes() -> f64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("/proc is mounted");
    let resident = pages.split(' ').nth(1).expect("the second field is there");
    resident.parse::<f64>().expect("the field is a number") * PAGE
}

/// Lets this process have as many open files as it may allow itself.
///
/// # Panics
///
/// If the system does not grant what it says it would.
pub(crate) fn raise_limit_of_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("a limit may be raised to its maximum");
}

/// Context switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches {
    /// Of threads that went to sleep.
    pub voluntary: u64,
    /// Of threads that had to make room for others.
    pub involuntary: u64,
}

impl Switches {
    /// Those so far of all threads of this process but the main one.
    ///
    /// # Panics
    ///
    /// If `/proc` is not mounted.
    pub(crate) fn beside_main() -> Self {
        let main = std::process::id().to_string();
        let threads = fs::read_dir("/proc/self/task").expect("/proc is mounted");
        let mut sum = Self {
            voluntary: 0,
            involuntary: 0,
        };
        for thread in threads.map(|thread| thread.expect("the folder can be read")) {
            if thread.file_name() == *main {
                continue;
            }
            // A thread may have ended since.
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            for line in status.lines() {
                let count = |name| line.strip_prefix(name)?.trim().parse::<u64>().ok();
                sum.voluntary += count("voluntary_ctxt_switches:").unwrap_or(0);
                sum.involuntary += count("nonvoluntary_ctxt_switches:").unwrap_or(0);
            }
        }
        sum
    }

    /// Those since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            voluntary: self.voluntary - before.voluntary,
            involuntary: self.involuntary - before.involuntary,
        }
    }
}
