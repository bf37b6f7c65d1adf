//! `cargo xtask tidy`: the rules of the house that no compiler and no clippy checks.
//!
//! Purpose: each rule is a module of its own with a good and a bad example in its tests.
//!
//! | rule | what it wants |
//! |---|---|
//! | [`arrows`] | crates of the workspace depend on each other only as the README draws it |
//! | [`headers`] | every file opens with a `//!` header |
//! | [`islands`] | `unsafe` only in the files that `docs/unsafe.md` lists, and each block with a `// SAFETY:` comment |
//! | [`shim`] | engine crates take atomics, locks and cells from `sprang_core::primitive` |
//! | [`orderings`] | an ordering stronger than relaxed has an `// ORDERING:` comment |
//!
//! Data flow: called by `main` and `ci`; [`check`] lexes each file once and hands it to the rules.

mod arrows;
mod headers;
mod islands;
mod orderings;
mod paths;
mod shim;

use std::collections::BTreeSet;
use std::fmt;

use crate::lexer::Source;
use crate::workspace::{ENGINE, SourceFile, Workspace};
use crate::{Command, no_arguments};

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    summary: "Check the rules of the house that no compiler checks",
    help: "Usage: cargo xtask tidy\n\n\
           Lists as file:line what breaks one of these rules:\n\
           \x20 - crates depend on each other only along the arrows of the design\n\
           \x20 - every source file opens with a `//!` header\n\
           \x20 - `unsafe` stands only in files listed in docs/unsafe.md, each block under a `// SAFETY:` comment\n\
           \x20 - engine crates use atomics, locks and cells of `sprang_core::primitive` only\n\
           \x20 - an ordering stronger than relaxed has an `// ORDERING:` comment\n\n\
           Code for tests is exempt from the last two; a comment `// tidy: allow(shim): reason` (or `ordering`) on\n\
           or right above a line excuses it, one in the file's header excuses the file.",
    run: tidy,
};

/// The folders that hold Rust files of ours.
const FOLDERS: [&str; 3] = ["crates", "benches", "tests"];

/// Fixtures of the compile-fail tests: wrong on purpose.
const FIXTURES: &str = "tests/ui/";

/// A broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Problem {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

fn tidy(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    no_arguments(args)?;
    let mut files = Vec::new();
    for folder in FOLDERS {
        files.extend(workspace.sources(folder)?);
    }
    files.retain(|file| !file.path.starts_with(FIXTURES));
    let mut problems = arrows::check(workspace)?;
    problems.extend(check(&files, &workspace.read(islands::LIST)?));
    problems.sort();
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => {
            println!("tidy: {} files in order", files.len());
            Ok(())
        }
        1 => Err("tidy: 1 problem".to_owned()),
        count => Err(format!("tidy: {count} problems")),
    }
}

/// Applies the rules for files to all of them. `islands` is the text of the list of islands.
fn check(files: &[SourceFile], islands: &str) -> Vec<Problem> {
    let sources: Vec<_> = files.iter().map(|file| Source::lex(&file.path, &file.text)).collect();
    let tests = TestFiles::find(&sources);
    let mut problems = islands::check_list(&sources, islands);
    for source in &sources {
        problems.extend(headers::check(source));
        problems.extend(islands::check_comments(source));
        if is_engine(source.path) && !tests.contains(source.path) {
            problems.extend(shim::check(source));
            problems.extend(orderings::check(source));
        }
    }
    problems
}

/// Whether a file is production code of an engine crate.
fn is_engine(path: &str) -> bool {
    ENGINE.iter().any(|name| {
        let in_crate = path.strip_prefix("crates/").and_then(|path| path.strip_prefix(name));
        in_crate.is_some_and(|path| path.starts_with("/src/"))
    })
}

/// The modules that are declared under `#[cfg(test)]` and live in files of their own.
struct TestFiles(BTreeSet<String>);

impl TestFiles {
    fn find(sources: &[Source<'_>]) -> Self {
        let modules = sources.iter().flat_map(|source| {
            let folder = module_folder(source.path);
            source.test_modules().map(move |module| format!("{folder}/{module}"))
        });
        Self(modules.collect())
    }

    /// Whether the file is such a module, or lies in its folder.
    fn contains(&self, path: &str) -> bool {
        self.0.iter().any(|module| {
            path.strip_prefix(module.as_str())
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    }
}

/// The folder in which the modules of a file lie.
fn module_folder(path: &str) -> &str {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => stem,
    }
}

/// Whether the problem at `line` is excused by a comment `// tidy: allow(rule): reason` on the line or right above, or
/// by the file's header.
fn excused(source: &Source<'_>, rule: &str, line: usize) -> bool {
    let mark = format!("tidy: allow({rule}):");
    source.comments.iter().any(|comment| {
        let near = comment.before == 0 || (comment.first_line <= line && line <= comment.last_line + 1);
        let reason = comment.text.split_once(&mark).map(|(_, reason)| reason.trim());
        near && reason.is_some_and(|reason| !reason.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.into(),
            text: text.into(),
        }
    }

    const ATOMIC: &str = "//! A header.\nuse std::sync::atomic::AtomicBool;\n";

    fn problems(files: &[SourceFile]) -> Vec<String> {
        check(files, "").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_problem_is_printed_as_file_and_line() {
        let found = problems(&[file("crates/sprang-sync/src/a.rs", ATOMIC)]);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("crates/sprang-sync/src/a.rs:2: `std::sync::atomic::AtomicBool`"),
            "{found:?}"
        );
    }

    #[test]
    fn the_rules_for_engine_crates_leave_the_others_alone() {
        assert!(problems(&[file("crates/sprang/src/a.rs", ATOMIC)]).is_empty());
        assert!(problems(&[file("crates/sprang-sync/tests/a.rs", ATOMIC)]).is_empty());
        assert!(problems(&[file("crates/sprang-sync-more/src/a.rs", ATOMIC)]).is_empty());
    }

    #[test]
    fn the_rules_for_engine_crates_leave_test_modules_alone() {
        let parent = |text| file("crates/sprang-sync/src/a/mod.rs", text);
        let tests = || file("crates/sprang-sync/src/a/tests.rs", ATOMIC);
        let deeper = || file("crates/sprang-sync/src/a/tests/loom.rs", ATOMIC);
        assert!(problems(&[parent("//! A.\n#[cfg(test)]\nmod tests;"), tests(), deeper()]).is_empty());
        assert_eq!(problems(&[parent("//! A.\nmod tests;"), tests(), deeper()]).len(), 2);
    }

    #[test]
    fn a_file_has_its_modules_beside_it_or_below() {
        assert_eq!(module_folder("crates/a/src/lib.rs"), "crates/a/src");
        assert_eq!(module_folder("crates/a/src/b/mod.rs"), "crates/a/src/b");
        assert_eq!(module_folder("crates/a/src/b.rs"), "crates/a/src/b");
    }

    #[test]
    fn an_excuse_has_a_reason_and_stands_close_by() {
        let excuse = |text, line| excused(&Source::lex("a.rs", text), "shim", line);
        assert!(excuse(
            "a\n// tidy: allow(shim): a static, outside of every model\nb",
            3
        ));
        assert!(excuse("a // tidy: allow(shim): a static", 1));
        assert!(!excuse("a\n// tidy: allow(shim):\nb", 3));
        assert!(!excuse("a\n// tidy: allow(ordering): a static\nb", 3));
        assert!(!excuse("a\n// tidy: allow(shim): a static\n\nb", 4));
        assert!(excuse(
            "//! A header.\n//! tidy: allow(shim): as the original has it\n\na",
            4
        ));
    }
}
