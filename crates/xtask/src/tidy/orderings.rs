//! Rule: in engine crates an atomic ordering stronger than relaxed has an `// ORDERING:` comment that says what it
//! pairs with.
//!
//! Purpose: an acquire without the release that it meets is either a bug or a cost for nothing, and only a comment can
//! name the other side. It stands on the line or ends at most [`REACH`] lines above it, which lets one comment serve a
//! statement that is written over several lines.
//!
//! Exempt: code for tests, and what has an excuse: `// tidy: allow(ordering): reason`, see [`super::excused`].

use super::paths::paths;
use super::{Problem, excused};
use crate::lexer::{Kind, Source};

const STRONG: [&str; 4] = ["Acquire", "Release", "AcqRel", "SeqCst"];

/// Lines between the end of a comment and what it is about.
const REACH: usize = 8;

pub(super) fn check(source: &Source<'_>) -> Vec<Problem> {
    let names = Names::imported(source);
    let tokens = source.tokens.iter().enumerate();
    tokens
        .filter(|(at, token)| {
            token.kind == Kind::Ident && !source.in_test[*at] && names.is_strong(source, *at) && !in_use(source, *at)
        })
        .filter(|(_, token)| !has_comment(source, token.line) && !excused(source, "ordering", token.line))
        .map(|(_, token)| {
            let message = format!(
                "`{}` without an `// ORDERING:` comment that says what it pairs with",
                token.text
            );
            Problem::new(source.path, token.line, message)
        })
        .collect()
}

/// What the orderings are called in a file. Other things are called `Acquire`, too.
struct Names<'a> {
    /// Names of the type `Ordering`.
    types: Vec<&'a str>,
    /// Bare names of strong orderings.
    bare: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn imported(source: &Source<'a>) -> Self {
        let mut names = Self {
            types: vec!["Ordering"],
            bare: Vec::new(),
        };
        for path in paths(source).into_iter().filter(|path| in_use(source, path.last)) {
            match path.segments[..] {
                [.., "Ordering", "*"] => names.bare.extend(STRONG),
                [.., "Ordering", name] if STRONG.contains(&name) => names.bare.push(path.alias.unwrap_or(name)),
                [.., "Ordering"] => names.types.extend(path.alias),
                _ => {}
            }
        }
        names
    }

    /// Whether the token at `at` names a strong ordering.
    fn is_strong(&self, source: &Source<'_>, at: usize) -> bool {
        if at >= 2 && source.text(at - 1) == "::" {
            return self.types.contains(&source.text(at - 2)) && STRONG.contains(&source.text(at));
        }
        self.bare.contains(&source.text(at))
    }
}

/// Whether the token at `at` belongs to a `use` declaration.
fn in_use(source: &Source<'_>, at: usize) -> bool {
    let mut before = (0..at).rev().take_while(|&index| source.text(index) != ";");
    // `use<'a>` is a bound, not a declaration.
    before.any(|index| source.text(index) == "use" && source.text(index + 1) != "<")
}

fn has_comment(source: &Source<'_>, line: usize) -> bool {
    source.comments.iter().any(|comment| {
        let near = comment.first_line <= line && line <= comment.last_line + REACH;
        near && comment.text.contains("ORDERING:")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Source::lex("crates/sprang-sync/src/a.rs", text))
            .iter()
            .map(|problem| problem.line)
            .collect()
    }

    #[test]
    fn a_comment_on_the_line_or_shortly_above_serves() {
        let good = "
            use crate::primitive::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
            fn a() {
                // ORDERING: pairs with `b`.
                self.state
                    .compare_exchange(A, B, AcqRel, Acquire)
                    .is_ok();
                fence(Ordering::SeqCst); // ORDERING: pairs with `c`.
                self.state.load(Relaxed);
            }
            #[cfg(test)]
            mod tests { fn d() { e.load(Ordering::SeqCst); } }";
        assert!(lines(good).is_empty());
    }

    #[test]
    fn an_ordering_without_a_comment_is_found() {
        assert_eq!(lines("fn a() {\n b.load(Ordering::Acquire)\n}"), [2]);
        assert_eq!(lines("use c::Ordering::*;\nfn a() { b.load(Acquire) }"), [2]);
        assert_eq!(
            lines("use c::Ordering::{Acquire, Release};\nfn a() {\n b(Release) }"),
            [3]
        );
        assert_eq!(
            lines("// ORDERING: far away.\n\n\n\n\n\n\n\n\n\nfn a() { b(Ordering::SeqCst) }"),
            [11]
        );
        assert_eq!(lines("// Pairs with nothing.\nb(Ordering::AcqRel)"), [2]);
        assert_eq!(lines("b(Ordering::AcqRel)\n// ORDERING: too late."), [1]);
        assert_eq!(lines("use c::Ordering::{Acquire as A, Release as R};\nb(A, R)"), [2, 2]);
        assert_eq!(lines("use c::Ordering as O;\nb(O::Acquire)"), [2]);
    }

    #[test]
    fn other_things_of_that_name_are_left_alone() {
        assert!(lines("pub struct Acquire; fn a() -> Acquire { Acquire }").is_empty());
        assert!(lines("use c::Ordering::Acquire as A; struct Acquire; impl Acquire {}").is_empty());
        assert!(lines("use std::cmp::Ordering; fn a() { Ordering::Less }").is_empty());
    }

    #[test]
    fn what_is_excused_may() {
        assert!(lines("// tidy: allow(ordering): as strong as the caller says\nb(Ordering::SeqCst)").is_empty());
    }
}
