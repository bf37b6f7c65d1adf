//! The web server example, as a process of its own over real sockets.
//!
//! Purpose: what its unit tests cannot see: the command line, signals, file descriptors, many clients at once. The time
//! limits are tested beside the example, on a clock that need not be waited for.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const SERVER: &str = env!("CARGO_BIN_EXE_web_server");
/// How long to wait for what must happen, before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
struct Server {
    process: Child,
    addr: String,
}

impl Server {
    fn start() -> Self {
        Self::start_as(Command::new(SERVER).args(["--addr", "127.0.0.1:0", "--workers", "2"]))
    }

    fn start_as(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line
            .trim_end()
            .strip_prefix("listening on http://")
            .expect(&line)
            .to_owned();
        Self { process, addr }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }

    fn stderr(&mut self) -> BufReader<ChildStderr> {
        BufReader::new(self.process.stderr.take().unwrap())
    }

    fn interrupt(&self) {
        let status = Command::new("kill")
            .args(["-INT", &self.process.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    fn wait(&mut self) -> ExitStatus {
        eventually("the server ends", || self.process.try_wait().unwrap())
    }

    fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks until there is an answer.
#[track_caller]
fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Some(answer) => return answer,
            None if start.elapsed() > PATIENCE => panic!("in vain: {what}"),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

struct Client(BufReader<TcpStream>);

struct Response {
    head: String,
    body: String,
}

impl Client {
    fn send(&mut self, request: &str) {
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }

    fn get(&mut self, path: &str) -> Response {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.receive()
    }

    fn receive(&mut self) -> Response {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "the end came after {head:?}");
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        Response { head, body }
    }

    #[track_caller]
    fn expect_end(&mut self) {
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0);
    }
}

impl Response {
    #[track_caller]
    fn expect(&self, status: u16, connection: &str) {
        let Self { head, .. } = self;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(head.contains(&format!("\r\nConnection: {connection}\r\n")), "{head}");
        assert!(head.contains("\r\nContent-Type: text/html"), "{head}");
    }
}

#[test]
fn pages_are_served_over_one_connection() {
    let server = Server::start();
    let mut client = server.connect();
    let hello = client.get("/");
    hello.expect(200, "keep-alive");
    assert!(hello.body.contains("Hello!"), "{}", hello.body);
    let missing = client.get("/missing");
    missing.expect(404, "keep-alive");
    assert!(missing.body.contains("Oops!"), "{}", missing.body);
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.receive().expect(200, "close");
    client.expect_end();
}

#[test]
fn two_hundred_sleepers_sleep_at_the_same_time() {
    let server = Server::start();
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("GET /sleep HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    }
    server.connect().get("/").expect(200, "keep-alive");
    assert!(start.elapsed() < Duration::from_secs(5), "others wait for the sleepers");
    for client in &mut clients {
        client.receive().expect(200, "close");
        client.expect_end();
    }
    let elapsed = start.elapsed();
    assert!(
        (Duration::from_secs(5)..Duration::from_secs(10)).contains(&elapsed),
        "{elapsed:?}"
    );
}

#[test]
fn bad_requests_are_refused_and_their_connections_closed() {
    let server = Server::start();
    let long_head = format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}", "x".repeat(17 * 1024));
    for (request, status) in [
        ("\x16\x03\x01 not http\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            411,
        ),
        (
            "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1048577\r\n\r\nabc",
            413,
        ),
        (&long_head, 431),
    ] {
        let mut client = server.connect();
        client.send(request);
        client.receive().expect(status, "close");
        client.expect_end();
    }
    server.connect().get("/").expect(200, "keep-alive");
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let server = Server::start();
    // Whatever the runtime opens, it has opened after a first client.
    let mut first = server.connect();
    first.get("/").expect(200, "keep-alive");
    let before = server.open_files();
    for _ in 0..50 {
        for request in [
            "",
            "GET /",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        ] {
            server.connect().send(request);
        }
        let mut deaf = server.connect();
        deaf.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    // Clients are accepted in turn: when this one is served, all of those were let in.
    server.connect().get("/").expect(200, "keep-alive");
    eventually("all are forgotten", || (server.open_files() <= before).then_some(()));
    first.get("/").expect(200, "keep-alive");
}

#[test]
fn running_out_of_files_is_survived() {
    let limited = format!("ulimit -n 40; exec {SERVER} --addr 127.0.0.1:0 --workers 2");
    let mut server = Server::start_as(Command::new("sh").args(["-c", &limited]));
    let mut stderr = server.stderr();
    let mut clients: Vec<Client> = (0..80).map(|_| server.connect()).collect();
    let mut complaint = String::new();
    stderr.read_line(&mut complaint).unwrap();
    assert!(complaint.contains("cannot accept for now"), "{complaint}");
    clients[0].get("/").expect(200, "keep-alive");
    // As the others leave, the last comes in.
    let mut last = clients.pop().unwrap();
    drop(clients);
    last.get("/").expect(200, "keep-alive");
}

#[test]
fn ctrl_c_lets_requests_under_way_finish() {
    let mut server = Server::start();
    let mut idle = server.connect();
    idle.get("/").expect(200, "keep-alive");
    let mut sleeper = server.connect();
    // The answer to the first request says that the server is at the second.
    sleeper.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /sleep HTTP/1.1\r\nHost: a\r\n\r\n");
    sleeper.receive().expect(200, "keep-alive");

    server.interrupt();
    idle.expect_end();
    assert!(TcpStream::connect(&server.addr).is_err(), "nobody new is let in");
    sleeper.receive().expect(200, "close");
    sleeper.expect_end();
    drop(sleeper);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let mut server = Server::start();
    let mut idle = server.connect();
    idle.get("/").expect(200, "keep-alive");
    let mut sleeper = server.connect();
    sleeper.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /sleep HTTP/1.1\r\nHost: a\r\n\r\n");
    sleeper.receive().expect(200, "keep-alive");
    let start = Instant::now();

    server.interrupt();
    idle.expect_end();
    server.interrupt();
    assert_eq!(server.wait().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(4), "the sleeper was waited for");
    sleeper.expect_end();
}

#[test]
fn the_command_line_is_checked() {
    let run = |args: &[&str]| Command::new(SERVER).args(args).output().unwrap();
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout).unwrap().contains("Usage: web_server"));
    for args in [
        &["--verbose"][..],
        &["--workers", "none"],
        &["--addr", "nowhere"],
        &["--addr"],
    ] {
        let refused = run(args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8(refused.stderr).unwrap().contains(args[0]), "{args:?}");
        assert!(refused.stdout.is_empty());
    }
    let server = Server::start();
    let taken = run(&["--addr", &server.addr]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(String::from_utf8(taken.stderr).unwrap().contains(&server.addr));
}
