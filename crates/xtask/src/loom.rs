//! `cargo xtask loom`: the models of the engine crates, through every interleaving.
//!
//! Purpose: a model is an ordinary test in a `mod models`; under the cfg `sprang_loom` the shim swaps loom in. Since
//! the filter `models` would also be content with nothing, a crate that has such a module and runs no test of it is a
//! failure.
//!
//! Data flow: called by `main` and `ci`; finds the models by their tokens and runs `cargo test` for each crate.

use std::path::{Path, PathBuf};
use std::process;
use std::time::Instant;

use crate::lexer::Source;
use crate::workspace::{ENGINE, Workspace};
use crate::{Command, run};

pub(crate) const COMMAND: Command = Command {
    name: "loom",
    summary: "Run the models of the engine crates under loom",
    help: "Usage: cargo xtask loom [crate]...\n\n\
           Runs the tests in `mod models` of the named crates (default: of every engine crate that has some) with\n\
           `--cfg sprang_loom`, in a target folder of their own. The prefix `sprang-` may be left out.\n\n\
           loom's own variables apply; LOOM_MAX_PREEMPTIONS is 2 unless it is set.",
    run: loom,
};

/// Preemptions that loom tries in one execution, unless the environment says otherwise.
const MAX_PREEMPTIONS: &str = "2";

/// What became of one crate.
struct Outcome {
    name: String,
    models: usize,
    seconds: f64,
    result: Result<(), String>,
}

fn loom(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    let mut outcomes = Vec::new();
    for name in chosen(workspace, args)? {
        println!("loom: {name}");
        let started = Instant::now();
        let mut models = 0;
        let ran = run::watch(&mut command(workspace, &name), |line| models += passed(line));
        let result = ran.and_then(|()| at_least_one(models));
        let seconds = started.elapsed().as_secs_f64();
        outcomes.push(Outcome {
            name,
            models,
            seconds,
            result,
        });
    }
    summarise(&outcomes)
}

/// Fails if a crate that has models ran none of them.
fn at_least_one(models: usize) -> Result<(), String> {
    match models {
        0 => Err("it has a `mod models` but ran no model".to_owned()),
        _ => Ok(()),
    }
}

/// The crates to check.
fn chosen(workspace: &Workspace, args: &[String]) -> Result<Vec<String>, String> {
    let mut with_models = Vec::new();
    for name in ENGINE {
        if has_models(workspace, name)? {
            with_models.push(name.to_owned());
        }
    }
    if args.is_empty() {
        return Ok(with_models);
    }
    args.iter()
        .map(|arg| {
            let found = with_models
                .iter()
                .find(|name| *name == arg || name.strip_prefix("sprang-") == Some(arg));
            found
                .cloned()
                .ok_or_else(|| format!("`{arg}` is not an engine crate with models"))
        })
        .collect()
}

fn has_models(workspace: &Workspace, name: &str) -> Result<bool, String> {
    let sources = workspace.sources(&format!("crates/{name}/src"))?;
    Ok(sources
        .iter()
        .any(|file| declares_models(&Source::lex(&file.path, &file.text))))
}

fn declares_models(source: &Source<'_>) -> bool {
    source
        .tokens
        .windows(2)
        .any(|pair| pair[0].text == "mod" && pair[1].text == "models")
}

fn command(workspace: &Workspace, name: &str) -> process::Command {
    let variable = |name: &str| std::env::var(name).ok();
    let mut command = run::cargo(&workspace.root);
    command
        .args(["test", "--package", name, "--lib", "--release", "models"])
        .env("RUSTFLAGS", flags(variable("RUSTFLAGS").as_deref()))
        .env("CARGO_TARGET_DIR", target(&workspace.target))
        .env(
            "LOOM_MAX_PREEMPTIONS",
            variable("LOOM_MAX_PREEMPTIONS").as_deref().unwrap_or(MAX_PREEMPTIONS),
        );
    command
}

/// The compiler flags: those there are, and the cfg.
fn flags(set: Option<&str>) -> String {
    format!("{} --cfg sprang_loom", set.unwrap_or_default())
        .trim_start()
        .to_owned()
}

/// A target folder of its own: the cfg changes every crate, and the ordinary build should not start anew each time.
fn target(target: &Path) -> PathBuf {
    target.join("loom")
}

/// How many tests passed, if the line is a summary of libtest's.
fn passed(line: &str) -> usize {
    let count = line.strip_prefix("test result: ").and_then(|rest| {
        let (before, _) = rest.split_once(" passed;")?;
        before.rsplit(' ').next()?.parse().ok()
    });
    count.unwrap_or(0)
}

fn summarise(outcomes: &[Outcome]) -> Result<(), String> {
    let mut failed = Vec::new();
    for Outcome {
        name,
        models,
        seconds,
        result,
    } in outcomes
    {
        match result {
            Ok(()) => println!("loom: {name:20} {models:3} models passed in {seconds:.1} s"),
            Err(message) => {
                println!("loom: {name:20} FAILED: {message}");
                failed.push(name.as_str());
            }
        }
    }
    match (outcomes.is_empty(), failed.is_empty()) {
        (true, _) => Err("no engine crate has models".to_owned()),
        (_, true) => Ok(()),
        (_, false) => Err(format!("the models failed in {}", failed.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(result: Result<(), String>) -> Outcome {
        Outcome {
            name: "sprang-core".into(),
            models: 1,
            seconds: 0.5,
            result,
        }
    }

    #[test]
    fn passed_models_are_counted() {
        assert_eq!(
            passed("test result: ok. 12 passed; 0 failed; 0 ignored; 3 filtered out"),
            12
        );
        assert_eq!(passed("test result: FAILED. 2 passed; 1 failed; 0 ignored"), 2);
        assert_eq!(passed("test queue::models::push_then_park ... ok"), 0);
    }

    #[test]
    fn a_module_of_models_is_found_by_its_tokens() {
        let declares = |text| declares_models(&Source::lex("a.rs", text));
        assert!(declares("#[cfg(test)]\nmod models {\n}"));
        assert!(declares("mod models;"));
        assert!(!declares("// mod models {}\nconst A: &str = \"mod models\";"));
    }

    #[test]
    fn flags_are_added_to_those_there_are() {
        assert_eq!(flags(None), "--cfg sprang_loom");
        assert_eq!(flags(Some("-C debuginfo=1")), "-C debuginfo=1 --cfg sprang_loom");
    }

    #[test]
    fn one_failure_fails_the_command_and_so_do_no_models_at_all() {
        assert!(summarise(&[outcome(Ok(()))]).is_ok());
        let message = summarise(&[outcome(Ok(())), outcome(Err("it ran no model".into()))]).unwrap_err();
        assert_eq!(message, "the models failed in sprang-core");
        assert!(summarise(&[]).is_err());
    }

    #[test]
    fn running_no_model_is_a_failure() {
        assert!(at_least_one(0).is_err());
        assert!(at_least_one(1).is_ok());
    }

    #[test]
    fn a_crate_without_models_cannot_be_named() {
        let workspace = Workspace::load().unwrap();
        let message = chosen(&workspace, &["sprang-macros".into()]).unwrap_err();
        assert!(message.contains("`sprang-macros` is not an engine crate"), "{message}");
        assert_eq!(chosen(&workspace, &["core".into()]).unwrap(), ["sprang-core"]);
    }
}
