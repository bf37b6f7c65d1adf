//! Files, directories, processes, signals.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::process::{Signal, getpid, kill_process};

use super::rt::{
    fs,
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    signal::unix::{SignalKind, signal},
};
use super::{in_tasks, on_worker, runtime};
use crate::meter::Meter;
use crate::report::Quantiles;
use crate::{Unit, Workload};

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new(
        "fs_read_4k",
        "a file of 4 KiB read whole, in 16 tasks at once",
        READS,
        |rounds| in_folder(rounds, small_file, read_small),
    )
    .ratio(1.5),
    Workload::new(
        "fs_read_1m",
        "1 MiB read through a file, in order, of 64",
        FILE_MIB,
        |rounds| in_folder(rounds, large_file, read_in_order),
    )
    .rounds(5)
    .ratio(1.2),
    Workload::new(
        "fs_write_1m",
        "1 MiB written through a file, in order, of 64",
        FILE_MIB,
        |rounds| in_folder(rounds, large_file, write_in_order),
    )
    .rounds(5)
    .ratio(1.2),
    Workload::new("read_dir", "an entry of a directory of 10,000", ENTRIES, |rounds| {
        in_folder(rounds, many_files, read_dir)
    })
    .ratio(1.2),
    Workload::new(
        "process",
        "`/bin/true` started and waited for, one after the other",
        PROCESSES,
        |rounds| on_worker(rounds, processes),
    )
    .rounds(2)
    .ratio(1.0),
    Workload::new(
        "signal_p50",
        "from sending a signal to its task, the median of 2000",
        1,
        signal_latency,
    )
    .once(Unit::QuantileUs)
    .ratio(1.0),
];

const READS: u64 = 16_000;
const FILE_MIB: u64 = 64;
const MIB: usize = 1 << 20;
const ENTRIES: u64 = 10_000;
const PROCESSES: u64 = 200;

/// A directory that is removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sprang-benches-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory for files");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is at least among the temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Times `rounds` rounds, after one more, in a task, with what was prepared in a directory.
fn in_folder<F>(rounds: u32, prepare: fn(&Path), round: fn(PathBuf) -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let folder = Folder::new();
    prepare(&folder.0);
    let path = folder.0.clone();
    let runtime = runtime();
    let timed = runtime.spawn(async move {
        round(path.clone()).await;
        let meter = Meter::start();
        for _ in 0..rounds {
            round(path.clone()).await;
        }
        meter.stop()
    });
    runtime.block_on(timed).expect("no round panics")
}

fn small_file(folder: &Path) {
    std::fs::write(folder.join("file"), [7; 4096]).expect("a file can be written");
}

fn large_file(folder: &Path) {
    std::fs::write(folder.join("file"), vec![7; FILE_MIB as usize * MIB]).expect("a file can be written");
}

fn many_files(folder: &Path) {
    for number in 0..ENTRIES {
        std::fs::write(folder.join(number.to_string()), []).expect("a file can be written");
    }
}

async fn read_small(folder: PathBuf) {
    const TASKS: u64 = 16;
    let path = Arc::new(folder.join("file"));
    in_tasks(TASKS, || {
        let path = Arc::clone(&path);
        async move {
            for _ in 0..READS / TASKS {
                assert_eq!(fs::read(&*path).await.unwrap().len(), 4096);
            }
        }
    })
    .await;
}

async fn read_in_order(folder: PathBuf) {
    let mut file = fs::File::open(folder.join("file")).await.unwrap();
    let mut block = vec![0; MIB];
    for _ in 0..FILE_MIB {
        file.read_exact(&mut block).await.unwrap();
        assert_eq!(block[MIB - 1], 7);
    }
    assert_eq!(file.read(&mut block).await.unwrap(), 0);
}

/// Over what the file holds, so that no blocks need to be found for it.
async fn write_in_order(folder: PathBuf) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).open(folder.join("file")).await.unwrap();
    let block = vec![7; MIB];
    for _ in 0..FILE_MIB {
        file.write_all(&block).await.unwrap();
    }
    file.flush().await.unwrap();
    assert_eq!(file.metadata().await.unwrap().len(), FILE_MIB << 20);
}

async fn read_dir(folder: PathBuf) {
    let mut entries = fs::read_dir(folder).await.unwrap();
    let mut count = 0;
    while entries.next_entry().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, ENTRIES);
}

async fn processes() {
    for _ in 0..PROCESSES {
        assert!(Command::new("/bin/true").status().await.unwrap().success());
    }
}

/// The median in microseconds.
fn signal_latency(rounds: u32) -> f64 {
    const SIGNALS: u32 = 2000;
    let runtime = runtime();
    let medians = runtime.spawn(async move {
        let mut signals = signal(SignalKind::user_defined1()).unwrap();
        let mut sum_us = 0.0;
        for _ in 0..rounds {
            let mut times_us = Vec::new();
            for _ in 0..SIGNALS {
                let start = Instant::now();
                kill_process(getpid(), Signal::USR1).unwrap();
                signals.recv().await.unwrap();
                times_us.push(start.elapsed().as_secs_f64() * 1e6);
            }
            sum_us += Quantiles::of(times_us.into_iter()).at(0.5);
        }
        sum_us
    });
    runtime.block_on(medians).expect("no round panics")
}
