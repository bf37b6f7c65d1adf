//! What the builder says about callbacks, chance and panics.
//!
//! Purpose: the settings of [`Builder`] that call back at the turns of a task's life, or measure it, and the types of
//! those that change what a runtime does.
//!
//! Called by: users. Calls: `sprang_scheduler::hooks`, by way of the builder.

use std::sync::Arc;

use sprang_scheduler::histogram::HistogramConfiguration;
use sprang_scheduler::hooks::TaskMeta;

use super::builder::Builder;

/// What a current-thread runtime does when a task panics: [`Builder::unhandled_panic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnhandledPanic {
    /// Nothing: the panic is the error of the task's join handle.
    Ignore,
    /// The runtime drops all its tasks, and `block_on` panics.
    ShutdownRuntime,
}

/// The seed of a runtime's random choices: [`Builder::rng_seed`].
///
/// ```
/// use sprang::runtime::{Builder, RngSeed};
///
/// let seed = RngSeed::from_bytes(b"the run that failed");
/// let runtime = Builder::new_current_thread().rng_seed(seed).build()?;
/// # drop(runtime);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RngSeed(u64);

impl RngSeed {
    /// A seed that is always the same for the same bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        // FNV-1a, 64 bits: G. Fowler, L. C. Noll, K.-P. Vo, RFC 9923.
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    pub(super) fn value(&self) -> u64 {
        self.0
    }
}

/// Callbacks. They are called on the thread where the thing happens, which waits for them; what they spawn or wake is
/// scheduled as ever. A panic in one is swallowed. Without any, a poll costs one branch more than it would.
impl Builder {
    /// Called each time a worker thread is about to go to sleep for want of something to do; on a current-thread
    /// runtime, the thread in `block_on`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    /// use sprang::runtime::Builder;
    ///
    /// let parks = Arc::new(AtomicUsize::new(0));
    /// let count = Arc::clone(&parks);
    /// let runtime = Builder::new_current_thread()
    ///     .enable_time()
    ///     .on_thread_park(move || _ = count.fetch_add(1, Relaxed))
    ///     .build()?;
    /// runtime.block_on(async { sprang::time::sleep(std::time::Duration::from_millis(1)).await });
    /// assert!(parks.load(Relaxed) > 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_thread_park<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.thread_park = Some(Arc::new(callback));
        self
    }

    /// Called each time a thread comes back from where [`on_thread_park`](Self::on_thread_park) was called.
    pub fn on_thread_unpark<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.thread_unpark = Some(Arc::new(callback));
        self
    }

    /// Called for each task that is spawned, before it can run, by the thread that spawns it. Neither the futures given
    /// to `block_on` nor closures on blocking threads nor the tasks of a [`LocalSet`](crate::task::LocalSet) count.
    ///
    /// ```
    /// use sprang::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread()
    ///     .on_task_spawn(|task| println!("{} spawned at {}", task.id(), task.spawned_at()))
    ///     .on_task_terminate(|task| println!("{} ended", task.id()))
    ///     .build()?;
    /// runtime.block_on(async { sprang::spawn(async {}).await }).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_task_spawn<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.task_spawn = Some(Arc::new(callback));
        self
    }

    /// Called for each task that ends, whether it is done, has panicked, was aborted or is dropped with the runtime:
    /// after its future was dropped, and before its join handle is ready.
    ///
    /// ```
    /// use sprang::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread()
    ///     .on_task_terminate(|task| {
    ///         if task.has_panicked() {
    ///             eprintln!("{}, spawned at {}, has panicked", task.id(), task.spawned_at());
    ///         }
    ///     })
    ///     .build()?;
    /// # drop(runtime);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_task_terminate<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.task_terminate = Some(Arc::new(callback));
        self
    }

    /// Called before each poll of a task. A task that was aborted is dropped where it would have been polled.
    pub fn on_before_task_poll<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.before_poll = Some(Arc::new(callback));
        self
    }

    /// Called after each poll of a task; after the last one, the task has ended already.
    pub fn on_after_task_poll<F>(&mut self, callback: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.after_poll = Some(Arc::new(callback));
        self
    }

    /// Keeps track of each task, for [`Handle::task_dump`](super::Handle::task_dump): how often it was polled, when last,
    /// and what it waits for, where that is a future of sprang's. (Not in Tokio.)
    ///
    /// That costs a look at the clock and one into a table a poll.
    pub fn track_tasks(&mut self) -> &mut Self {
        self.hooks.tracking = Some(Arc::default());
        self
    }

    /// Measures how long polls last: see
    /// [`RuntimeMetrics::poll_time_histogram_bucket_count`](super::RuntimeMetrics::poll_time_histogram_bucket_count).
    ///
    /// That costs two looks at the clock a poll.
    pub fn enable_metrics_poll_time_histogram(&mut self) -> &mut Self {
        self.measures_polls = true;
        self
    }

    /// The buckets of what [`enable_metrics_poll_time_histogram`](Self::enable_metrics_poll_time_histogram) measures:
    /// ten of 100 µs unless set.
    pub fn metrics_poll_time_histogram_configuration(&mut self, configuration: HistogramConfiguration) -> &mut Self {
        self.poll_times = configuration;
        self
    }
}
