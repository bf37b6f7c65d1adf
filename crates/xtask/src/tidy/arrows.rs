//! Rule: crates of the workspace depend on each other only along the arrows of the design.
//!
//! Purpose: the engine crates stay apart, so that each can be read, modelled and measured alone. Dependencies for tests
//! and for building count as well: a crate that needs a sibling to be tested is not apart.

use super::Problem;
use crate::workspace::{Package, Workspace};

/// Each crate and the crates it may depend on. `None`: any that nobody is kept from.
///
/// The facade's arrow to `sprang-core` is the one through the engine crates, made short: it sets the ambient slots and
/// stacks the drivers, whose traits live there.
const DRAWN: [(&str, Option<&[&str]>); 12] = [
    ("tokio", Some(&["sprang"])),
    (
        "sprang",
        Some(&[
            "sprang-core",
            "sprang-scheduler",
            "sprang-reactor",
            "sprang-timer-wheel",
            "sprang-sync",
            "sprang-io",
            "sprang-macros",
        ]),
    ),
    ("sprang-scheduler", Some(&["sprang-core"])),
    ("sprang-reactor", Some(&["sprang-core"])),
    ("sprang-timer-wheel", Some(&["sprang-core"])),
    ("sprang-sync", Some(&["sprang-core"])),
    ("sprang-io", Some(&["sprang-core"])),
    ("sprang-core", Some(&[])),
    ("sprang-macros", Some(&[])),
    ("sprang-tests", None),
    ("sprang-benches", None),
    ("xtask", None),
];

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Problem>, String> {
    let mut problems = Vec::new();
    for package in &workspace.packages {
        let manifest = workspace.read(&package.manifest)?;
        problems.extend(check_package(package, &manifest));
    }
    Ok(problems)
}

fn check_package(package: &Package, manifest: &str) -> Vec<Problem> {
    let Some((_, drawn)) = DRAWN.iter().find(|(name, _)| *name == package.name) else {
        let message = format!("the crate `{}` is not in the design", package.name);
        return vec![Problem::new(&package.manifest, 1, message)];
    };
    let allowed = |name: &str| match drawn {
        Some(drawn) => drawn.contains(&name),
        None => DRAWN.iter().any(|(other, drawn)| *other == name && drawn.is_some()),
    };
    // A crate may depend on itself, which is how its own tests and examples enable features.
    let stray = package
        .depends_on
        .iter()
        .filter(|name| **name != package.name && !allowed(name));
    stray
        .map(|name| {
            let message = format!("the design draws no arrow from `{}` to `{name}`", package.name);
            Problem::new(&package.manifest, line_of(manifest, name), message)
        })
        .collect()
}

/// The line on which a manifest names a dependency.
fn line_of(manifest: &str, name: &str) -> usize {
    let names = |line: &str| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    manifest.lines().position(names).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, depends_on: &[&str]) -> Vec<Problem> {
        let package = Package {
            name: name.into(),
            manifest: "Cargo.toml".into(),
            depends_on: depends_on.iter().map(ToString::to_string).collect(),
        };
        let manifest: String = depends_on
            .iter()
            .map(|name| format!("{name}.workspace = true\n"))
            .collect();
        check_package(&package, &format!("[dev-dependencies]\n{manifest}"))
    }

    #[test]
    fn drawn_arrows_pass() {
        assert_eq!(check("tokio", &["sprang"]), []);
        assert_eq!(check("sprang", &["sprang-sync", "sprang-core", "sprang"]), []);
        assert_eq!(check("sprang-sync", &["sprang-core"]), []);
        assert_eq!(check("sprang-benches", &["sprang", "sprang-scheduler", "tokio"]), []);
    }

    #[test]
    fn an_arrow_between_siblings_is_found_on_its_line() {
        let problems = check("sprang-sync", &["sprang-core", "sprang-scheduler"]);
        assert_eq!(problems.len(), 1);
        let text = problems[0].to_string();
        assert_eq!(
            text,
            "Cargo.toml:3: the design draws no arrow from `sprang-sync` to `sprang-scheduler`"
        );
    }

    #[test]
    fn arrows_upwards_and_to_the_tests_are_found() {
        assert_eq!(check("sprang-core", &["sprang-sync"]).len(), 1);
        assert_eq!(check("sprang-macros", &["sprang"]).len(), 1);
        assert_eq!(check("sprang", &["sprang-tests"]).len(), 1);
        assert_eq!(check("sprang-benches", &["sprang-tests"]).len(), 1);
    }

    #[test]
    fn a_crate_that_the_design_does_not_know_is_found() {
        assert_eq!(check("sprang-extra", &[]).len(), 1);
    }
}
