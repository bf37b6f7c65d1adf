//! Futures of every primitive, polled at random and dropped at random: nothing is lost with them.
//!
//! A [`Storm`] plays an executor that also cancels. While it rages it polls any of its futures, drops any, and lets the
//! test act on the primitive in between. When it calms down nothing is dropped any more, and only futures that were
//! woken are polled: each of them has to come to its end, or a wake-up, a permit or a message was lost with one that
//! was dropped. Every test then counts what there is to be counted. A seed that fails is named in the output.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use sprang_core::coop;
use sprang_core::rng::Rng;
use sprang_sync::{Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, SetOnce, broadcast, mpsc, oneshot, watch};

/// Storms that each test goes through.
const SEEDS: u64 = 40;
/// Steps of a storm; every third makes a future.
const STEPS: u32 = 600;
/// Futures that are alive at a time.
const LIVE: usize = 24;
/// Rounds in which a storm that calms down has to come to its end.
const PATIENCE: u32 = 10_000;

/// Whether a future was woken since it was polled last.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

struct Live<'a> {
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    flag: Arc<Flag>,
}

impl Live<'_> {
    fn is_ready(&mut self) -> bool {
        self.flag.0.store(false, SeqCst);
        let waker = Waker::from(Arc::clone(&self.flag));
        self.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }

    /// As a part of a task whose budget is used up: futures that have all they want keep it for the next poll.
    fn is_ready_without_budget(&mut self) -> bool {
        coop::budget(|| {
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(unit) = coop::poll_proceed(&mut cx) {
                unit.made_progress();
            }
            self.is_ready()
        })
    }
}

/// See the module.
struct Storm<'a> {
    rng: Rng,
    live: Vec<Live<'a>>,
}

impl<'a> Storm<'a> {
    /// Adds a future, which counts as woken.
    fn spawn(&mut self, future: impl Future<Output = ()> + 'a) {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let future = Box::pin(future);
        self.live.push(Live { future, flag });
    }

    fn any(&mut self) -> usize {
        self.rng.below(self.live.len() as u32) as usize
    }

    /// Makes futures, polls and drops them, and acts in between.
    fn rage(&mut self, mut spawn: impl FnMut(&mut Self), mut act: impl FnMut(&mut Rng)) {
        for _ in 0..STEPS {
            match self.rng.below(6) {
                0 | 1 if self.live.len() < LIVE => spawn(self),
                0..=3 if !self.live.is_empty() => {
                    let any = self.any();
                    let live = &mut self.live[any];
                    let ready = match self.rng.below(4) {
                        0 => live.is_ready_without_budget(),
                        _ => live.is_ready(),
                    };
                    if ready {
                        self.live.swap_remove(any);
                    }
                }
                4 if !self.live.is_empty() => {
                    let any = self.any();
                    self.live.swap_remove(any);
                }
                _ => act(&mut self.rng),
            }
        }
    }

    /// Brings all futures that are left to their ends, polling those that were woken.
    fn calm_down(mut self, mut act: impl FnMut(&mut Rng)) {
        for _ in 0..PATIENCE {
            self.live
                .retain_mut(|live| !live.flag.0.load(SeqCst) || !live.is_ready());
            if self.live.is_empty() {
                return;
            }
            act(&mut self.rng);
        }
        panic!("{} futures were not woken", self.live.len());
    }
}

/// Runs `test` with storms of many seeds.
fn storms<'a>(test: impl Fn(Storm<'a>)) {
    /// Names the seed if the test fails.
    struct Seed(u64);

    impl Drop for Seed {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the seed was {}", self.0);
            }
        }
    }

    for seed in 0..SEEDS {
        let _seed = Seed(seed);
        test(Storm {
            rng: Rng::new(seed << 1),
            live: Vec::new(),
        });
    }
}

/// Is pending a few times, woken at once.
async fn linger(mut times: u32) {
    poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls `future` up to `times` times, then drops it.
fn try_times<F: Future>(times: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..times).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

fn nothing(_: &mut Rng) {}

#[test]
fn a_semaphore_gets_all_permits_back() {
    const PERMITS: usize = 5;
    storms(|mut storm| {
        let semaphore = Arc::new(Semaphore::new(PERMITS));
        storm.rage(
            |storm| {
                let (wanted, times) = (storm.rng.below(PERMITS as u32 + 1), storm.rng.below(4));
                let semaphore = Arc::clone(&semaphore);
                if storm.rng.below(2) == 0 {
                    storm.spawn(async move {
                        let _permits = semaphore.acquire_many(wanted).await.unwrap();
                        linger(times).await;
                    });
                } else {
                    storm.spawn(async move {
                        let _permits = semaphore.acquire_many_owned(wanted).await.unwrap();
                        linger(times).await;
                    });
                }
            },
            nothing,
        );
        storm.calm_down(nothing);
        assert_eq!(semaphore.available_permits(), PERMITS);
    });
}

#[test]
fn a_mutex_is_free_again() {
    storms(|mut storm| {
        let mutex = Arc::new(Mutex::new(0));
        let locked = Rc::new(Cell::new(0));
        storm.rage(
            |storm| {
                let times = storm.rng.below(4);
                let (mutex, locked) = (Arc::clone(&mutex), Rc::clone(&locked));
                if storm.rng.below(2) == 0 {
                    storm.spawn(async move {
                        *mutex.lock().await += 1;
                        locked.set(locked.get() + 1);
                    });
                } else {
                    storm.spawn(async move {
                        let mut guard = mutex.lock_owned().await;
                        *guard += 1;
                        locked.set(locked.get() + 1);
                        linger(times).await;
                    });
                }
            },
            nothing,
        );
        storm.calm_down(nothing);
        assert_eq!(*mutex.try_lock().unwrap(), locked.get());
    });
}

#[test]
fn a_read_write_lock_is_free_again() {
    storms(|mut storm| {
        let lock = Arc::new(RwLock::with_max_readers((), 3));
        let (readers, writers) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        /// Counts up while it lives.
        struct Inside(Rc<Cell<u32>>);

        impl Inside {
            fn new(count: &Rc<Cell<u32>>) -> Self {
                count.set(count.get() + 1);
                Self(Rc::clone(count))
            }
        }

        impl Drop for Inside {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }

        storm.rage(
            |storm| {
                let (kind, times) = (storm.rng.below(5), storm.rng.below(4));
                let lock = Arc::clone(&lock);
                let (readers, writers) = (Rc::clone(&readers), Rc::clone(&writers));
                storm.spawn(async move {
                    match kind {
                        0 | 1 => {
                            let _guard = lock.read().await;
                            let _inside = Inside::new(&readers);
                            assert_eq!(writers.get(), 0);
                            linger(times).await;
                        }
                        2 => {
                            let _guard = lock.read_owned().await;
                            let _inside = Inside::new(&readers);
                            assert_eq!(writers.get(), 0);
                            linger(times).await;
                        }
                        3 => {
                            let _guard = lock.write().await;
                            let _inside = Inside::new(&writers);
                            assert_eq!((writers.get(), readers.get()), (1, 0));
                            linger(times).await;
                        }
                        _ => {
                            let guard = lock.write_owned().await;
                            let _inside = Inside::new(&writers);
                            assert_eq!((writers.get(), readers.get()), (1, 0));
                            let _guard = guard.downgrade();
                            drop(_inside);
                            let _inside = Inside::new(&readers);
                            linger(times).await;
                        }
                    }
                });
            },
            nothing,
        );
        storm.calm_down(nothing);
        assert_eq!((writers.get(), readers.get()), (0, 0));
        assert!(lock.try_write().is_ok());
    });
}

#[test]
fn a_bounded_channel_delivers_what_was_sent_and_keeps_its_room() {
    const CAPACITY: usize = 3;
    storms(|mut storm| {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let (sent, next) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
        let receiver = RefCell::new(receiver);
        let received = RefCell::new(Vec::new());
        let receive = |rng: &mut Rng| {
            let (mut receiver, mut received) = (receiver.borrow_mut(), received.borrow_mut());
            let times = rng.below(3);
            if rng.below(2) == 0 {
                received.extend(try_times(times, receiver.recv()).flatten());
            } else {
                try_times(times, receiver.recv_many(&mut received, 2));
            }
        };
        storm.rage(
            |storm| {
                let (kind, times) = (storm.rng.below(4), storm.rng.below(4));
                let (sender, sent, next) = (sender.clone(), Rc::clone(&sent), Rc::clone(&next));
                let number = move || {
                    next.set(next.get() + 1);
                    sent.borrow_mut().push(next.get());
                    next.get()
                };
                storm.spawn(async move {
                    match kind {
                        0 => {
                            // The number is drawn when there is room: which future is first is not known before.
                            let permit = sender.reserve().await.unwrap();
                            permit.send(number());
                        }
                        1 => {
                            let permits = sender.reserve_many(times as usize).await.unwrap();
                            linger(times).await;
                            permits.take(2).for_each(|permit| permit.send(number()));
                        }
                        2 => {
                            let permit = sender.reserve_owned().await.unwrap();
                            linger(times).await;
                            permit.send(number());
                        }
                        _ => {
                            // One that waits and one that does not, both cancelled if they are not first.
                            let permit = sender.reserve_owned().await.unwrap();
                            let sender = permit.release();
                            if let Ok(permit) = sender.try_reserve() {
                                permit.send(number());
                            }
                        }
                    }
                });
            },
            receive,
        );
        storm.calm_down(receive);
        let mut receiver = receiver.into_inner();
        let mut received = received.into_inner();
        received.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!(received, *sent.borrow());
        assert_eq!(sender.capacity(), CAPACITY);
        assert_eq!(sender.strong_count(), 1);
    });
}

#[test]
fn a_cancelled_send_sends_nothing_and_a_finished_one_is_received() {
    storms(|mut storm| {
        let (sender, receiver) = mpsc::channel(2);
        let token = Arc::new(());
        let sent = Rc::new(Cell::new(0));
        let receiver = RefCell::new(receiver);
        let received = Cell::new(0);
        let receive = |rng: &mut Rng| {
            if try_times(rng.below(3), receiver.borrow_mut().recv()).is_some() {
                received.set(received.get() + 1);
            }
        };
        storm.rage(
            |storm| {
                let (sender, token, sent) = (sender.clone(), Arc::clone(&token), Rc::clone(&sent));
                storm.spawn(async move {
                    sender.send(token).await.unwrap();
                    sent.set(sent.get() + 1);
                });
            },
            receive,
        );
        storm.calm_down(receive);
        while receiver.borrow_mut().try_recv().is_ok() {
            received.set(received.get() + 1);
        }
        assert_eq!(received.get(), sent.get());
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

#[test]
fn an_unbounded_channel_loses_nothing_to_a_dropped_recv() {
    storms(|mut storm| {
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Rc::new(Mutex::new(receiver));
        let (next, received) = (Cell::new(0), Rc::new(RefCell::new(Vec::new())));
        let send = |_: &mut Rng| {
            sender.send(next.get()).unwrap();
            next.set(next.get() + 1);
        };
        storm.rage(
            |storm| {
                let (receiver, received) = (Rc::clone(&receiver), Rc::clone(&received));
                storm.spawn(async move {
                    let message = receiver.lock().await.recv().await.unwrap();
                    received.borrow_mut().push(message);
                });
            },
            send,
        );
        storm.calm_down(send);
        let mut receiver = receiver.try_lock().unwrap();
        received
            .borrow_mut()
            .extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!(*received.borrow(), Vec::from_iter(0..next.get()));
    });
}

#[test]
fn closing_a_channel_ends_all_that_wait() {
    storms(|mut storm| {
        let (sender, mut receiver) = mpsc::channel(1);
        let (unbounded, mut unbounded_receiver) = mpsc::unbounded_channel::<()>();
        sender.try_send(()).unwrap();
        storm.rage(
            |storm| {
                let (kind, sender, unbounded) = (storm.rng.below(3), sender.clone(), unbounded.clone());
                storm.spawn(async move {
                    match kind {
                        0 => sender.closed().await,
                        1 => unbounded.closed().await,
                        _ => assert!(sender.send(()).await.is_err()),
                    }
                });
            },
            nothing,
        );
        receiver.close();
        unbounded_receiver.close();
        storm.calm_down(nothing);
        drop((sender, unbounded));
        assert_eq!(try_times(1, receiver.recv()), Some(Some(())));
        assert_eq!(try_times(1, receiver.recv()), Some(None));
        assert_eq!(try_times(1, unbounded_receiver.recv()), Some(None));
    });
}

#[test]
fn a_oneshot_message_is_received_given_back_or_dropped() {
    storms(|mut storm| {
        let token = Arc::new(());
        let senders = RefCell::new(Vec::new());
        let received = Rc::new(Cell::new(0));
        let sent = Cell::new(0);
        let send = |rng: &mut Rng| {
            let mut senders = senders.borrow_mut();
            let any = rng.below(senders.len() as u32) as usize;
            if any < senders.len() {
                let sender: oneshot::Sender<_> = senders.swap_remove(any);
                match rng.below(4) {
                    0 => drop(sender),
                    _ => sent.set(sent.get() + u32::from(sender.send(Arc::clone(&token)).is_ok())),
                }
            }
        };
        storm.rage(
            |storm| {
                let (mut sender, receiver) = oneshot::channel();
                let received = Rc::clone(&received);
                if storm.rng.below(4) == 0 {
                    storm.spawn(async move { sender.closed().await });
                    storm.spawn(linger_with(receiver));
                    return;
                }
                // It may have been polled by another task before.
                try_times(storm.rng.below(3), sender.closed());
                senders.borrow_mut().push(sender);
                storm.spawn(async move {
                    if receiver.await.is_ok() {
                        received.set(received.get() + 1);
                    }
                });
            },
            send,
        );
        storm.calm_down(send);
        for sender in senders.into_inner() {
            assert!(sender.is_closed());
        }
        assert!(received.get() <= sent.get());
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

/// Keeps `thing` for a while.
async fn linger_with<T>(thing: T) {
    linger(2).await;
    drop(thing);
}

#[test]
fn each_notify_one_reaches_a_future_that_is_not_dropped() {
    /// More than there are notifications, so that no two come together as one permit.
    const PATIENT: usize = STEPS as usize;
    storms(|mut storm| {
        let notify = Notify::new();
        let notify = &notify;
        let told = Rc::new(Cell::new(0));
        let mut patient: Vec<_> = (0..PATIENT).map(|_| Box::pin(notify.notified())).collect();
        let mut cx = Context::from_waker(Waker::noop());
        for notified in &mut patient {
            assert!(notified.as_mut().poll(&mut cx).is_pending());
        }
        let notifies = Cell::new(0);
        let mut scratch = Vec::new();
        for _ in 0..STEPS {
            match storm.rng.below(4) {
                0 => {
                    let mut notified = Box::pin(notify.notified());
                    // Not polled, polled, or in the queue without a waker.
                    match storm.rng.below(3) {
                        0 => {}
                        1 => assert!(notified.as_mut().poll(&mut cx).is_pending()),
                        _ => assert!(!notified.as_mut().enable()),
                    }
                    scratch.push(notified);
                }
                1 if !scratch.is_empty() => {
                    let any = storm.rng.below(scratch.len() as u32) as usize;
                    drop(scratch.swap_remove(any));
                }
                2 => {
                    if storm.rng.below(2) == 0 {
                        notify.notify_one();
                    } else {
                        notify.notify_last();
                    }
                    notifies.set(notifies.get() + 1);
                }
                _ if !scratch.is_empty() => {
                    let any = storm.rng.below(scratch.len() as u32) as usize;
                    if scratch[any].as_mut().poll(&mut cx).is_ready() {
                        told.set(told.get() + 1);
                        drop(scratch.swap_remove(any));
                    }
                }
                _ => {}
            }
        }
        drop(scratch);
        let reached = patient
            .iter_mut()
            .filter_map(|notified| notified.as_mut().poll(&mut cx).is_ready().then_some(()));
        assert_eq!(reached.count() + told.get(), notifies.get());
    });
}

#[test]
fn notify_waiters_reaches_all_that_are_left() {
    storms(|mut storm| {
        let notify = Arc::new(Notify::new());
        let act = |rng: &mut Rng| {
            if rng.below(4) == 0 {
                notify.notify_waiters();
            }
        };
        storm.rage(
            |storm| {
                let notify = Arc::clone(&notify);
                if storm.rng.below(2) == 0 {
                    storm.spawn(async move { notify.notified().await });
                } else {
                    storm.spawn(notify.notified_owned());
                }
            },
            act,
        );
        notify.notify_waiters();
        storm.calm_down(act);
        assert!(try_times(1, notify.notified()).is_none(), "no permit is left");
    });
}

#[test]
fn a_barrier_opens_once_for_each_group_that_arrived() {
    const GROUP: u32 = 3;
    storms(|mut storm| {
        let barrier = Rc::new(Barrier::new(GROUP as usize));
        let (arrived, leaders) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let arrive = |_: &mut Rng| {
            arrived.set(arrived.get() + 1);
            let leader = try_times(1, barrier.wait()).is_some_and(|result| result.is_leader());
            leaders.set(leaders.get() + u32::from(leader));
        };
        storm.rage(
            |storm| {
                let (barrier, arrived, leaders) = (Rc::clone(&barrier), Rc::clone(&arrived), Rc::clone(&leaders));
                storm.spawn(async move {
                    arrived.set(arrived.get() + 1);
                    let leader = barrier.wait().await.is_leader();
                    leaders.set(leaders.get() + u32::from(leader));
                });
            },
            arrive,
        );
        storm.calm_down(arrive);
        assert_eq!(leaders.get(), arrived.get() / GROUP);
    });
}

#[test]
fn a_cancelled_initialiser_lets_the_next_one_go() {
    storms(|mut storm| {
        let cell = Rc::new(OnceCell::new());
        let (running, last) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        /// Says that an initialiser runs.
        struct Running(Rc<Cell<bool>>);

        impl Drop for Running {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }

        let attempt = |storm: &mut Storm<'_>, succeeds: bool| {
            let times = storm.rng.below(5);
            let (cell, running, last) = (Rc::clone(&cell), Rc::clone(&running), Rc::clone(&last));
            storm.spawn(async move {
                let got = cell
                    .get_or_try_init(async || {
                        assert!(!running.replace(true), "two initialisers at a time");
                        let _running = Running(running.clone());
                        last.set(last.get() + 1);
                        linger(times).await;
                        if succeeds { Ok(last.get()) } else { Err(()) }
                    })
                    .await;
                assert_eq!(got.ok(), cell.get());
            });
        };
        storm.rage(|storm| attempt(storm, false), nothing);
        assert!(!cell.initialized());
        (0..3).for_each(|_| attempt(&mut storm, true));
        storm.calm_down(nothing);
        assert_eq!(cell.get(), Some(&last.get()), "none ran after the one that succeeded");
    });
}

#[test]
fn a_value_set_once_reaches_all_that_are_left() {
    storms(|mut storm| {
        let cell = Rc::new(SetOnce::new());
        storm.rage(
            |storm| {
                let cell = Rc::clone(&cell);
                storm.spawn(async move { assert_eq!(*cell.wait().await, 7) });
            },
            nothing,
        );
        cell.set(7).unwrap();
        storm.calm_down(nothing);
    });
}

#[test]
fn the_last_watched_value_reaches_all_that_are_left() {
    const LAST: u32 = u32::MAX;
    storms(|mut storm| {
        let sender = watch::Sender::new(0);
        let receivers = RefCell::new(vec![sender.subscribe()]);
        let act = |rng: &mut Rng| match rng.below(3) {
            0 => sender.send_modify(|value| *value += 1),
            1 => {
                let mut receivers = receivers.borrow_mut();
                let receiver = receivers.last_mut().unwrap();
                let unseen = receiver.has_changed().unwrap();
                let seen = try_times(rng.below(2), receiver.changed()).is_some();
                assert_eq!(receiver.has_changed().unwrap(), unseen && !seen);
            }
            _ => {
                let receiver = receivers.borrow().last().unwrap().clone();
                receivers.borrow_mut().push(receiver);
            }
        };
        storm.rage(
            |storm| {
                let (kind, mut receiver) = (storm.rng.below(2), sender.subscribe());
                storm.spawn(async move {
                    if kind == 0 {
                        assert_eq!(*receiver.wait_for(|value| *value == LAST).await.unwrap(), LAST);
                        return;
                    }
                    let mut last = 0;
                    while last != LAST {
                        receiver.changed().await.unwrap();
                        let value = *receiver.borrow_and_update();
                        assert!(value > last);
                        last = value;
                    }
                });
            },
            act,
        );
        let mut closed = pin!(sender.closed());
        assert!(try_times(1, closed.as_mut()).is_none());
        sender.send(LAST).unwrap();
        storm.calm_down(nothing);
        assert_eq!(sender.receiver_count(), receivers.borrow().len());
        drop(receivers);
        assert!(try_times(1, closed).is_some());
    });
}

#[test]
fn a_broadcast_message_is_received_missed_or_dropped_by_each_receiver() {
    storms(|mut storm| {
        let (sender, receiver) = broadcast::channel(4);
        let token = Arc::new(());
        let receiver = RefCell::new(receiver);
        let (sent, accounted) = (Rc::new(Cell::new(0)), Cell::new(0));
        let act = |rng: &mut Rng| {
            if rng.below(2) == 0 {
                sender.send((sent.get(), Arc::clone(&token))).unwrap();
                sent.set(sent.get() + 1);
                return;
            }
            match try_times(rng.below(3), receiver.borrow_mut().recv()) {
                Some(Ok((number, _))) => {
                    assert_eq!(number, accounted.get());
                    accounted.set(number + 1);
                }
                Some(Err(broadcast::error::RecvError::Lagged(missed))) => accounted.set(accounted.get() + missed),
                Some(Err(broadcast::error::RecvError::Closed)) => unreachable!("there is a sender"),
                None => {}
            }
        };
        storm.rage(
            |storm| {
                let mut receiver = sender.subscribe();
                let (mut next, sent) = (sent.get(), Rc::clone(&sent));
                storm.spawn(async move {
                    loop {
                        match receiver.recv().await {
                            Ok((number, _)) => {
                                assert_eq!(number, next);
                                next += 1;
                            }
                            Err(broadcast::error::RecvError::Lagged(missed)) => next += missed,
                            Err(broadcast::error::RecvError::Closed) => break,
                        }
                    }
                    assert_eq!(next, sent.get());
                });
            },
            act,
        );
        assert_eq!(accounted.get() + receiver.borrow().len() as u64, sent.get());
        assert_eq!(sender.receiver_count(), 1 + storm.live.len());
        let weak = sender.downgrade();
        drop((sender, receiver));
        storm.calm_down(nothing);
        assert!(weak.upgrade().is_none());
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

/// Futures that each thread makes, while others serve them.
const ATTEMPTS: u32 = 20_000;

/// As [`try_times`], with time for other threads after each poll, the last one too.
fn try_among_others<F: Future>(times: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    (0..times).find_map(|_| {
        let output = try_times(1, future.as_mut());
        std::thread::yield_now();
        output
    })
}

#[test]
fn threads_that_cancel_lose_no_permit() {
    const PERMITS: usize = 3;
    let semaphore = Semaphore::new(PERMITS);
    let semaphore = &semaphore;
    std::thread::scope(|scope| {
        for seed in 0..3 {
            scope.spawn(move || {
                let mut rng = Rng::new(seed << 1);
                let mut held = None;
                for _ in 0..ATTEMPTS {
                    let wanted = 1 + rng.below(PERMITS as u32);
                    // What is held goes back while others wait for it.
                    let _before = held.take();
                    held = try_among_others(rng.below(4), semaphore.acquire_many(wanted));
                }
            });
        }
    });
    assert_eq!(semaphore.available_permits(), PERMITS);
}

#[test]
fn threads_that_cancel_lose_no_message() {
    let (sender, mut receiver) = mpsc::channel(2);
    let token = Arc::new(());
    let (mut sent, mut received) = (0, 0);
    std::thread::scope(|scope| {
        let sending = [1, 2].map(|seed| {
            let (sender, token) = (sender.clone(), &token);
            scope.spawn(move || {
                let mut rng = Rng::new(seed << 1);
                let send = |_: &u32| try_among_others(rng.below(4), sender.send(Arc::clone(token))).is_some();
                (0..ATTEMPTS).filter(send).count()
            })
        });
        let mut rng = Rng::new(0);
        while sending.iter().any(|thread| !thread.is_finished()) {
            received += usize::from(try_among_others(rng.below(4), receiver.recv()).is_some());
        }
        sent = sending.map(|thread| thread.join().unwrap()).iter().sum();
    });
    received += std::iter::from_fn(|| receiver.try_recv().ok()).count();
    assert_eq!(received, sent);
    assert_eq!(sender.capacity(), 2);
    assert_eq!(Arc::strong_count(&token), 1);
}
