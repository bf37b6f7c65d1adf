//! `join!`.

/// Waits for all of several futures, at the same time and on the same task, and returns the tuple of their outputs.
///
/// ```text
/// join!(future, future, …)            join!(biased; future, future, …)
/// ```
///
/// The futures (anything that is [`IntoFuture`]) are stored in the caller's own future: there is no allocation, and no
/// limit to their number. They take turns on one task and so never run in parallel; a branch that blocks the thread
/// holds up the others. For parallel work, [`spawn`](crate::spawn) each and join the handles.
///
/// A branch that returns an error does not end the others; see [`try_join!`](crate::try_join).
///
/// # Fairness
///
/// Each time the task is polled another branch comes first, so that none starves when the others use up the task's
/// cooperative budget. With `biased;` they are polled in the order in which they are written.
///
/// # Cancel safety
///
/// Dropping the surrounding future drops all branches, and the outputs of those that were done.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sprang::time::sleep;
///
/// async fn answer() -> u32 {
///     sleep(Duration::from_millis(1)).await;
///     42
/// }
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// let (number, text) = sprang::join!(answer(), async { "forty-two" });
/// assert_eq!((number, text), (42, "forty-two"));
/// # }
/// ```
#[macro_export]
macro_rules! join {
    ($($futures:tt)*) => {
        $crate::macros::support::join_branches! { ($crate::macros::support) $($futures)* }
    };
}
