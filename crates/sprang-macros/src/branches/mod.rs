//! The macros that wait for several futures at once: `select!`, `join!`, `try_join!`.
//!
//! Purpose: each reads its branches and writes one `poll_fn` over a tuple of futures, so that any number of types fit
//! into one future without an allocation.
//!
//! Data flow: `macro_rules!` of the facade put the path of `macros::support` in front of what the user wrote, since
//! they alone know it (`$crate`) → the functions in the crate root → [`mod@select`] or [`join`].

mod join;
mod select;
#[cfg(test)]
mod tests;

pub(crate) use join::Join;
pub(crate) use select::expand as select;

use proc_macro2::TokenStream;
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
