//! The lanes of a runtime, and the rule by which every timer is fired on time.
//!
//! Purpose: what all threads of a runtime share of its timers, and the ambient handle that `sleep` finds.
//!
//! Data flow: the facade builds a [`Handle`], gives it to the scheduler as its `Timers` and `Unpark`, and sets it as
//! the ambient one. `entry` and `lane` call [`Common`] for ticks and for [`Common::deadline_lowered`]. [`Handle`] calls
//! `lane` to fire and close.
//!
//! The rule: **a timer armed by any thread at any time is fired on time**, if
//! - R1: a worker that runs tasks calls [`Timers::fire_due`] every few polls;
//! - R2: a thread whose `slot::lane` is not 0 never waits, be it for work or in a nested `block_on`, without parking in
//!   the driver, or asking [`Timers::unserved_deadline`] first, sleeping no longer than that, and calling
//!   [`Timers::fire_due`] when it wakes up. A thread that cannot promise this sets its lane to 0 meanwhile.
//!
//! Why: each lane publishes its next deadline, and whoever is awake looks at those of all lanes (R1), so only a sleeper
//! can be late. [`Driver`](crate::Driver) publishes in `parked_until` what it sleeps until. A worker that arms an
//! earlier timer is awake, and by R2 it does not fall asleep before it knows that the driver's sleep is short enough or
//! cuts its own short. Any other thread makes no promise, so it unparks the driver.
//!
//! Invariants:
//! - I1: a deadline published by a thread that then finds `parked_until` no later than it, or [`NOBODY`], is seen by
//!   the next thread that parks in the driver.
//! - I2: `parked_until` is [`NEVER`] from before the lanes are looked at until the earliest deadline is known, then that
//!   deadline, and [`NOBODY`] while no thread is parked in the driver: never earlier than what the driver sleeps until.
//! - I3: a thread counts as a worker only of the runtime that it last served, so that a worker of one runtime that arms
//!   timers in another is an outside thread there.
//!
//! Memory ordering: arming thread: store `next`, fence, load `parked_until`. Parking thread: store `parked_until`,
//! fence, load every `next`. With both fences SeqCst one of the two sees the other's store (I1); without either, both
//! may read the old value and the deadline is lost until the next event. `unserved_deadline` has the arming thread's
//! fence for what its own thread armed without one.
//!
//! Models: `models::an_outside_thread_never_loses_an_earlier_deadline`,
//! `models::a_worker_never_loses_an_earlier_deadline`.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use sprang_core::park::{Timers, Unpark};
use sprang_core::primitive::sync::Arc;
use sprang_core::primitive::sync::atomic::Ordering::{AcqRel, Relaxed, Release, SeqCst};
use sprang_core::primitive::sync::atomic::{AtomicBool, AtomicU64, fence};
use sprang_core::slot::{self, Slot};
use sprang_core::wakeups::Wakeups;

use crate::clock::{self, Clock};
use crate::entry::MAX_TICK;
use crate::lane::{Lane, NEVER};
use crate::runtimes;

/// The `parked_until` of a driver that nobody is parked in.
pub(crate) const NOBODY: u64 = 0;

const NANOS_PER_TICK: u32 = 1_000_000;

thread_local! {
    static CURRENT: Slot<Handle> = const { Slot::new() };
    /// The number of the runtime of that handle, or 0: what a timer needs of it that is only created.
    static CURRENT_RUNTIME: Cell<u64> = const { Cell::new(0) };
    /// The number of the runtime that this thread last served as a worker (I3).
    static SERVED: Cell<u64> = const { Cell::new(0) };
    static GLANCES: Cell<Glances> = const { Cell::new(Glances::NONE) };
}

/// What this thread may leave out of its looks at the timers of the runtime that it serves.
///
/// To read the clock takes as long as a short poll. While the earliest deadline is the one that a look has found to be
/// [`FAR_TICKS`] ahead, or a later one, the next looks do without: only polls that block could make them late by that.
#[derive(Debug, Clone, Copy)]
struct Glances {
    /// The deadline that was found to be far ahead.
    far: u64,
    /// Looks at the timers that may do without the clock.
    left: u32,
}

impl Glances {
    const NONE: Self = Self { far: NEVER, left: 0 };
}

/// How far ahead a deadline must be for glances.
const FAR_TICKS: u64 = 1_000;
/// Glances after a look.
const MAX_GLANCES: u32 = 16;

/// Makes `handle` the one that timers of this thread are created in; returns the one before.
pub fn set_current(handle: Option<Handle>) -> Option<Handle> {
    CURRENT_RUNTIME.set(handle.as_ref().map_or(0, Handle::number));
    slot::replace(&CURRENT, handle)
}

/// The number of the current handle's runtime, or 0.
#[inline]
pub(crate) fn current_runtime() -> u64 {
    CURRENT_RUNTIME.get()
}

/// This thread's lane of a runtime; `None` if the runtime is gone.
pub(crate) fn lane_of(runtime: u64) -> Option<Arc<Lane>> {
    let lane = |handle: &Handle| Arc::clone(handle.lane());
    if current_runtime() == runtime {
        // Not on a thread whose locals are destroyed.
        if let found @ Some(_) = with_current(lane) {
            return found;
        }
    }
    runtimes::find(runtime).as_ref().map(lane)
}

/// Calls `f` with this thread's handle, if there is one.
///
/// # Panics
///
/// If `f` calls [`set_current`].
#[inline]
pub fn with_current<R>(f: impl FnOnce(&Handle) -> R) -> Option<R> {
    slot::with(&CURRENT, f)
}

/// What the clock of this thread's runtime shows; real time on a thread without a runtime.
#[inline]
pub fn now() -> Instant {
    if clock::any_paused() {
        current_now()
    } else {
        Instant::now()
    }
}

#[cold]
fn current_now() -> Instant {
    with_current(Handle::now).unwrap_or_else(Instant::now)
}

/// The timers of one runtime. Clones share them.
#[derive(Debug, Clone)]
pub struct Handle(std::sync::Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    common: std::sync::Arc<Common>,
    lanes: Box<[Arc<Lane>]>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        runtimes::remove(self.common.number);
    }
}

/// What every lane knows of its runtime.
#[derive(Debug)]
pub(crate) struct Common {
    /// By which timers and threads know the runtime: no other ever has the same.
    number: u64,
    /// Tick 0.
    start: Instant,
    clock: Clock,
    unpark: std::sync::Arc<dyn Unpark>,
    /// An unpark since the driver last asked; kept only for a clock that can be paused.
    unparked: AtomicBool,
    /// The tick that the driver sleeps until (I2).
    pub(crate) parked_until: CachePadded<AtomicU64>,
}

impl Common {
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The tick that a deadline is due at: the first one that does not come before it.
    pub(crate) fn deadline_tick(&self, deadline: Instant) -> u64 {
        self.ticks_until(deadline, NANOS_PER_TICK - 1)
    }

    /// The tick that `now` lies in.
    pub(crate) fn now_tick(&self, now: Instant) -> u64 {
        self.ticks_until(now, 0)
    }

    fn ticks_until(&self, instant: Instant, round_nanos: u32) -> u64 {
        let since = instant.saturating_duration_since(self.start);
        let rest = u64::from((since.subsec_nanos() + round_nanos) / NANOS_PER_TICK);
        since.as_secs().saturating_mul(1_000).saturating_add(rest).min(MAX_TICK)
    }

    /// The start of a tick, in the time of the clock; `None` if it is never.
    pub(crate) fn instant_of(&self, tick: u64) -> Option<Instant> {
        self.start.checked_add(Duration::from_millis(tick))
    }

    /// Tells whoever must know that a lane of this runtime published an earlier deadline.
    pub(crate) fn deadline_lowered(&self, due: u64) {
        if slot::lane() > 0 && SERVED.get() == self.number {
            return;
        }
        // ORDERING: pairs with the fence in `Handle::announce_park` (I1).
        fence(SeqCst);
        if due < self.parked_until.load(Relaxed) {
            self.unpark.unpark();
        }
    }

    /// Whether there was an unpark since the last call.
    pub(crate) fn take_unparked(&self) -> bool {
        // ORDERING: pairs with `Handle::unpark`: what was made runnable before it is seen by the scheduler.
        self.unparked.swap(false, AcqRel)
    }
}

impl Handle {
    /// The timers of a new runtime, with `lanes` wheels that the threads spread over: one for outside threads and
    /// preferably one for each worker. `unpark` is the inner driver's.
    ///
    /// # Panics
    ///
    /// If `lanes` is 0.
    #[track_caller]
    pub fn new(clock: Clock, lanes: usize, unpark: std::sync::Arc<dyn Unpark>) -> Self {
        assert!(lanes > 0, "a runtime's timers need at least one lane");
        Self(std::sync::Arc::new_cyclic(|shared| {
            let common = std::sync::Arc::new(Common {
                number: runtimes::add(shared.clone()),
                start: clock.now(),
                clock,
                unpark,
                unparked: AtomicBool::new(false),
                parked_until: CachePadded::new(AtomicU64::new(NOBODY)),
            });
            let lanes = (0..lanes)
                .map(|index| Arc::new(Lane::new(std::sync::Arc::clone(&common), index)))
                .collect();
            Shared { common, lanes }
        }))
    }

    pub(crate) fn from_shared(shared: std::sync::Arc<Shared>) -> Self {
        Self(shared)
    }

    /// The number by which a timer knows its runtime.
    pub(crate) fn number(&self) -> u64 {
        self.common().number
    }

    /// The runtime's clock.
    pub fn clock(&self) -> &Clock {
        &self.0.common.clock
    }

    /// What the runtime's clock shows.
    #[inline]
    pub fn now(&self) -> Instant {
        self.0.common.clock.now()
    }

    /// Keeps a paused clock from advancing by itself until the guard is dropped; `None` if the clock cannot be paused.
    ///
    /// Held while a blocking task runs, which is work although no task is runnable.
    pub fn inhibit_auto_advance(&self) -> Option<InhibitAutoAdvance> {
        self.clock().is_pausable().then(|| {
            self.clock().inhibit_auto_advance();
            InhibitAutoAdvance(self.clone())
        })
    }

    pub(crate) fn common(&self) -> &std::sync::Arc<Common> {
        &self.0.common
    }

    /// The lane of this thread.
    pub(crate) fn lane(&self) -> &Arc<Lane> {
        let lanes = &self.0.lanes;
        let lane = slot::lane();
        // A division only for threads that are no workers here: it costs more than the rest.
        lanes.get(lane).unwrap_or_else(|| &lanes[lane % lanes.len()])
    }

    /// Publishes that this thread is about to park in the driver, and until when: the earliest deadline.
    pub(crate) fn announce_park(&self) -> u64 {
        let common = self.common();
        common.parked_until.store(NEVER, Relaxed);
        // ORDERING: pairs with the fences in `deadline_lowered` and `unserved_deadline` (I1).
        fence(SeqCst);
        let earliest = self.earliest();
        // Who still reads `NEVER` unparks needlessly, no more (I2).
        common.parked_until.store(earliest.max(NOBODY + 1), Relaxed);
        earliest
    }

    /// Publishes that nobody is parked in the driver any more.
    pub(crate) fn announce_awake(&self) {
        self.common().parked_until.store(NOBODY, Relaxed);
    }

    /// The earliest published deadline of all lanes.
    fn earliest(&self) -> u64 {
        self.0.lanes.iter().map(|lane| lane.next()).min().unwrap_or(NEVER)
    }

    /// The earliest deadline after setting all published ones right, for a clock that jumps to it.
    pub(crate) fn earliest_exactly(&self) -> u64 {
        self.0
            .lanes
            .iter()
            .map(|lane| lane.next_exactly())
            .min()
            .unwrap_or(NEVER)
    }

    /// Notes that this thread follows the rule of this runtime (I3).
    pub(crate) fn serve(&self) {
        if SERVED.replace(self.number()) != self.number() {
            GLANCES.set(Glances::NONE);
        }
    }

    /// Closes all timers: they are woken and pend for good.
    pub(crate) fn close(&self) {
        let mut wakeups = Wakeups::new();
        for lane in &self.0.lanes {
            while !lane.close(&mut wakeups.batch) {
                wakeups.flush();
            }
        }
        wakeups.finish();
    }
}

impl Unpark for Handle {
    fn unpark(&self) {
        let common = self.common();
        if common.clock.is_pausable() {
            // ORDERING: pairs with `take_unparked`.
            common.unparked.store(true, Release);
        }
        common.unpark.unpark();
    }
}

impl Timers for Handle {
    fn glance(&self) {
        self.serve();
        let Glances { far, left } = GLANCES.get();
        // The threads of a model are one.
        let is_due = cfg!(sprang_loom) || left == 0;
        if is_due || self.earliest() < far || !self.clock().was_never_paused() {
            return self.fire_due();
        }
        GLANCES.set(Glances { far, left: left - 1 });
    }

    fn fire_due(&self) {
        self.serve();
        let earliest = self.earliest();
        if earliest == NEVER {
            return;
        }
        let now = self.common().now_tick(self.now());
        let is_far = earliest - now.min(earliest) >= FAR_TICKS;
        let (far, left) = if is_far { (earliest, MAX_GLANCES) } else { (NEVER, 0) };
        GLANCES.set(Glances { far, left });
        if earliest > now {
            return;
        }
        for lane in &self.0.lanes {
            if lane.next() <= now {
                lane.fire(now);
            }
        }
    }

    fn unserved_deadline(&self) -> Option<Instant> {
        self.serve();
        // It may sleep for long now.
        GLANCES.set(Glances::NONE);
        let earliest = self.earliest();
        if earliest == NEVER {
            return None;
        }
        // ORDERING: pairs with the fence in `announce_park`, for the timers that this thread armed (I1).
        fence(SeqCst);
        let parked_until = self.common().parked_until.load(Relaxed);
        if parked_until != NOBODY && parked_until <= earliest {
            return None;
        }
        self.common()
            .instant_of(earliest)
            .and_then(|at| self.clock().to_real(at))
    }
}

/// Keeps a paused clock from advancing by itself. Dropping it lets the driver look again.
#[derive(Debug)]
pub struct InhibitAutoAdvance(Handle);

impl Drop for InhibitAutoAdvance {
    fn drop(&mut self) {
        self.0.clock().allow_auto_advance();
        self.0.unpark();
    }
}

#[cfg(all(test, not(sprang_loom)))]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Waker};

    use sprang_core::park::ThreadDriver;

    use super::*;
    use crate::Timer;

    fn timers() -> Handle {
        Handle::new(Clock::new(false, false), 1, Arc::new(ThreadDriver::new().unparker()))
    }

    fn armed(handle: &Handle, after: Duration) -> Pin<Box<Timer>> {
        let mut timer = Box::pin(Timer::new(handle, handle.now() + after));
        assert!(
            timer
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        timer
    }

    fn wait_until_due(handle: &Handle, timer: &Timer) {
        while handle.now() < timer.deadline() + Duration::from_millis(1) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_glance_sees_a_deadline_that_is_earlier_than_the_far_one() {
        let handle = timers();
        let _far = armed(&handle, Duration::from_secs(3_600));
        handle.glance();
        assert_eq!(GLANCES.get().left, MAX_GLANCES);
        let near = armed(&handle, Duration::from_millis(2));
        wait_until_due(&handle, &near);
        handle.glance();
        assert!(near.is_elapsed());
        // And one that has come near.
        let near = armed(&handle, Duration::from_millis(2));
        handle.glance();
        wait_until_due(&handle, &near);
        handle.glance();
        assert!(near.is_elapsed());
    }

    #[test]
    fn a_deadline_that_is_far_no_more_is_late_by_few_glances() {
        let handle = timers();
        let timer = armed(&handle, Duration::from_millis(2));
        handle.glance();
        wait_until_due(&handle, &timer);
        // As if it had been found to be far ahead before a poll that blocked.
        let far = handle.earliest();
        GLANCES.set(Glances { far, left: MAX_GLANCES });
        (0..MAX_GLANCES).for_each(|_| handle.glance());
        assert!(!timer.is_elapsed());
        handle.glance();
        assert!(timer.is_elapsed());
    }

    #[test]
    fn no_look_is_a_glance_after_a_sleep_or_in_another_runtime() {
        let handles = [timers(), timers()];
        let _far = handles
            .each_ref()
            .map(|handle| armed(handle, Duration::from_secs(3_600)));
        handles[0].glance();
        assert_eq!(GLANCES.get().left, MAX_GLANCES);
        let _deadline = handles[0].unserved_deadline();
        assert_eq!(GLANCES.get().left, 0);
        handles[0].glance();
        handles[1].serve();
        assert_eq!(GLANCES.get().left, 0);
    }
}
