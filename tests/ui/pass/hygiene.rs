//! The expansions name in full what they use, and nothing that is the user's: a program may do without the prelude and
//! have other things by the same names.

#![no_implicit_prelude]
#![deny(warnings)]
#![allow(dead_code, unused_macros)]
#![forbid(unsafe_code)]

use ::std::assert_eq;
use ::std::future::{pending, ready};

mod core {}
mod std {}
mod tokio {}
mod sprang {}
mod support {}

struct Future;
struct IntoFuture;
struct Pin;
struct Poll;
struct Ready;
struct Pending;
struct Option;
struct Some;
struct None;
struct Result;
struct Ok;
struct Err;
struct Branch0;
struct Disabled;

macro_rules! panic { () => {}; }
macro_rules! unreachable { () => {}; }
macro_rules! ready { () => {}; }
macro_rules! pin { () => {}; }

::sprang::task_local! {
    static NUMBER: u32;
}

type Number = ::std::result::Result<u32, ()>;

#[::sprang::main(worker_threads = 1)]
async fn main() {
    let sum = ::sprang::select! {
        number = ready(1) => number + ::sprang::select! { biased; number = ready(2) => number, _ = pending::<()>() => 0 },
        ::std::option::Option::Some(number) = pending(), if true => number,
        else => 0,
    };
    assert_eq!(sum, 3);
    assert_eq!(::sprang::join!(ready(1), ready(2)), (1, 2));
    let number = |number| ready(Number::Ok(number));
    assert_eq!(::sprang::try_join!(number(1), number(2)), ::std::result::Result::Ok((1, 2)));
    assert_eq!(::sprang::try_join!(biased; number(1)), ::std::result::Result::Ok((1,)));
    let wait = async { 4 };
    ::sprang::pin!(wait);
    assert_eq!(wait.await, 4);
    assert_eq!(NUMBER.scope(5, async { NUMBER.get() }).await, 5);
}
