//! `select!`: which branch wins, what its handler may do, and what the expansion leaves alone.
//!
//! Purpose: the semantics that Tokio documents, and the names, borrows and control flow around the macro. The errors
//! of wrong input are tested in `sprang-macros` and `ui.rs`.

use std::cell::{Cell, RefCell};
use std::future::{Future, IntoFuture, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use sprang::runtime::{self, RngSeed};
use sprang::sync::{mpsc, oneshot};
use sprang::{select, task};

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Pushes its number when dropped.
struct OnDrop<'a>(&'a RefCell<Vec<u32>>, u32);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[sprang::test]
async fn biased_polls_from_top_to_bottom_and_stops_at_the_first_that_is_ready() {
    let polled = RefCell::new(Vec::new());
    let branch = |number, done| {
        let polled = &polled;
        poll_fn(move |_| {
            polled.borrow_mut().push(number);
            if done { Poll::Ready(number) } else { Poll::Pending }
        })
    };
    let winner = select! {
        biased;
        number = branch(1, false) => number,
        number = branch(2, true) => number,
        number = branch(3, true) => number,
    };
    assert_eq!((winner, polled.take()), (2, vec![1, 2]));
}

#[sprang::test]
async fn unbiased_lets_every_ready_branch_win_and_polls_each_once_in_cyclic_order() {
    let mut wins = [0; 3];
    for _ in 0..1_000 {
        let winner: usize = select! {
            _ = ready(()) => 0,
            _ = ready(()) => 1,
            _ = ready(()) => 2,
        };
        wins[winner] += 1;
    }
    assert!(wins.iter().all(|wins| *wins > 0), "{wins:?}");

    let polled = RefCell::new(Vec::new());
    let branch = |number| {
        let polled = &polled;
        poll_fn(move |_| {
            polled.borrow_mut().push(number);
            Poll::<()>::Pending
        })
    };
    {
        let select = pin!(async {
            select! { _ = branch(0) => {} _ = branch(1) => {} _ = branch(2) => {} }
        });
        assert!(poll_once(select).is_pending());
    }
    let polled = polled.take();
    assert_eq!(polled.len(), 3);
    assert!(polled.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 3), "{polled:?}");
}

const ROUNDS: u32 = 100_000;

/// Checks that each of the branches that were ready in all rounds has its share of the wins, within 5 %.
fn check_shares(wins: &[u32]) {
    let share = ROUNDS / wins.len() as u32;
    assert_eq!(wins.iter().sum::<u32>(), ROUNDS);
    assert!(wins.iter().all(|wins| wins.abs_diff(share) <= share / 20), "{wins:?}");
}

/// Runs the future on a runtime whose random choices are the same in every run.
fn seeded<F: Future>(future: F) -> F::Output {
    let seed = RngSeed::from_bytes(b"fair");
    let mut builder = runtime::Builder::new_current_thread();
    builder.rng_seed(seed).build().unwrap().block_on(future)
}

#[test]
fn two_channels_that_are_always_ready_win_equally_often() {
    seeded(async {
        let (lefts, mut left) = mpsc::unbounded_channel();
        let (rights, mut right) = mpsc::unbounded_channel();
        for _ in 0..ROUNDS {
            lefts.send(0).unwrap();
            rights.send(1).unwrap();
        }
        let mut wins = [0; 2];
        for _ in 0..ROUNDS {
            let winner: usize = select! {
                Some(left) = left.recv() => left,
                Some(right) = right.recv() => right,
            };
            wins[winner] += 1;
        }
        check_shares(&wins);
    });
}

#[test]
fn eight_branches_that_are_always_ready_win_equally_often() {
    seeded(async {
        let mut wins = [0; 8];
        for _ in 0..ROUNDS {
            let winner: usize = select! {
                _ = ready(()) => 0,
                _ = ready(()) => 1,
                _ = ready(()) => 2,
                _ = ready(()) => 3,
                _ = ready(()) => 4,
                _ = ready(()) => 5,
                _ = ready(()) => 6,
                _ = ready(()) => 7,
            };
            wins[winner] += 1;
        }
        check_shares(&wins);
    });
}

#[sprang::test]
async fn a_pattern_that_does_not_match_disables_its_branch() {
    let polls = Cell::new(0);
    let none = poll_fn(|_| {
        polls.set(polls.get() + 1);
        Poll::Ready(None::<u32>)
    });
    let (sender, receiver) = oneshot::channel();
    let mut select = pin!(async {
        select! {
            Some(number) = none => number,
            number = receiver => number.unwrap(),
        }
    });
    assert!(poll_once(select.as_mut()).is_pending());
    assert!(poll_once(select.as_mut()).is_pending());
    sender.send(7).unwrap();
    assert_eq!(poll_once(select), Poll::Ready(7));
    assert_eq!(polls.get(), 1);
}

#[sprang::test]
async fn a_false_precondition_makes_the_future_but_does_not_poll_it() {
    let made = Cell::new(false);
    let make = || {
        made.set(true);
        poll_fn(|_| panic!("polled"))
    };
    let (no, yes) = (&false, true);
    select! {
        _ = make(), if *no => unreachable!(),
        // A reference to a `bool` will do.
        _ = make(), if no => unreachable!(),
        _ = ready(()), if yes && !no => {}
    }
    assert!(made.get());
}

#[sprang::test]
async fn with_all_branches_disabled_else_runs() {
    let text = select! {
        Some(()) = ready(None) => "matched",
        _ = pending::<()>(), if false => "polled",
        else => "else",
    };
    assert_eq!(text, "else");
    assert_eq!(select! { else => 1 }, 1);
    assert_eq!(select! { biased; else => { 2 }, }, 2);
}

#[sprang::test]
#[should_panic(expected = "all branches are disabled and there is no else branch")]
async fn with_all_branches_disabled_and_no_else_it_panics() {
    select! {
        Some(()) = ready(None) => {}
    }
}

#[sprang::test]
async fn all_futures_are_dropped_before_the_handler_runs() {
    let dropped = RefCell::new(Vec::new());
    let branch = async |number, done: bool| {
        let _on_drop = OnDrop(&dropped, number);
        if !done {
            pending::<()>().await;
        }
    };
    select! {
        biased;
        _ = branch(1, false) => unreachable!(),
        _ = branch(2, true) => dropped.borrow_mut().push(10),
        _ = branch(3, true) => unreachable!(),
    }
    // The third was never polled, and so has no guard to drop.
    assert_eq!(dropped.take(), [2, 1, 10]);
}

#[sprang::test]
async fn a_handler_may_change_what_the_futures_borrowed() {
    async fn change(number: &mut u32) {
        *number += 1;
        pending::<()>().await;
    }
    let mut number = 1;
    select! {
        biased;
        _ = change(&mut number) => {}
        _ = ready(()) => number *= 10,
        else => number = 0,
    }
    assert_eq!(number, 20);
}

#[sprang::test]
async fn handlers_await_return_break_and_continue_in_the_surrounding_function() {
    async fn sum(mut numbers: mpsc::UnboundedReceiver<Result<u32, String>>) -> Result<u32, String> {
        let mut sum = 0;
        'numbers: loop {
            let number = select! {
                biased;
                number = numbers.recv() => match number {
                    Some(number) => number?,
                    None => break 'numbers,
                },
                _ = pending::<()>() => return Ok(0),
            };
            if number == 0 {
                select! { _ = task::yield_now() => continue }
            }
            sum += select! { number = ready(number) => async { number }.await };
        }
        Ok(sum)
    }
    let run = |numbers: Vec<Result<u32, String>>| {
        let (sender, receiver) = mpsc::unbounded_channel();
        numbers.into_iter().for_each(|number| sender.send(number).unwrap());
        sum(receiver)
    };
    assert_eq!(run(vec![Ok(1), Ok(0), Ok(2)]).await, Ok(3));
    assert_eq!(
        run(vec![Ok(1), Err("stop".to_owned()), Ok(2)]).await,
        Err("stop".to_owned())
    );
}

#[sprang::test]
async fn patterns_bind_by_every_mode() {
    #[derive(Clone)]
    struct Point {
        x: u32,
        y: u32,
    }
    let point = Point { x: 1, y: 2 };
    let text = String::from("text");
    let pair = (1, text.clone());

    assert_eq!(select! { mut number = ready(1) => { number += 1; number } }, 2);
    assert_eq!(
        select! { Some(ref mut text) = ready(Some(String::new())) => { text.push('x'); text.len() } },
        1
    );
    assert_eq!(
        select! { Some(&Point { x, y: 2 }) = ready(Some(&point)) => x, else => 0 },
        1
    );
    assert_eq!(select! { &(a, ref b) = ready(&pair) => a + b.len() }, 5);
    assert_eq!(
        select! { Ok(number) | Err(number) = ready(Err::<u32, _>(3)) => number },
        3
    );
    assert_eq!(select! { number @ 1..=9 = ready(4) => number, else => 0 }, 4);
    assert_eq!(select! { [first, .., last] = ready([1, 2, 3]) => first + last }, 4);
    assert_eq!(select! { Some("text") = ready(Some(text.as_str())) => 1, else => 0 }, 1);
    assert_eq!(
        select! { Point { x: mut a, y } = ready(point.clone()) => { a += y; a } },
        3
    );
}

#[sprang::test]
async fn a_pattern_means_what_it_means_in_a_match() {
    const ONE: u32 = 1;
    const TEXT: &str = "text";
    struct Guarded(Vec<u32>);
    impl Drop for Guarded {
        fn drop(&mut self) {}
    }
    let numbers = [1, 2];

    assert_eq!(select! { ONE = ready(1) => 1, else => 0 }, 1);
    assert_eq!(select! { ONE = ready(2) => 1, else => 0 }, 0);
    assert_eq!(select! { Some(TEXT) = ready(Some("text")) => 1, else => 0 }, 1);
    assert_eq!(select! { Some(&ONE) = ready(numbers.first()) => 1, else => 0 }, 1);
    assert_eq!(select! { Some(&ONE) = ready(numbers.last()) => 1, else => 0 }, 0);
    assert_eq!(select! { Some(&"text") = ready(Some(&"text")) => 1, else => 0 }, 1);
    assert_eq!(select! { -1 | 1.. = ready(-1) => 1, else => 0 }, 1);
    // By reference, since the parts of what has a destructor cannot be moved out of it.
    assert_eq!(
        select! { Guarded(ref numbers) = ready(Guarded(vec![1])) => numbers.len() },
        1
    );
    assert_eq!(
        select! { guarded @ Guarded(_) = ready(Guarded(vec![1, 2])) => guarded.0.len() },
        2
    );
}

#[sprang::test]
async fn an_output_whose_pattern_does_not_match_is_dropped_before_the_other_branches_go_on() {
    let dropped = RefCell::new(Vec::new());
    let seen = select! {
        biased;
        (2, _guard) = ready((1, OnDrop(&dropped, 1))) => unreachable!(),
        seen = async { dropped.borrow().len() } => seen,
    };
    assert_eq!(seen, 1);
}

#[sprang::test]
async fn branches_need_no_nameable_types_and_may_be_into_futures() {
    struct Number(u32);
    impl IntoFuture for Number {
        type Output = u32;
        type IntoFuture = std::future::Ready<u32>;

        fn into_future(self) -> Self::IntoFuture {
            ready(self.0)
        }
    }
    let call = select! { closure = ready(|number: u32| number + 1) => closure(1) };
    assert_eq!(call, 2);
    assert_eq!(select! { number = Number(3) => number }, 3);
    // A temporary in a branch lives as long as the future.
    assert_eq!(select! { number = &mut ready(4) => number }, 4);
}

#[sprang::test]
async fn the_users_names_do_not_clash_with_those_of_the_expansion() {
    let (futures, disabled, pending, step, start, cx, output) = (1, 2, 3, 4, 5, 6, 7);
    let sum = select! {
        future = ready(futures + disabled), if pending == 3 => future + step + start + cx + output,
    };
    assert_eq!(sum, 25);
}

#[sprang::test]
async fn it_works_with_fragments_of_another_macro() {
    macro_rules! first {
        ($otherwise:expr; $($pattern:pat, $future:expr, $condition:expr, $block:block;)*) => {
            select! { biased; $($pattern = $future, if $condition => $block)* else => $otherwise }
        };
    }
    let (no, yes) = (false, true);
    let picked = first!(1 + 2; Some(_), ready(None::<u32>), true, { 1 }; _, ready(()), no || yes, { 2 };);
    assert_eq!(picked, 2);

    macro_rules! handler {
        ($handler:expr) => {
            select! { _ = ready(()) => $handler, _ = pending::<()>() => $handler }
        };
    }
    assert_eq!(handler!({ 5_u32 }.pow(2)), 25);
}

#[test]
fn one_branch_more_costs_its_future_and_nothing_else() {
    let two = async {
        select! { _ = ready(1_u64) => {}, _ = ready(2_u64) => {} }
    };
    let three = async {
        select! { _ = ready(1_u64) => {}, _ = ready(2_u64) => {}, _ = ready(3_u64) => {} }
    };
    assert_eq!(size_of_val(&three), size_of_val(&two) + size_of_val(&ready(3_u64)));
}

#[sprang::test]
async fn selects_nest() {
    let sum = select! {
        left = async { select! { number = ready(1) => number } } => select! {
            right = async { left + 1 } => left + right,
        },
    };
    assert_eq!(sum, 3);
}

#[sprang::test]
async fn a_task_without_budget_yields_instead_of_polling_any_branch() {
    // Every turn makes a new select, so that nothing is left but the task's budget.
    let turn = || async {
        select! {
            biased;
            _ = task::coop::consume_budget() => {}
            _ = ready(()) => panic!("a branch that does not keep to the budget has won"),
        }
    };
    sprang::spawn(async move {
        let turns = poll_fn(|_| {
            for turns in 0..1_000 {
                if poll_once(pin!(turn())).is_pending() {
                    return Poll::Ready(turns);
                }
            }
            panic!("the budget has no end");
        });
        assert_eq!(turns.await, 128);
    })
    .await
    .unwrap();
}

#[sprang::test]
async fn a_loop_of_selects_over_ready_branches_lets_other_tasks_run() {
    let (sender, mut receiver) = oneshot::channel();
    sprang::spawn(async move { sender.send(()).unwrap() });
    let mut turns = 0_u64;
    loop {
        select! {
            biased;
            _ = &mut receiver => break,
            _ = task::coop::consume_budget() => turns += 1,
        }
    }
    assert!(turns < 1_000, "{turns}");
}
