//! What is watched from outside: lateness of sleeps, an idle runtime, one with little to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use super::rt::{self, task::JoinHandle};
use super::{net, spawn, time};
use crate::echo::MESSAGE;
use crate::meter::Switches;

const SLEEPERS: u64 = 1000;
const SLEEPS: u64 = 10;

/// The lateness of [`SLEEPERS`] times [`SLEEPS`] sleeps, with tasks in 100 µs slices beside them if `loaded`.
pub(super) fn lateness_ms(loaded: bool) -> Vec<f64> {
    const BURNERS: usize = 4;
    let runtime = super::runtime();
    let stop = Arc::new(AtomicBool::new(!loaded));
    let burners = [(); BURNERS].map(|()| runtime.spawn(burn(Arc::clone(&stop))));
    let sleepers: Vec<JoinHandle<Vec<f64>>> = (0..SLEEPERS).map(|sleeper| runtime.spawn(sleep(sleeper))).collect();
    runtime.block_on(async {
        let mut lateness_ms = Vec::new();
        for sleeper in sleepers {
            lateness_ms.extend(sleeper.await.unwrap());
        }
        stop.store(true, Relaxed);
        for burner in burners {
            burner.await.unwrap();
        }
        lateness_ms
    })
}

async fn sleep(sleeper: u64) -> Vec<f64> {
    let mut lateness_ms = Vec::new();
    for number in 0..SLEEPS {
        let duration = Duration::from_millis(1 + time::scatter(sleeper * SLEEPS + number) % 100);
        let start = Instant::now();
        rt::time::sleep(duration).await;
        let slept = start.elapsed();
        lateness_ms.push((slept.as_secs_f64() - duration.as_secs_f64()) * 1e3);
    }
    lateness_ms
}

async fn burn(stop: Arc<AtomicBool>) {
    const SLICE: Duration = Duration::from_micros(100);
    while !stop.load(Relaxed) {
        let start = Instant::now();
        while start.elapsed() < SLICE {}
        rt::task::yield_now().await;
    }
}

pub(super) fn idle(seconds: u64) -> Switches {
    const TASKS: u64 = 100_000;
    const SOCKETS: u32 = 100;
    let runtime = super::runtime();
    let server = net::start_server(&runtime);
    runtime
        .block_on(runtime.spawn(spawn::spawn_polled(TASKS, spawn::Parked::new)))
        .unwrap();
    runtime.spawn(async { rt::time::sleep(Duration::from_secs(3600)).await });
    let clients: Vec<TcpStream> = (0..SOCKETS)
        .map(|_| {
            let mut client = TcpStream::connect(server).expect("the server accepts");
            request(&mut client, 0);
            client
        })
        .collect();

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
    drop(clients);
    switches
}

pub(super) fn low_load(requests: u32) -> Switches {
    const EVERY: Duration = Duration::from_millis(10);
    let runtime = super::runtime();
    let mut client = TcpStream::connect(net::start_server(&runtime)).expect("the server accepts");
    client.set_nodelay(true).expect("the socket is open");
    request(&mut client, 0);
    let before = Switches::beside_main();
    let start = Instant::now();
    for number in 1..=requests {
        thread::sleep((start + number * EVERY).saturating_duration_since(Instant::now()));
        request(&mut client, number);
    }
    Switches::beside_main().since(before)
}

/// One request over a socket that blocks, and its reply.
fn request(client: &mut TcpStream, number: u32) {
    let mut message = [b'.'; MESSAGE];
    message[..4].copy_from_slice(&number.to_le_bytes());
    client.write_all(&message).expect("the server reads");
    let mut reply = [0; MESSAGE];
    client.read_exact(&mut reply).expect("the server replies");
    assert_eq!(reply, message);
}
