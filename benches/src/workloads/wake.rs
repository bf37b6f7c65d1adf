//! Wake-ups: yields, two tasks in turn, a thread and a task in turn.

use futures::StreamExt;
use futures::channel::mpsc::unbounded;

use super::rt::{self, runtime::Runtime, sync::mpsc, sync::oneshot, task::JoinHandle};
use super::{on_main, on_worker};
use crate::Workload;
use crate::signal::signal;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new("yield", "one yield of one of 200 tasks", YIELDERS * YIELDS, |rounds| {
        on_worker(rounds, yields)
    })
    .ratio(1.1),
    Workload::new(
        "ping_pong",
        "two tasks spawned, and two of the runtime's oneshots between them",
        PAIRS,
        |rounds| on_worker(rounds, ping_pong),
    )
    .ratio(1.4),
    Workload::new(
        "ping_pong_neutral",
        "the same over a signal that is no part of either runtime",
        PAIRS,
        |rounds| on_worker(rounds, ping_pong_neutral),
    ),
    Workload::new(
        "request_reply",
        "a request from the thread in block_on to a task, and the reply",
        REQUESTS,
        |rounds| on_main(rounds, request_reply),
    )
    .ratio(1.0)
    .rounds(5),
    Workload::new(
        "token_std",
        "the same from a thread that blocks in a channel of std",
        REQUESTS,
        |rounds| on_main(rounds, token_std),
    )
    .ratio(1.0)
    .rounds(5),
];

const YIELDERS: u64 = 200;
const YIELDS: u64 = 1000;
const PAIRS: u64 = 10_000;
const REQUESTS: u64 = 10_000;

async fn yields() {
    let tasks: Vec<JoinHandle<u64>> = (0..YIELDERS)
        .map(|_| {
            rt::spawn(async {
                let mut yields = 0;
                while yields < YIELDS {
                    rt::task::yield_now().await;
                    yields += 1;
                }
                yields
            })
        })
        .collect();
    let mut yields = 0;
    for task in tasks {
        yields += task.await.unwrap();
    }
    assert_eq!(yields, YIELDERS * YIELDS);
}

async fn ping_pong() {
    let pairs: Vec<JoinHandle<u64>> = (0..PAIRS)
        .map(|number| {
            rt::spawn(async move {
                let (ping, pinged) = oneshot::channel::<u64>();
                let (pong, ponged) = oneshot::channel::<u64>();
                rt::spawn(async move {
                    let number = pinged.await.unwrap();
                    pong.send(number + 1).unwrap();
                });
                ping.send(number).unwrap();
                ponged.await.unwrap()
            })
        })
        .collect();
    for (number, pair) in (0..).zip(pairs) {
        assert_eq!(pair.await.unwrap(), number + 1);
    }
}

async fn ping_pong_neutral() {
    let pairs: Vec<JoinHandle<u64>> = (0..PAIRS)
        .map(|number| {
            rt::spawn(async move {
                let (ping, pinged) = signal();
                let (pong, ponged) = signal();
                rt::spawn(async move {
                    pinged.await;
                    pong.send();
                });
                ping.send();
                ponged.await;
                number + 1
            })
        })
        .collect();
    for (number, pair) in (0..).zip(pairs) {
        assert_eq!(pair.await.unwrap(), number + 1);
    }
}

/// Neither channel is the runtime's: the thread blocks in the one of the standard library.
fn token_std(runtime: &Runtime) {
    let (request, mut requests) = unbounded::<u64>();
    let (reply, replies) = std::sync::mpsc::channel::<u64>();
    let server = runtime.spawn(async move {
        while let Some(number) = requests.next().await {
            reply.send(number + 1).unwrap();
        }
    });
    for number in 0..REQUESTS {
        request.unbounded_send(number).unwrap();
        assert_eq!(replies.recv(), Ok(number + 1));
    }
    drop(request);
    runtime.block_on(server).unwrap();
}

fn request_reply(runtime: &Runtime) {
    runtime.block_on(async {
        let (request, mut requests) = mpsc::channel::<u64>(1);
        let (reply, mut replies) = mpsc::channel::<u64>(1);
        let server = rt::spawn(async move {
            while let Some(number) = requests.recv().await {
                reply.send(number + 1).await.unwrap();
            }
        });
        for number in 0..REQUESTS {
            request.send(number).await.unwrap();
            assert_eq!(replies.recv().await, Some(number + 1));
        }
        drop(request);
        server.await.unwrap();
    });
}
