//! The annotated function, taken apart as far as the expansion needs.
//!
//! Purpose: signature and attributes are parsed, the body is not: it is handed on as the tokens that it is, so that a
//! syntax error in it is the compiler's to report.
//!
//! Called by: [`super::Entry::expand`].

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{AttrStyle, Attribute, Meta, ReturnType, Signature, Type, Visibility};

use super::Kind;

/// An annotated function.
pub(crate) struct AsyncFn {
    /// Outer attributes and, made outer, those from the top of the body.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// What stands between the braces, without inner attributes.
    pub(crate) body: TokenStream,
    /// The braces.
    pub(crate) body_span: Span,
}

impl Parse for AsyncFn {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let content;
        let braces = syn::braced!(content in input);
        // A block expression, which the body becomes, takes no inner attributes.
        for mut attr in content.call(Attribute::parse_inner)? {
            attr.style = AttrStyle::Outer;
            attrs.push(attr);
        }
        Ok(Self {
            attrs,
            vis,
            sig,
            body: content.parse()?,
            body_span: braces.span.join(),
        })
    }
}

impl AsyncFn {
    /// Whether the function is one that the attribute can be put on.
    pub(crate) fn check(&self, kind: Kind) -> syn::Result<()> {
        if self.sig.asyncness.is_none() {
            let message = "the `async` keyword is missing from the function declaration";
            return Err(syn::Error::new_spanned(self.sig.fn_token, message));
        }
        // Arguments of tests are left to the other attributes that supply them.
        if kind == Kind::Main && self.sig.ident == "main" && !self.sig.inputs.is_empty() {
            return Err(syn::Error::new_spanned(
                &self.sig.inputs,
                "the main function cannot take arguments",
            ));
        }
        match self.attrs.iter().find(|attr| is_test(attr)) {
            Some(attr) if kind == Kind::Test => {
                let message = "a second test attribute: the test would run twice, remove one of the two";
                Err(syn::Error::new_spanned(attr, message))
            }
            _ => Ok(()),
        }
    }

    /// The return type, if it is one that can be written down inside of the body.
    pub(crate) fn output(&self) -> Option<TokenStream> {
        match &self.sig.output {
            ReturnType::Default => Some(quote::quote!(())),
            ReturnType::Type(_, output) if matches!(**output, Type::Never(_)) => None,
            ReturnType::Type(_, output) => {
                let output = output.to_token_stream();
                (!names_impl(output.clone())).then_some(output)
            }
        }
    }

    /// Where the return type is declared, for the compiler's notes.
    pub(crate) fn output_span(&self) -> Span {
        match &self.sig.output {
            ReturnType::Default => self.sig.ident.span(),
            ReturnType::Type(_, output) => output.span(),
        }
    }
}

/// Whether a type has an `impl Trait` in it, at any depth.
fn names_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => names_impl(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Whether an attribute is the built-in `#[test]`, by its short name or by its path in one of the preludes.
fn is_test(attr: &Attribute) -> bool {
    let Meta::Path(path) = &attr.meta else { return false };
    let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => path.leading_colon.is_none(),
        ["core" | "std", "prelude", _, "test"] => true,
        _ => false,
    }
}
