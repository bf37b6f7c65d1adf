//! `select!`.

/// Waits for the first of several futures, on the same task, runs its handler and drops the others.
///
/// ```text
/// select! {
///     biased;                                          // optional
///     pattern = future => handler,
///     pattern = future, if precondition => handler,    // up to 64 branches
///     else => handler,                                 // optional
/// }
/// ```
///
/// The comma after a handler that is a block may be left out. All handlers have the same type, which is that of the
/// whole expression. They run in the surrounding function: `.await`, `?`, `return`, `break` and `continue` mean there
/// what they mean around the macro.
///
/// # Order of events
///
/// 1. The preconditions are evaluated; one that is false disables its branch.
/// 2. The futures (anything that is [`IntoFuture`]) are made, also those of disabled branches, which are not polled.
/// 3. The others are polled until one is ready. If its output matches the pattern, all futures are dropped and the
///    handler runs: it may use what they have borrowed. If it does not match, the branch is disabled and the others go
///    on.
/// 4. When all branches are disabled, the futures are dropped and `else` runs.
///
/// # Fairness
///
/// Each poll begins with a branch chosen at random. With `biased;` the branches are polled in the order in which they
/// are written: cheaper, and right when one must come first, such as a shutdown signal. A branch that is always ready
/// starves those below it then.
///
/// A task that has used up its cooperative budget polls no branch, but yields.
///
/// # Panics
///
/// When all branches are disabled and there is no `else`.
///
/// # Cancel safety
///
/// The futures of all branches but one are dropped unfinished. In a loop, use futures that lose nothing by that, such
/// as `mpsc::Receiver::recv`, `TcpListener::accept` or `AsyncReadExt::read`; `read_exact` and `write_all` lose what
/// they have done, and `Mutex::lock` its place in the queue. Or make the future once, before the loop,
/// [`pin!`](crate::pin) it, and poll it by reference.
///
/// # Examples
///
/// A branch whose pattern does not match is out, until the next turn of the loop:
///
/// ```
/// use sprang::sync::mpsc;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// let (left, mut lefts) = mpsc::channel(8);
/// let (right, mut rights) = mpsc::channel(8);
/// sprang::spawn(async move {
///     left.send(1).await.unwrap();
///     right.send(2).await.unwrap();
/// });
///
/// let mut sum = 0;
/// loop {
///     sprang::select! {
///         Some(number) = lefts.recv() => sum += number,
///         Some(number) = rights.recv() => sum += number,
///         else => break,
///     }
/// }
/// assert_eq!(sum, 3);
/// # }
/// ```
///
/// One deadline for a whole loop, and a precondition:
///
/// ```
/// use std::time::Duration;
/// use sprang::time::{interval, sleep};
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut ticks = interval(Duration::from_millis(1));
/// let mut seen = 0;
/// let deadline = sleep(Duration::from_millis(50));
/// sprang::pin!(deadline);
/// loop {
///     sprang::select! {
///         biased;
///         _ = &mut deadline => break,
///         _ = ticks.tick(), if seen < 3 => seen += 1,
///     }
/// }
/// assert_eq!(seen, 3);
/// # }
/// ```
#[macro_export]
macro_rules! select {
    ($($branches:tt)*) => {
        $crate::macros::support::select_branches! { ($crate::macros::support) $($branches)* }
    };
}
