//! Tasks that block their worker: how long others wait.

use std::hint::spin_loop;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use super::rt::{
    self,
    net::TcpListener,
    task::{JoinHandle, yield_now},
};
use crate::{Unit, Workload};

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "stall_sleep",
        "longest gap in a ticker of 1 ms beside four tasks that block 100 ms at a time",
        1,
        sleep,
    )
    .at_most(30.0)
    .once(Unit::WorstMs),
    Workload::new("stall_spin", "the same beside tasks that compute", 1, spin)
        .at_most(30.0)
        .once(Unit::WorstMs),
    Workload::new(
        "stall_held",
        "how late the last task, timer or socket is that a worker holds while it blocks 1 s",
        1,
        held,
    )
    .at_most(30.0)
    .once(Unit::WorstMs),
];

const BLOCK: Duration = Duration::from_millis(100);
const BLOCKERS: usize = 4;
const BLOCKS: u32 = 5;
const TICK: Duration = Duration::from_millis(1);

fn sleep(rounds: u32) -> f64 {
    worst_gap_ms(rounds, || std::thread::sleep(BLOCK))
}

fn spin(rounds: u32) -> f64 {
    worst_gap_ms(rounds, || {
        let start = Instant::now();
        while start.elapsed() < BLOCK {
            spin_loop();
        }
    })
}

fn worst_gap_ms(rounds: u32, block: fn()) -> f64 {
    let runtime = super::runtime();
    (0..rounds)
        .map(|_| runtime.block_on(runtime.spawn(tick_beside(block))).unwrap())
        .sum()
}

/// The longest gap in milliseconds between two ticks of this task while others block.
async fn tick_beside(block: fn()) -> f64 {
    rt::time::sleep(TICK).await;
    let blockers = [(); BLOCKERS].map(|()| rt::spawn(blocker(block)));
    let (mut last, mut worst) = (Instant::now(), Duration::ZERO);
    while !blockers.iter().all(JoinHandle::is_finished) {
        rt::time::sleep(TICK).await;
        worst = worst.max(last.elapsed());
        last = Instant::now();
    }
    for blocker in blockers {
        assert_eq!(blocker.await.unwrap(), BLOCKS);
    }
    ms(worst)
}

async fn blocker(block: fn()) -> u32 {
    let mut blocks = 0;
    while blocks < BLOCKS {
        block();
        blocks += 1;
        yield_now().await;
    }
    blocks
}

/// Tasks that fill Tokio's local queue and the LIFO slot.
const HELD_TASKS: u64 = 257;
/// Timers, and sockets.
const HELD: u32 = 20;
/// From one timer to the next.
const HELD_EVERY: Duration = Duration::from_millis(40);
const HOLD: Duration = Duration::from_secs(1);

fn held(rounds: u32) -> f64 {
    let runtime = super::runtime();
    (0..rounds)
        .map(|_| runtime.block_on(runtime.spawn(hold())).unwrap())
        .sum()
}

/// How late in milliseconds the last of all that this task's worker holds is served when the task blocks.
async fn hold() -> f64 {
    let mut stamps = Vec::new();

    let start = Instant::now();
    let mut timers = Vec::new();
    for number in 1..=HELD {
        let due = start + number * HELD_EVERY;
        let stamp = Stamp::due(due);
        let mut timer = Box::pin(rt::time::sleep_until(due.into()));
        let waker = Waker::from(Arc::clone(&stamp));
        assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        timers.push(timer);
        stamps.push(stamp);
    }

    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let mut sockets = Vec::new();
    for _ in 0..HELD {
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        sockets.push((client, server));
    }
    for (client, server) in &mut sockets {
        let stamp = Stamp::due(Instant::now());
        let waker = Waker::from(Arc::clone(&stamp));
        // A new socket counts as ready until a read fails.
        server.try_read(&mut [0]).expect_err("nothing was sent");
        assert!(server.poll_read_ready(&mut Context::from_waker(&waker)).is_pending());
        client.write_all(b"!").unwrap();
        stamps.push(stamp);
    }

    for _ in 0..HELD_TASKS {
        let stamp = Stamp::due(Instant::now());
        stamps.push(Arc::clone(&stamp));
        rt::spawn(async move { stamp.now() });
    }
    std::thread::sleep(HOLD);

    let mut worst = Duration::ZERO;
    for stamp in stamps {
        while stamp.served.get().is_none() {
            yield_now().await;
        }
        worst = worst.max(stamp.served.get().unwrap().duration_since(stamp.due));
    }
    ms(worst)
}

/// When something was to be served, and when it was: when its waker was woken, or its task ran.
struct Stamp {
    due: Instant,
    served: OnceLock<Instant>,
}

impl Stamp {
    fn due(due: Instant) -> Arc<Self> {
        let served = OnceLock::new();
        Arc::new(Self { due, served })
    }

    fn now(&self) {
        // Only the first time counts.
        let _ = self.served.set(Instant::now());
    }
}

impl Wake for Stamp {
    fn wake(self: Arc<Self>) {
        self.now();
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
