//! Allocations of the size of a task.

use std::hint::black_box;

use crate::{Workload, timed};

pub(super) const WORKLOADS: &[Workload] = &[
    Workload::new("spawn_task", "allocate and free 128 bytes, in batches", BATCH, batches),
    Workload::new("spawn_join", "allocate and free 128 bytes", JOINED, one_by_one),
];

const BATCH: u64 = 100_000;
const JOINED: u64 = 50_000;

type Cell = [u64; 16];

fn batches(rounds: u32) -> f64 {
    timed(rounds, || {
        let cells: Vec<Box<Cell>> = (0..BATCH).map(|number| Box::new([number; 16])).collect();
        black_box(&cells);
    })
}

fn one_by_one(rounds: u32) -> f64 {
    timed(rounds, || {
        for number in 0..JOINED {
            black_box(Box::<Cell>::new([number; 16]));
        }
    })
}
