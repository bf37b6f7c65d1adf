//! `cargo xtask counts`: what an operation takes in instructions, against what it took before.
//!
//! Purpose: a regression that a busy machine does not hide. Callgrind counts the instructions of some workloads that
//! run in one task; a longer run less a shorter one leaves those of the operations. The counts so far are in
//! [`FILE`]; more than [`TOLERANCE_PERCENT`] above one of them is a failure, as much below it a reason to write the
//! file anew.
//!
//! Data flow: called by `main`; builds `compare` of the benches and runs it under valgrind.

use std::path::Path;
use std::process;

use crate::workspace::Workspace;
use crate::{Command, run};

pub(crate) const COMMAND: Command = Command {
    name: "counts",
    summary: "Count instructions under callgrind, and compare with benches/counts.txt",
    help: "Usage: cargo xtask counts [--write]\n\n\
           Fails if an operation takes over 3 % more instructions than the file says. With --write the file is\n\
           written instead. Needs valgrind, and does nothing but say so where there is none.",
    run: counts,
};

const FILE: &str = "benches/counts.txt";
const TOLERANCE_PERCENT: f64 = 3.0;

/// What `FILE` opens with.
const HEADER: &str = "# Instructions of an operation, by `cargo xtask counts --write`. The system's are not counted.\n";

/// A workload and the operations in one of its rounds; only such as count nearly the same each time, which those in
/// which tasks on two workers take turns do not.
const WORKLOADS: [(&str, f64); 5] = [
    ("spawn_join", 50e3),
    ("oneshot", 100e3),
    ("mutex", 80e3),
    ("timeout", 100e3),
    ("sleep_reset", 100e3),
];

fn counts(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    let write = match args {
        [] => false,
        [arg] if arg == "--write" => true,
        _ => return Err(format!("unexpected arguments {args:?}")),
    };
    if process::Command::new("valgrind").arg("--version").output().is_err() {
        println!("counts: skipped, there is no valgrind");
        return Ok(());
    }
    let build = ["build", "--release", "-p", "sprang-benches", "--bin", "compare"];
    run::status(run::cargo(&workspace.root).args(build))?;
    let compare = workspace.target.join("release/compare");
    let file = workspace.root.join(FILE);
    let mut counted = Vec::new();
    for (name, ops) in WORKLOADS {
        let [short, long] = [1, 2].map(|rounds| instructions(&compare, name, rounds));
        let count = (long? - short?) / ops;
        println!("counts: {name:12} {count:8.1}");
        counted.push((name, count));
    }
    if write {
        let lines = counted.iter().map(|(name, count)| format!("{name} {count:.1}\n"));
        let text = HEADER.to_owned() + &lines.collect::<String>();
        return std::fs::write(&file, text).map_err(|error| format!("{FILE}: {error}"));
    }
    let before = std::fs::read_to_string(&file).map_err(|error| format!("{FILE}: {error}"))?;
    judge(&before, &counted)
}

/// All instructions of a run, in all threads.
fn instructions(compare: &Path, workload: &str, rounds: u32) -> Result<f64, String> {
    let mut command = process::Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(compare)
        .args(["--run", "sprang", workload, &rounds.to_string()]);
    let output = command
        .output()
        .map_err(|error| format!("`{}`: {error}", run::show(&command)))?;
    let report = String::from_utf8_lossy(&output.stderr);
    collected(&report).ok_or_else(|| format!("`{}` counted nothing:\n{report}", run::show(&command)))
}

/// The sum in callgrind's report.
fn collected(report: &str) -> Option<f64> {
    let (_, sum) = report.lines().find_map(|line| line.split_once("Collected : "))?;
    sum.trim().parse().ok()
}

/// Fails on what has grown, and on what the file does not have.
fn judge(before: &str, counted: &[(&str, f64)]) -> Result<(), String> {
    let mut grown = Vec::new();
    for &(name, count) in counted {
        let line = before
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let known: f64 = line
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| format!("{FILE} has no count for `{name}`: run `cargo xtask counts --write`"))?;
        let percent = (count / known - 1.0) * 100.0;
        if percent > TOLERANCE_PERCENT {
            grown.push(format!("{name} from {known:.1} to {count:.1} ({percent:+.1} %)"));
        } else if percent < -TOLERANCE_PERCENT {
            println!("counts: {name} has shrunk from {known:.1} to {count:.1}; `--write` keeps it there");
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!("more instructions than before: {}", grown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found_in_the_report() {
        let report = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n";
        assert_eq!(collected(report), Some(1_234_567.0));
        assert_eq!(collected("valgrind: no such file"), None);
    }

    #[test]
    fn only_what_grows_beyond_the_tolerance_is_a_failure() {
        let before = "# A comment.\nmutex 100.0\nmutex_contended 7.0\n";
        judge(before, &[("mutex", 102.9)]).unwrap();
        judge(before, &[("mutex", 50.0)]).unwrap();
        let error = judge(before, &[("mutex", 104.0)]).unwrap_err();
        assert!(error.contains("mutex from 100.0 to 104.0 (+4.0 %)"), "{error}");
        assert!(
            judge(before, &[("oneshot", 1.0)])
                .unwrap_err()
                .contains("no count for `oneshot`")
        );
    }
}
