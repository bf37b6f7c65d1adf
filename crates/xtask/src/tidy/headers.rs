//! Rule: every source file opens with a `//!` header.
//!
//! Purpose: whoever opens a file reads first what it is for.

use super::Problem;
use crate::lexer::Source;

pub(super) fn check(source: &Source<'_>) -> Option<Problem> {
    let header = source.comments.first().filter(|comment| comment.before == 0);
    let written = header.is_some_and(|comment| {
        let text = comment.text.strip_prefix("//!");
        text.is_some_and(|text| !text.trim().is_empty())
    });
    (!written).then(|| Problem::new(source.path, 1, "the file has no `//!` header that says what it is for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(text: &str) -> bool {
        check(&Source::lex("a.rs", text)).is_none()
    }

    #[test]
    fn a_header_comes_first() {
        assert!(passes("//! What it is for.\n\nfn a() {}"));
        assert!(passes("//! What it is for.\n#![forbid(unsafe_code)]"));
        assert!(!passes("fn a() {}\n//! Too late."));
        assert!(!passes("#![forbid(unsafe_code)]\n//! Too late."));
    }

    #[test]
    fn other_comments_are_no_header() {
        assert!(!passes(""));
        assert!(!passes("//!\n"));
        assert!(!passes("// A comment.\nfn a() {}"));
        assert!(!passes("/// Of the item.\nfn a() {}"));
    }
}
