//! What `compare` makes of its measurements.
//!
//! Purpose: medians, spreads and ratios; a table for each group; quantiles of lateness; the page `docs/benchmarks.md`.
//! No measuring here.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::{Runtime, Unit};

/// The measurements of one workload.
#[derive(Debug)]
pub struct Row {
    /// The heading of its table.
    pub group: &'static str,
    /// The workload's name.
    pub name: &'static str,
    /// What one operation is.
    pub what: &'static str,
    /// What is counted.
    pub unit: Unit,
    /// What it should come to; empty if nothing is asked for.
    pub wanted: &'static str,
    /// The cost of an operation, one a round of the comparison, on each of [`Runtime::ALL`].
    pub samples: [Vec<f64>; 2],
}

/// The median of some samples, and how far they are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The least: what is left when nothing else disturbs.
    pub least: f64,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The distance between the quartiles, in per cent of the median.
    pub spread_percent: f64,
}

impl Summary {
    /// Sums up `samples`.
    ///
    /// # Panics
    ///
    /// If there are none, or one is not a number.
    #[track_caller]
    pub fn of(samples: &[f64]) -> Self {
        assert!(!samples.is_empty(), "a summary of nothing");
        let sorted = sorted(samples);
        let median = quantile(&sorted, 0.5);
        Self {
            least: sorted[0],
            median,
            spread_percent: (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / median * 100.0,
        }
    }
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("samples are numbers"));
    sorted
}

/// What so large a part of the samples stays below, between two of them if need be.
fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let at = fraction * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// One line on how late sleeps ended.
///
/// # Panics
///
/// If there were none.
pub fn lateness(lateness_ms: &[f64]) -> String {
    let sorted = sorted(lateness_ms);
    let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|fraction| quantile(&sorted, fraction));
    let early = sorted.iter().filter(|&&late| late < 0.0).count();
    format!("p50 {p50:7.3} ms, p90 {p90:7.3} ms, p99 {p99:7.3} ms, max {max:7.3} ms, {early} early")
}

impl Row {
    /// The summaries of sprang and of Tokio, and how many times as much Tokio takes.
    pub fn summaries(&self) -> (Summary, Summary, f64) {
        let [sprang, tokio] = [0, 1].map(|runtime: usize| Summary::of(&self.samples[runtime]));
        (sprang, tokio, tokio.median / sprang.median)
    }
}

/// A table for each group, under its heading, for a terminal and for the page.
pub fn tables(rows: &[Row]) -> String {
    let groups = rows.chunk_by(|row, next| row.group == next.group);
    let tables: Vec<String> = groups
        .map(|group| format!("## {}\n\n{}", group[0].group, table(group)))
        .collect();
    tables.join("\n")
}

fn table(rows: &[Row]) -> String {
    let width = rows
        .iter()
        .map(|row| row.name.len() + 2)
        .max()
        .unwrap_or(0)
        .max("workload".len());
    let [sprang, tokio] = Runtime::ALL.map(Runtime::name);
    let mut table = format!(
        "| {:width$} | unit   | {sprang:>8} | {tokio:>8} |  ratio | of best | wanted      | spread        |\n\
         |:{:-<width$}-|:-------|---------:|---------:|-------:|--------:|:------------|--------------:|\n",
        "workload", ""
    );
    for row in rows {
        let (sprang, tokio, ratio) = row.summaries();
        let name = format!("`{}`", row.name);
        let spread = format!("{:.0} % / {:.0} %", sprang.spread_percent, tokio.spread_percent);
        writeln!(
            table,
            "| {name:width$} | {:6} | {:>8.1} | {:>8.1} | {ratio:>6.2} | {:>7.2} | {:11} | {spread:>13} |",
            row.unit,
            sprang.median,
            tokio.median,
            tokio.least / sprang.least,
            row.wanted,
        )
        .expect("a string takes all");
    }
    table
}

/// The page: `machine` and `command` say how the table came about.
///
/// Rows in which Tokio is faster are listed with the explanations that `before`, the page so far, has for them; its
/// section of what was measured by hand is kept.
pub fn page(rows: &[Row], machine: &str, command: &str, before: &str) -> String {
    let mut page = format!(
        "# Benchmarks\n\n\
         {machine}\n\n\
         Written by\n\n```sh\n{command}\n```\n\n\
         The figures are the cost of one operation: medians over rounds in which both runtimes take turns, each\n\
         measurement in a fresh process, after a round to warm up where that matters. Both runtimes run the same\n\
         source with 2 workers, and every workload checks its result. *ratio* is how many times as much Tokio takes,\n\
         by the medians, *of best* by the least of all rounds; *wanted* is what the project asks for; *spread* is the\n\
         distance between the quartiles in per cent of the median, of sprang / of Tokio. Compare ratios, not figures\n\
         of different runs.\n\n\
         {tables}\n\
         ## What an operation is\n\n",
        tables = tables(rows)
    );
    for row in rows {
        writeln!(page, "- `{}`: {}", row.name, row.what).expect("a string takes all");
    }
    let (before, by_hand) = before.split_once(BY_HAND).unwrap_or((before, ""));
    let known = explanations(before);
    let slower: Vec<&Row> = rows.iter().filter(|row| row.summaries().2 < 1.0).collect();
    if !slower.is_empty() {
        page.push_str(EXPLANATIONS);
        for row in slower {
            let explanation = known.get(row.name).copied().unwrap_or("(not explained yet)");
            writeln!(page, "- `{}`: {explanation}", row.name).expect("a string takes all");
        }
    }
    if !by_hand.is_empty() {
        page.push_str(BY_HAND);
        page.push_str(by_hand);
    }
    page
}

const BY_HAND: &str = "\n## Measured by hand\n\n";
const EXPLANATIONS: &str = "\n## Where Tokio is faster\n\n";

/// The explanations on a page, by workload, each with all of its lines.
fn explanations(page: &str) -> BTreeMap<&str, &str> {
    let (_, section) = page.split_once(EXPLANATIONS).unwrap_or_default();
    let items = section.trim_start_matches("- `").split("\n- `");
    items.filter_map(|item| item.trim_end().split_once("`: ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, sprang: &[f64], tokio: &[f64]) -> Row {
        Row {
            group: "a group",
            name,
            what: "an operation",
            unit: Unit::WallNs,
            wanted: "≥ 1.00",
            samples: [sprang.to_vec(), tokio.to_vec()],
        }
    }

    #[test]
    fn medians_and_quartiles_are_interpolated() {
        let summary = |samples: &[f64]| {
            let summary = Summary::of(samples);
            (summary.least, summary.median, summary.spread_percent)
        };
        assert_eq!(summary(&[3.0]), (3.0, 3.0, 0.0));
        assert_eq!(summary(&[5.0, 1.0, 4.0, 3.0, 7.0]), (1.0, 4.0, 50.0));
        assert_eq!(summary(&[10.0, 20.0]).1, 15.0);
    }

    #[test]
    fn lateness_counts_what_is_early() {
        assert_eq!(
            lateness(&[1.0, -0.5, 3.0]),
            "p50   1.000 ms, p90   2.600 ms, p99   2.960 ms, max   3.000 ms, 1 early"
        );
    }

    #[test]
    fn all_lines_of_the_table_are_equally_long() {
        let table = table(&[
            row("short", &[1.0], &[2.0]),
            row("a_long_name", &[1000.0, 1100.0], &[20_000.0]),
        ]);
        let lengths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lengths, [lengths[0]; 4], "{table}");
    }

    #[test]
    fn each_group_has_its_heading_once() {
        let in_group = |group, name| Row {
            group,
            ..row(name, &[1.0], &[2.0])
        };
        let tables = tables(&[in_group("A", "a"), in_group("A", "b"), in_group("B", "c")]);
        let headings: Vec<&str> = tables.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings, ["## A", "## B"]);
    }

    #[test]
    fn a_new_page_keeps_the_explanations() {
        let rows = ["slow", "slower"].map(|name| row(name, &[2.0], &[1.0]));
        let first = page(&rows, "a machine", "a command", "");
        assert!(first.ends_with("- `slower`: (not explained yet)\n"), "{first}");
        let edited = first.replace("(not explained yet)", "because: `x`,\n  and - `y`: too");
        let edited = edited + BY_HAND + "By another command:\n\n- `slow`: 3\n";
        assert_eq!(page(&rows, "a machine", "a command", &edited), edited);
    }
}
