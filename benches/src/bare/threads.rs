//! Two threads in turn.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;

use rustix::thread::futex;

use crate::Workload;
use crate::meter::Meter;

pub(super) const WORKLOADS: &[Workload] = &[Workload::new(
    "token_std",
    "one thread to another and back through a futex",
    TURNS,
    turns,
)];

const TURNS: u64 = 10_000;

/// A number that grows with each turn: whose turn it is.
#[derive(Default)]
struct Turn(AtomicU32);

impl Turn {
    /// Waits for the turn `mine`.
    fn wait(&self, mine: u32) {
        // ORDERING: pairs with `pass`: what was done before the turn was passed on is seen after it.
        while self.0.load(Acquire) != mine {
            // Whether it slept, was interrupted or came too late, the number says what to do.
            let _ = futex::wait(&self.0, futex::Flags::PRIVATE, mine.wrapping_sub(1), None);
        }
    }

    fn pass(&self, mine: u32) {
        // ORDERING: pairs with `wait`.
        self.0.store(mine.wrapping_add(1), Release);
        futex::wake(&self.0, futex::Flags::PRIVATE, 1).expect("the word is there");
    }

    /// Every other turn from `first`, so many; the next one.
    fn take(&self, first: u32, turns: u64) -> u32 {
        let mut mine = first;
        for _ in 0..turns {
            self.wait(mine);
            self.pass(mine);
            mine = mine.wrapping_add(2);
        }
        mine
    }
}

fn turns(rounds: u32) -> f64 {
    let turn = Turn::default();
    let turns = u64::from(rounds) * TURNS;
    thread::scope(|scope| {
        scope.spawn(|| turn.take(1, TURNS + turns));
        let next = turn.take(0, TURNS);
        let meter = Meter::start();
        turn.take(next, turns);
        meter.stop()
    })
}
