//! Channels.

use super::on_worker;
use super::rt::{
    self,
    sync::{broadcast, mpsc, oneshot, watch},
};
use crate::Workload;
use crate::signal::Countdown;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "oneshot",
        "a oneshot channel made, sent through and received from",
        MESSAGES,
        |rounds| on_worker(rounds, oneshots),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "mpsc_spsc",
        "a message from one sender through a channel that holds 1000",
        MESSAGES,
        |rounds| on_worker(rounds, one_to_one),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "mpsc_5_1",
        "a message from one of five senders through a channel that holds 100",
        MESSAGES,
        |rounds| on_worker(rounds, five_to_one),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "mpsc_unbounded_5_1",
        "a message from one of five senders through an unbounded channel",
        MESSAGES,
        |rounds| on_worker(rounds, unbounded_five_to_one),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "mpsc_ping_pong",
        "a message to another task and back, through two channels that hold one",
        TURNS,
        |rounds| on_worker(rounds, ping_pong),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "mpsc_recv_many",
        "a message from one sender, of up to 100 received at a time",
        MESSAGES,
        |rounds| on_worker(rounds, recv_many),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "watch",
        "a value seen by one of 100 receivers",
        VALUES * WATCHERS,
        |rounds| on_worker(rounds, watch),
    )
    .rounds(30)
    .ratio(1.2),
    Workload::new(
        "broadcast",
        "a message received by one of 10 receivers",
        BROADCASTS * LISTENERS,
        |rounds| on_worker(rounds, broadcast),
    )
    .rounds(30)
    .ratio(1.2),
];

const MESSAGES: u64 = 100_000;
const TURNS: u64 = 20_000;
const WATCHERS: u64 = 100;
const VALUES: u64 = 200;
const LISTENERS: u64 = 10;
const BROADCASTS: u64 = 2000;

async fn oneshots() {
    for number in 0..MESSAGES {
        let (sender, receiver) = oneshot::channel();
        sender.send(number).unwrap();
        assert_eq!(receiver.await, Ok(number));
    }
}

async fn one_to_one() {
    bounded(1, 1000).await;
}

async fn five_to_one() {
    bounded(5, 100).await;
}

async fn bounded(senders: u64, capacity: usize) {
    let (sender, mut receiver) = mpsc::channel::<u64>(capacity);
    for share in shares(senders) {
        let sender = sender.clone();
        rt::spawn(async move {
            for number in share {
                sender.send(number).await.unwrap();
            }
        });
    }
    drop(sender);
    let mut arrived = Arrived::default();
    while let Some(number) = receiver.recv().await {
        arrived.add(number);
    }
    arrived.check();
}

async fn unbounded_five_to_one() {
    let (sender, mut receiver) = mpsc::unbounded_channel::<u64>();
    for share in shares(5) {
        let sender = sender.clone();
        rt::spawn(async move {
            for number in share {
                sender.send(number).unwrap();
            }
        });
    }
    drop(sender);
    let mut arrived = Arrived::default();
    while let Some(number) = receiver.recv().await {
        arrived.add(number);
    }
    arrived.check();
}

async fn recv_many() {
    let (sender, mut receiver) = mpsc::channel::<u64>(1000);
    rt::spawn(async move {
        for number in 0..MESSAGES {
            sender.send(number).await.unwrap();
        }
    });
    let mut arrived = Arrived::default();
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, 100).await > 0 {
        batch.drain(..).for_each(|number| arrived.add(number));
    }
    arrived.check();
}

async fn ping_pong() {
    let (ping, mut pings) = mpsc::channel::<u64>(1);
    let (pong, mut pongs) = mpsc::channel::<u64>(1);
    let other = rt::spawn(async move {
        while let Some(number) = pings.recv().await {
            pong.send(number + 1).await.unwrap();
        }
    });
    for number in 0..TURNS {
        ping.send(number).await.unwrap();
        assert_eq!(pongs.recv().await, Some(number + 1));
    }
    drop(ping);
    other.await.unwrap();
}

async fn watch() {
    static SEEN: Countdown = Countdown::new();
    let (sender, receiver) = watch::channel(0);
    let receivers = super::in_tasks(WATCHERS, || {
        let mut receiver = receiver.clone();
        async move {
            for number in 1..=VALUES {
                receiver.changed().await.unwrap();
                assert_eq!(*receiver.borrow_and_update(), number);
                SEEN.one();
            }
        }
    });
    for number in 1..=VALUES {
        let seen = SEEN.start(WATCHERS);
        sender.send(number).unwrap();
        seen.await;
    }
    receivers.await;
}

/// In batches that leave nobody behind.
async fn broadcast() {
    const BATCH: u64 = 100;
    static RECEIVED: Countdown = Countdown::new();
    let sender = broadcast::Sender::new(BATCH as usize);
    let receivers = super::in_tasks(LISTENERS, || {
        let mut receiver = sender.subscribe();
        async move {
            for number in 1..=BROADCASTS {
                assert_eq!(receiver.recv().await, Ok(number));
                if number % BATCH == 0 {
                    RECEIVED.one();
                }
            }
        }
    });
    for first in (1..=BROADCASTS).step_by(BATCH as usize) {
        let received = RECEIVED.start(LISTENERS);
        for number in first..first + BATCH {
            sender.send(number).unwrap();
        }
        received.await;
    }
    receivers.await;
}

/// The numbers of all messages, in a range for each sender.
fn shares(senders: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
    let share = MESSAGES / senders;
    (0..senders).map(move |index| index * share..(index + 1) * share)
}

/// Checks that each message has come once.
#[derive(Default)]
struct Arrived {
    count: u64,
    sum: u64,
}

impl Arrived {
    fn add(&mut self, number: u64) {
        self.count += 1;
        self.sum += number;
    }

    #[track_caller]
    fn check(&self) {
        assert_eq!((self.count, self.sum), (MESSAGES, MESSAGES * (MESSAGES - 1) / 2));
    }
}
