//! Rule: engine crates take atomics, locks and shared cells from `sprang_core::primitive`.
//!
//! Purpose: what does not come from the shim is invisible to loom, and a model that cannot see an access passes for
//! the wrong reason. clippy's `disallowed-types` cannot check this: the shim hands out the very types of `std` and
//! parking_lot, and clippy looks at what a type is, not at the path by which it came. So this rule reads the paths.
//!
//! Exempt: the shim itself, code for tests, `Ordering` (the same in both worlds), and what has an excuse:
//! `// tidy: allow(shim): reason`, see [`super::excused`].

use super::paths::{Path, paths};
use super::{Problem, excused};
use crate::lexer::Source;

const SHIM: &str = "crates/sprang-core/src/primitive/";

/// Paths that are banned together with all that is below them; `*` stands for any of `std`'s roots.
const BANNED: [&[&str]; 7] = [
    &["std", "sync", "Mutex"],
    &["std", "sync", "RwLock"],
    &["std", "sync", "Condvar"],
    &["std", "cell", "UnsafeCell"],
    &["parking_lot"],
    &["crossbeam_utils", "atomic"],
    &["crossbeam_utils", "sync"],
];

pub(super) fn check(source: &Source<'_>) -> Vec<Problem> {
    if source.path.starts_with(SHIM) {
        return Vec::new();
    }
    let paths = paths(source).into_iter();
    paths
        .filter(|path| !source.in_test[path.last] && is_banned(path) && !excused(source, "shim", path.line))
        .map(|path| {
            let message = format!("`{}` slips past `sprang_core::primitive`", path.segments.join("::"));
            Problem::new(source.path, path.line, message)
        })
        .collect()
}

fn is_banned(path: &Path<'_>) -> bool {
    let mut segments = path.segments.clone();
    if let Some(root @ &mut ("core" | "alloc")) = segments.first_mut() {
        *root = "std";
    }
    match segments[..] {
        ["std", "sync", "atomic", "Ordering", ..] => false,
        ["std", "sync", "atomic", ..] => true,
        // A module imported as a whole, or all that is in it, would hide what is used of it.
        ["std", "sync" | "cell"] | ["std", "sync" | "cell", "*"] => true,
        _ => BANNED.iter().any(|banned| segments.starts_with(banned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_at(path: &str, text: &str) -> Vec<usize> {
        check(&Source::lex(path, text))
            .iter()
            .map(|problem| problem.line)
            .collect()
    }

    fn lines(text: &str) -> Vec<usize> {
        check_at("crates/sprang-sync/src/a.rs", text)
    }

    #[test]
    fn what_comes_from_the_shim_passes() {
        let good = "
            use std::cell::{Cell, RefCell};
            use std::sync::Arc;
            use std::sync::atomic::Ordering::{self, Relaxed};
            use crossbeam_utils::CachePadded;
            use sprang_core::primitive::cell::UnsafeCell;
            use sprang_core::primitive::sync::{Mutex, atomic::AtomicUsize};
            use crate::primitive::sync::atomic::fence;
            // use std::sync::Mutex;
            #[cfg(test)]
            mod tests { use std::sync::Mutex; }";
        assert!(lines(good).is_empty());
    }

    #[test]
    fn what_does_not_is_found() {
        for bad in [
            "use std::sync::atomic::AtomicUsize;",
            "use core::sync::atomic::{Ordering, fence};",
            "use std::sync::{Arc, Mutex};",
            "use std::sync::{Arc, atomic};",
            "use std::sync;",
            "use std::{cell::*, fmt};",
            "use std::cell::{self, Cell};",
            "use std::{fmt, sync::RwLock as Lock};",
            "static A: std::sync::Condvar = std::sync::Condvar::new();",
            "struct A(::core::cell::UnsafeCell<u8>);",
            "use parking_lot::Mutex;",
            "use crossbeam_utils::atomic::AtomicCell;",
            "fn a() { crossbeam_utils::sync::Parker::new(); }",
        ] {
            assert!(!lines(bad).is_empty(), "{bad}");
        }
    }

    #[test]
    fn the_shim_and_what_is_excused_may() {
        let text = "use std::sync::Mutex;";
        assert!(check_at("crates/sprang-core/src/primitive/real.rs", text).is_empty());
        assert_eq!(check_at("crates/sprang-core/src/coop.rs", text), [1]);
        assert!(lines("// tidy: allow(shim): a static, which no model touches\nuse std::sync::Mutex;").is_empty());
    }
}
