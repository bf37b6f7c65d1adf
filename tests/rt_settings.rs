//! The number of workers that a runtime has when nobody says it.
//!
//! It comes from the environment and from what the OS allows the process, so each test is a process of its own.

use std::process::Output;

use sprang::runtime::Runtime;
use sprang_tests::{child, is_child};

const ENVIRONMENT: [&str; 2] = ["SPRANG_WORKER_THREADS", "TOKIO_WORKER_THREADS"];

/// The output of this test in a child process with these variables.
fn run(test: &str, before: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = child(test, before);
    ENVIRONMENT.iter().for_each(|name| _ = command.env_remove(name));
    let Output { status, stdout, stderr } = command.envs(variables.iter().copied()).output().unwrap();
    let text = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (status.success(), text)
}

/// What the child process does: it says how many workers there are.
fn say_workers() {
    println!("workers: {}.", Runtime::new().unwrap().metrics().num_workers());
}

#[test]
fn the_environment_sets_the_number_of_workers() {
    if is_child() {
        return say_workers();
    }
    let test = "the_environment_sets_the_number_of_workers";
    let [ours, tokios] = ENVIRONMENT;
    let cases: [(&[_], _); 3] = [
        (&[(ours, "3")], 3),
        (&[(tokios, "5")], 5),
        (&[(ours, "3"), (tokios, "5")], 3),
    ];
    for (variables, workers) in cases {
        let (passed, text) = run(test, "", variables);
        assert!(passed && text.contains(&format!("workers: {workers}.")), "{text}");
    }
    for name in ENVIRONMENT {
        for value in ["0", "32769", "-1", "two", ""] {
            let (passed, text) = run(test, "", &[(name, value)]);
            let message = format!("{name} must be a number from 1 to 32768, not {value:?}");
            assert!(!passed && text.contains(&message), "{text}");
            // Who asked for the runtime.
            assert!(text.contains(file!()), "{text}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_may_use_one_core_has_one_worker() {
    if is_child() {
        return say_workers();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    let first: String = allowed.trim().chars().take_while(char::is_ascii_digit).collect();
    let before = format!("-c 0 && taskset -cp {first} $$");
    let (passed, text) = run("a_process_that_may_use_one_core_has_one_worker", &before, &[]);
    assert!(passed && text.contains("workers: 1."), "{text}");
}
