//! The auto traits of the types of `runtime` and `task`: those that Tokio's have, so that a program which needs one of
//! them, or must not have one, finds the same.

use std::cell::Cell;
use std::future::{Pending, Ready};
use std::marker::PhantomPinned;
use std::rc::Rc;

use sprang::runtime::*;
use sprang::task::coop::*;
use sprang::task::futures::TaskLocalFuture;
use sprang::task::{self, AbortHandle, JoinError, JoinHandle, JoinSet, LocalEnterGuard, LocalKey, LocalSet};

/// Whether a type has an auto trait: an inherent constant, where there is one, goes before that of a trait.
macro_rules! has {
    ($type:ty, $bound:path) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "not used of types that have the trait")]
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T> Otherwise for Probe<T> {}
        #[allow(dead_code, reason = "not used of types that lack the trait")]
        impl<T: $bound> Probe<T> {
            const HAS: bool = true;
        }
        <Probe<$type>>::HAS
    }};
}

/// The first letters of the auto traits that a type has.
macro_rules! traits {
    ($type:ty) => {
        [
            ("S", has!($type, Send)),
            ("Y", has!($type, Sync)),
            ("P", has!($type, Unpin)),
            ("U", has!($type, std::panic::UnwindSafe)),
            ("R", has!($type, std::panic::RefUnwindSafe)),
        ]
        .map(|(letter, has)| if has { letter } else { "-" })
        .concat()
    };
}

/// Compares types with a table: `S`end, s`Y`nc, un`P`in, `U`nwindSafe, `R`efUnwindSafe.
macro_rules! table {
    ($($expected:literal $type:ty;)*) => {
        let mut wrong = Vec::new();
        $({
            let found = traits!($type);
            if found != $expected {
                wrong.push(format!("{} is {found}, and Tokio's {}", stringify!($type), $expected));
            }
        })*
        assert!(wrong.is_empty(), "{wrong:#?}");
    };
}

/// `Send` and `Sync`; `Send` alone; neither, and not `Unpin`.
type Yy = u8;
type Yn = Cell<u8>;
type Nn = (Rc<u8>, PhantomPinned);

#[test]
fn the_types_of_runtime_have_tokio_s_auto_traits() {
    table! {
        "SYP--" Builder;
        "-YP--" EnterGuard<'static>;
        "SYPUR" Handle;
        "SYPUR" HistogramConfiguration;
        "SYPUR" Id;
        "SYPUR" InvalidHistogramConfiguration;
        "--PUR" LocalOptions;
        "--PUR" LocalRuntime;
        "SYPUR" LogHistogram;
        "SYPUR" LogHistogramBuilder;
        "SYPUR" RngSeed;
        "SYPUR" Runtime;
        "SYPUR" RuntimeFlavor;
        "SYPUR" RuntimeMetrics;
        "SYPUR" TaskMeta<'static>;
        "SYPUR" TryCurrentError;
        "SYPUR" UnhandledPanic;
    }
}

#[test]
fn the_types_of_task_have_tokio_s_auto_traits() {
    table! {
        "SYPUR" AbortHandle;
        "SYPUR" task::Builder<'static>;
        "SYPUR" task::Id;
        "SYP--" JoinError;
        "SYPUR" JoinHandle<Yy>;
        "SYPUR" JoinHandle<Yn>;
        "--PUR" JoinHandle<Nn>;
        "SYP--" JoinSet<Yy>;
        "SYP--" JoinSet<Yn>;
        "--P--" JoinSet<Nn>;
        "SYP--" task::join_set::Builder<'static, Yy>;
        "SYP--" task::join_set::Builder<'static, Yn>;
        "--P--" task::join_set::Builder<'static, Nn>;
        "--P--" LocalSet;
        "--P--" LocalEnterGuard;
        "SYPUR" LocalKey<Yy>;
        "SYPUR" LocalKey<Yn>;
        "SYPUR" LocalKey<Nn>;
        "SY-UR" TaskLocalFuture<Yy, Ready<Yy>>;
        "S--U-" TaskLocalFuture<Yn, Ready<Yy>>;
        "---UR" TaskLocalFuture<Nn, Ready<Yy>>;
        "SY-UR" TaskLocalFuture<Yy, Pending<Yn>>;
        "S--U-" TaskLocalFuture<Yy, Ready<Yn>>;
        "---UR" TaskLocalFuture<Yy, Ready<Nn>>;
        "--PU-" RestoreOnPending;
        "SYPUR" Unconstrained<Ready<Yy>>;
        "S-PU-" Unconstrained<Ready<Yn>>;
        "--PUR" Unconstrained<Ready<Nn>>;
        "SYPUR" Coop<Ready<Yy>>;
        "S-PU-" Coop<Ready<Yn>>;
        "--PUR" Coop<Ready<Nn>>;
    }
}

/// As [`traits`], of what a closure returns.
macro_rules! traits_of_value {
    ($make:expr; $($letter:literal $bound:path),*) => {{
        let mut traits = String::new();
        $({
            struct Probe<T>(std::marker::PhantomData<T>);
            fn probe<T>(_: impl FnOnce() -> T) -> Probe<T> {
                Probe(std::marker::PhantomData)
            }
            trait Otherwise {
                #[allow(dead_code, reason = "not used of values that have the trait")]
                fn has(&self) -> bool {
                    false
                }
            }
            impl<T> Otherwise for Probe<T> {}
            #[allow(dead_code, reason = "not used of values that lack the trait")]
            impl<T: $bound> Probe<T> {
                fn has(&self) -> bool {
                    true
                }
            }
            traits += if probe($make).has() { $letter } else { "-" };
        })*
        traits
    }};
}

/// As [`table`], of futures, by what makes them, and without the last two traits.
macro_rules! table_of_futures {
    ($($expected:literal $future:expr;)*) => {
        let mut wrong = Vec::new();
        $({
            let found = traits_of_value!(
                || $future; "S" Send, "Y" Sync, "P" Unpin
            );
            if found != $expected {
                wrong.push(format!("{} is {found}, and Tokio's {}", stringify!($future), $expected));
            }
        })*
        assert!(wrong.is_empty(), "{wrong:#?}");
    };
}

/// An argument of a call that is never made.
fn any<T>() -> T {
    unreachable!()
}

#[test]
fn the_futures_of_task_have_tokio_s_auto_traits() {
    table_of_futures! {
        "SY-" task::yield_now();
        "SY-" task::coop::consume_budget();
        "SY-" JoinSet::<Yy>::join_next(any());
        "SY-" JoinSet::<Yn>::join_next(any());
        "---" JoinSet::<Nn>::join_next(any());
        "SY-" JoinSet::<Yy>::join_next_with_id(any());
        "---" JoinSet::<Nn>::join_next_with_id(any());
        "SY-" JoinSet::<Yy>::shutdown(any());
        "SY-" JoinSet::<Yn>::shutdown(any());
        "---" JoinSet::<Nn>::shutdown(any());
        "SY-" JoinSet::<Yy>::join_all(any());
        "S--" JoinSet::<Yn>::join_all(any());
        "---" JoinSet::<Nn>::join_all(any());
        "---" LocalSet::run_until(any(), any::<Ready<Yy>>());
        "---" LocalSet::run_until(any(), any::<Ready<Nn>>());
    }
}
