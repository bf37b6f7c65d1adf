//! Spawning tasks that have a name.
//!
//! Purpose: [`Builder`], and where names are kept. A task's cell has no room for one, so that a task without a name
//! pays nothing: the future of a named task is wrapped, and the wrapper enters the name in a table under the task's id
//! while the task lives.
//!
//! Called by: users, `join_set`.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Id, JoinHandle, LocalSet, try_id};
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
            Some(name) => handle.spawn(Named::new(future, name)),
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
            Some(name) => super::spawn_local(Named::new(future, name)),
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
            Some(name) => local_set.spawn_local(Named::new(future, name)),
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
                let mut name = Name::Given(name.into());
                handle.spawn_blocking(move || {
                    name.enter();
                    f()
                })
            }
            None => handle.spawn_blocking(f),
        })
    }
}

/// The name that the task which runs on this thread was given by its [`Builder`].
///
/// `None` outside of tasks, and in one without a name.
pub fn name() -> Option<Arc<str>> {
    name_of(try_id()?)
}

/// The name of a task, if it was given one, has been polled, and has not ended.
pub(crate) fn name_of(task: Id) -> Option<Arc<str>> {
    names().get(&task).cloned()
}

/// The names of tasks, in the same order.
pub(crate) fn names_of(ids: impl Iterator<Item = Id>) -> Vec<Option<Arc<str>>> {
    let names = names();
    ids.map(|id| names.get(&id).cloned()).collect()
}

/// The names of all named tasks that have been polled and have not ended.
fn names() -> std::sync::MutexGuard<'static, HashMap<Id, Arc<str>>> {
    static NAMES: LazyLock<Mutex<HashMap<Id, Arc<str>>>> = LazyLock::new(Mutex::default);
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

pin_project! {
    /// The future of a task that has a name.
    struct Named<F> {
        // Before the name: the future's destructor may still ask for it.
        #[pin]
        future: F,
        name: Name,
    }
}

/// A name, and whether it is in the table.
enum Name {
    Given(Arc<str>),
    Entered(Id),
}

impl<F> Named<F> {
    fn new(future: F, name: &str) -> Self {
        Self {
            future,
            name: Name::Given(name.into()),
        }
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.name.enter();
        this.future.poll(cx)
    }
}

impl Name {
    /// Enters the name in the table, inside of its task.
    fn enter(&mut self) {
        if let Self::Given(name) = self
            && let Some(id) = try_id()
        {
            names().insert(id, Arc::clone(name));
            *self = Self::Entered(id);
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Self::Entered(id) = self {
            names().remove(id);
        }
    }
}
