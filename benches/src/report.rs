//! What `compare` makes of its measurements.
//!
//! Purpose: medians, spreads and ratios; a table for each group; quantiles of lateness; the page `docs/benchmarks.md`.
//! No measuring here.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::{Runtime, Unit, Wanted};

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
    /// What it should come to.
    pub wanted: Wanted,
    /// The cost of an operation, one a round of the comparison, on each of [`Runtime::ALL`]; none where a runtime cannot
    /// run it, which sprang and Tokio always can.
    pub samples: [Vec<f64>; 4],
}

/// The median of some samples, and how far they are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The least: what is left when nothing else disturbs.
    pub least: f64,
    /// The quartiles.
    pub quartiles: [f64; 2],
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
        let [first, median, third] = [0.25, 0.5, 0.75].map(|fraction| quantile(&sorted, fraction));
        Self {
            least: sorted[0],
            quartiles: [first, third],
            median,
            spread_percent: (third - first) / median * 100.0,
        }
    }

    /// Whether the quartiles of the two overlap: which one costs less is then an open question.
    fn is_like(&self, other: &Self) -> bool {
        self.quartiles[0] <= other.quartiles[1] && other.quartiles[0] <= self.quartiles[1]
    }
}

/// Samples of which quantiles are asked for.
#[derive(Debug)]
pub(crate) struct Quantiles(Vec<f64>);

impl Quantiles {
    /// Those of some samples, of which there must be one.
    pub(crate) fn of(samples: impl Iterator<Item = f64>) -> Self {
        let samples: Vec<f64> = samples.collect();
        Self(sorted(&samples))
    }

    /// What so large a part of the samples stays below.
    pub(crate) fn at(&self, fraction: f64) -> f64 {
        quantile(&self.0, fraction)
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

    /// The median on a runtime that may be unable to run it.
    fn median(&self, runtime: Runtime) -> Option<f64> {
        let samples = &self.samples[runtime as usize];
        (!samples.is_empty()).then(|| Summary::of(samples).median)
    }

    /// What the floor costs, as a part of what sprang costs.
    fn of_floor(&self) -> Option<f64> {
        Some(self.median(Runtime::Bare)? / self.summaries().0.median)
    }

    /// Whether all is as it should be; nothing if nothing is asked for.
    fn is_met(&self) -> Option<bool> {
        let (sprang, _, ratio) = self.summaries();
        let Wanted {
            ratio: least,
            of_floor,
            at_most,
        } = self.wanted;
        let met = [
            least.map(|least| ratio >= least),
            of_floor.map(|least| self.of_floor().is_some_and(|part| part >= least)),
            at_most.map(|most| sprang.median <= most),
        ];
        let asked = met.into_iter().flatten();
        asked.reduce(|all, one| all && one)
    }
}

impl Wanted {
    fn show(&self, unit: Unit) -> String {
        let ratio = self.ratio.map(|ratio| format!("≥ {ratio:.2}"));
        let of_floor = self.of_floor.map(|part| format!("floor ≥ {part:.2}"));
        let at_most = self.at_most.map(|cost| format!("≤ {cost} {unit}"));
        let wanted: Vec<String> = [ratio, of_floor, at_most].into_iter().flatten().collect();
        wanted.join(", ")
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
    let show = |cost: Option<f64>, digits: usize| cost.map_or_else(String::new, |cost| format!("{cost:.digits$}"));
    let mut lines: Vec<[String; 11]> = vec![
        [
            "workload", "unit", "sprang", "tokio", "ratio", "of best", "smol", "floor", "of floor", "wanted", "spread",
        ]
        .map(str::to_owned),
    ];
    for row in rows {
        let (sprang, tokio, ratio) = row.summaries();
        let noise = if sprang.is_like(&tokio) { "~" } else { "" };
        let missed = if row.is_met() == Some(false) { " (missed)" } else { "" };
        lines.push([
            format!("`{}`", row.name),
            row.unit.to_string(),
            format!("{:.1}", sprang.median),
            format!("{:.1}", tokio.median),
            format!("{noise}{ratio:.2}"),
            format!("{:.2}", tokio.least / sprang.least),
            show(row.median(Runtime::Smol), 1),
            show(row.median(Runtime::Bare), 1),
            show(row.of_floor(), 2),
            row.wanted.show(row.unit) + missed,
            format!("{:.0} % / {:.0} %", sprang.spread_percent, tokio.spread_percent),
        ]);
    }
    const TO_THE_LEFT: [usize; 3] = [0, 1, 9];
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 11] = std::array::from_fn(width);
    let mut table = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            if TO_THE_LEFT.contains(&column) {
                table += &format!("| {cell:width$} ");
            } else {
                table += &format!("| {cell:>width$} ");
            }
        }
        table += "|\n";
        if number == 0 {
            for (column, width) in widths.into_iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                let left = TO_THE_LEFT.contains(&column);
                table += &if left {
                    format!("|:{dashes}")
                } else {
                    format!("|{dashes}:")
                };
            }
            table += "|\n";
        }
    }
    table
}

/// How many targets there are and how many are met, and the geometric means of the ratios.
pub fn summary(rows: &[Row]) -> String {
    let asked: Vec<bool> = rows.iter().filter_map(Row::is_met).collect();
    let met = asked.iter().filter(|&&met| met).count();
    let timed = |row: &&Row| matches!(row.unit, Unit::WallNs | Unit::CpuNs);
    let all = geometric_mean(rows.iter().map(|row| row.summaries().2));
    let times = geometric_mean(rows.iter().filter(timed).map(|row| row.summaries().2));
    let slower = rows.iter().filter(|row| row.summaries().2 < 1.0);
    let beyond_noise = slower.filter(|row| {
        let (sprang, tokio, _) = row.summaries();
        !sprang.is_like(&tokio)
    });
    let names: Vec<&str> = beyond_noise.map(|row| row.name).collect();
    let slower = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    format!(
        "- geometric mean of Tokio/sprang: {all:.2} over all {} workloads, {times:.2} over those that count time\n\
         - targets met: {met} of {}\n\
         - slower than Tokio beyond the noise: {slower}\n",
        rows.len(),
        asked.len(),
    )
}

fn geometric_mean(ratios: impl Iterator<Item = f64>) -> f64 {
    let logarithms: Vec<f64> = ratios.map(f64::ln).collect();
    (logarithms.iter().sum::<f64>() / logarithms.len().max(1) as f64).exp()
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
         The figures are the cost of one operation: medians over rounds in which the runtimes take turns, each\n\
         measurement in a fresh process, after a round to warm up where that matters. All run the same source with\n\
         2 workers, and every workload checks its result. *ratio* is how many times as much Tokio takes, by the\n\
         medians, with `~` where the quartiles overlap, which means that neither is faster; *of best* is the same by\n\
         the least of all rounds. *floor* is the cost without a runtime, *of floor* that cost as a part of ours.\n\
         *wanted* is what the project asks for; *spread* is the distance between the quartiles in per cent of the\n\
         median, of sprang / of Tokio. Compare ratios, not figures of different runs.\n\n\
         {summary}\n\
         {tables}\n\
         ## What an operation is\n\n",
        summary = summary(rows),
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
            wanted: Wanted::NOTHING,
            samples: [sprang.to_vec(), tokio.to_vec(), vec![], vec![]],
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
    fn a_ratio_within_the_quartiles_is_marked() {
        let line = |sprang: &[f64], tokio: &[f64]| table(&[row("a", sprang, tokio)]);
        assert!(line(&[1.0, 3.0], &[2.0, 4.0]).contains("~1.50"));
        assert!(line(&[1.0, 1.1], &[2.0, 2.2]).contains(" 2.00"));
    }

    #[test]
    fn what_is_wanted_is_met_or_marked() {
        let mut row = row("a", &[2.0], &[3.0]);
        assert_eq!(row.is_met(), None);
        row.wanted.ratio = Some(1.5);
        assert_eq!(row.is_met(), Some(true));
        row.wanted.of_floor = Some(0.9);
        assert_eq!(row.is_met(), Some(false), "there is no floor");
        row.samples[Runtime::Bare as usize] = vec![1.8];
        assert_eq!(row.is_met(), Some(true));
        row.wanted.at_most = Some(1.9);
        assert_eq!(row.is_met(), Some(false));
        assert!(table(&[row]).contains("≥ 1.50, floor ≥ 0.90, ≤ 1.9 ns (missed)"));
    }

    #[test]
    fn the_mean_is_geometric() {
        let rows = [row("a", &[1.0], &[2.0]), row("b", &[1.0], &[8.0])];
        assert!(
            summary(&rows).contains("Tokio/sprang: 4.00 over all 2 workloads"),
            "{}",
            summary(&rows)
        );
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
