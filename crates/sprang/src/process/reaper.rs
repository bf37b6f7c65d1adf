//! The thread that waits for processes that were let go.
//!
//! Purpose: no process stays a zombie because its [`Child`](super::Child) was dropped: neither in a runtime that goes
//! on, nor when the runtime is gone. A runtime could not do that: it may end before the process does.
//!
//! Called by: `running`'s drop, `command`. Calls: mio, std (`waitpid`).
//!
//! The thread is started for the first orphan and ends with the last: what drops no running children never has it. It
//! sleeps in an epoll of its own until a pidfd becomes readable, and asks only the process whose pidfd it is. For an
//! orphan without one (an old kernel, or no descriptor was left) it asks every [`INTERVAL`].
//!
//! Invariants:
//! - I1: an orphan is in the queue or with the thread until it has been waited for, or turns out to be no child of ours.
//! - I2: while `is_running`, the thread looks at the queue once more before it ends: `is_running` is cleared under the
//!   lock, with the queue found empty.
//! - I3: the bell is rung after the queue has grown, under the lock; the thread takes from the queue before each sleep.
//!   So no orphan is left in the queue while the thread sleeps.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mio::event::Source;
use mio::{Events, Interest, Poll, Token, Waker};

use super::notice::PidFd;

/// How often to ask where nothing tells.
const INTERVAL: Duration = Duration::from_millis(100);

/// Events taken from the OS at a time; more come with the next turn.
const EVENTS: usize = 64;

/// The token of the bell. Those of orphans are the numbers of their processes, and this is no child's.
const BELL: Token = Token(0);

/// A process that nobody else will wait for.
struct Orphan {
    child: Child,
    pidfd: Option<PidFd>,
}

impl Orphan {
    /// Asks how it ended: true if it has, or is no child of ours.
    fn is_reaped(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

/// What the thread and all others share.
struct Queue {
    arrived: Vec<Orphan>,
    is_running: bool,
    bell: Option<Waker>,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    arrived: Vec::new(),
    is_running: false,
    bell: None,
});

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// Sees to it that the thread looks at what has arrived, if the OS lets it.
    fn attend(&mut self) {
        if self.arrived.is_empty() {
            return;
        }
        if !self.is_running {
            let thread = thread::Builder::new().name("sprang-reaper".to_owned());
            self.is_running = thread.spawn(run).is_ok();
        } else if let Some(bell) = &self.bell {
            // Without it the thread looks after an interval, or with the end of another process.
            let _ = bell.wake();
        }
    }
}

/// Waits for `child` in the background.
pub(super) fn adopt(child: Child, pidfd: Option<PidFd>) {
    let mut queue = queue();
    queue.arrived.push(Orphan { child, pidfd });
    queue.attend();
}

/// Tries again to start the thread, if it is wanted and was refused before.
pub(super) fn attend() {
    let mut queue = queue();
    if !queue.is_running {
        queue.attend();
    }
}

/// The thread.
fn run() {
    let mut reaper = Reaper::new();
    while reaper.take_in() {
        reaper.reap();
    }
}

/// What the thread has.
struct Reaper {
    /// By the numbers of their processes.
    orphans: HashMap<u32, Orphan>,
    /// What it sleeps in, if the OS has given it that.
    watch: Option<(Poll, Events)>,
}

impl Reaper {
    fn new() -> Self {
        let watch = Poll::new().and_then(|poll| {
            let bell = Waker::new(poll.registry(), BELL)?;
            queue().bell = Some(bell);
            Ok((poll, Events::with_capacity(EVENTS)))
        });
        Self {
            orphans: HashMap::new(),
            watch: watch.ok(),
        }
    }

    /// Takes in what is in the queue; false if there is no orphan left (I2).
    fn take_in(&mut self) -> bool {
        let arrived = {
            let mut queue = queue();
            if queue.arrived.is_empty() && self.orphans.is_empty() {
                queue.is_running = false;
                queue.bell = None;
                return false;
            }
            mem::take(&mut queue.arrived)
        };
        for mut orphan in arrived {
            let token = Token(orphan.child.id() as usize);
            // There is an event also if the process has ended already.
            let is_watched = match (&self.watch, &mut orphan.pidfd) {
                (Some((poll, _)), Some(pidfd)) => pidfd.register(poll.registry(), token, Interest::READABLE).is_ok(),
                _ => false,
            };
            if !is_watched {
                orphan.pidfd = None;
            }
            self.orphans.insert(orphan.child.id(), orphan);
        }
        true
    }

    /// Sleeps until there may be something to do, and lets go of the orphans that have ended.
    fn reap(&mut self) {
        // Those that nothing tells of.
        self.orphans
            .retain(|_, orphan| orphan.pidfd.is_some() || !orphan.is_reaped());
        if self.orphans.is_empty() {
            return;
        }
        let Some((poll, events)) = &mut self.watch else {
            return thread::sleep(INTERVAL);
        };
        let is_told_of_all = self.orphans.values().all(|orphan| orphan.pidfd.is_some());
        match poll.poll(events, (!is_told_of_all).then_some(INTERVAL)) {
            Ok(()) => {
                for event in &*events {
                    let id = event.token().0 as u32;
                    if self.orphans.get_mut(&id).is_some_and(Orphan::is_reaped) {
                        self.orphans.remove(&id);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Somebody has closed descriptors that were not theirs.
            Err(_) => {
                self.watch = None;
                self.orphans.values_mut().for_each(|orphan| orphan.pidfd = None);
            }
        }
    }
}
