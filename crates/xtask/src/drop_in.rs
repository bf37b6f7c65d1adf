//! `cargo xtask drop-in`: real crates on the drop-in.
//!
//! Purpose: `tests/drop-in` is a workspace of its own, in which the patch moves a whole graph over. Its tests say
//! something only as long as there is one `tokio` in that graph and it is ours, so that is checked first.
//!
//! Data flow: called by `main` and `ci`; asks `cargo metadata`, then runs `cargo test`, or `wrk` against the server that
//! is built on both runtimes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{self, Child, Stdio};

use serde_json::Value;

use crate::workspace::Workspace;
use crate::{Command, run};

pub(crate) const COMMAND: Command = Command {
    name: "drop-in",
    summary: "Test real crates on the drop-in, or compare a server on it and on Tokio",
    help: "Usage: cargo xtask drop-in [--part | --compare]\n\n\
           Checks that the graph of tests/drop-in has one `tokio`, ours, and runs its tests.\n\n  \
           --part     only those of hyper, tokio-util, tokio-stream and tower, as `ci` does\n  \
           --compare  drive the JSON server on the drop-in and on Tokio in turn by `wrk -t2 -c64`: requests/s and p99",
    run: drop_in,
};

/// The workspace of the tests.
const FOLDER: &str = "tests/drop-in";
/// The packages whose graph is small enough for each commit.
const PART: [&str; 4] = ["support", "on-hyper", "on-streams", "on-tower"];
/// How often each server is driven, and for how many seconds each time.
const ROUNDS: usize = 7;
const SECONDS: usize = 5;

fn drop_in(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => test(&workspace.root, &[]),
        ["--part"] => part(workspace),
        ["--compare"] => compare(&workspace.root.join(FOLDER)),
        _ => Err(format!("unexpected arguments {args:?}")),
    }
}

/// Tests the small part.
pub(crate) fn part(workspace: &Workspace) -> Result<(), String> {
    test(&workspace.root, &PART)
}

/// Tests the packages, or all if none is named.
fn test(root: &Path, packages: &[&str]) -> Result<(), String> {
    let folder = root.join(FOLDER);
    let json = run::output(run::cargo(&folder).args(["metadata", "--locked", "--format-version=1"]))?;
    let metadata = serde_json::from_slice(&json).map_err(|error| format!("cargo metadata: {error}"))?;
    one_tokio(&metadata)?;
    let mut command = run::cargo(&folder);
    command.args(["test", "--locked"]);
    if packages.is_empty() {
        command.arg("--workspace");
    }
    run::status(command.args(packages.iter().flat_map(|package| ["--package", package])))
}

/// Fails unless the graph has exactly one `tokio`, and that from a path.
fn one_tokio(metadata: &Value) -> Result<(), String> {
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata names no packages")?;
    let tokios = packages.iter().filter(|package| package["name"] == "tokio");
    let ids: Vec<&str> = tokios.clone().filter_map(|package| package["id"].as_str()).collect();
    match &ids[..] {
        [id] if tokios.clone().all(|package| package["source"].is_null()) => {
            println!("drop-in: the one tokio of {} packages is {id}", packages.len());
            Ok(())
        }
        _ => Err(format!(
            "the graph should have one `tokio`, from a path, and has {ids:?}"
        )),
    }
}

/// What `wrk` says of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figures {
    requests_per_second: f64,
    p99_ms: f64,
}

/// Drives both servers in turn and prints the medians.
fn compare(folder: &Path) -> Result<(), String> {
    let packages = [folder.join("axum-json"), folder.join("axum-json/on-tokio")];
    let programs = ["axum-json", "axum-json-on-tokio"];
    for package in &packages {
        run::status(run::cargo(package).args(["build", "--release", "--locked"]))?;
    }
    let mut figures = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        for ((package, program), figures) in packages.iter().zip(programs).zip(&mut figures) {
            let measured = drive(package, program)?;
            println!(
                "round {round}: {program:20} {:8.0} requests/s, p99 {:6.2} ms",
                measured.requests_per_second, measured.p99_ms
            );
            figures.push(measured);
        }
    }
    let [ours, tokios] = figures.map(|figures| medians(&figures));
    println!(
        "medians: {:.0} against {:.0} requests/s, a ratio of {:.3}; p99 {:.2} against {:.2} ms",
        ours.requests_per_second,
        tokios.requests_per_second,
        ours.requests_per_second / tokios.requests_per_second,
        ours.p99_ms,
        tokios.p99_ms
    );
    Ok(())
}

/// Starts a server, has `wrk` drive it, and ends it.
fn drive(package: &Path, program: &str) -> Result<Figures, String> {
    let failed = |error: std::io::Error| format!("{program}: {error}");
    let mut command = run::cargo(package);
    command.args(["run", "--quiet", "--release", "--locked"]);
    let mut server: Child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let output = server.stdout.take().expect("the output is piped");
    let mut address = String::new();
    let measured = BufReader::new(output)
        .read_line(&mut address)
        .map_err(failed)
        .and_then(|_| {
            let mut wrk = process::Command::new("wrk");
            wrk.args(["-t2", "-c64", "--latency"]).arg(format!("-d{SECONDS}s"));
            wrk.arg(format!("http://{}/users/42", address.trim()));
            figures(&String::from_utf8_lossy(&run::output(&mut wrk)?))
        });
    // The server ends with its standard input.
    drop(server.stdin.take());
    server.wait().map_err(failed)?;
    measured
}

/// Reads what `wrk --latency` prints.
fn figures(text: &str) -> Result<Figures, String> {
    let after = |word: &str| {
        let rest = text.lines().find_map(|line| line.trim().strip_prefix(word))?;
        Some(rest.trim())
    };
    let unfit = || format!("wrk printed something else than expected:\n{text}");
    if after("Non-2xx").is_some() || after("Socket errors").is_some() {
        return Err(format!("wrk saw errors:\n{text}"));
    }
    Ok(Figures {
        requests_per_second: after("Requests/sec:")
            .and_then(|text| text.parse().ok())
            .ok_or_else(unfit)?,
        p99_ms: after("99%").and_then(milliseconds).ok_or_else(unfit)?,
    })
}

/// A time as `wrk` prints it.
fn milliseconds(text: &str) -> Option<f64> {
    // In this order: the longer units end in the shortest.
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.trim().parse::<f64>().ok()? * factor)
}

fn medians(figures: &[Figures]) -> Figures {
    let median = |of: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = figures.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Figures {
        requests_per_second: median(|figures| figures.requests_per_second),
        p99_ms: median(|figures| figures.p99_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tokio_from_a_path_is_right_and_all_else_is_not() {
        let graph = |sources: &[Option<&str>]| {
            let packages = sources
                .iter()
                .map(|source| serde_json::json!({ "name": "tokio", "id": "tokio@1.54.1", "source": source }));
            serde_json::json!({ "packages": packages.collect::<Vec<_>>() })
        };
        assert!(one_tokio(&graph(&[None])).is_ok());
        for wrong in [&[][..], &[Some("registry")], &[None, Some("registry")]] {
            assert!(one_tokio(&graph(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_words_of_wrk_are_understood() {
        let text =
            "    50%  512.00us\n    99%    2.50ms\n  1000 requests in 5.00s, 1.00MB read\nRequests/sec:  12345.67\n";
        let expected = Figures {
            requests_per_second: 12345.67,
            p99_ms: 2.5,
        };
        assert_eq!(figures(text), Ok(expected));
        assert!(figures(&format!("{text}  Non-2xx or 3xx responses: 3\n")).is_err());
        assert!(figures("unable to connect").is_err());
        assert_eq!(
            ["20us", "1.5ms", "2s"].map(milliseconds),
            [Some(0.02), Some(1.5), Some(2000.0)]
        );
    }

    #[test]
    fn a_median_is_of_each_figure_alone() {
        let runs = [(1.0, 9.0), (3.0, 7.0), (2.0, 8.0)];
        let runs = runs.map(|(requests_per_second, p99_ms)| Figures {
            requests_per_second,
            p99_ms,
        });
        assert_eq!(
            medians(&runs),
            Figures {
                requests_per_second: 2.0,
                p99_ms: 8.0
            }
        );
    }
}
