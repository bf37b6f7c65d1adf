//! Rule: `unsafe` stands only on the islands that `docs/unsafe.md` lists, each block under a `// SAFETY:` comment.
//!
//! Purpose: a reader who wants to know why the project is sound has a list of files to read. The list is kept honest
//! both ways: what is listed and has nothing unsafe in it is reported too. clippy has the rule about comments for
//! blocks; here it covers `unsafe impl` as well, and code that clippy does not compile.

use super::Problem;
use crate::lexer::{Kind, Source};

/// The list of islands: every path of a Rust file or of a folder (with a slash at its end) in backquotes.
pub(super) const LIST: &str = "docs/unsafe.md";

/// An entry of the list.
struct Island<'a> {
    path: &'a str,
    line: usize,
}

impl Island<'_> {
    fn contains(&self, path: &str) -> bool {
        self.path == path || (self.path.ends_with('/') && path.starts_with(self.path))
    }
}

/// Compares the files that have an `unsafe` in them with the list.
pub(super) fn check_list(sources: &[Source<'_>], list: &str) -> Vec<Problem> {
    let islands = parse(list);
    let with_unsafe: Vec<_> = sources
        .iter()
        .filter_map(|source| Some((source.path, first_line(source)?)))
        .collect();
    let unlisted = with_unsafe
        .iter()
        .filter(|(path, _)| !islands.iter().any(|island| island.contains(path)));
    let deserted = islands
        .iter()
        .filter(|island| !with_unsafe.iter().any(|(path, _)| island.contains(path)));
    unlisted
        .map(|(path, line)| Problem::new(path, *line, format!("`unsafe` in a file that {LIST} does not list")))
        .chain(deserted.map(|island| {
            let message = format!("`{}` is listed and has nothing unsafe in it", island.path);
            Problem::new(LIST, island.line, message)
        }))
        .collect()
}

fn parse(list: &str) -> Vec<Island<'_>> {
    let quoted = list.lines().enumerate().flat_map(|(at, text)| {
        let inside = text.split('`').skip(1).step_by(2);
        inside.map(move |path| Island { path, line: at + 1 })
    });
    let is_path = |path: &str| path.contains('/') && (path.ends_with(".rs") || path.ends_with('/'));
    quoted.filter(|island| is_path(island.path)).collect()
}

fn first_line(source: &Source<'_>) -> Option<usize> {
    let mut keywords = keywords(source);
    keywords.next().map(|at| source.tokens[at].line)
}

/// The indices of the keyword `unsafe`.
fn keywords(source: &Source<'_>) -> impl Iterator<Item = usize> {
    let tokens = source.tokens.iter().enumerate();
    tokens
        .filter(|(_, token)| token.kind == Kind::Ident && token.text == "unsafe")
        .map(|(at, _)| at)
}

/// Wants a `// SAFETY:` comment for each `unsafe` block and `unsafe impl`.
pub(super) fn check_comments(source: &Source<'_>) -> Vec<Problem> {
    let wanting = keywords(source).filter(|at| matches!(source.text(at + 1), "{" | "impl"));
    wanting
        .filter(|&at| !has_comment(source, at))
        .map(|at| {
            Problem::new(
                source.path,
                source.tokens[at].line,
                "`unsafe` without a `// SAFETY:` comment above it",
            )
        })
        .collect()
}

/// Whether a `SAFETY:` stands between the start of the statement and the keyword at `at`, or right above its line.
///
/// Statements are told apart by `;` and braces, so that a comment serves one block only. The braces of a pattern are
/// taken for the end of one as well, which is what the line is for.
fn has_comment(source: &Source<'_>, at: usize) -> bool {
    let ends = |index: &usize| matches!(source.text(*index), ";" | "{" | "}");
    let start = (0..at).rev().find(ends).map_or(0, |end| end + 1);
    let line = source.tokens[at].line;
    let first_of_line = keywords(source).find(|&other| source.tokens[other].line == line) == Some(at);
    source.comments.iter().any(|comment| {
        let in_statement = (start..=at).contains(&comment.before);
        let right_above = first_of_line && comment.last_line + 1 == line;
        comment.text.contains("SAFETY:") && (in_statement || right_above)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_without_comment(text: &str) -> Vec<usize> {
        check_comments(&Source::lex("a.rs", text))
            .iter()
            .map(|problem| problem.line)
            .collect()
    }

    #[test]
    fn a_comment_above_the_statement_or_the_block_serves() {
        let good = "
            // SAFETY: I1.
            let a = unsafe { b() };
            c(|| {
                // SAFETY: I2,
                // and more.
                unsafe { d() }
            });
            let e =
                // SAFETY: I3.
                unsafe { f() };
            // SAFETY: I4.
            #[cfg(unix)]
            unsafe impl Send for G {}
            // SAFETY: I5.
            let J { k, l } = unsafe { m() };
            unsafe fn h() {}
            unsafe trait I {}";
        assert!(lines_without_comment(good).is_empty());
    }

    #[test]
    fn a_block_or_impl_without_a_comment_of_its_own_is_found() {
        assert_eq!(lines_without_comment("fn a() {\n unsafe { b() }\n}"), [2]);
        assert_eq!(lines_without_comment("unsafe impl Send for A {}"), [1]);
        assert_eq!(lines_without_comment("// Quite safe.\nunsafe { a() }"), [2]);
        assert_eq!(lines_without_comment("unsafe {\n// SAFETY: too late.\na() }"), [1]);
        assert_eq!(
            lines_without_comment("// SAFETY: I1.\nunsafe { a() };\nunsafe { b() }"),
            [3]
        );
        assert_eq!(
            lines_without_comment("// SAFETY: I1.\na(unsafe { b() },\nunsafe { c() })"),
            [3]
        );
        assert_eq!(
            lines_without_comment("// SAFETY: I1.\na(unsafe { b() }, unsafe { c() })"),
            [2]
        );
        assert_eq!(lines_without_comment("let a = \"// SAFETY: \"; unsafe { b() }"), [1]);
    }

    const UNSAFE: &str = "// SAFETY: I1.\nunsafe { a() }";

    fn listed(files: &[(&str, &str)], list: &str) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(path, text)| Source::lex(path, text)).collect();
        check_list(&sources, list).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_and_folders_are_islands_when_they_are_listed() {
        let files = [("crates/a/src/b.rs", UNSAFE), ("crates/a/src/c/d.rs", UNSAFE)];
        let list = "| `crates/a/src/b.rs` | `Cell` |\n| `crates/a/src/c/` | why |";
        assert_eq!(listed(&files, list), [""; 0]);
    }

    #[test]
    fn an_unsafe_off_the_islands_is_found() {
        let problems = listed(
            &[("crates/a/src/b.rs", UNSAFE)],
            "`crates/a/src/bb.rs/`, crates/a/src/b.rs",
        );
        assert_eq!(
            problems[0],
            "crates/a/src/b.rs:2: `unsafe` in a file that docs/unsafe.md does not list"
        );
    }

    #[test]
    fn a_deserted_island_is_found() {
        let safe = "#![deny(unsafe_op_in_unsafe_fn)] // unsafe\nconst A: &str = \"unsafe\";";
        let problems = listed(&[("crates/a/src/b.rs", safe)], "\n`crates/a/src/b.rs`");
        assert_eq!(
            problems,
            ["docs/unsafe.md:2: `crates/a/src/b.rs` is listed and has nothing unsafe in it"]
        );
    }
}
