//! tokio-util: cancellation, and the handles that can be polled.

use std::sync::Arc;
use std::time::Duration;

use support::on_each;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, PollSemaphore, PollSender, ReusableBoxFuture};

#[test]
fn a_token_cancels_its_children_and_not_its_parent() {
    on_each(async || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let leaf = middle.child_token();
                tokio::spawn(async move {
                    tokio::select! {
                        () = leaf.cancelled() => true,
                        () = tokio::time::sleep(support::PATIENCE) => false,
                    }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        middle.cancel();
        for task in tasks {
            assert!(task.await.unwrap());
        }
        assert!(middle.is_cancelled() && !root.is_cancelled());
    });
}

#[test]
fn a_guard_cancels_when_it_is_dropped() {
    on_each(async || {
        let token = CancellationToken::new();
        let worker = tokio::spawn(token.clone().run_until_cancelled_owned(std::future::pending::<()>()));
        let guard = token.drop_guard();
        drop(guard);
        assert_eq!(worker.await.unwrap(), None);
    });
}

#[test]
fn a_polled_sender_waits_for_room() {
    on_each(async || {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut sender = PollSender::new(sender);
        for number in 0..10u32 {
            // The receiver has to be asked in between: the channel holds one.
            let (room, received) = tokio::join!(std::future::poll_fn(|context| sender.poll_reserve(context)), async {
                if number > 0 { receiver.recv().await } else { None }
            });
            room.unwrap();
            sender.send_item(number).unwrap();
            assert_eq!(received, number.checked_sub(1));
        }
        sender.close();
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(9), None));
    });
}

#[test]
fn a_polled_semaphore_gives_its_permits_back() {
    on_each(async || {
        let mut semaphore = PollSemaphore::new(Arc::new(Semaphore::new(1)));
        let permit = std::future::poll_fn(|context| semaphore.poll_acquire(context))
            .await
            .unwrap();
        let release = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            drop(permit);
        });
        assert!(
            std::future::poll_fn(|context| semaphore.poll_acquire(context))
                .await
                .is_some()
        );
        release.await.unwrap();

        let mut reusable = ReusableBoxFuture::new(async { 1 });
        assert_eq!((&mut reusable).await, 1);
        reusable.set(async { 2 });
        assert_eq!(reusable.await, 2);
    });
}
