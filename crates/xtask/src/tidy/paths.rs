//! The paths in a file, written out.
//!
//! Purpose: `use std::sync::{Arc, atomic::{self, AtomicBool}}` names `std::sync::Arc`, `std::sync::atomic` and
//! `std::sync::atomic::AtomicBool`. The rules look at such full paths, of imports and of expressions alike.
//!
//! Called by: `shim` and `orderings`.

use crate::lexer::{Kind, Source, Token};

/// A path with all its segments; a glob ends in `*`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    pub(super) segments: Vec<&'a str>,
    /// The name given to it by `as`.
    pub(super) alias: Option<&'a str>,
    pub(super) line: usize,
    /// The index of the last token.
    pub(super) last: usize,
}

/// All paths of two or more segments.
pub(super) fn paths<'a>(source: &Source<'a>) -> Vec<Path<'a>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < source.tokens.len() {
        let starts = source.tokens[at].kind == Kind::Ident && source.text(at + 1) == "::";
        // `use {std::fmt, std::io}` needs no care of its own: each path in the group starts by itself.
        at = if starts {
            tree(&source.tokens, at, &[], &mut paths)
        } else {
            at + 1
        };
    }
    paths
}

/// Reads the tree at `at`, below `prefix`, and returns the index after it.
fn tree<'a>(tokens: &[Token<'a>], mut at: usize, prefix: &[&'a str], paths: &mut Vec<Path<'a>>) -> usize {
    let mut segments = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        let followed = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        match (token.kind, token.text) {
            (_, "{") => return group(tokens, at, &segments, paths),
            // `{self}` names the module itself.
            (Kind::Ident, "self") if !segments.is_empty() => {}
            (Kind::Ident, name) => segments.push(name),
            (_, "*") => segments.push("*"),
            _ => break,
        }
        at += 1;
        if !followed {
            break;
        }
        at += 1;
    }
    let Some(last) = at.checked_sub(1).and_then(|last| tokens.get(last)) else {
        return at;
    };
    let renamed = tokens.get(at).is_some_and(|token| token.text == "as");
    let alias = tokens.get(at + 1).filter(|token| renamed && token.kind == Kind::Ident);
    paths.push(Path {
        segments,
        alias: alias.map(|token| token.text),
        line: last.line,
        last: at - 1,
    });
    if alias.is_some() { at + 2 } else { at }
}

/// Reads a braced group of trees and returns the index after it.
fn group<'a>(tokens: &[Token<'a>], open: usize, prefix: &[&'a str], paths: &mut Vec<Path<'a>>) -> usize {
    let mut at = open + 1;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "}" => return at + 1,
            "," => at += 1,
            _ => {
                let next = tree(tokens, at, prefix, paths);
                at = next.max(at + 1);
            }
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_out(text: &str) -> Vec<String> {
        let source = Source::lex("a.rs", text);
        paths(&source).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn groups_are_written_out() {
        assert_eq!(
            written_out("use a::{b::{self, C as D, e::*}, f::G,};\nuse h::i;"),
            ["a::b", "a::b::C", "a::b::e::*", "a::f::G", "h::i"]
        );
        assert_eq!(written_out("use {a::b, ::c::d};"), ["a::b", "c::d"]);
    }

    #[test]
    fn paths_in_expressions_and_types_count() {
        assert_eq!(
            written_out("let a: b::C<d::E> = f(g::H::new(), Vec::<u8>::new());"),
            ["b::C", "d::E", "g::H::new", "Vec"]
        );
    }

    #[test]
    fn an_alias_is_kept() {
        let source = Source::lex("a.rs", "use a::{b as C, d::{self as e, f as _}, g}; x as u8");
        let aliases: Vec<_> = paths(&source).iter().map(|path| path.alias).collect();
        assert_eq!(aliases, [Some("C"), Some("e"), Some("_"), None]);
    }

    #[test]
    fn a_path_has_the_line_of_its_last_segment() {
        let source = Source::lex("a.rs", "use a::{\n  b,\n  c::d,\n};");
        assert_eq!(paths(&source).iter().map(|path| path.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn text_that_is_no_rust_comes_to_an_end() {
        for text in ["a::", "a::{", "a::{b", "a::{;;", "a::::b", "use a::{b::{"] {
            written_out(text);
        }
    }
}
