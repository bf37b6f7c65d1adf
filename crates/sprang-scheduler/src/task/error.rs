//! Why a task has no output.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;

use super::id::Id;

/// What the stage holds in the place of an output.
pub(super) enum Failure {
    Aborted,
    Shutdown,
    Panicked(Payload),
}

/// A panic's payload, which is `Send` but need not be `Sync`.
pub(super) struct Payload(Box<dyn Any + Send>);

// SAFETY: a shared payload gives access only to a `&'static str` or a `String`, which are `Sync`.
unsafe impl Sync for Payload {}

impl Payload {
    fn message(&self) -> Option<&str> {
        let message = self.0.downcast_ref::<&'static str>().copied();
        message.or_else(|| self.0.downcast_ref::<String>().map(String::as_str))
    }
}

impl Failure {
    pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        Self::Panicked(Payload(payload))
    }

    pub(super) fn cancelled(by_shutdown: bool) -> Self {
        if by_shutdown { Self::Shutdown } else { Self::Aborted }
    }
}

/// The error of a [`JoinHandle`](super::JoinHandle) whose task did not run to its end: it panicked, was aborted, or
/// its runtime ended.
pub struct JoinError {
    id: Id,
    spawned_at: &'static Location<'static>,
    failure: Failure,
}

impl JoinError {
    pub(super) fn new(id: Id, spawned_at: &'static Location<'static>, failure: Failure) -> Self {
        Self {
            id,
            spawned_at,
            failure,
        }
    }

    /// Whether the task was cancelled: aborted, or dropped with its runtime.
    pub fn is_cancelled(&self) -> bool {
        !self.is_panic()
    }

    /// Whether the task was cancelled because its runtime ended.
    pub fn is_shutdown(&self) -> bool {
        matches!(self.failure, Failure::Shutdown)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.failure, Failure::Panicked(_))
    }

    /// The payload of the task's panic, to be passed to [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// If the task did not panic: ask [`is_panic`](Self::is_panic), or call [`try_into_panic`](Self::try_into_panic).
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("the task was cancelled, it did not panic")
    }

    /// The payload of the task's panic, or the error itself if the task did not panic.
    ///
    /// # Errors
    ///
    /// `self`, if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.failure {
            Failure::Panicked(payload) => Ok(payload.0),
            _ => Err(self),
        }
    }

    /// The id of the task.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Where the task was spawned; the message of a panic says where it panicked. (Not in Tokio.)
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id;
        match &self.failure {
            Failure::Aborted => write!(f, "task {id} was cancelled"),
            Failure::Shutdown => write!(f, "task {id} was cancelled because its runtime shut down"),
            Failure::Panicked(payload) => match payload.message() {
                Some(message) => write!(f, "task {id} panicked with message {message:?}"),
                None => write!(f, "task {id} panicked"),
            },
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, .. } = self;
        match &self.failure {
            Failure::Aborted => write!(f, "JoinError::Cancelled({id:?})"),
            Failure::Shutdown => write!(f, "JoinError::Shutdown({id:?})"),
            Failure::Panicked(payload) => match payload.message() {
                Some(message) => write!(f, "JoinError::Panic({id:?}, {message:?}, ...)"),
                None => write!(f, "JoinError::Panic({id:?}, ...)"),
            },
        }
    }
}

impl Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> io::Error {
        io::Error::other(match error.failure {
            Failure::Panicked(_) => "task panicked",
            Failure::Aborted | Failure::Shutdown => "task was cancelled",
        })
    }
}
