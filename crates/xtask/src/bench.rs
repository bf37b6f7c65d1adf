//! `cargo xtask bench`: every workload beside Tokio, and the page that says so.
//!
//! Purpose: one command for `docs/benchmarks.md`.
//!
//! Data flow: called by `main`; runs the binary `compare` of the benches, which does the measuring and the writing.

use crate::workspace::Workspace;
use crate::{Command, run};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    summary: "Compare with Tokio, and write docs/benchmarks.md",
    help: "Usage: cargo xtask bench [argument of compare]...\n\n\
           Runs every workload of the benches on each runtime in turns, each time in a fresh process, and writes\n\
           docs/benchmarks.md. Arguments go to `compare` in the place of `--write docs/benchmarks.md`: `--quick`,\n\
           `--filter X` and others, which `compare --help` lists.",
    run: bench,
};

fn bench(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    let compare = ["run", "--release", "-p", "sprang-benches", "--bin", "compare", "--"];
    run::status(run::cargo(&workspace.root).args(compare).args(arguments(args)))
}

/// Those of `compare`.
fn arguments(args: &[String]) -> Vec<String> {
    if args.is_empty() {
        return vec!["--write".to_owned(), "docs/benchmarks.md".to_owned()];
    }
    args.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_the_page_is_written() {
        assert_eq!(arguments(&[]), ["--write", "docs/benchmarks.md"]);
        assert_eq!(arguments(&["--quick".to_owned()]), ["--quick"]);
    }
}
