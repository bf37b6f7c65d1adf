//! The arguments of `#[main]` and `#[test]`.
//!
//! Purpose: reads `key = literal` pairs, checks them one by one and against each other, and reports what is wrong at
//! the token that is wrong.
//!
//! Data flow: called by [`super::Entry::expand`]: tokens → [`Pair`]s → [`Given`], what the user wrote → [`Options`],
//! what the runtime is built with.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitBool, LitInt, LitStr, Path, Token};

use super::{Entry, Kind};

/// The arguments that exist, for messages.
const KNOWN: &str = "`flavor`, `worker_threads`, `start_paused`, `unhandled_panic`, `name`, `crate`";

/// Which runtime to build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    MultiThread,
    CurrentThread,
    Local,
}

/// How to build the runtime.
pub(crate) struct Options {
    pub(crate) krate: Path,
    pub(crate) flavor: Flavor,
    pub(crate) worker_threads: Option<LitInt>,
    pub(crate) start_paused: Option<LitBool>,
    /// A variant of `runtime::UnhandledPanic`.
    pub(crate) unhandled_panic: Option<Ident>,
    pub(crate) name: Option<LitStr>,
}

impl Options {
    /// Reads the arguments of the attribute `entry`.
    pub(crate) fn parse(args: TokenStream, entry: &Entry) -> syn::Result<Self> {
        let mut given = Given::default();
        for pair in Punctuated::<Pair, Token![,]>::parse_terminated.parse2(args)? {
            given.take(pair)?;
        }
        given.resolve(entry)
    }

    /// What to expand with when the arguments are wrong: the least that can be asked of a runtime.
    pub(crate) fn fallback(entry: &Entry) -> Self {
        Self {
            krate: default_path(entry),
            flavor: Flavor::CurrentThread,
            worker_threads: None,
            start_paused: None,
            unhandled_panic: None,
            name: None,
        }
    }
}

/// One argument, `key = value`.
struct Pair {
    key: Ident,
    value: Lit,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new_spanned(&key, lone_key(&key)));
        }
        input.parse::<Token![=]>()?;
        match input.parse()? {
            Expr::Lit(ExprLit { lit: value, .. }) => Ok(Self { key, value }),
            value => Err(syn::Error::new_spanned(value, format!("`{key}` needs a literal"))),
        }
    }
}

/// The message for an argument without a value.
fn lone_key(key: &Ident) -> String {
    let name = key.to_string();
    match name.as_str() {
        "flavor" | "worker_threads" | "start_paused" | "unhandled_panic" | "name" | "crate" => {
            format!("`{name}` needs a value: `{name} = …`")
        }
        "multi_thread" | "current_thread" | "local" => format!("a flavor is given as `flavor = \"{name}\"`"),
        _ => unknown(key),
    }
}

fn unknown(key: &Ident) -> String {
    format!("unknown argument `{key}`, expected one of {KNOWN}")
}

/// What the user wrote.
#[derive(Default)]
struct Given {
    flavor: Option<(Flavor, Span)>,
    worker_threads: Option<LitInt>,
    start_paused: Option<LitBool>,
    unhandled_panic: Option<Ident>,
    name: Option<LitStr>,
    krate: Option<Path>,
}

impl Given {
    fn take(&mut self, Pair { key, value }: Pair) -> syn::Result<()> {
        match key.to_string().as_str() {
            "flavor" => {
                let value = string(&key, value)?;
                set(&mut self.flavor, &key, (flavor(&value)?, value.span()))
            }
            "worker_threads" => set(&mut self.worker_threads, &key, threads(&key, value)?),
            "start_paused" => match value {
                Lit::Bool(value) => set(&mut self.start_paused, &key, value),
                other => Err(mismatch(&key, "`true` or `false`", &other)),
            },
            "crate" => {
                let value = string(&key, value)?;
                let path = value.parse().map_err(|_| {
                    let message = format!("`{}` is not the path of a crate", value.value());
                    syn::Error::new_spanned(&value, message)
                })?;
                set(&mut self.krate, &key, path)
            }
            "unhandled_panic" => {
                let value = string(&key, value)?;
                set(&mut self.unhandled_panic, &key, unhandled_panic(&value)?)
            }
            "name" => {
                let value = string(&key, value)?;
                if value.value().trim().is_empty() {
                    return Err(syn::Error::new_spanned(&value, "the name of a runtime is not blank"));
                }
                set(&mut self.name, &key, value)
            }
            _ => Err(syn::Error::new_spanned(&key, unknown(&key))),
        }
    }

    /// Fills in the defaults and checks the arguments against each other.
    fn resolve(self, entry: &Entry) -> syn::Result<Options> {
        let flavor = match (self.flavor, entry.kind) {
            (Some((Flavor::MultiThread, span)), _) if !entry.multi_thread => {
                let message = "the flavor `multi_thread` needs the feature `rt-multi-thread`";
                return Err(syn::Error::new(span, message));
            }
            (Some((flavor, _)), _) => flavor,
            (None, Kind::Test) => Flavor::CurrentThread,
            (None, Kind::Main) if entry.multi_thread => Flavor::MultiThread,
            // Falling back to another flavor would let a feature that some other crate enables change the program.
            (None, Kind::Main) => {
                let message = "the default flavor `multi_thread` needs the feature `rt-multi-thread`; \
                               enable it or name a flavor: `flavor = \"current_thread\"`";
                return Err(syn::Error::new(Span::call_site(), message));
            }
        };
        let requires = |argument: &str, flavor: &str| {
            let attribute = entry.attribute();
            format!("`{argument}` needs the flavor `{flavor}`: `#[{attribute}(flavor = \"{flavor}\", {argument} = …)]`")
        };
        let misplaced = |value: &dyn ToTokens, argument: &str, flavor: &str| {
            Err(syn::Error::new_spanned(
                value.to_token_stream(),
                requires(argument, flavor),
            ))
        };
        match flavor {
            Flavor::MultiThread => {
                if let Some(paused) = &self.start_paused {
                    return misplaced(paused, "start_paused", "current_thread");
                }
                if let Some(behavior) = &self.unhandled_panic {
                    return misplaced(behavior, "unhandled_panic", "current_thread");
                }
            }
            Flavor::CurrentThread | Flavor::Local => {
                if let Some(threads) = &self.worker_threads {
                    return misplaced(threads, "worker_threads", "multi_thread");
                }
            }
        }
        Ok(Options {
            krate: self.krate.unwrap_or_else(|| default_path(entry)),
            flavor,
            worker_threads: self.worker_threads,
            start_paused: self.start_paused,
            unhandled_panic: self.unhandled_panic,
            name: self.name,
        })
    }
}

/// Fills `slot`, unless the same argument was there before.
fn set<T>(slot: &mut Option<T>, key: &Ident, value: T) -> syn::Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(syn::Error::new_spanned(key, format!("`{key}` is given twice"))),
    }
}

fn flavor(value: &LitStr) -> syn::Result<Flavor> {
    match value.value().as_str() {
        "multi_thread" => Ok(Flavor::MultiThread),
        "current_thread" => Ok(Flavor::CurrentThread),
        "local" => Ok(Flavor::Local),
        other => {
            let message = format!("unknown flavor `{other}`, expected `multi_thread`, `current_thread` or `local`");
            Err(syn::Error::new_spanned(value, message))
        }
    }
}

/// The variant of `runtime::UnhandledPanic`, at the place of what the user wrote.
fn unhandled_panic(value: &LitStr) -> syn::Result<Ident> {
    match value.value().as_str() {
        "ignore" => Ok(Ident::new("Ignore", value.span())),
        "shutdown_runtime" => Ok(Ident::new("ShutdownRuntime", value.span())),
        other => {
            let message = format!("unknown behavior `{other}`, expected `ignore` or `shutdown_runtime`");
            Err(syn::Error::new_spanned(value, message))
        }
    }
}

fn threads(key: &Ident, value: Lit) -> syn::Result<LitInt> {
    let Lit::Int(value) = value else {
        return Err(mismatch(key, "a whole number", &value));
    };
    match value.base10_parse::<usize>() {
        Ok(0) => Err(syn::Error::new_spanned(&value, "`worker_threads` must be at least 1")),
        // Without a suffix, which the user may have given it.
        Ok(_) => Ok(LitInt::new(value.base10_digits(), value.span())),
        Err(error) => Err(syn::Error::new_spanned(&value, format!("`worker_threads`: {error}"))),
    }
}

fn string(key: &Ident, value: Lit) -> syn::Result<LitStr> {
    match value {
        Lit::Str(value) => Ok(value),
        other => Err(mismatch(key, "a string", &other)),
    }
}

fn mismatch(key: &Ident, expected: &str, found: &Lit) -> syn::Error {
    let message = format!("`{key}` needs {expected}, found `{}`", found.to_token_stream());
    syn::Error::new_spanned(found, message)
}

fn default_path(entry: &Entry) -> Path {
    syn::parse_str(entry.path).expect("an entry's path is a valid one")
}
