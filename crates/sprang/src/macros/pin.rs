//! `pin!`.

/// Pins values to the stack.
///
/// Each name is bound anew, to a `Pin<&mut T>` of what it held. A future that an `async fn` returns has to be pinned
/// before it can be polled by reference, for example in several turns of a loop around [`select!`](crate::select).
/// The value can be neither moved nor named any more; it is dropped at the end of the block.
///
/// Unlike [`std::pin::pin!`], this takes names instead of an expression: `pin!(a, b);`, or with the `let` inside.
///
/// # Examples
///
/// ```
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() {
/// let work = async { 6 * 7 };
/// sprang::pin!(work);
/// assert_eq!((&mut work).await, 42);
///
/// sprang::pin! {
///     let left = async { 6 };
///     let right = async { 7 };
/// }
/// assert_eq!((&mut left).await * (&mut right).await, 42);
/// # }
/// ```
#[macro_export]
macro_rules! pin {
    ($($name:ident),* $(,)?) => {$(
        #[allow(unused_mut, reason = "not every use of the pin needs it mutable")]
        let mut $name = ::core::pin::pin!($name);
    )*};
    ($(let $name:ident = $value:expr;)*) => {$(
        let $name = $value;
        $crate::pin!($name);
    )*};
}
