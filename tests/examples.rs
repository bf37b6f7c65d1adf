//! The example programs, each as a process of its own.
//!
//! Purpose: what a newcomer runs first does what it says: its output, its exit code, and its end on Ctrl-C. The example
//! `web_server` has tests of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use sprang_tests::{PATIENCE, eventually};

/// The path of an example.
macro_rules! example {
    ($name:literal) => {
        env!(concat!("CARGO_BIN_EXE_", $name))
    };
}

/// How often what depends on time is tried: on a busy machine anything may take long.
const RUNS: usize = 10;

/// A running example; killed when dropped.
struct Program {
    process: Child,
    stdin: Option<ChildStdin>,
    output: Receiver<String>,
}

impl Program {
    fn start(path: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(path)
            .args(arguments)
            // One of them panics on purpose.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        // A thread, so that waiting for a line can be bounded. It ends with the process.
        let (lines, output) = channel();
        thread::spawn(move || stdout.lines().try_for_each(|line| lines.send(line.unwrap())));
        Self { process, stdin, output }
    }

    /// Starts a server, and returns its address, too.
    fn serve(path: &str) -> (Self, String) {
        let server = Self::start(path, &["127.0.0.1:0"]);
        let line = server.line();
        let address = line.strip_prefix("listening on ").expect(&line).to_owned();
        (server, address)
    }

    /// The next line of its output.
    #[track_caller]
    fn line(&self) -> String {
        self.output.recv_timeout(PATIENCE).expect("it says nothing")
    }

    /// The lines that are left, when it has ended by itself and in success.
    #[track_caller]
    fn rest(mut self) -> Vec<String> {
        let status = self.wait();
        assert!(status.success(), "{status}");
        let mut lines = Vec::new();
        while let Ok(line) = self.output.recv_timeout(PATIENCE) {
            lines.push(line);
        }
        lines
    }

    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the program ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Sends what Ctrl-C sends, once the program listens for it.
    #[track_caller]
    fn interrupt(&self) {
        const SIGINT: u32 = 2;
        let process = self.process.id();
        eventually("the program listens for Ctrl-C", || {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
            caught & (1 << (SIGINT - 1)) != 0
        });
        self.send_interrupt();
    }

    /// The same, at once.
    fn send_interrupt(&self) {
        let process = self.process.id().to_string();
        let kill = Command::new("kill").args(["-INT", &process]).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The output of a program that needs nothing.
#[track_caller]
fn output_of(path: &str) -> Vec<String> {
    Program::start(path, &[]).rest()
}

/// Runs a program that needs nothing until its output is `as_hoped`.
#[track_caller]
fn some_output_of(path: &str, as_hoped: impl Fn(&[String]) -> bool) {
    let mut output = Vec::new();
    let hoped = (0..RUNS).any(|_| {
        output = output_of(path);
        as_hoped(&output)
    });
    assert!(hoped, "the last of {RUNS} times: {output:?}");
}

/// One connection to a server of lines.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, line: &str) {
        let mut received = String::new();
        self.0.read_line(&mut received).unwrap();
        assert_eq!(received.trim_end(), line);
    }
}

/// The number after `label` in the only line that begins with it.
#[track_caller]
fn number(lines: &[String], label: &str) -> u64 {
    let mut numbers = lines.iter().filter_map(|line| line.trim_start().strip_prefix(label));
    let number = numbers
        .next()
        .unwrap_or_else(|| panic!("{label:?} is not in {lines:?}"));
    assert_eq!(numbers.next(), None);
    number.trim_end_matches(" ms").trim().parse().unwrap()
}

#[test]
fn every_example_is_run_here_and_listed_in_the_readme() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/sprang/examples");
    let names = fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    });
    for name in names {
        let listed = include_str!("../README.md").contains(&format!("`{name}`"));
        assert!(listed, "{name} is not in the README");
        let run = name == "web_server" || include_str!("examples.rs").contains(&format!("example!(\"{name}\")"));
        assert!(run, "{name} is not run");
    }
}

#[test]
fn hello_world_runs_what_is_awaited() {
    let output = output_of(example!("hello_world"));
    assert_eq!(
        output,
        ["nothing has happened yet", "looking for the world", "Hello, world!"]
    );
}

#[test]
fn spawn_and_join_gets_every_result() {
    let expected = [
        "the sum of both halves: 499500",
        "squares: [1, 4, 9, 16, 25]",
        "the task panicked: true",
        "the task was aborted: true",
    ];
    assert_eq!(output_of(example!("spawn_and_join")), expected);
}

#[test]
fn concurrent_downloads_take_less_time_than_those_in_turn() {
    let pages = r#"("the page /news", "the page /weather", "the page /sports")"#;
    some_output_of(example!("concurrent_downloads"), |output| {
        assert_eq!([&output[1], &output[3]], [pages, pages]);
        assert_eq!(output[5..], ["9 pages"]);
        let in_turn = number(output, "three pages in turn:");
        let at_once = number(output, "three pages at once:");
        let group = number(output, "nine pages, three at a time:");
        assert!(in_turn >= 300 && at_once >= 100 && group >= 300, "{output:?}");
        // In turn they would take 100 ms each, at least.
        at_once < 300 && group < 900
    });
}

#[test]
fn timer_future_wakes_its_tasks() {
    let expected = [
        "one task waits for the timer",
        "another task waits for the first",
        "the timer rings",
        "it hears: wake up",
        "sprang's runtime can wait for the timer, too",
    ];
    assert_eq!(output_of(example!("timer_future")), expected);
}

#[test]
fn ping_channel_handles_all_pings_in_order() {
    let mut expected: Vec<_> = (1..=10).map(|number| format!("ping {number}")).collect();
    expected.extend(["no more pings".to_owned(), "10 pings were handled".to_owned()]);
    assert_eq!(output_of(example!("ping_channel")), expected);
}

#[test]
fn first_animal_wins_and_losers_are_dropped_unless_they_are_borrowed() {
    let mut output = output_of(example!("first_animal_wins"));
    // The losers are dropped before the winner is announced.
    output[..2].sort_unstable();
    let expected = [
        "the cow is called back",
        "the dog is called back",
        "the cat wins",
        "the hare comes first, the tortoise second",
    ];
    assert_eq!(output, expected);
}

#[test]
fn worker_queue_replies_and_reports() {
    let expected = [
        "one has 3 letters",
        "two has 3 letters",
        "three has 5 letters",
        "report: 4 jobs, 15 letters",
        "four has 4 letters",
        "five has 4 letters",
        "six has 3 letters",
        "report: 7 jobs, 27 letters",
        "seven has 5 letters",
        "27 letters in all",
    ];
    assert_eq!(output_of(example!("worker_queue")), expected);
}

#[test]
fn select_loop_takes_events_as_they_come() {
    let expected = [
        "job 0 starts, beside 0 others",
        "job 1 starts, beside 1 others",
        "job 1 ends",
        "job 2 starts, beside 1 others",
        "job 0 ends",
        "job 3 starts, beside 1 others",
        "job 3 ends",
        "job 2 ends",
        "job 4 starts, beside 0 others",
        "job 4 ends",
        "all 5 jobs are done",
    ];
    assert_eq!(output_of(example!("select_loop")), expected);
}

#[test]
fn blocking_the_executor_is_reported_and_only_the_rescued_heart_beats_on() {
    some_output_of(example!("blocking_the_executor"), |output| {
        let part = |title: &str| {
            let start = output.iter().position(|line| line == title).expect(title) + 1;
            let length = output[start..].iter().take_while(|line| line.starts_with(' ')).count();
            &output[start..start + length]
        };
        let rescued = part("a task blocks its worker:");
        let unwatched = part("a task blocks its worker, and nobody looks:");
        assert_eq!(unwatched, ["  heartbeats: 0"]);
        rescued
            .iter()
            .any(|line| line.starts_with("  reported: the napper, spawned at "))
            && number(rescued, "rescued workers:") > 0
            && number(rescued, "heartbeats:") > 1
            && number(part("a task waits:"), "heartbeats:") > 1
            && number(part("a task waits for a thread that blocks:"), "heartbeats:") > 1
    });
}

#[test]
fn echo_server_and_client_talk_until_the_input_ends() {
    let (server, address) = Program::serve(example!("echo_server"));
    let mut client = Program::start(example!("echo_client"), &[&address]);
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(b"hello\n").unwrap();
    assert_eq!(client.line(), "hello", "it comes before the input ends");
    stdin.write_all(b"and good-bye\n").unwrap();
    drop(stdin);
    assert_eq!(client.rest(), ["and good-bye"]);
    assert!(server.line().ends_with(" sent 19 bytes"));

    // More than the buffers between them hold.
    let mut client = Program::start(example!("echo_client"), &[&address]);
    let mut stdin = client.stdin.take().unwrap();
    let line = "x".repeat(999);
    let writer = thread::spawn({
        let line = line.clone();
        move || (0..20_000).try_for_each(|_| writeln!(stdin, "{line}"))
    });
    for _ in 0..20_000 {
        assert_eq!(client.line(), line);
    }
    writer.join().unwrap().unwrap();
    assert_eq!(client.rest(), [""; 0]);
    assert!(server.line().ends_with(" sent 20000000 bytes"));

    server.interrupt();
    assert_eq!(server.rest(), [""; 0]);
}

#[test]
fn echo_server_serves_clients_at_the_same_time_and_ends_without_them() {
    let (server, address) = Program::serve(example!("echo_server"));
    let mut clients = [0; 5].map(|_| Client::connect(&address));
    for client in clients.iter_mut().rev() {
        client.send("anyone there?\n");
        client.expect("anyone there?");
    }
    server.interrupt();
    assert_eq!(server.rest(), [""; 0]);
    for client in &mut clients {
        assert_eq!(client.0.read_to_string(&mut String::new()).unwrap(), 0);
    }
}

#[test]
fn echo_client_ends_with_the_server_while_its_input_goes_on() {
    let (server, address) = Program::serve(example!("echo_server"));
    let mut client = Program::start(example!("echo_client"), &[&address]);
    client.stdin.as_mut().unwrap().write_all(b"hello\n").unwrap();
    assert_eq!(client.line(), "hello");
    server.interrupt();
    assert_eq!(client.rest(), [""; 0]);
}

#[test]
fn chat_server_passes_on_what_the_others_say() {
    let (server, address) = Program::serve(example!("chat_server"));
    let enter = |name: &str| {
        let mut guest = Client::connect(&address);
        guest.expect("What is your name?");
        guest.send(&format!("{name}\n"));
        guest.expect(&format!("Welcome, {name}!"));
        guest
    };
    let mut ann = enter("Ann");
    let mut bob = enter("Bob");
    ann.expect("Bob has come in");
    let mut cy = enter("Cy");
    ann.expect("Cy has come in");
    bob.expect("Cy has come in");

    ann.send("hello\n");
    bob.expect("Ann: hello");
    cy.expect("Ann: hello");
    bob.send("hi Ann\nhow are you?\n");
    for guest in [&mut ann, &mut cy] {
        guest.expect("Bob: hi Ann");
        guest.expect("Bob: how are you?");
    }

    drop(bob);
    ann.expect("Bob has left");
    cy.expect("Bob has left");
    server.interrupt();
    assert_eq!(server.rest(), [""; 0]);
    for mut guest in [ann, cy] {
        guest.expect("");
    }
}

/// The example `graceful_shutdown` with a job under way, interrupted; and what it said so far.
fn interrupted_at_work() -> (Program, Vec<String>) {
    let program = Program::start(example!("graceful_shutdown"), &[]);
    assert_eq!(program.line(), "3 workers are busy until Ctrl-C");
    let mut output = vec![program.line()];
    assert!(output[0].ends_with(" begins a job"), "{output:?}");
    program.interrupt();
    while output.last().unwrap() != "ending" {
        output.push(program.line());
    }
    (program, output)
}

#[test]
fn graceful_shutdown_finishes_what_was_begun() {
    let (program, mut output) = interrupted_at_work();
    output.extend(program.rest());
    assert_eq!(output.pop().unwrap(), "all workers have ended");
    for number in 1..=3 {
        let worker = format!("worker {number} ");
        let mut deeds: Vec<_> = output.iter().filter_map(|line| line.strip_prefix(&worker)).collect();
        assert_eq!(deeds.pop(), Some("ends"), "{output:?}");
        let (jobs, rest) = deeds.as_chunks::<2>();
        assert!(rest.is_empty(), "{output:?}");
        assert!(
            jobs.iter().all(|job| *job == ["begins a job", "finishes a job"]),
            "{output:?}"
        );
    }
}

#[test]
fn graceful_shutdown_leaves_off_at_a_second_ctrl_c() {
    let code = || {
        let (mut program, _) = interrupted_at_work();
        let mut status = None;
        eventually("the program ends", || {
            // Again and again: one that comes before the program listens once more is not heard.
            program.send_interrupt();
            status = program.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code().unwrap()
    };
    // On a busy machine the job may be finished first.
    assert!((0..RUNS).any(|_| code() == 1), "it always waits for the job");
}
