//! Names of tasks.
//!
//! Purpose: a table of the tasks that have a name. A cell has no room for one, so that a task without a name pays
//! nothing: the future of a named task holds a [`Name`], which is in the table under the task's id from its first poll
//! until it is dropped.
//!
//! Called by: `sprang::task::Builder` (enter); dumps, reports and [`name`] (look up).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError}; // tidy: allow(shim): a static of the process, in no model

use super::id::{Id, try_id};

/// A name, and whether it is in the table.
#[derive(Debug)]
pub enum Name {
    /// Not yet.
    Given(Arc<str>),
    /// As that of this task.
    Entered(Id),
}

impl Name {
    /// Enters the name as that of the task which runs on this thread, unless that is done.
    pub fn enter(&mut self) {
        if let Self::Given(name) = self
            && let Some(id) = try_id()
        {
            names().insert(id, Arc::clone(name));
            *self = Self::Entered(id);
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self::Given(name.into())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Self::Entered(id) = self {
            names().remove(id);
        }
    }
}

/// The name that the task which runs on this thread was given by its `Builder`.
///
/// `None` outside of tasks, and in one without a name.
pub fn name() -> Option<Arc<str>> {
    name_of(try_id()?)
}

/// The name of a task, if it was given one, has been polled, and has not ended.
pub fn name_of(task: Id) -> Option<Arc<str>> {
    names().get(&task).cloned()
}

/// The names of tasks, in the same order.
pub fn names_of(ids: impl Iterator<Item = Id>) -> Vec<Option<Arc<str>>> {
    let names = names();
    ids.map(|id| names.get(&id).cloned()).collect()
}

fn names() -> MutexGuard<'static, HashMap<Id, Arc<str>>> {
    static NAMES: LazyLock<Mutex<HashMap<Id, Arc<str>>>> = LazyLock::new(Mutex::default);
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}
