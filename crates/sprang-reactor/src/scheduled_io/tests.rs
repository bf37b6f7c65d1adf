//! Unit tests of the readiness word and the wait list, on one thread.

use super::*;
use sprang_core::wake_batch::CAPACITY;
use std::pin::pin;
use std::sync::Arc;
use std::task::Wake;

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn collect_all(io: &ScheduledIo, ready: Ready) -> usize {
    let mut batch = WakeBatch::new();
    let mut rounds = 1;
    while !io.collect(ready, &mut batch) {
        rounds += 1;
        batch.wake_all();
    }
    rounds
}

#[test]
fn a_clear_leaves_closed_states() {
    let io = ScheduledIo::default();
    io.set_ready(Ready::READABLE | Ready::READ_CLOSED);
    io.clear_ready(io.ready_event(Interest::READABLE));
    assert_eq!(io.ready_event(Interest::READABLE).ready(), Ready::READ_CLOSED);
}

#[test]
fn a_clear_of_one_direction_leaves_the_other() {
    let io = ScheduledIo::default();
    io.set_ready(Ready::READABLE | Ready::WRITABLE);
    io.clear_ready(io.ready_event(Interest::READABLE));
    assert!(io.poll_ready(&mut cx(), Direction::Read).is_pending());
    assert!(io.poll_ready(&mut cx(), Direction::Write).is_ready());
}

#[test]
fn the_tick_wraps_without_touching_readiness_or_shutdown() {
    let io = ScheduledIo::default();
    io.word.store(usize::MAX << TICK_SHIFT, Relaxed);
    let old = io.ready_event(Interest::READABLE);
    io.set_ready(Ready::READABLE);
    let event = io.ready_event(Interest::READABLE);
    assert_ne!(old.tick, event.tick);
    assert_eq!((event.ready(), event.is_shut_down()), (Ready::READABLE, false));
}

#[test]
fn shutdown_survives_a_clear() {
    let io = ScheduledIo::default();
    io.set_ready(Ready::READABLE);
    io.shut_down();
    io.clear_ready(io.ready_event(Interest::READABLE));
    assert!(io.ready_event(Interest::READABLE).is_shut_down());
}

#[test]
fn more_waiters_than_a_batch_holds_are_all_woken() {
    let io = ScheduledIo::default();
    let mut waits: Vec<_> = (0..2 * CAPACITY)
        .map(|_| Box::pin(io.readiness(Interest::WRITABLE)))
        .collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx()).is_pending());
    }
    assert!(io.poll_ready(&mut cx(), Direction::Write).is_pending());
    io.set_ready(Ready::WRITABLE);
    assert_eq!(collect_all(&io, Ready::WRITABLE), 3);
    assert!(io.waiters.lock().listed.is_empty());
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx()).is_ready());
    }
}

#[test]
fn an_event_leaves_waiters_for_other_states_in_the_list() {
    let io = ScheduledIo::default();
    let mut reader = pin!(io.readiness(Interest::READABLE));
    let mut writer = pin!(io.readiness(Interest::WRITABLE));
    assert!(reader.as_mut().poll(&mut cx()).is_pending());
    assert!(writer.as_mut().poll(&mut cx()).is_pending());
    io.set_ready(Ready::WRITABLE);
    collect_all(&io, Ready::WRITABLE);
    assert!(reader.as_mut().poll(&mut cx()).is_pending());
    assert!(writer.as_mut().poll(&mut cx()).is_ready());
}

#[test]
fn a_waiter_whose_event_was_used_up_waits_for_the_next() {
    let io = ScheduledIo::default();
    let mut wait = pin!(io.readiness(Interest::READABLE));
    assert!(wait.as_mut().poll(&mut cx()).is_pending());
    for last in [false, true] {
        io.set_ready(Ready::READABLE);
        collect_all(&io, Ready::READABLE);
        if !last {
            io.clear_ready(io.ready_event(Interest::READABLE));
        }
        assert_eq!(wait.as_mut().poll(&mut cx()).is_ready(), last);
    }
}

/// A waker that locks the resource's waiters when it is woken or dropped.
struct Relocks(Arc<ScheduledIo>);

impl Wake for Relocks {
    fn wake(self: Arc<Self>) {
        let _ = self.0.poll_ready(&mut cx(), Direction::Read);
    }
}

impl Drop for Relocks {
    fn drop(&mut self) {
        assert!(self.0.waiters.try_lock().is_some(), "dropped under the lock");
    }
}

#[test]
fn wakers_run_and_drop_outside_the_lock() {
    let io = Arc::new(ScheduledIo::default());
    let waker = || Waker::from(Arc::new(Relocks(Arc::clone(&io))));
    let mut wait = Box::pin(io.readiness(Interest::READABLE));
    for _ in 0..3 {
        // The second and third replace, and so drop, the one before.
        assert!(
            io.poll_ready(&mut Context::from_waker(&waker()), Direction::Read)
                .is_pending()
        );
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker())).is_pending());
    }
    drop(wait);
    let mut batch = WakeBatch::new();
    assert!(io.collect(Ready::ALL, &mut batch));
    batch.wake_all();
}
