//! Expansions, compared token by token.
//!
//! Where an error points is seen by the compiler alone: the fixtures in the workspace's `tests/ui` cover that.

use proc_macro2::TokenStream;
use quote::quote;

use super::Kind;
use crate::{SPRANG, TOKIO};

/// The statement that tells the body its output type.
fn expects(output: TokenStream) -> TokenStream {
    quote! {
        if let ::core::option::Option::Some(output) = ::core::option::Option::None::<#output> {
            return output;
        };
    }
}

/// The messages of the compile errors in an expansion.
fn errors(expansion: &TokenStream) -> Vec<String> {
    let file: syn::File = syn::parse2(expansion.clone()).expect("an expansion is made of items");
    let invocations = file.items.iter().filter_map(|item| match item {
        syn::Item::Macro(item) => Some(&item.mac),
        _ => None,
    });
    invocations
        .map(|mac| {
            mac.parse_body::<syn::LitStr>()
                .expect("`compile_error` takes a string")
                .value()
        })
        .collect()
}

/// The functions of an expansion.
fn functions(expansion: &TokenStream) -> Vec<syn::ItemFn> {
    let file: syn::File = syn::parse2(expansion.clone()).expect("an expansion is made of items");
    let functions = file.items.into_iter().filter_map(|item| match item {
        syn::Item::Fn(function) => Some(function),
        _ => None,
    });
    functions.collect()
}

/// Expands a well-formed function with the arguments `args` and returns the only error.
fn refused(kind: Kind, args: TokenStream) -> String {
    let mut entry = SPRANG;
    entry.kind = kind;
    let expansion = entry.expand(
        args,
        quote!(
            async fn named() {}
        ),
    );
    let functions = functions(&expansion);
    assert_eq!(functions.len(), 1, "the function is gone");
    assert_eq!(functions[0].sig.ident, "named");
    assert!(functions[0].sig.asyncness.is_none());
    let mut errors = errors(&expansion);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

#[test]
fn main_blocks_on_the_body_with_a_multi_thread_runtime() {
    let expansion = SPRANG.expand(
        quote!(),
        quote!(
            async fn main() {
                work().await;
            }
        ),
    );
    let unit = expects(quote!(()));
    let expected = quote! {
        fn main() {
                ::sprang::runtime::Builder::new_multi_thread()
                    .enable_all()
                    .build()
                    .expect("failed to build the runtime")
                    .block_on(async { #unit work().await; })
        }
    };
    assert_eq!(expansion.to_string(), expected.to_string());
}

#[test]
fn a_test_blocks_on_a_pinned_body_with_a_current_thread_runtime() {
    let output = quote!(Result<(), Error>);
    let item = quote! {
        #[ignore]
        async fn fails() -> #output { Err(Error)? }
    };
    let expansion = TOKIO.test().expand(quote!(), item);
    let result = expects(output.clone());
    // Closing brackets are told apart by their spacing, so that this has to be written as the expansion has it.
    let pinned = quote!(let future: ::core::pin::Pin<&mut dyn ::core::future::Future<Output = #output>> = future;);
    let expected = quote! {
        #[ignore]
        #[::core::prelude::v1::test]
        fn fails() -> #output {
                let future = ::core::pin::pin!(async { #result Err(Error)? });
                #pinned
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("failed to build the runtime")
                    .block_on(future)
        }
    };
    assert_eq!(expansion.to_string(), expected.to_string());
}

#[test]
fn every_argument_reaches_the_builder() {
    let args = quote!(flavor = "multi_thread", worker_threads = 3usize, crate = "a::b",);
    let expansion = SPRANG
        .expand(
            args,
            quote!(
                async fn main() {}
            ),
        )
        .to_string();
    let expected = quote! {
        a::b::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build()
    };
    assert!(expansion.contains(&expected.to_string()), "{expansion}");

    let args = quote!(flavor = "current_thread", start_paused = true);
    let expansion = SPRANG
        .expand(
            args,
            quote!(
                async fn main() {}
            ),
        )
        .to_string();
    let expected = quote! {
        ::sprang::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
    };
    assert!(expansion.contains(&expected.to_string()), "{expansion}");

    let args = quote!(flavor = "local", unhandled_panic = "shutdown_runtime", name = "a name");
    let expansion = SPRANG
        .expand(
            args,
            quote!(
                async fn main() {}
            ),
        )
        .to_string();
    let expected = quote! {
        ::sprang::runtime::Builder::new_current_thread()
            .enable_all()
            .unhandled_panic(::sprang::runtime::UnhandledPanic::ShutdownRuntime)
            .name("a name")
            .build_local(::core::default::Default::default())
    };
    assert!(expansion.contains(&expected.to_string()), "{expansion}");
}

#[test]
fn attributes_visibility_generics_and_arguments_are_kept() {
    let item = quote! {
        /// Runs.
        #[inline(never)]
        pub(crate) async extern "C" fn run<T: Clone>(self, (a, _): (T, u8)) -> T where T: Send {
            #![allow(unused)]
            a.clone()
        }
    };
    let expansion = SPRANG.expand(quote!(flavor = "current_thread"), item).to_string();
    let expected = quote! {
        /// Runs.
        #[inline(never)]
        #[allow(unused)]
        pub(crate) extern "C" fn run<T: Clone>(self, (a, _): (T, u8)) -> T where T: Send
    };
    assert!(expansion.starts_with(&expected.to_string()), "{expansion}");
}

#[test]
fn a_return_type_that_cannot_be_named_is_not_named() {
    for output in [quote!(!), quote!(impl Future), quote!(Result<Box<impl Future>, ()>)] {
        for entry in [SPRANG, SPRANG.test()] {
            let expansion = entry.expand(quote!(), quote!(async fn named() -> #output { body() }));
            let expected = quote!(.block_on(async { body() }));
            let text = expansion.to_string();
            assert!(text.contains(&expected.to_string()), "{text}");
        }
    }
}

#[test]
fn a_body_with_a_syntax_error_is_kept_as_it_is() {
    let body = quote!(let x = value.; other());
    let expansion = SPRANG.expand(quote!(), quote!(async fn main() { #body }));
    let text = expansion.to_string();
    assert!(text.contains(&body.to_string()), "{text}");
    assert!(!text.contains("compile_error"), "{text}");
}

#[test]
fn an_item_that_is_no_function_is_handed_back_with_an_error() {
    let item = quote!(
        struct Main;
    );
    let expansion = SPRANG.expand(quote!(), item.clone());
    assert!(expansion.to_string().starts_with(&item.to_string()));
    assert_eq!(errors(&expansion).len(), 1);
    let refused = super::refuse(item.clone());
    assert!(refused.to_string().starts_with(&item.to_string()));
    assert!(errors(&refused)[0].contains("enable the feature `rt`"));
}

#[test]
fn a_function_without_async_is_refused_and_still_there() {
    let expansion = SPRANG.expand(
        quote!(),
        quote!(
            fn main() {}
        ),
    );
    assert_eq!(
        errors(&expansion),
        ["the `async` keyword is missing from the function declaration"]
    );
    assert_eq!(functions(&expansion).len(), 1);
}

#[test]
fn only_a_main_called_main_is_refused_its_arguments() {
    let takes = |name: &str| {
        let name = quote::format_ident!("{name}");
        quote!(async fn #name(x: u8) {})
    };
    assert_eq!(
        errors(&SPRANG.expand(quote!(), takes("main"))),
        ["the main function cannot take arguments"]
    );
    assert!(errors(&SPRANG.expand(quote!(), takes("run"))).is_empty());
    assert!(errors(&SPRANG.test().expand(quote!(), takes("main"))).is_empty());
}

#[test]
fn a_second_test_attribute_is_refused_by_any_of_its_names() {
    for attr in [
        quote!(test),
        quote!(core::prelude::v1::test),
        quote!(::core::prelude::rust_2024::test),
        quote!(std::prelude::v1::test),
    ] {
        let expansion = SPRANG.test().expand(quote!(), quote!(#[#attr] async fn named() {}));
        let errors = errors(&expansion);
        assert!(
            errors.len() == 1 && errors[0].contains("second test attribute"),
            "{errors:?}"
        );
        let main = SPRANG.expand(quote!(), quote!(#[#attr] async fn named() {}));
        assert!(super::tests::errors(&main).is_empty());
    }
    for attr in [quote!(case::test), quote!(test(1)), quote!(rstest)] {
        let expansion = SPRANG.test().expand(quote!(), quote!(#[#attr] async fn named() {}));
        assert!(errors(&expansion).is_empty(), "{attr}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cases = [
        (quote!(threads = 2), "unknown argument `threads`"),
        (quote!(threads), "unknown argument `threads`"),
        (quote!(flavor), "`flavor` needs a value"),
        (quote!(multi_thread), "a flavor is given as `flavor = \"multi_thread\"`"),
        (quote!(flavor = "threaded"), "unknown flavor `threaded`"),
        (quote!(flavor = 1), "`flavor` needs a string, found `1`"),
        (
            quote!(flavor = "current_thread", flavor = "current_thread"),
            "`flavor` is given twice",
        ),
        (quote!(worker_threads = 0), "`worker_threads` must be at least 1"),
        (
            quote!(worker_threads = "2"),
            "`worker_threads` needs a whole number, found `\"2\"`",
        ),
        (quote!(worker_threads = cpus()), "`worker_threads` needs a literal"),
        (quote!(worker_threads = 99999999999999999999999), "number too large"),
        (
            quote!(worker_threads = 2, worker_threads = 2),
            "`worker_threads` is given twice",
        ),
        (
            quote!(flavor = "current_thread", worker_threads = 2),
            "needs the flavor `multi_thread`",
        ),
        (
            quote!(flavor = "local", worker_threads = 2),
            "needs the flavor `multi_thread`",
        ),
        (
            quote!(flavor = "multi_thread", start_paused = true),
            "needs the flavor `current_thread`",
        ),
        (
            quote!(start_paused = 1),
            "`start_paused` needs `true` or `false`, found `1`",
        ),
        (
            quote!(start_paused = true, start_paused = true),
            "`start_paused` is given twice",
        ),
        (quote!(name = " "), "the name of a runtime is not blank"),
        (quote!(name = 1), "`name` needs a string, found `1`"),
        (quote!(name = "a", name = "a"), "`name` is given twice"),
        (quote!(crate = sprang), "`crate` needs a literal"),
        (quote!(crate = 1), "`crate` needs a string"),
        (quote!(crate = "not a path"), "`not a path` is not the path of a crate"),
        (quote!(crate = "a", crate = "b"), "`crate` is given twice"),
        (quote!(unhandled_panic = "abort"), "unknown behavior `abort`"),
        (
            quote!(flavor = "multi_thread", unhandled_panic = "ignore"),
            "needs the flavor `current_thread`",
        ),
        (quote!(local), "a flavor is given as `flavor = \"local\"`"),
        (quote!(flavor("local")), "expected `=`"),
        (quote!("local"), "expected ident"),
    ];
    for (args, message) in cases {
        for kind in [Kind::Main, Kind::Test] {
            let error = refused(kind, args.clone());
            assert!(error.contains(message), "{args}: {error}");
        }
    }
}

#[test]
fn the_defaults_of_main_and_test_differ() {
    assert!(refused(Kind::Main, quote!(start_paused = true)).contains("sprang::main(flavor = \"current_thread\""));
    assert!(refused(Kind::Test, quote!(worker_threads = 2)).contains("sprang::test(flavor = \"multi_thread\""));
}

#[test]
fn without_the_multi_thread_runtime_a_main_names_its_flavor() {
    let item = || {
        quote!(
            async fn main() {}
        )
    };
    let main = SPRANG.single_threaded();
    assert!(errors(&main.expand(quote!(), item()))[0].contains("name a flavor"));
    assert!(errors(&main.expand(quote!(flavor = "multi_thread"), item()))[0].contains("`rt-multi-thread`"));
    assert!(errors(&main.expand(quote!(flavor = "current_thread"), item())).is_empty());
    assert!(errors(&main.test().expand(quote!(), item())).is_empty());
    assert!(errors(&main.test().expand(quote!(flavor = "multi_thread"), item()))[0].contains("`rt-multi-thread`"));
}
