//! [`JoinSetStream`].

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::stream::Stream;
use crate::task::{JoinError, JoinSet};

/// The outputs of the tasks of a set, each when its task has ended. The stream ends when the set is empty, and goes on
/// when a task is spawned then.
#[derive(Debug)]
pub struct JoinSetStream<T> {
    inner: JoinSet<T>,
}

wraps!([T] JoinSetStream<T>, JoinSet<T>);

impl<T: 'static> Stream for JoinSetStream<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.poll_join_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let tasks = self.inner.len();
        (tasks, Some(tasks))
    }
}
