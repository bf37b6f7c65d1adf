//! What `select!` expands to.
//!
//! Purpose: one `poll_fn` over the futures, and one `match` over its output. The whole macro is written here and not by
//! `macro_rules!`, since the index of a branch, an enum with one variant a branch, and an error at the very token that
//! is wrong are easy here and hard there.
//!
//! Data flow: the facade's `select!` → `sprang_macros::select_branches` → [`expand`]: [`Select::parse`] reads,
//! [`Select::write`] writes. The expansion calls nothing but core and the facade's `macros::support`.
//!
//! Invariants:
//! - I1: a local name or a label that the expansion introduces is hygienic (`mixed_site`). The output enum and
//!   the import are items, which hygiene does not cover, and so have names that nobody else would choose.
//! - I2: the user's expressions stand outside of every loop, closure and function of the expansion, except for the
//!   pattern that is only tried: `?`, `break`, `continue` and `.await` mean what they mean around the macro.
//! - I3: the futures live in a scope that has ended before the output is matched: a handler may use what they borrowed.
//! - I4: the tuple of the futures is not moved after the first poll, and is reached by reference only.
//! - I5: a branch's future is polled no more once its bit in `disabled` is set, which happens when its precondition is
//!   false and when it has completed.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprBlock, Ident, Index, LitInt, Pat, Result, Token, token};

/// As many as there are bits in the widest mask.
const MAX_BRANCHES: usize = 64;

/// `pattern = future, if condition => handler`
struct Branch {
    pattern: Pat,
    future: Expr,
    condition: Option<Expr>,
    handler: Expr,
}

/// The input of one `select!`.
struct Select {
    biased: bool,
    branches: Vec<Branch>,
    otherwise: Option<Expr>,
}

/// The tokens that replace a `select!`: the expansion, or the error.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let parsed = |input: ParseStream<'_>| {
        let support = super::support_path(input)?;
        Ok(Select::parse(input)?.write(&support))
    };
    parsed.parse2(input).unwrap_or_else(Error::into_compile_error)
}

impl Select {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let biased = super::biased(input)?;
        let mut select = Self {
            biased,
            branches: Vec::new(),
            otherwise: None,
        };
        if input.is_empty() {
            let message = "`select!` needs at least one branch: `pattern = future => handler`";
            return Err(Error::new(Span::call_site(), message));
        }
        while !input.is_empty() {
            if input.peek(Token![else]) {
                input.parse::<Token![else]>()?;
                input.parse::<Token![=>]>()?;
                select.otherwise = Some(input.parse()?);
                input.parse::<Option<Token![,]>>()?;
                if !input.is_empty() {
                    return Err(input.error("nothing may follow the `else` branch of a `select!`"));
                }
            } else if select.branches.len() == MAX_BRANCHES {
                return Err(input.error("`select!` takes up to 64 branches"));
            } else {
                select.branches.push(Branch::parse(input)?);
            }
        }
        Ok(select)
    }

    fn write(&self, support: &TokenStream) -> TokenStream {
        let site = Span::mixed_site();
        if let ([], Some(otherwise)) = (&*self.branches, &self.otherwise) {
            // An arm may be a block without a warning about its braces.
            return quote_spanned!(site=> match () { () => #otherwise });
        }
        let out = Ident::new("__SprangSelectOutput", site);
        let into_future = Ident::new("__SprangIntoFuture", site);
        let variants: Vec<_> = (0..self.branches.len())
            .map(|at| format_ident!("Branch{at}", span = site))
            .collect();
        let none = self.mask(None);
        let conditions = self.write_conditions(support);
        let futures = self.branches.iter().map(|branch| &branch.future);
        let into_futures = self.branches.iter().enumerate().map(|(at, branch)| {
            // What the compiler says about an expression that is no future points at it.
            let (first, last) = super::ends(&branch.future);
            let futures = Ident::new("futures", first.resolved_at(site));
            let field = field(at, last.resolved_at(site));
            quote_spanned!(site=> #into_future::into_future(#futures.#field))
        });
        let poll = self.write_poll(support, &out, &variants);
        let arms = self.branches.iter().zip(&variants).map(|(branch, variant)| {
            let Branch { pattern, handler, .. } = branch;
            quote_spanned!(site=> #out::#variant(#pattern) => #handler,)
        });
        let otherwise = match &self.otherwise {
            Some(expr) => quote_spanned!(site=> #expr),
            None => quote_spanned!(site=> ::core::panic!("all branches are disabled and there is no else branch")),
        };
        quote_spanned! {site=> {
            enum #out<#(#variants),*> {
                #(#variants(#variants),)*
                Disabled,
            }
            // The compiler looks for the source of an argument where the path of the function comes from.
            use #support::IntoFuture as #into_future;

            let mut disabled = #none;
            #conditions

            let mut output = {
                // In a statement of its own, so that temporaries in `&mut future()` live as long as the futures.
                let futures = (#(#futures,)*);
                let mut futures = (#(#into_futures,)*);
                // The closure must hold a reference only: a `poll_fn` may be moved with what it owns.
                let futures = &mut futures;
                #support::poll_fn(|cx| #poll).await
            };

            match output {
                #(#arms)*
                #out::Disabled => #otherwise,
                #[allow(unreachable_patterns)]
                _ => ::core::unreachable!("a pattern that has matched does not match again"),
            }
        }}
    }

    /// The literal with the branch's bit set, in the narrowest type that has one for each branch.
    fn mask(&self, branch: Option<usize>) -> LitInt {
        let bits = self.branches.len().next_power_of_two().max(8);
        let mask = branch.map_or(0, |at| 1_u64 << at);
        LitInt::new(&format!("{mask}u{bits}"), Span::mixed_site())
    }

    /// The statements that disable the branches whose precondition is false.
    fn write_conditions(&self, support: &TokenStream) -> TokenStream {
        let site = Span::mixed_site();
        self.branches
            .iter()
            .enumerate()
            .filter_map(|(at, branch)| {
                let condition = branch.condition.as_ref()?;
                let bit = self.mask(Some(at));
                // What the compiler says about a wrong type points at what the user wrote.
                let here = condition.span().resolved_at(site);
                let not = quote_spanned!(here=> #support::not(#condition));
                Some(quote_spanned! {site=>
                    if #not {
                        disabled |= #bit;
                    }
                })
            })
            .collect()
    }

    /// The body of the closure that polls the branches, each at most once, from the first or from a random one on.
    fn write_poll(&self, support: &TokenStream, out: &Ident, variants: &[Ident]) -> TokenStream {
        let site = Span::mixed_site();
        let polls: Vec<_> = (0..self.branches.len())
            .map(|at| self.write_branch(support, at, out, &variants[at]))
            .collect();
        let count = polls.len() as u32;
        let polls = match self.biased || count == 1 {
            true => quote_spanned!(site=> #(#polls)*),
            false => super::in_turns(&quote_spanned!(site=> #support::random_below(#count)), &polls),
        };
        quote_spanned! {site=> {
            #support::ready!(#support::poll_budget_available(cx));
            // The closure captures one reference, not one for each field.
            let futures = &mut *futures;
            let mut pending = false;
            #polls
            match pending {
                true => #support::Poll::Pending,
                false => #support::Poll::Ready(#out::Disabled),
            }
        }}
    }

    /// The statement that polls one branch, unless that is disabled, and returns its output if the pattern matches.
    fn write_branch(&self, support: &TokenStream, at: usize, out: &Ident, variant: &Ident) -> TokenStream {
        let site = Span::mixed_site();
        let (bit, pattern) = (self.mask(Some(at)), &self.branches[at].pattern);
        let field = field(at, site);
        quote_spanned! {site=>
            #[allow(unreachable_code)]
            'branch: {
                if disabled & #bit != 0 {
                    break 'branch;
                }
                // SAFETY: the tuple is not moved any more (I4 of `sprang_macros::branches::select`).
                let future = unsafe { #support::Pin::new_unchecked(&mut futures.#field) };
                // The arm that leaves gives an output that nothing determines the type `()`.
                let mut output = match #support::Future::poll(future, cx) {
                    #support::Poll::Ready(output) => output,
                    #support::Poll::Pending => {
                        pending = true;
                        break 'branch;
                    }
                };
                disabled |= #bit;
                // Up to its guard a pattern moves nothing.
                let mut matches = false;
                #[allow(unused_variables, unused_mut, unreachable_patterns)]
                match output {
                    #pattern if { matches = true; false } => {}
                    _ if matches => return #support::Poll::Ready(#out::#variant(output)),
                    _ => {}
                }
            }
        }
    }
}

impl Branch {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        // `=>` begins with what the parser takes for a `=`.
        if input.peek(Token![=>]) {
            return Err(input.error("expected `=` and a future after the pattern"));
        }
        input.parse::<Token![=]>()?;
        let future = input.parse()?;
        let condition = if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            if !input.peek(Token![if]) {
                return Err(input.error("expected `if` and a precondition, or `=>` and a handler instead of the comma"));
            }
            input.parse::<Token![if]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        input.parse::<Token![=>]>()?;

        // A block ends the handler. A fragment of another macro that begins with one need not.
        let handler = match input.peek(token::Brace) && !input.peek(token::Group) {
            true => Expr::Block(ExprBlock {
                attrs: Vec::new(),
                label: None,
                block: input.parse()?,
            }),
            false => input.parse()?,
        };
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
        } else if !input.is_empty() && !is_block(&handler) {
            return Err(input.error("expected `,` after a handler that is not a block"));
        }
        Ok(Self {
            pattern,
            future,
            condition,
            handler,
        })
    }
}

fn is_block(expr: &Expr) -> bool {
    match expr {
        Expr::Block(_) => true,
        Expr::Group(group) => is_block(&group.expr),
        _ => false,
    }
}

/// The number of a tuple's field.
fn field(at: usize, span: Span) -> Index {
    let index = at as u32;
    Index { index, span }
}
