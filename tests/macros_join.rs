//! `join!`, `try_join!` and `pin!`: in which order branches are polled, what is returned and what is dropped.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use sprang::sync::oneshot;
use sprang::{join, try_join};

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Notes its number at each poll and is ready at the third.
fn noted(polls: &RefCell<Vec<u32>>, number: u32) -> impl Future<Output = u32> {
    let mut left = 3;
    poll_fn(move |cx| {
        polls.borrow_mut().push(number);
        cx.waker().wake_by_ref();
        left -= 1;
        if left == 0 { Poll::Ready(number) } else { Poll::Pending }
    })
}

/// Pushes its number when dropped.
struct OnDrop<'a>(&'a RefCell<Vec<u32>>, u32);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[sprang::test]
async fn a_join_returns_all_outputs_in_the_order_of_its_branches() {
    let (sender, receiver) = oneshot::channel();
    let (number, sent, text) = join!(
        async { receiver.await.unwrap() },
        async { sender.send(1) },
        ready("text")
    );
    assert_eq!((number, sent, text), (1, Ok(()), "text"));
    assert_eq!(join!(ready(1),), (1,));
    let (): () = join!();
    let (): () = join!(biased;);
}

#[sprang::test]
async fn another_branch_comes_first_at_each_poll_unless_biased() {
    let polls = RefCell::new(Vec::new());
    assert_eq!(join!(noted(&polls, 1), noted(&polls, 2), noted(&polls, 3)), (1, 2, 3));
    assert_eq!(polls.take(), [1, 2, 3, 2, 3, 1, 3, 1, 2]);

    assert_eq!(
        join!(biased; noted(&polls, 1), noted(&polls, 2), noted(&polls, 3)),
        (1, 2, 3)
    );
    assert_eq!(polls.take(), [1, 2, 3, 1, 2, 3, 1, 2, 3]);

    let (ok, good) = (async { Ok::<_, ()>(noted(&polls, 1).await) }, async {
        Ok(noted(&polls, 2).await)
    });
    assert_eq!(try_join!(ok, good), Ok((1, 2)));
    assert_eq!(polls.take(), [1, 2, 2, 1, 1, 2]);
}

#[sprang::test]
async fn a_branch_that_is_done_is_dropped_and_not_polled_again() {
    let dropped = RefCell::new(Vec::new());
    let done = async {
        let _on_drop = OnDrop(&dropped, 1);
    };
    let mut join = Box::pin(async { join!(done, pending::<()>()) });
    assert!(poll_once(join.as_mut()).is_pending());
    assert_eq!(*dropped.borrow(), [1]);
    assert!(poll_once(join.as_mut()).is_pending());
}

#[sprang::test]
async fn a_join_that_is_dropped_drops_its_branches_and_the_outputs_it_has() {
    let dropped = RefCell::new(Vec::new());
    let mut join = Box::pin(async {
        join!(ready(OnDrop(&dropped, 1)), async {
            let _on_drop = OnDrop(&dropped, 2);
            pending::<()>().await;
        })
    });
    assert!(poll_once(join.as_mut()).is_pending());
    assert!(dropped.borrow().is_empty());
    drop(join);
    assert_eq!(dropped.take(), [1, 2]);
}

#[sprang::test]
async fn a_try_join_returns_the_first_error_and_drops_the_rest() {
    let dropped = RefCell::new(Vec::new());
    let result = try_join!(
        async {
            let _on_drop = OnDrop(&dropped, 1);
            pending::<Result<(), &str>>().await
        },
        async { Ok(OnDrop(&dropped, 2)) },
        async { Err::<(), _>("third") },
        async { panic!("a branch after the first error was polled") as Result<(), _> },
    );
    assert_eq!(result.map(|_| ()), Err("third"));
    assert_eq!(dropped.take(), [1, 2]);
}

#[sprang::test]
async fn a_try_join_returns_all_values() {
    assert_eq!(try_join!(ready(Ok::<_, ()>(1)), async { Ok("text") }), Ok((1, "text")));
    assert_eq!(
        try_join!(biased; ready(Err::<u32, _>(1)), ready(Err::<(), _>(2))),
        Err(1)
    );
    assert_eq!(try_join!(), Ok::<_, ()>(()));
    assert_eq!(try_join!(biased;), Ok::<_, ()>(()));
}

#[deny(unreachable_code)]
#[sprang::test]
async fn outputs_without_values_cause_no_warnings() {
    assert!(poll_once(pin!(async { join!(pending::<Infallible>(), ready(1)) })).is_pending());
    assert_eq!(try_join!(ready(Ok::<_, Infallible>(1)), ready(Ok(2))), Ok((1, 2)));
    assert_eq!(
        try_join!(ready(Err::<Infallible, _>(1)), pending::<Result<Infallible, _>>()),
        Err(1)
    );
}

#[sprang::test]
async fn the_users_names_do_not_clash_with_those_of_the_expansions() {
    let (futures, next, start) = (1, 2, 3);
    assert_eq!(join!(ready(futures), ready(next), ready(start)), (1, 2, 3));
    assert_eq!(try_join!(ready(Ok::<_, ()>(futures)), ready(Ok(next))), Ok((1, 2)));
}

#[sprang::test]
async fn a_join_takes_more_branches_than_a_select() {
    macro_rules! many {
        ($($number:literal)*) => { join!($(ready($number)),*).69 };
    }
    let last = many!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34
        35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69);
    assert_eq!(last, 69);
}

#[sprang::test]
async fn pinned_values_are_polled_by_reference_and_dropped_with_their_block() {
    let dropped = RefCell::new(Vec::new());
    {
        let (first, second) = (OnDrop(&dropped, 1), OnDrop(&dropped, 2));
        let first = async move {
            let held = first;
            held.1
        };
        let waits = async move {
            let _on_drop = second;
            pending::<()>().await;
        };
        sprang::pin!(first, waits);
        assert_eq!((&mut first).await, 1);
        assert!(poll_once(waits.as_mut()).is_pending());
        dropped.borrow_mut().push(3);
    }
    assert_eq!(dropped.take(), [1, 3, 2]);

    sprang::pin! {
        let left = async { 1 };
        let right = async { 2 };
    }
    assert_eq!(right.await - left.await, 1);
}
