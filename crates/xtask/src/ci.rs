//! `cargo xtask ci`: everything that has to hold before a commit.
//!
//! Data flow: called by `main`; runs cargo, then [`tidy`], [`drop_in`] and [`loom`] in this process. It stops at the
//! first failure.

use std::time::Instant;

use crate::workspace::Workspace;
use crate::{Command, drop_in, loom, no_arguments, run, tidy};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    summary: "Run every check, cheap ones first, and stop at the first failure",
    help: "Usage: cargo xtask ci\n\n\
           Runs, in this order: formatting, the rules of `tidy`, clippy, clippy of the facade with few features, all\n\
           tests (documentation examples too), rustdoc, real crates on the drop-in, and the models under loom. Warnings are\n\
           errors.",
    run: ci,
};

/// A step that is a call of cargo: its name, arguments and environment.
struct Step {
    name: &'static str,
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

const FORMAT: Step = Step {
    name: "format",
    args: &["fmt", "--all", "--check"],
    env: &[],
};

const CLIPPY: Step = Step {
    name: "clippy",
    args: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    env: &[],
};

/// Sets of the facade's features, each of which leaves something out that the others may need by mistake.
const FEATURES: [&str; 13] = [
    "",
    "futures-io",
    "io-util",
    "macros",
    "net",
    "net,stream",
    "rt",
    "rt,macros,net",
    "rt,time,tracing",
    "signal",
    "sync",
    "time",
    "test-util",
];

const CARGO: [Step; 2] = [
    Step {
        name: "test",
        args: &["test", "--workspace"],
        env: &[],
    },
    Step {
        name: "doc",
        args: &["doc", "--workspace", "--no-deps"],
        env: &[("RUSTDOCFLAGS", "-D warnings")],
    },
];

fn ci(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    no_arguments(args)?;
    let started = Instant::now();
    let cargo = |step: &Step| {
        let env = step.env.iter().copied();
        timed(step.name, || {
            run::status(run::cargo(&workspace.root).args(step.args).envs(env))
        })
    };
    cargo(&FORMAT)?;
    timed("tidy", || (tidy::COMMAND.run)(workspace, &[]))?;
    cargo(&CLIPPY)?;
    timed("features", || features(workspace))?;
    CARGO.iter().try_for_each(cargo)?;
    timed("drop-in", || drop_in::part(workspace))?;
    timed("loom", || (loom::COMMAND.run)(workspace, &[]))?;
    println!("ci: all passed in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Checks the facade with few features.
fn features(workspace: &Workspace) -> Result<(), String> {
    FEATURES.iter().try_for_each(|features| {
        println!("ci: features {features:?}");
        let clippy = [
            "clippy",
            "-p",
            "sprang",
            "--no-default-features",
            "--features",
            features,
        ];
        run::status(run::cargo(&workspace.root).args(clippy).args(["--", "-D", "warnings"]))
    })
}

/// Runs one step and prints how long it took.
fn timed(name: &str, step: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("ci: {name}");
    let started = Instant::now();
    let outcome = step();
    let took = started.elapsed().as_secs_f64();
    match outcome {
        Ok(()) => {
            println!("ci: {name} passed in {took:.1} s");
            Ok(())
        }
        Err(message) => Err(format!("ci: {name} failed after {took:.1} s: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named() {
        let message = timed("tidy", || Err("2 problems".into())).unwrap_err();
        assert!(
            message.starts_with("ci: tidy failed after ") && message.ends_with(": 2 problems"),
            "{message}"
        );
    }
}
