//! What the macros say about input that is none of theirs.

use quote::quote;

use super::{Join, select};

fn message(expansion: proc_macro2::TokenStream) -> String {
    let text = expansion.to_string();
    assert!(text.contains("compile_error"), "an error was expected, not {text}");
    text
}

#[test]
fn the_65th_branch_is_refused_and_the_64th_is_not() {
    let branches = |count| {
        let branches = (0..count).map(|_| quote!(_ = a() => {}));
        select(quote!((support) #(#branches)*))
    };
    assert!(!branches(64).to_string().contains("compile_error"));
    assert!(message(branches(65)).contains("up to 64 branches"));
}

#[test]
fn each_mistake_has_a_message_of_its_own() {
    for (input, expected) in [
        (quote!(), "at least one branch"),
        (quote!(biased;), "at least one branch"),
        (quote!(a()), "expected `=`"),
        (quote!(a() => {}), "expected `=` and a future"),
        (quote!(_ = a()), "expected `=>`"),
        (quote!(_ = a(), => {}), "expected `if`"),
        (quote!(_ = a() => b() _ = c() => {}), "expected `,`"),
        (quote!(else => {}, _ = a() => {}), "nothing may follow"),
    ] {
        let message = message(select(quote!((support) #input)));
        assert!(message.contains(expected), "{input}: {message}");
    }
}

#[test]
fn a_join_takes_expressions_only() {
    for join in [Join::All, Join::UntilError] {
        assert!(message(join.expand(quote!((support) a() b()))).contains("expected `,`"));
        assert!(message(join.expand(quote!((support) _ = a() => {}))).contains("compile_error"));
    }
}
