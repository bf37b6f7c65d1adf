//! `try_join!`.

/// Waits for several futures, at the same time and on the same task, until all have succeeded or one has failed.
///
/// ```text
/// try_join!(future, future, …)        try_join!(biased; future, future, …)
/// ```
///
/// The value is `Ok` with the tuple of all values, or the first `Err`; the other branches are dropped then. All
/// branches have the same type of error.
///
/// It stores and polls its branches as [`join!`](crate::join) does; what is said there about parallel work, fairness
/// and `biased;` holds here too.
///
/// # Errors
///
/// The first error that a branch returns.
///
/// # Cancel safety
///
/// Dropping the surrounding future drops all branches, and the outputs of those that were done.
///
/// # Examples
///
/// ```
/// use std::num::ParseIntError;
///
/// async fn number(text: &str) -> Result<u32, ParseIntError> {
///     text.parse()
/// }
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(sprang::try_join!(number("6"), number("7")), Ok((6, 7)));
/// assert!(sprang::try_join!(number("6"), number("seven"), std::future::pending::<Result<(), _>>()).is_err());
/// # }
/// ```
#[macro_export]
macro_rules! try_join {
    ($($futures:tt)*) => {
        $crate::macros::support::try_join_branches! { ($crate::macros::support) $($futures)* }
    };
}
