//! What `#[main]` and `#[test]` expand to.
//!
//! Purpose: one expansion for both attributes and both crate names.
//!
//! Data flow: called by the macro functions in the crate root; calls [`function`] for the item and [`options`] for the
//! arguments.
//!
//! Invariants:
//! - I1: whatever is wrong with the arguments or the body, the item that was there is still there afterwards, with the
//!   error beside it: completion and navigation in an editor go on working.
//! - I2: the user's body keeps its tokens and spans, so that its errors are reported where they are.
//! - I3: a name that the expansion introduces is hygienic: it neither captures a user's name nor shadows an argument.

mod function;
mod options;
#[cfg(test)]
mod tests;

use function::AsyncFn;
use options::{Flavor, Options};
use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

/// Which of the two attributes is expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Main,
    Test,
}

/// One exported attribute.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// The crate's name in messages.
    pub(crate) name: &'static str,
    /// The path under which the expansion looks for `runtime::Builder`, unless the argument `crate` says otherwise.
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    /// Whether the multi-thread runtime is compiled in.
    pub(crate) multi_thread: bool,
}

impl Entry {
    pub(crate) const fn test(mut self) -> Self {
        self.kind = Kind::Test;
        self
    }

    pub(crate) const fn single_threaded(mut self) -> Self {
        self.multi_thread = false;
        self
    }

    /// The attribute as the user writes it, for messages.
    fn attribute(&self) -> String {
        let kind = match self.kind {
            Kind::Main => "main",
            Kind::Test => "test",
        };
        format!("{}::{kind}", self.name)
    }

    /// The item that replaces the annotated function.
    pub(crate) fn expand(&self, args: TokenStream, item: TokenStream) -> TokenStream {
        let function: AsyncFn = match syn::parse2(item.clone()) {
            Ok(function) => function,
            // Not a function at all: hand it back as it was (I1).
            Err(error) => return beside(item, &error),
        };
        let options = function.check(self.kind).and_then(|()| Options::parse(args, self));
        match options {
            Ok(options) => self.wrap(function, options),
            Err(error) => beside(self.wrap(function, Options::fallback(self)), &error),
        }
    }

    /// The function with its body run by a runtime.
    fn wrap(&self, mut function: AsyncFn, options: Options) -> TokenStream {
        function.sig.asyncness = None;
        let future = future(&function);
        let runtime = runtime(&options);
        let run = match (self.kind, function.output()) {
            // Tests come by the thousand: with a future behind `dyn`, `block_on` is compiled once per return type.
            (Kind::Test, Some(output)) => quote_spanned! {Span::mixed_site()=>
                let future = ::core::pin::pin!(#future);
                let future: ::core::pin::Pin<&mut dyn ::core::future::Future<Output = #output>> = future;
                #runtime.block_on(future)
            },
            _ => quote_spanned!(Span::mixed_site()=> #runtime.block_on(#future)),
        };
        let test = (self.kind == Kind::Test).then(|| quote!(#[::core::prelude::v1::test]));
        let AsyncFn { attrs, vis, sig, .. } = function;
        quote! {
            #(#attrs)*
            #test
            #vis #sig {
                #run
            }
        }
    }
}

/// The user's body as a future.
///
/// An async block learns its output type from whatever returns first, and a mismatch would then be reported against
/// the expansion. The early return that never happens tells it the declared type before the body starts, as in an
/// `async fn`; `impl Trait` and `!` cannot be named here and go without.
fn future(function: &AsyncFn) -> TokenStream {
    let span = Span::mixed_site().located_at(function.output_span());
    let expected = function.output().map(|output| {
        quote_spanned! {span=>
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<#output> {
                return output;
            };
        }
    });
    let body = &function.body;
    let mut block = Group::new(Delimiter::Brace, quote!(#expected #body));
    block.set_span(function.body_span);
    quote!(async #block)
}

/// An expression that builds the runtime.
fn runtime(options: &Options) -> TokenStream {
    let Options {
        krate,
        flavor,
        worker_threads,
        start_paused,
        unhandled_panic,
        name,
    } = options;
    let builder = match flavor {
        Flavor::MultiThread => quote!(new_multi_thread()),
        Flavor::CurrentThread | Flavor::Local => quote!(new_current_thread()),
    };
    let build = match flavor {
        Flavor::MultiThread | Flavor::CurrentThread => quote!(build()),
        Flavor::Local => quote!(build_local(::core::default::Default::default())),
    };
    let worker_threads = worker_threads.iter();
    let start_paused = start_paused.iter();
    let unhandled_panic = unhandled_panic
        .iter()
        .map(|behavior| quote!(#krate::runtime::UnhandledPanic::#behavior));
    let name = name.iter();
    quote! {
        #krate::runtime::Builder::#builder
            #(.worker_threads(#worker_threads))*
            .enable_all()
            #(.start_paused(#start_paused))*
            #(.unhandled_panic(#unhandled_panic))*
            #(.name(#name))*
            .#build
            .expect("failed to build the runtime")
    }
}

/// The expansion of an attribute that the enabled features do not provide.
pub(crate) fn refuse(item: TokenStream) -> TokenStream {
    let message = "this attribute needs the runtime: enable the feature `rt` or `rt-multi-thread`";
    beside(item, &syn::Error::new(Span::call_site(), message))
}

/// `item` with the compile error for `error` after it.
fn beside(item: TokenStream, error: &syn::Error) -> TokenStream {
    let mut tokens = item;
    error.to_compile_error().to_tokens(&mut tokens);
    tokens
}
