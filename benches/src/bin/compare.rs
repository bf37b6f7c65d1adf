//! `cargo run --release -p sprang-benches --bin compare`: every workload on each runtime.
//!
//! Purpose: ratios that a busy machine does not distort. The runtimes take turns, workload by workload, for a
//! number of rounds, each measurement in a fresh process.
//!
//! Data flow: [`main`] starts itself with `--run RUNTIME WORKLOAD ROUNDS` for each measurement, which prints the
//! cost of an operation → `report` → tables, and a page with `--write`. The probes run in this process.

use std::fmt::Display;
use std::io::Write;
use std::process::{Command, ExitCode};

use sprang_benches::clients::Client;
use sprang_benches::report::{self, Row};
use sprang_benches::{Probes, Runtime, Unit, Workload, bare_server, groups, meter, probes, workload};

const HELP: &str = "\
Compares sprang with Tokio, with smol, and with what takes no runtime.

Usage: compare [--rounds N] [--quick] [--cpu] [--filter X] [--write FILE]
       compare --run[-cpu] sprang|tokio|smol|floor WORKLOAD ROUNDS
       compare --lateness
       compare --idle sprang|tokio SECONDS
       compare --low-load sprang|tokio
       compare --serve sprang|tokio|floor
       compare --load ADDRESS CONNECTIONS MESSAGES

Options:
  --rounds N    measurements of each workload on each runtime [default: 7]
  --quick       shorter measurements, 3 rounds: to see that everything works
  --cpu         processor time in the place of time on the clock
  --filter X    only workloads with X in their name
  --write FILE  write the page too, keeping the explanations of the one that is there
  --run         one measurement in this process: prints what an operation cost
  --lateness    how late 10,000 sleeps of 1 to 100 ms end, with nothing beside them and with all workers busy
  --idle        starts a runtime with much that waits, prints `ready` and waits: to be looked at by strace
  --low-load    context switches of the runtime's threads per request, with 100 a second for 5 s
  --serve       an echo server that prints its address and ends with its standard input: to be looked at by strace
  --load        sends so many messages over each of so many connections to such a server
  --help        print this
";

#[derive(Debug, Default)]
struct Args {
    rounds: Option<u32>,
    quick: bool,
    cpu: bool,
    filter: String,
    write: Option<String>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["--run", runtime, name, rounds] => run(runtime, name, rounds),
        ["--run-cpu", runtime, name, rounds] => {
            meter::count_cpu_time();
            run(runtime, name, rounds)
        }
        ["--lateness"] => {
            lateness();
            Ok(())
        }
        ["--idle", runtime, seconds] => idle(runtime, seconds),
        ["--low-load", runtime] => low_load(runtime),
        ["--serve", runtime] => serve(runtime),
        ["--load", server, connections, messages] => load(server, connections, messages),
        _ => parse(&args).and_then(|args| compare(&args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::from(2)
        }
    }
}

fn parse(args: &[&str]) -> Result<Args, String> {
    let mut parsed = Args::default();
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg {
            "--rounds" => parsed.rounds = Some(positive(value()?)?),
            "--quick" => parsed.quick = true,
            "--cpu" => parsed.cpu = true,
            "--filter" => parsed.filter = value()?.to_string(),
            "--write" => parsed.write = Some(value()?.to_string()),
            _ => return Err(format!("unknown argument `{arg}`\n\n{HELP}")),
        }
    }
    Ok(parsed)
}

fn positive(value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("`{value}` is not a positive number"))
}

/// One measurement, in this process.
fn run(runtime: &str, name: &str, rounds: &str) -> Result<(), String> {
    let runtime = named(runtime)?;
    let workload = workload(runtime, name).ok_or_else(|| format!("there is no workload `{name}`"))?;
    let rounds = positive(rounds)?;
    let cost = (workload.run)(rounds);
    println!("{}", cost / (u64::from(rounds) * workload.ops) as f64);
    Ok(())
}

fn named(runtime: &str) -> Result<Runtime, String> {
    Runtime::named(runtime).ok_or_else(|| format!("there is no runtime `{runtime}`"))
}

fn lateness() {
    for (loaded, load) in [(false, "idle"), (true, "loaded")] {
        for runtime in Runtime::ALL {
            let Some(probes) = probes(runtime) else { continue };
            let lateness_ms = (probes.lateness_ms)(loaded);
            println!("{load:6} {:6} {}", runtime.name(), report::lateness(&lateness_ms));
        }
    }
}

fn idle(runtime: &str, seconds: &str) -> Result<(), String> {
    let switches = (probes_on(runtime)?.idle)(positive(seconds)?.into());
    println!(
        "{} context switches of the runtime's threads in {seconds} s",
        switches.voluntary + switches.involuntary
    );
    Ok(())
}

fn low_load(runtime: &str) -> Result<(), String> {
    const REQUESTS: u32 = 500;
    let switches = (probes_on(runtime)?.low_load)(REQUESTS);
    let [voluntary, involuntary] =
        [switches.voluntary, switches.involuntary].map(|count| count as f64 / f64::from(REQUESTS));
    println!("context switches per request: {voluntary:.2} voluntary, {involuntary:.2} involuntary");
    Ok(())
}

fn probes_on(runtime: &str) -> Result<Probes, String> {
    probes(named(runtime)?).ok_or_else(|| format!("there are no probes of `{runtime}`"))
}

/// An echo server, until the standard input ends.
fn serve(runtime: &str) -> Result<(), String> {
    let server = match named(runtime)? {
        Runtime::Bare => bare_server().map_err(|error| format!("no server: {error}"))?,
        _ => (probes_on(runtime)?.serve)(),
    };
    println!("{server}");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map_err(|error| format!("no input: {error}"))?;
    Ok(())
}

fn load(server: &str, connections: &str, messages: &str) -> Result<(), String> {
    let address = server.parse().map_err(|_| format!("`{server}` is not an address"))?;
    let failed = |error: std::io::Error| format!("{server}: {error}");
    let mut client = Client::connect(address, positive(connections)? as usize).map_err(failed)?;
    client.run(positive(messages)?.into()).map_err(failed)
}

fn compare(args: &Args) -> Result<(), String> {
    let in_groups = groups(Runtime::Sprang)
        .iter()
        .flat_map(|group| group.workloads().map(|workload| (group.title, workload)));
    let (selected, mut rows): (Vec<&Workload>, Vec<Row>) = in_groups
        .filter(|(_, workload)| workload.name.contains(&args.filter))
        .map(|(group, workload)| {
            let row = Row {
                group,
                name: workload.name,
                what: workload.what,
                unit: if args.cpu && workload.unit == Unit::WallNs {
                    Unit::CpuNs
                } else {
                    workload.unit
                },
                wanted: workload.wanted,
                samples: Default::default(),
            };
            (workload, row)
        })
        .unzip();
    if selected.is_empty() {
        return Err(format!("no workload has `{}` in its name", args.filter));
    }
    let rounds = args.rounds.unwrap_or(if args.quick { 3 } else { 7 });
    for round in 1..=rounds {
        for (workload, row) in selected.iter().zip(&mut rows) {
            progress(format_args!("round {round} of {rounds}: {}", workload.name));
            for (runtime, samples) in Runtime::ALL.into_iter().zip(&mut row.samples) {
                if sprang_benches::workload(runtime, workload.name).is_some() {
                    samples.push(measure(runtime, workload, args)?);
                }
            }
        }
    }
    progress("");
    print!("{}\n{}", report::tables(&rows), report::summary(&rows));
    match &args.write {
        Some(path) => write(path, &rows, rounds, args),
        None => Ok(()),
    }
}

/// Shows what is being done, on one line that the next one overwrites.
fn progress(text: impl Display) {
    eprint!("\r\x1b[K{text}");
    // Progress that cannot be shown is no reason to stop.
    let _ = std::io::stderr().flush();
}

/// One measurement, in a process of its own.
fn measure(runtime: Runtime, workload: &Workload, args: &Args) -> Result<f64, String> {
    let failed = |why: &dyn Display| format!("{} on {}: {why}", workload.name, runtime.name());
    let rounds = if args.quick { 1 } else { workload.rounds };
    let mode = if args.cpu { "--run-cpu" } else { "--run" };
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let output = Command::new(program)
        .args([mode, runtime.name(), workload.name, &rounds.to_string()])
        .output()
        .map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&format_args!(
            "{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    printed
        .trim()
        .parse()
        .map_err(|_| failed(&format_args!("printed `{printed}`")))
}

fn write(path: &str, rows: &[Row], rounds: u32, args: &Args) -> Result<(), String> {
    let mut command = format!("cargo run --release -p sprang-benches --bin compare -- --rounds {rounds}");
    for (given, flag) in [
        (args.quick, " --quick"),
        (args.cpu, " --cpu"),
        (!args.filter.is_empty(), " --filter "),
    ] {
        if given {
            command += flag;
        }
    }
    command += &format!("{} --write {path}", args.filter);
    // A page that is not there yet has no explanations to keep.
    let before = std::fs::read_to_string(path).unwrap_or_default();
    let page = report::page(rows, &machine(), &command, &before);
    std::fs::write(path, page).map_err(|error| format!("cannot write {path}: {error}"))
}

/// The processor, the system, the compiler and the version compared with.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let says = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let system = says("uname", &["-sr"]).unwrap_or_else(|| "unknown system".into());
    let compiler = says("rustc", &["--version"]).unwrap_or_else(|| "unknown compiler".into());
    let sprang = env!("CARGO_PKG_VERSION");
    format!("{processor}, {cores} cores, {system}, {compiler}, sprang {sprang}, Tokio 1.54.1.")
}
