//! Faults of the network and of the operating system, and sockets that outlive what they belong to.
//!
//! What must hold: a documented error; no hang and no lost wake-up; no descriptor and no slot of the driver left behind.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use sprang::io::unix::AsyncFd;
use sprang::io::{AsyncReadExt, AsyncWriteExt};
use sprang::net::unix::pipe;
use sprang::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use sprang::runtime::Runtime;
use sprang::signal::unix::{SignalKind, signal};
use sprang::sync::oneshot;
use sprang::task::{JoinSet, yield_now};
use sprang::time::timeout;
use sprang_tests::{FLAVOURS, PATIENCE, bounded, child, current_thread, eventually, is_child, multi_thread, on_each};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// The two ends of a TCP connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, server)
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resources that the driver holds at the moment.
fn registered(runtime: &Runtime) -> u64 {
    let metrics = runtime.metrics();
    metrics.io_driver_fd_registered_count() - metrics.io_driver_fd_deregistered_count()
}

/// Runs this test in a process of its own, unless this is that process; true if it was run.
///
/// A process that does not end is ended by `timeout`, with all that it has started.
#[track_caller]
fn ran_in_child(test: &str, limits: &str) -> bool {
    if is_child() {
        return false;
    }
    let child = child(test, limits);
    let environment = child.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let output = Command::new("timeout")
        .arg("120")
        .arg(child.get_program())
        .args(child.get_args())
        .envs(environment)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}\n{text}{errors}",
        output.status
    );
    true
}

#[test]
fn a_reset_ends_the_read_and_the_write_that_wait() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (client, server) = connection().await;
            let (mut read, mut write) = server.into_split();
            let (full, is_full) = oneshot::channel();
            let writing = sprang::spawn(async move {
                let mut full = Some(full);
                loop {
                    if write.as_ref().try_write(&[0; 1 << 16]).is_err() {
                        full.take().map(|full| full.send(()));
                    }
                    if let Err(error) = write.write(&[0; 1 << 16]).await {
                        return error.kind();
                    }
                }
            });
            let reading = sprang::spawn(async move { read.read(&mut [0]).await.map_err(|error| error.kind()) });
            is_full.await.unwrap();
            client.set_zero_linger().unwrap();
            drop(client);
            // Who comes first is told of the reset, the other that nothing more will come or go.
            match (reading.await.unwrap(), writing.await.unwrap()) {
                (Err(ErrorKind::ConnectionReset), ErrorKind::BrokenPipe) | (Ok(0), ErrorKind::ConnectionReset) => {}
                other => panic!("{other:?}"),
            }
        });
    });
}

#[test]
fn a_half_closed_stream_goes_on_the_other_way() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (mut client, mut server) = connection().await;
            let late = sprang::spawn(async move {
                assert_eq!(server.read(&mut [0]).await.unwrap(), 0, "the end is seen");
                for _ in 0..100 {
                    server.write_all(&[7; 1_000]).await.unwrap();
                    yield_now().await;
                }
            });
            client.shutdown().await.unwrap();
            assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            assert_eq!(received.len(), 100_000);
            late.await.unwrap();
        });
    });
}

/// Linux hands such a connection out; elsewhere `accept` says `ConnectionAborted`. Either way the next one is accepted.
#[test]
fn a_connection_reset_before_it_is_accepted_does_not_stop_the_listener() {
    on_each(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind(LOOPBACK).await.unwrap();
            let address = listener.local_addr().unwrap();
            for _ in 0..10 {
                let aborted = TcpStream::connect(address).await.unwrap();
                aborted.set_zero_linger().unwrap();
                drop(aborted);
                let mut good = TcpStream::connect(address).await.unwrap();
                let name = good.local_addr().unwrap();
                let mut accepted = loop {
                    match listener.accept().await {
                        Ok((stream, peer)) if peer == name => break stream,
                        Ok((mut stream, _)) => {
                            assert_eq!(
                                stream.read(&mut [0]).await.unwrap_err().kind(),
                                ErrorKind::ConnectionReset
                            );
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionAborted),
                    }
                };
                accepted.write_all(b"x").await.unwrap();
                assert_eq!(good.read_u8().await.unwrap(), b'x');
            }
        });
    });
}

#[test]
fn a_process_out_of_descriptors_gets_errors_and_goes_on_once_there_are_some() {
    if ran_in_child(
        "a_process_out_of_descriptors_gets_errors_and_goes_on_once_there_are_some",
        "-n 64",
    ) {
        return;
    }
    const EMFILE: i32 = 24;
    on_each(|runtime| {
        runtime.block_on(async {
            let name = format!("\0sprang-out-of-descriptors-{}", std::process::id());
            let tcp = TcpListener::bind(LOOPBACK).await.unwrap();
            let unix = UnixListener::bind(&name).unwrap();
            let _tcp_client = TcpStream::connect(tcp.local_addr().unwrap()).await.unwrap();
            let _unix_client = UnixStream::connect(&name).await.unwrap();
            let files: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
            for _ in 0..3 {
                let errors = [
                    tcp.accept().await.unwrap_err(),
                    unix.accept().await.unwrap_err(),
                    TcpStream::connect(tcp.local_addr().unwrap()).await.unwrap_err(),
                    TcpListener::bind(LOOPBACK).await.unwrap_err(),
                    UdpSocket::bind(LOOPBACK).await.unwrap_err(),
                    UnixStream::connect(&name).await.unwrap_err(),
                    UnixStream::pair().unwrap_err(),
                    UnixDatagram::unbound().unwrap_err(),
                    pipe::pipe().unwrap_err(),
                ];
                for error in errors {
                    assert_eq!(error.raw_os_error(), Some(EMFILE), "{error}");
                }
            }
            drop(files);
            tcp.accept().await.unwrap();
            unix.accept().await.unwrap();
        });
        assert_eq!(registered(&runtime), 0, "a slot was left");
    });
}

#[test]
fn signals_that_interrupt_system_calls_lose_no_byte() {
    on_each(|runtime| {
        runtime.block_on(async {
            let mut signals = signal(SignalKind::user_defined1()).unwrap();
            // 500 signals, a few at a time.
            let script = "i=0; while [ $i -lt 500 ]; do kill -USR1 $0; i=$((i+1)); done";
            let pid = std::process::id().to_string();
            let mut shell = Command::new("sh").args(["-c", script, &pid]).spawn().unwrap();
            let (client, server) = connection().await;
            let (mut read, mut write) = client.into_split();
            let echo = sprang::spawn(async move {
                let (mut read, mut write) = server.into_split();
                sprang::io::copy(&mut read, &mut write).await.unwrap()
            });
            let mut sent = 0;
            while shell.try_wait().unwrap().is_none() {
                write.write_all(&[1; 100]).await.unwrap();
                read.read_exact(&mut [0; 100]).await.unwrap();
                sent += 100;
            }
            drop(write);
            assert_eq!(echo.await.unwrap(), sent);
            // Or else nothing was interrupted.
            signals.recv().await.unwrap();
        });
    });
}

#[test]
fn transfers_of_nothing_end_at_once() {
    on_each(|runtime| {
        runtime.block_on(async {
            let (mut client, mut server) = connection().await;
            let (mut one, mut other) = UnixStream::pair().unwrap();
            let (mut sender, mut receiver) = pipe::pipe().unwrap();
            for _ in 0..3 {
                assert_eq!(client.write(&[]).await.unwrap(), 0);
                assert_eq!(one.write(&[]).await.unwrap(), 0);
                assert_eq!(sender.write(&[]).await.unwrap(), 0);
            }
            client.write_all(b"x").await.unwrap();
            one.write_all(b"x").await.unwrap();
            sender.write_all(b"x").await.unwrap();
            assert_eq!(server.read(&mut []).await.unwrap(), 0);
            assert_eq!(other.read(&mut []).await.unwrap(), 0);
            assert_eq!(receiver.read(&mut []).await.unwrap(), 0);
            assert_eq!(server.read_u8().await.unwrap(), b'x');
            assert_eq!(other.read_u8().await.unwrap(), b'x');
            assert_eq!(receiver.read_u8().await.unwrap(), b'x');
        });
    });
}

#[test]
#[expect(deprecated, reason = "what is registered here may be of any kind")]
fn descriptors_that_are_closed_or_foreign_are_refused() {
    on_each(|runtime| {
        runtime.block_on(async {
            assert!(AsyncFd::try_new(-1).is_err());
            let file = std::fs::File::open("/proc/self/exe").unwrap();
            let (file, error) = AsyncFd::try_new(file).unwrap_err().into_parts();
            assert_eq!(
                error.kind(),
                ErrorKind::PermissionDenied,
                "epoll takes no regular files"
            );
            assert!(pipe::Receiver::from_file(file).is_err());
        });
        assert_eq!(registered(&runtime), 0, "a slot was left");
    });
}

/// Runs `body` in the context of a runtime that a thread of its own drives meanwhile.
fn while_driven<T>(runtime: Runtime, body: impl FnOnce(&Runtime) -> T) -> T {
    let runtime = Arc::new(runtime);
    let (stop, stopped) = oneshot::channel::<()>();
    let driving = thread::spawn({
        let runtime = Arc::clone(&runtime);
        move || runtime.block_on(async { stopped.await.unwrap_err() })
    });
    let result = body(&runtime);
    drop(stop);
    driving.join().unwrap();
    result
}

#[test]
fn sockets_work_from_another_runtime() {
    for home in FLAVOURS {
        on_each(move |other| {
            while_driven(home(), |home| {
                let _entered = home.enter();
                let (a, b) = UnixStream::pair().unwrap();
                let (c, d) = UnixDatagram::pair().unwrap();
                let (mut sender, mut receiver) = pipe::pipe().unwrap();
                drop(_entered);
                other.block_on(async move {
                    let echo = sprang::spawn(async move {
                        let (mut read, mut write) = b.into_split();
                        sprang::io::copy(&mut read, &mut write).await.unwrap();
                        let mut buf = [0; 8];
                        let n = d.recv(&mut buf).await.unwrap();
                        sender.write_all(&buf[..n]).await.unwrap();
                    });
                    let (mut read, mut write) = a.into_split();
                    for byte in 0..100 {
                        write.write_u8(byte).await.unwrap();
                        assert_eq!(read.read_u8().await.unwrap(), byte);
                    }
                    drop(write);
                    c.send(b"x").await.unwrap();
                    assert_eq!(receiver.read_u8().await.unwrap(), b'x');
                    echo.await.unwrap();
                });
                assert_eq!(registered(home), 0, "a slot was left");
            });
        });
    }
}

#[test]
fn waits_end_when_the_runtime_of_their_socket_does() {
    for home in FLAVOURS {
        on_each(move |other| {
            let home = home();
            let (mut tcp, listener, udp) = home.block_on(async {
                let (tcp, peer) = connection().await;
                std::mem::forget(peer);
                let listener = TcpListener::bind(LOOPBACK).await.unwrap();
                (tcp, listener, UdpSocket::bind(LOOPBACK).await.unwrap())
            });
            let entered = home.enter();
            let (unix, _unix_peer) = UnixStream::pair().unwrap();
            let (datagrams, _datagrams_peer) = UnixDatagram::pair().unwrap();
            let (_sender, mut receiver) = pipe::pipe().unwrap();
            drop(entered);
            let waits: [Pin<Box<dyn Future<Output = bool> + Send>>; 6] = [
                Box::pin(async move { tcp.read_u8().await.is_err() }),
                Box::pin(async move { listener.accept().await.is_err() }),
                Box::pin(async move { udp.recv(&mut [0]).await.is_err() }),
                Box::pin(async move { unix.readable().await.is_err() }),
                Box::pin(async move { datagrams.recv_from(&mut [0]).await.is_err() }),
                Box::pin(async move { receiver.read_u8().await.is_err() }),
            ];
            let (waiting, all_wait) = channel();
            let tasks = waits.map(|wait| {
                let waiting = waiting.clone();
                other.spawn(async move {
                    waiting.send(()).unwrap();
                    wait.await
                })
            });
            let ending = thread::spawn(move || {
                for _ in 0..6 {
                    all_wait.recv().unwrap();
                }
                drop(home);
            });
            for task in tasks {
                assert!(
                    other.block_on(task).unwrap(),
                    "a wait on a runtime that is gone succeeded"
                );
            }
            ending.join().unwrap();
        });
    }
}

#[test]
fn tasks_that_are_aborted_while_they_wait_leave_the_datagrams_to_the_others() {
    on_each(|runtime| {
        runtime.block_on(async {
            let socket = Arc::new(UdpSocket::bind(LOOPBACK).await.unwrap());
            let address = socket.local_addr().unwrap();
            let receive = |socket: &Arc<UdpSocket>| {
                let socket = Arc::clone(socket);
                sprang::spawn(async move { socket.recv(&mut [0]).await.unwrap() })
            };
            let tasks: Vec<_> = (0..40).map(|_| receive(&socket)).collect();
            yield_now().await;
            let mut left = Vec::new();
            for (number, task) in tasks.into_iter().enumerate() {
                if number % 2 == 0 {
                    task.abort();
                    assert!(task.await.unwrap_err().is_cancelled());
                } else {
                    left.push(task);
                }
            }
            for _ in &left {
                socket.send_to(b"x", address).await.unwrap();
            }
            for task in left {
                assert_eq!(task.await.unwrap(), 1);
            }
            let socket = Arc::into_inner(socket);
            assert!(socket.is_some(), "a task that ended still has the socket");
        });
        assert_eq!(registered(&runtime), 0, "a slot was left");
    });
}

#[test]
fn a_runtime_dropped_with_sockets_and_waits_in_it_gives_every_descriptor_back() {
    const TEST: &str = "a_runtime_dropped_with_sockets_and_waits_in_it_gives_every_descriptor_back";
    if ran_in_child(TEST, "") {
        return;
    }
    // What a process opens once and for all.
    drop(multi_thread(1));
    let before = open_descriptors();
    on_each(|runtime| {
        let (waiting, all_wait) = channel();
        for _ in 0..20 {
            let waiting = waiting.clone();
            runtime.spawn(async move {
                let (mut tcp, _peer) = connection().await;
                let (mut unix, _unix_peer) = UnixStream::pair().unwrap();
                let (datagrams, _datagrams_peer) = UnixDatagram::pair().unwrap();
                let (_sender, mut receiver) = pipe::pipe().unwrap();
                let (mut a, mut b) = ([0], [0]);
                waiting.send(()).unwrap();
                let _ = sprang::join!(
                    tcp.read(&mut a),
                    unix.read_u8(),
                    datagrams.recv(&mut b),
                    receiver.read_u8()
                );
                unreachable!("nobody writes");
            });
        }
        runtime.block_on(async {
            let mut begun = 0;
            while begun < 20 {
                begun += all_wait.try_iter().count();
                yield_now().await;
            }
        });
        drop(runtime);
    });
    eventually("all descriptors are closed", || open_descriptors() <= before);
}

/// Opens `number` connections to `address`, each of which sends a byte, and takes it back when told to.
fn client_process(number: usize, address: SocketAddr) -> Child {
    child(CROWD, "")
        .env("SPRANG_TEST_CLIENTS", format!("{number} {address}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The other side of [`client_process`].
fn clients(task: &str) {
    let (number, address) = task.split_once(' ').unwrap();
    let runtime = current_thread();
    let connections = runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..number.parse().unwrap() {
            let mut connection = TcpStream::connect(address).await.unwrap();
            // A connection that is reset leaves no TIME-WAIT behind: with 100,000 of those from earlier runs, finding
            // a port takes the kernel long.
            connection.set_zero_linger().unwrap();
            connection.write_u8(b'x').await.unwrap();
            connections.push(connection);
        }
        connections
    });
    // Ends when the parent has seen them all, or is gone.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    runtime.block_on(async {
        for mut connection in connections {
            assert_eq!(connection.read_u8().await.unwrap(), b'x');
        }
    });
}

const CROWD: &str = "twenty_thousand_connections_at_once_are_served_and_leave_nothing_behind";

/// Fewer where the process may not have that many descriptors.
#[test]
fn twenty_thousand_connections_at_once_are_served_and_leave_nothing_behind() {
    if let Ok(task) = std::env::var("SPRANG_TEST_CLIENTS") {
        return clients(&task);
    }
    if ran_in_child(CROWD, "") {
        return;
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let limit = limit.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    let number = 20_000.min(limit - 100) / 2;
    let runtime = multi_thread(2);
    let before = open_descriptors();
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    // To two addresses, so that ports to connect from are not used up.
    let mut children = [1, 2].map(|host| client_process(number, (Ipv4Addr::new(127, 0, 0, host), port).into()));
    runtime.block_on(async {
        let (all_are_there, go) = sprang::sync::watch::channel(false);
        let mut tasks = JoinSet::new();
        for _ in 0..2 * number {
            let accepted = timeout(PATIENCE, listener.accept()).await;
            let (mut stream, _) = accepted.expect("no connection comes").unwrap();
            let mut go = go.clone();
            tasks.spawn(async move {
                let byte = stream.read_u8().await.unwrap();
                go.changed().await.unwrap();
                stream.write_u8(byte).await.unwrap();
                let end = stream.read(&mut [0]).await.unwrap_err();
                assert_eq!(end.kind(), ErrorKind::ConnectionReset);
            });
        }
        assert_eq!(registered(&runtime), 2 * number as u64 + 1);
        all_are_there.send(true).unwrap();
        for child in &mut children {
            drop(child.stdin.take());
        }
        tasks.join_all().await;
    });
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    drop(listener);
    assert_eq!(registered(&runtime), 0, "a slot was left");
    // The runtime's own stay; what the children's pipes took is given back.
    assert_eq!(open_descriptors(), before);
    bounded(move || drop(runtime));
}
