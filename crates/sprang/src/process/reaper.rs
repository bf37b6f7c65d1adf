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
    let mut watch = Watch::new().ok();
    queue().bell = watch.as_mut().and_then(|watch| watch.bell.take());
    let mut orphans = HashMap::new();
    loop {
        let arrived = {
            let mut queue = queue();
            if queue.arrived.is_empty() && orphans.is_empty() {
                queue.is_running = false;
                queue.bell = None;
                return;
            }
            mem::take(&mut queue.arrived)
        };
        for mut orphan in arrived {
            let watched = watch.as_ref().map(|watch| watch.add(&mut orphan));
            if !matches!(watched, Some(Ok(()))) {
                orphan.pidfd = None;
            }
            orphans.insert(orphan.child.id(), orphan);
        }
        // Those that nothing tells of.
        orphans.retain(|_, orphan| orphan.pidfd.is_some() || !orphan.is_reaped());
        if orphans.is_empty() {
            continue;
        }
        let tells = orphans.values().all(|orphan| orphan.pidfd.is_some());
        let timeout = (!tells).then_some(INTERVAL);
        let Some(events) = watch.as_mut().map(|watch| watch.wait(timeout)) else {
            thread::sleep(INTERVAL);
            continue;
        };
        match events {
            Ok(events) => {
                for event in events {
                    let id = event.token().0 as u32;
                    if orphans.get_mut(&id).is_some_and(Orphan::is_reaped) {
                        orphans.remove(&id);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Somebody closed descriptors that are not theirs.
            Err(_) => {
                watch = None;
                orphans.values_mut().for_each(|orphan| orphan.pidfd = None);
            }
        }
    }
}

/// What the thread sleeps in.
struct Watch {
    poll: Poll,
    events: Events,
    bell: Option<Waker>,
}

impl Watch {
    fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let bell = Waker::new(poll.registry(), BELL)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            bell: Some(bell),
        })
    }

    /// From now on there is an event when the process has ended, also if it has already.
    fn add(&self, orphan: &mut Orphan) -> io::Result<()> {
        let token = Token(orphan.child.id() as usize);
        let pidfd = orphan.pidfd.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        pidfd.register(self.poll.registry(), token, Interest::READABLE)
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<&Events> {
        self.poll.poll(&mut self.events, timeout)?;
        Ok(&self.events)
    }
}
