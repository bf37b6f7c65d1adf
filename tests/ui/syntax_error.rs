//! A body with a syntax error is the compiler's to report; the function is there all the same.

#[sprang::main]
async fn main() {
    let list = vec![1];
    list.;
}

fn calls() {
    main();
}
