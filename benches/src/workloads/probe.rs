//! What is watched from outside: lateness of sleeps, an idle runtime, one with little to do.

use std::thread;
use std::time::{Duration, Instant};

use super::burn::Burners;
use super::rt::{self, task::JoinHandle};
use super::{echo, sleep, spawn};
use crate::clients::{self, Attic, MESSAGE};
use crate::meter::{self, Switches};

const SLEEPERS: u64 = 1000;
const SLEEPS: u64 = 10;

/// The lateness of [`SLEEPERS`] times [`SLEEPS`] sleeps, with tasks in 100 µs slices beside them if `loaded`.
pub(super) fn lateness_ms(loaded: bool) -> Vec<f64> {
    let runtime = super::runtime();
    let burners = loaded.then(|| Burners::start(&runtime));
    let sleepers: Vec<JoinHandle<Vec<f64>>> = (0..SLEEPERS).map(|sleeper| runtime.spawn(sleeps(sleeper))).collect();
    runtime.block_on(async {
        let mut lateness_ms = Vec::new();
        for sleeper in sleepers {
            lateness_ms.extend(sleeper.await.unwrap());
        }
        if let Some(burners) = burners {
            burners.stop().await;
        }
        lateness_ms
    })
}

async fn sleeps(sleeper: u64) -> Vec<f64> {
    let mut lateness_ms = Vec::new();
    for number in 0..SLEEPS {
        let duration = Duration::from_millis(1 + sleep::scatter(sleeper * SLEEPS + number) % 100);
        let start = Instant::now();
        rt::time::sleep(duration).await;
        let slept = start.elapsed();
        lateness_ms.push((slept.as_secs_f64() - duration.as_secs_f64()) * 1e3);
    }
    lateness_ms
}

pub(super) fn idle(seconds: u64) -> Switches {
    const TASKS: u64 = 100_000;
    const SOCKETS: usize = 10_000;
    meter::raise_limit_of_files();
    let runtime = super::runtime();
    let server = echo::start_server::<MESSAGE>(&runtime);
    runtime
        .block_on(runtime.spawn(spawn::spawn_polled(TASKS, spawn::Parked::new)))
        .unwrap();
    runtime.spawn(async { rt::time::sleep(Duration::from_secs(3600)).await });
    let attic = Attic::new().expect("a pair of sockets");
    for _ in 0..SOCKETS / Attic::BATCH {
        attic
            .take(&[(); Attic::BATCH].map(|()| {
                let mut client = clients::connect(server).expect("the server accepts");
                clients::round_trip(&mut client, 0);
                client
            }))
            .expect("the attic has room");
    }

    // A runtime that does not come to rest is to be seen too.
    let mut before = Switches::beside_main();
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(200));
        let now = Switches::beside_main();
        if now == before {
            break;
        }
        before = now;
    }
    println!("ready");
    thread::sleep(Duration::from_secs(seconds));
    let switches = Switches::beside_main().since(before);
    drop(attic);
    switches
}

pub(super) fn low_load(requests: u32) -> Switches {
    const EVERY: Duration = Duration::from_millis(10);
    let runtime = super::runtime();
    let mut client = clients::connect(echo::start_server::<MESSAGE>(&runtime)).expect("the server accepts");
    clients::round_trip(&mut client, 0);
    let before = Switches::beside_main();
    let start = Instant::now();
    for number in 1..=requests {
        thread::sleep((start + number * EVERY).saturating_duration_since(Instant::now()));
        clients::round_trip(&mut client, number.into());
    }
    Switches::beside_main().since(before)
}
