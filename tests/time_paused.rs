//! Paused time on a whole runtime: what holds the clock, what moves it, and in which order timers fire.

use std::panic::catch_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sprang::io::{AsyncReadExt, AsyncWriteExt};
use sprang::net::{TcpListener, TcpStream};
use sprang::runtime::{Builder, Handle, Runtime};
use sprang::task::spawn_blocking;
use sprang::time::{Instant, advance, interval, pause, sleep, timeout};
use sprang_tests::{bounded, eventually, multi_thread, panic_message};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn paused() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap()
}

async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

#[test]
fn an_event_that_has_come_is_seen_before_the_clock_jumps() {
    bounded(|| {
        paused().block_on(async {
            let (mut client, mut server) = connection().await;
            let start = Instant::now();
            let server = sprang::spawn(async move {
                let mut byte = [0];
                server.read_exact(&mut byte).await.unwrap();
                server.write_all(&byte).await.unwrap();
                server.read_exact(&mut byte).await.unwrap();
                start.elapsed()
            });
            client.write_all(b"1").await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
            // The server waits again, and is woken by the same look at the driver that may find nothing left to run.
            client.write_all(b"2").await.unwrap();
            sleep(100 * MS).await;
            assert_eq!(server.await.unwrap(), Duration::ZERO);
            assert_eq!(start.elapsed(), 100 * MS);
        });
    });
}

#[test]
fn a_time_limit_does_not_pass_while_two_tasks_talk() {
    bounded(|| {
        paused().block_on(async {
            let (mut client, mut server) = connection().await;
            let start = Instant::now();
            sprang::spawn(async move {
                let mut byte = [0];
                while server.read_exact(&mut byte).await.is_ok() {
                    server.write_all(&byte).await.unwrap();
                }
            });
            for sent in 0..100 {
                let mut received = [0];
                client.write_all(&[sent]).await.unwrap();
                timeout(MS, client.read_exact(&mut received)).await.unwrap().unwrap();
                assert_eq!(received, [sent]);
            }
            assert_eq!(start.elapsed(), Duration::ZERO);
        });
    });
}

#[test]
fn the_clock_stands_still_while_a_blocking_task_runs() {
    bounded(|| {
        paused().block_on(async {
            let start = Instant::now();
            let metrics = Handle::current().metrics();
            let parked = move || metrics.worker_park_unpark_count(0);
            let before = parked();
            let blocking = spawn_blocking(move || {
                // The runtime has nothing to do but to wait for an hour, and does not.
                eventually("the runtime is parked", || parked() > before);
                Instant::now()
            });
            assert_eq!(timeout(HOUR, blocking).await.unwrap().unwrap(), start);
            sleep(HOUR).await;
            assert_eq!(start.elapsed(), HOUR);
        });
    });
}

#[test]
fn an_advance_fires_in_the_order_of_the_deadlines() {
    bounded(|| {
        paused().block_on(async {
            let fired = Arc::new(Mutex::new(Vec::new()));
            let deadlines = [300, 1, 65, 4_097, 64, 2, 63, 5_000];
            let tasks = deadlines.map(|ms| {
                let fired = Arc::clone(&fired);
                sprang::spawn(async move {
                    sleep(ms * MS).await;
                    fired.lock().unwrap().push(ms);
                })
            });
            sprang::task::yield_now().await;
            let start = Instant::now();
            advance(5_000 * MS).await;
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(start.elapsed(), 5_000 * MS);
            let mut sorted = deadlines;
            sorted.sort_unstable();
            assert_eq!(*fired.lock().unwrap(), sorted);
        });
    });
}

#[test]
fn a_year_of_ticks_takes_no_time() {
    bounded(|| {
        paused().block_on(async {
            let start = Instant::now();
            let mut daily = interval(24 * HOUR);
            for day in 0..365 {
                assert_eq!(daily.tick().await, start + day * 24 * HOUR);
            }
        });
    });
}

#[test]
fn time_cannot_be_paused_on_a_multi_thread_runtime() {
    let panic = multi_thread(1).block_on(async { catch_unwind(pause) }).unwrap_err();
    assert!(panic_message(&*panic).contains("current_thread"));
}
