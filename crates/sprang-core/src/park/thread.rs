//! The driver of a runtime that has no other: its holder sleeps on its own thread.
//!
//! Data flow: worker → [`ThreadDriver::park`]; any thread → [`ThreadUnpark::unpark`].
//!
//! Invariants:
//! - I1: an unpark sets `notified` before it looks for the parked thread, and a park announces its thread before it
//!   looks at `notified`, both under the lock: an unpark before or during a park is never missed.

use std::time::Instant;

use super::{Driver, Unpark, Wait};
use crate::primitive::sync::{Arc, Mutex};
use crate::primitive::thread::{self, Thread};

#[derive(Debug, Default)]
struct State {
    notified: bool,
    parked: Option<Thread>,
}

/// A driver without events and timers.
#[derive(Debug, Default)]
pub struct ThreadDriver {
    state: Arc<Mutex<State>>,
}

/// Unparks a [`ThreadDriver`].
#[derive(Debug, Clone)]
pub struct ThreadUnpark {
    state: Arc<Mutex<State>>,
}

impl ThreadDriver {
    /// A driver that nobody is parked in.
    pub fn new() -> Self {
        Self::default()
    }

    /// What unparks it.
    pub fn unparker(&self) -> ThreadUnpark {
        ThreadUnpark {
            state: Arc::clone(&self.state),
        }
    }

    /// Announces the thread; `false` if there is nothing to wait for.
    fn announce(&self) -> bool {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.notified) {
            state.parked = None;
            return false;
        }
        state.parked = Some(thread::current());
        true
    }
}

impl Driver for ThreadDriver {
    fn park(&mut self, wait: Wait) {
        while self.announce() {
            match wait {
                Wait::Poll => break,
                Wait::Forever => thread::park(),
                Wait::Until(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    thread::park_timeout(left);
                }
            }
        }
        self.state.lock().parked = None;
    }

    fn shutdown(&mut self) {}
}

impl Unpark for ThreadUnpark {
    fn unpark(&self) {
        let parked = {
            let mut state = self.state.lock();
            state.notified = true;
            state.parked.take()
        };
        if let Some(thread) = parked {
            thread.unpark();
        }
    }
}

#[cfg(test)]
mod models {
    use super::*;
    use crate::primitive::model;

    #[test]
    fn an_unpark_before_or_during_a_park_ends_it() {
        model(|| {
            let mut driver = ThreadDriver::new();
            let unparker = driver.unparker();
            let unparking = thread::spawn(move || unparker.unpark());
            driver.park(Wait::Forever);
            unparking.join().unwrap();
        });
    }
}
