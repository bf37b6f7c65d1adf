//! What `join!` and `try_join!` expand to.
//!
//! Purpose: one `poll_fn` over a tuple of `MaybeDone`s, which polls each of them once, every time from the next one on,
//! and returns the tuple of their outputs or the first error.
//!
//! Data flow: the facade's `join!` or `try_join!` → `sprang_macros::join_branches` or `try_join_branches` →
//! [`Join::expand`]. The expansion calls nothing but core and the facade's `macros::support`.
//!
//! Invariants:
//! - I1: a local name that the expansion introduces is hygienic (`mixed_site`).
//! - I2: the user's expressions stand outside of every loop and closure of the expansion.
//! - I3: the tuple of the futures is not moved after the first poll, and is reached by reference only.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Index, Result, Token};

/// Which of the two macros is expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// `join!`
    All,
    /// `try_join!`
    UntilError,
}

impl Join {
    /// The tokens that replace the macro: the expansion, or the error.
    pub(crate) fn expand(self, input: TokenStream) -> TokenStream {
        let parsed = |input: ParseStream<'_>| {
            let support = super::support_path(input)?;
            self.parse_and_write(&support, input)
        };
        parsed.parse2(input).unwrap_or_else(syn::Error::into_compile_error)
    }

    fn parse_and_write(self, support: &TokenStream, input: ParseStream<'_>) -> Result<TokenStream> {
        let site = Span::mixed_site();
        let biased = super::biased(input)?;
        let futures = Punctuated::<Expr, Token![,]>::parse_terminated(input)?;
        if futures.is_empty() {
            return Ok(match self {
                Self::All => quote_spanned!(site=> async {}.await),
                Self::UntilError => quote_spanned!(site=> async { #support::Result::Ok(()) }.await),
            });
        }

        let count = futures.len() as u32;
        let maybe_done = futures
            .iter()
            .map(|future| quote_spanned!(site=> #support::maybe_done(#future)));
        let fields: Vec<_> = (0..count).map(|index| Index { index, span: site }).collect();
        let polls: Vec<_> = fields.iter().map(|field| self.write_poll(support, field)).collect();
        let (first, polls) = match biased || count == 1 {
            true => (None, quote_spanned!(site=> #(#polls)*)),
            false => {
                let polls = super::in_turns(&quote_spanned!(site=> next), &polls);
                let advance = quote_spanned!(site=> next = if next + 1 == #count { 0 } else { next + 1 };);
                (
                    Some(quote_spanned!(site=> let mut next = 0_u32;)),
                    quote_spanned!(site=> #polls #advance),
                )
            }
        };
        let outputs = self.write_outputs(support, &fields);
        Ok(quote_spanned! {site=> {
            let mut futures = (#(#maybe_done,)*);
            // The closure must hold a reference only: a `poll_fn` may be moved with what it owns.
            let futures = &mut futures;
            #first
            #support::poll_fn(move |cx| {
                let mut pending = false;
                #polls
                if pending {
                    return #support::Poll::Pending;
                }
                // Not reached when a future's output has no values.
                #[allow(unreachable_code)]
                { #support::Poll::Ready(#outputs) }
            })
            .await
        }})
    }

    /// The statement that polls the future in `field`.
    fn write_poll(self, support: &TokenStream, field: &Index) -> TokenStream {
        let site = Span::mixed_site();
        let future = pinned(support, field);
        match self {
            Self::All => quote_spanned! {site=>
                if #support::Future::poll(#future, cx).is_pending() {
                    pending = true;
                }
            },
            Self::UntilError => quote_spanned! {site=>
                match #future.poll_ok(cx) {
                    #support::Poll::Pending => pending = true,
                    #support::Poll::Ready(#support::None) => {}
                    #support::Poll::Ready(#support::Some(error)) => return #support::Poll::Ready(error),
                }
            },
        }
    }

    /// The tuple of the outputs of futures that are all done.
    fn write_outputs(self, support: &TokenStream, fields: &[Index]) -> TokenStream {
        let site = Span::mixed_site();
        let futures = fields.iter().map(|field| pinned(support, field));
        match self {
            Self::All => quote_spanned!(site=> (#(#futures.take_output(),)*)),
            Self::UntilError => quote_spanned!(site=> #support::Result::Ok((#(#futures.take_ok(),)*))),
        }
    }
}

fn pinned(support: &TokenStream, field: &Index) -> impl ToTokens {
    // SAFETY: in the expansion, the tuple is not moved any more (I3).
    quote_spanned!(Span::mixed_site()=> unsafe { #support::Pin::new_unchecked(&mut futures.#field) })
}
