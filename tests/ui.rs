//! What the compiler says about wrong uses of the attributes, and that right ones compile and run.
//!
//! Purpose: the position of an error is seen by the compiler alone; what the attributes expand to is tested in
//! `sprang-macros` itself.
//!
//! The expected output, beside each fixture in `ui/`, is that of the stable compiler the project is tested with. After
//! a change, read what has changed and take it over with `TRYBUILD=overwrite cargo test -p sprang-tests --test ui`.

#[test]
fn errors_are_reported_where_they_are_and_right_uses_run() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
    cases.pass("ui/pass/*.rs");
}
