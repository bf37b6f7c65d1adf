//! Spawning tasks that have a name.
//!
//! Purpose: [`Builder`]. The future of a named task is wrapped, and the wrapper holds the name.
//!
//! Called by: users, `join_set`. Calls: `sprang_scheduler::task::Name`, which enters the name where dumps and reports
//! look it up.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use sprang_scheduler::task::Name;

use super::{JoinHandle, LocalSet};
use crate::runtime::Handle;

/// Spawns a task that has a name.
///
/// ```
/// # #[sprang::main]
/// # async fn main() -> std::io::Result<()> {
/// use sprang::task;
///
/// let task = task::Builder::new().name("greeter").spawn(async { task::name() })?;
/// assert_eq!(task.await?.as_deref(), Some("greeter"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it spawns a task"]
pub struct Builder<'a> {
    name: Option<&'a str>,
}

impl<'a> Builder<'a> {
    /// A builder for a task without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the task. It need not be unique; it is known from the task's first poll on.
    pub fn name(&self, name: &'a str) -> Self {
        Self { name: Some(name) }
    }

    /// Spawns a task on the current runtime. See [`task::spawn`](super::spawn).
    ///
    /// # Errors
    ///
    /// None at present.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_on(future, &Handle::current())
    }

    /// Spawns a task on a runtime. See [`Handle::spawn`].
    ///
    /// # Errors
    ///
    /// None at present.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(match self.name {
            Some(name) => handle.spawn(Named {
                future: Box::pin(future),
                name: name.into(),
            }),
            None => handle.spawn(future),
        })
    }

    /// Spawns a task that need not be `Send`. See [`task::spawn_local`](super::spawn_local).
    ///
    /// # Errors
    ///
    /// None at present.
    ///
    /// # Panics
    ///
    /// Outside of a [`LocalSet`] and a [`LocalRuntime`](crate::runtime::LocalRuntime).
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(match self.name {
            Some(name) => super::spawn_local(Named {
                future: Box::pin(future),
                name: name.into(),
            }),
            None => super::spawn_local(future),
        })
    }

    /// Spawns a task on a [`LocalSet`]. See [`LocalSet::spawn_local`].
    ///
    /// # Errors
    ///
    /// None at present.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(match self.name {
            Some(name) => local_set.spawn_local(Named {
                future: Box::pin(future),
                name: name.into(),
            }),
            None => local_set.spawn_local(future),
        })
    }

    /// Runs a closure on a thread where it may block. See [`task::spawn_blocking`](super::spawn_blocking).
    ///
    /// # Errors
    ///
    /// None at present: what the operating system refuses is the task's error.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, f: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_blocking_on(f, &Handle::current())
    }

    /// Runs a closure on a thread of a runtime where it may block. See [`Handle::spawn_blocking`].
    ///
    /// # Errors
    ///
    /// None at present: what the operating system refuses is the task's error.
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, f: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        Ok(match self.name {
            Some(name) => {
                let mut name = Name::from(name);
                handle.spawn_blocking(move || {
                    name.enter();
                    f()
                })
            }
            None => handle.spawn_blocking(f),
        })
    }
}

/// The future of a task that has a name.
struct Named<F> {
    // Before the name: the future's destructor may still ask for it.
    future: Pin<Box<F>>,
    name: Name,
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.name.enter();
        self.future.as_mut().poll(cx)
    }
}
