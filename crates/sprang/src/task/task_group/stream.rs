//! The results of a [`TaskGroup`] as a [`Stream`].
//!
//! Called by: users, with the feature `stream`. Calls: [`TaskGroup::poll_next`].

use std::pin::Pin;
use std::task::{Context, Poll};

use super::TaskGroup;
use crate::stream::Stream;
use crate::task::JoinError;

/// As [`TaskGroup::next`]: the stream ends when the group has no tasks, and goes on when one is spawned then.
impl<T: 'static> Stream for TaskGroup<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        TaskGroup::poll_next(self.get_mut(), cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Spawners may add more.
        (self.len(), None)
    }
}
