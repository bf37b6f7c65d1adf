//! Sending with a time limit.
//!
//! Purpose: [`Sender::send_timeout`], with the timers of the runtime that polls it.
//!
//! Data flow: as [`Sender::send`]; while there is no room, `sprang_core::timer`. A send that finds room makes no timer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use sprang_core::slot;
use sprang_core::timer::{self, Sleep};

use super::bounded::Sender;
use super::error::SendTimeoutError;

impl<T> Sender<T> {
    /// Sends a message; waits while the channel is full, but no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Gives the message back: [`SendTimeoutError::Timeout`] if there was no room for so long,
    /// [`SendTimeoutError::Closed`] if the receiver was closed or dropped.
    ///
    /// # Panics
    ///
    /// Outside of a runtime; in one without timers, if it has to wait.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    ///
    /// ```
    /// use std::time::Duration;
    /// use sprang_sync::mpsc::{Sender, error::SendTimeoutError};
    ///
    /// async fn hurry(sender: Sender<&str>) {
    ///     match sender.send_timeout("hello", Duration::from_millis(10)).await {
    ///         Ok(()) => println!("sent"),
    ///         Err(SendTimeoutError::Timeout(message)) => println!("no room for {message}"),
    ///         Err(SendTimeoutError::Closed(message)) => println!("nobody is there for {message}"),
    ///     }
    /// }
    /// ```
    pub async fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        assert!(slot::is_entered(), "{}", slot::NO_CONTEXT);
        let mut reserving = pin!(self.reserve());
        let mut limit: Option<Sleep> = None;
        let reserved = poll_fn(|cx| {
            if let Poll::Ready(reserved) = reserving.as_mut().poll(cx) {
                return Poll::Ready(Some(reserved));
            }
            let limit = limit.get_or_insert_with(|| timer::sleep(timeout));
            limit.as_mut().poll(cx).map(|()| None)
        });
        match reserved.await {
            Some(Ok(permit)) => {
                permit.send(value);
                Ok(())
            }
            Some(Err(_)) => Err(SendTimeoutError::Closed(value)),
            None => Err(SendTimeoutError::Timeout(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mpsc::channel;
    use std::task::{Context, Waker};

    /// A sleep that is over when it is polled for the third time.
    fn third_poll(_: Duration) -> Sleep {
        let mut polls = 0;
        Box::pin(poll_fn(move |_| {
            polls += 1;
            if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
        }))
    }

    fn in_runtime(test: impl FnOnce(&mut Context<'_>)) {
        timer::set_sleep(third_poll);
        let before = slot::replace_entered(true);
        test(&mut Context::from_waker(Waker::noop()));
        slot::replace_entered(before);
    }

    const LIMIT: Duration = Duration::from_secs(1);

    #[test]
    fn a_send_ends_with_room_with_the_channel_or_with_the_time() {
        in_runtime(|cx| {
            let (sender, mut receiver) = channel(1);
            assert_eq!(pin!(sender.send_timeout(1, LIMIT)).poll(cx), Poll::Ready(Ok(())));

            let mut late = pin!(sender.send_timeout(2, LIMIT));
            assert!(late.as_mut().poll(cx).is_pending());
            assert!(late.as_mut().poll(cx).is_pending());
            assert_eq!(late.poll(cx), Poll::Ready(Err(SendTimeoutError::Timeout(2))));

            let mut in_time = Box::pin(sender.send_timeout(3, LIMIT));
            assert!(in_time.as_mut().poll(cx).is_pending());
            assert_eq!(receiver.try_recv(), Ok(1));
            // Room comes before time.
            assert!(in_time.as_mut().poll(cx).is_ready());
            assert_eq!(receiver.try_recv(), Ok(3));
            assert_eq!(sender.capacity(), 1, "the one that was late left the queue");

            sender.try_send(4).unwrap();
            let mut closed = pin!(sender.send_timeout(5, LIMIT));
            assert!(closed.as_mut().poll(cx).is_pending());
            receiver.close();
            assert_eq!(closed.poll(cx), Poll::Ready(Err(SendTimeoutError::Closed(5))));
        });
    }

    #[test]
    #[should_panic(expected = "there is no reactor running")]
    fn a_thread_outside_of_a_runtime_panics() {
        let (sender, _receiver) = channel(1);
        let _ = pin!(sender.send_timeout(1, LIMIT)).poll(&mut Context::from_waker(Waker::noop()));
    }
}
