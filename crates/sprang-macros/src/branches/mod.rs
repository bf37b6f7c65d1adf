//! The macros that wait for several futures at once: `select!`, `join!`, `try_join!`.
//!
//! Purpose: each reads its branches and writes one `poll_fn` over a tuple of futures, so that any number of types fit
//! into one future without an allocation.
//!
//! Data flow: `macro_rules!` of the facade put the path of `macros::support` in front of what the user wrote, since
//! they alone know it (`$crate`) → the functions in the crate root → [`mod@select`] or [`join`] → [`in_turns`].

mod join;
mod select;
#[cfg(test)]
mod tests;

pub(crate) use join::Join;
pub(crate) use select::expand as select;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::parse::ParseStream;
use syn::{Result, Token, parenthesized};

mod keyword {
    syn::custom_keyword!(biased);
}

/// The path of the facade's `macros::support`, in parentheses before the user's input.
fn support_path(input: ParseStream<'_>) -> Result<TokenStream> {
    let path;
    parenthesized!(path in input);
    path.parse()
}

/// Whether the branches are polled in the order in which they are written.
fn biased(input: ParseStream<'_>) -> Result<bool> {
    let biased = input.peek(keyword::biased) && input.peek2(Token![;]);
    if biased {
        input.parse::<keyword::biased>()?;
        input.parse::<Token![;]>()?;
    }
    Ok(biased)
}

/// All of the statements, each once: from number `start` to the last, and then from the first on.
///
/// Each is written once, as straight code between two comparisons with constants: a `match` on its number in a loop
/// would be an indirect jump for each.
/// Of only two, the first is written twice instead: then there is no second pass to decide on.
fn in_turns(start: &TokenStream, statements: &[TokenStream]) -> TokenStream {
    let site = Span::mixed_site();
    if let [first, second] = statements {
        return quote_spanned! {site=>
            let start: u32 = #start;
            if start == 0 {
                #first
            }
            #second
            if start != 0 {
                #first
            }
        };
    }
    let count = statements.len() as u32;
    let numbers = 0..count;
    quote_spanned! {site=>
        let start: u32 = #start;
        // What the pass through the statements runs: from one on, and up to another.
        let (mut from, mut to) = (start, #count);
        'turns: loop {
            #(if from <= #numbers {
                if #numbers == to {
                    break 'turns;
                }
                #statements
            })*
            (from, to) = (0, start);
        }
    }
}

/// Where an expression begins and where it ends.
fn ends(expr: &impl ToTokens) -> (Span, Span) {
    let mut spans = expr.to_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}
