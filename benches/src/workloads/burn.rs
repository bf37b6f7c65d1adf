//! Tasks that keep all workers busy, a slice at a time.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::rt::{self, runtime::Runtime, task::JoinHandle};

const BURNERS: usize = 4;
const SLICE: Duration = Duration::from_micros(100);

/// Four tasks that compute for 100 µs in each poll.
pub(super) struct Burners {
    stop: Arc<AtomicBool>,
    tasks: [JoinHandle<()>; BURNERS],
}

impl Burners {
    pub(super) fn start(runtime: &Runtime) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = [(); BURNERS].map(|()| runtime.spawn(burn(Arc::clone(&stop))));
        Self { stop, tasks }
    }

    pub(super) async fn stop(self) {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

async fn burn(stop: Arc<AtomicBool>) {
    while !stop.load(Relaxed) {
        let start = Instant::now();
        while start.elapsed() < SLICE {}
        rt::task::yield_now().await;
    }
}
