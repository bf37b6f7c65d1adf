//! The end of a runtime that is busy with everything at once: tasks that spawn tasks, yield for ever, block in place, wait
//! for timers, sockets, closures and each other, are woken and joined by foreign threads, and do all of that once more in
//! their destructors.
//!
//! What must hold, whoever ends the runtime and however: it ends within its bound; each future is dropped exactly once;
//! each join handle resolves; nothing panics but what is told to; no thread, no file and no memory is left.
//!
//! Each round draws a runtime, its load and its end from a seed. `SPRANG_SHUTDOWN_SEED` repeats a run, and
//! `SPRANG_SHUTDOWN_ROUNDS` says how many rounds there are.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::{read_dir, read_to_string};
use std::future::{Future, pending, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicIsize, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant, SystemTime};

use sprang::io::AsyncReadExt;
use sprang::net::{TcpListener, TcpStream};
use sprang::runtime::{Builder, Handle, LocalOptions, LocalRuntime, Runtime, RuntimeFlavor};
use sprang::task::{JoinHandle, JoinSet, LocalSet, block_in_place, spawn_local, yield_now};
use sprang::time::{interval, sleep, timeout};
use sprang_tests::{PATIENCE, bounded, child, current_thread, eventually, is_child, multi_thread, panic_message};

const SEED: &str = "SPRANG_SHUTDOWN_SEED";
const ROUNDS: &str = "SPRANG_SHUTDOWN_ROUNDS";
/// What the threads of the runtimes under load are named.
const NAME: &str = "under-load";
/// What tasks and destructors panic with that are told to.
const INTENDED: &str = "as it should";
/// How much later than its timeout a shutdown may return, on a machine that is busy with other things.
const SLACK: Duration = Duration::from_secs(5);
/// Tasks that one task spawns at most.
const CHILDREN: usize = 2_000;

/// Counts the small allocations that are alive.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

/// From this size on blocks are not counted: crossbeam-epoch keeps what it retired until some later time.
const LARGE: usize = 512;

// SAFETY: all calls are passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(isize::from(layout.size() < LARGE), Relaxed);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(isize::from(layout.size() < LARGE), Relaxed);
        // SAFETY: passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Panics that nobody was told to make.
static UNEXPECTED: AtomicUsize = AtomicUsize::new(0);

/// A source of choices (splitmix64).
#[derive(Clone)]
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    /// Another source, as good as independent.
    fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// A short time, often none at all.
    fn moment(&mut self) -> Duration {
        Duration::from_micros([0, 0, 100, 1_000, 3_000][self.below(5) as usize])
    }
}

/// What the load of one round shares.
#[derive(Clone)]
struct World(Arc<Shared>);

struct Shared {
    handle: Handle,
    /// Futures and closures.
    made: AtomicUsize,
    dropped: AtomicUsize,
    /// Left by tasks, for anybody to wake.
    wakers: Mutex<Vec<Waker>>,
    /// For anybody to await, abort or drop.
    joins: Mutex<Vec<JoinHandle<()>>>,
    /// The end has come: who blocks goes on.
    released: Mutex<bool>,
    release: Condvar,
    /// Whether timers are served until the last closure has ended.
    waits_for_closures: bool,
}

/// Lives in a future or closure, and does something in its destructor, unless it is quiet.
struct Trap {
    world: World,
    rng: Rng,
    quiet: bool,
}

impl World {
    fn new(handle: &Handle, waits_for_closures: bool) -> Self {
        Self(Arc::new(Shared {
            handle: handle.clone(),
            made: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            wakers: Mutex::default(),
            joins: Mutex::default(),
            released: Mutex::new(false),
            release: Condvar::new(),
            waits_for_closures,
        }))
    }

    fn trap(&self, rng: &mut Rng) -> Trap {
        self.0.made.fetch_add(1, SeqCst);
        Trap {
            world: self.clone(),
            rng: rng.fork(),
            quiet: false,
        }
    }

    /// A trap for what destructors make, which would go on for ever otherwise.
    fn quiet_trap(&self) -> Trap {
        let mut rng = Rng(self.0.made.load(SeqCst) as u64);
        let mut trap = self.trap(&mut rng);
        trap.quiet = true;
        trap
    }

    fn all_dropped(&self) -> bool {
        self.0.made.load(SeqCst) == self.0.dropped.load(SeqCst)
    }

    fn is_multi_thread(&self) -> bool {
        self.0.handle.runtime_flavor() == RuntimeFlavor::MultiThread
    }

    /// Keeps a few of the handles for others.
    fn keep(&self, rng: &mut Rng, task: JoinHandle<()>) {
        match rng.below(4) {
            0 => drop(task),
            1 => task.abort(),
            _ => self.0.joins.lock().unwrap().push(task),
        }
    }

    fn other_task(&self) -> Option<JoinHandle<()>> {
        self.0.joins.lock().unwrap().pop()
    }

    fn spawn(&self, rng: &mut Rng) -> JoinHandle<()> {
        self.0.handle.spawn(life(self.trap(rng)))
    }

    fn spawn_small(&self, rng: &mut Rng) -> JoinHandle<()> {
        self.0.handle.spawn(small_life(self.trap(rng)))
    }

    /// A closure that blocks for a moment, or until the end, or on something of the runtime's.
    fn spawn_blocking(&self, rng: &mut Rng) -> JoinHandle<()> {
        let (mut trap, world) = (self.trap(rng), self.clone());
        self.0.handle.spawn_blocking(move || {
            let rng = &mut trap.rng;
            match rng.below(6) {
                0 | 1 => thread::sleep(rng.moment()),
                2 => world.block_until_released(),
                3 => panic!("{INTENDED}"),
                4 => {
                    let task = world.spawn_small(rng);
                    // Aborted: it may be one that would wait for ever.
                    task.abort();
                    let _ = world.0.handle.block_on(task);
                }
                _ if world.0.waits_for_closures => world.0.handle.block_on(sleep(rng.moment())),
                _ => world.0.handle.block_on(yield_now()),
            }
        })
    }

    fn block_until_released(&self) {
        let released = self.0.released.lock().unwrap();
        let (released, _) = self
            .0
            .release
            .wait_timeout_while(released, PATIENCE, |released| !*released)
            .unwrap();
        assert!(*released);
    }

    fn is_released(&self) -> bool {
        *self.0.released.lock().unwrap()
    }

    fn release(&self) {
        *self.0.released.lock().unwrap() = true;
        self.0.release.notify_all();
    }

    fn wake_others(&self, rng: &mut Rng) {
        let wakers: Vec<_> = {
            let mut wakers = self.0.wakers.lock().unwrap();
            let count = rng.below(4).min(wakers.len() as u64) as usize;
            wakers.drain(..count).collect()
        };
        for waker in wakers {
            if rng.one_in(2) {
                waker.wake_by_ref();
                self.0.wakers.lock().unwrap().push(waker);
            } else {
                waker.wake();
            }
        }
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        let Self { world, rng, quiet } = self;
        // Counted at last, however the action ends.
        struct Dropped(World);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.0.dropped.fetch_add(1, SeqCst);
            }
        }
        let _dropped = Dropped(world.clone());
        if *quiet {
            return;
        }
        let entered = Handle::try_current().is_ok();
        match rng.below(24) {
            0 => drop(world.0.handle.spawn(small_life(world.quiet_trap()))),
            1 if entered => drop(sprang::spawn(small_life(world.quiet_trap()))),
            2 => {
                let trap = world.quiet_trap();
                drop(world.0.handle.spawn_blocking(move || drop(trap)));
            }
            3 if rng.one_in(8) => thread::sleep(rng.moment()),
            // A second panic while the first unwinds would abort.
            4 if !thread::panicking() => panic!("{INTENDED}"),
            5 | 6 => world.wake_others(rng),
            7 => drop(world.other_task()),
            8 => {
                if let Some(task) = world.other_task() {
                    task.abort();
                    let _ = poll_once(pin!(task));
                }
            }
            9 | 10 => {
                let _entered = world.0.handle.enter();
                let _ = poll_once(pin!(sleep(rng.moment())));
                let _ = poll_once(pin!(timeout(rng.moment(), pending::<()>())));
            }
            11 => {
                let _entered = world.0.handle.enter();
                let _ = poll_once(pin!(pending_sockets()));
            }
            12 if rng.one_in(16) => {
                // A handle and a runtime that are the last of their kind.
                let other = current_thread();
                let (handle, task) = (other.handle().clone(), other.spawn(pending::<()>()));
                other.shutdown_background();
                drop((task, handle));
            }
            13 => yield_now_outside(),
            14 => {
                let _entered = world.0.handle.enter();
                drop(JoinSet::from_iter([small_life(world.quiet_trap())]));
            }
            _ => {}
        }
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Yields where nobody may be there to be yielded to.
fn yield_now_outside() {
    let _ = poll_once(pin!(yield_now()));
}

/// Waits for a connection and a byte that never come. Fails when the runtime has gone.
async fn pending_sockets() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (mut server, _) = listener.accept().await?;
    let mut byte = [0];
    sprang::select! {
        read = server.read(&mut byte) => drop(read?),
        accepted = listener.accept() => drop(accepted?),
    }
    drop(client);
    Ok(())
}

/// Leaves its waker with the world in each poll.
async fn wait_for_wakers(world: World) {
    poll_fn(|cx| {
        world.0.wakers.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// The life of a task that makes no others.
async fn small_life(mut trap: Trap) {
    let rng = &mut trap.rng;
    match rng.below(8) {
        0 => {}
        1 => pending().await,
        2 => sleep(Duration::from_secs(3_600)).await,
        3 => panic!("{INTENDED}"),
        _ => {
            for _ in 0..rng.below(4) {
                yield_now().await;
            }
        }
    }
}

/// The life of a task. In a box: a task that contains itself has no size.
fn life(trap: Trap) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        // The trap goes last.
        let mut trap = trap;
        let (world, mut rng) = (trap.world.clone(), trap.rng.fork());
        match trap.rng.below(13) {
            0 => {
                for _ in 0..CHILDREN {
                    let child = world.spawn_small(&mut rng);
                    world.keep(&mut rng, child);
                    yield_now().await;
                }
            }
            1 => loop {
                yield_now().await;
            },
            2 => loop {
                sleep(rng.moment()).await;
                yield_now().await;
            },
            3 => {
                let mut ticks = interval(Duration::from_millis(1));
                loop {
                    ticks.tick().await;
                }
            }
            4 => drop(pending_sockets().await),
            5 => wait_for_wakers(world).await,
            6 => {
                let mut tasks: JoinSet<()> = (0..8).map(|_| world.trap(&mut rng)).map(small_life).collect();
                while tasks.join_next().await.is_some() {}
            }
            7 => {
                let (one, two) = (world.spawn_small(&mut rng), world.spawn_blocking(&mut rng));
                sprang::select! {
                    _ = one => {}
                    _ = two => {}
                    () = sleep(rng.moment()) => {}
                }
            }
            8 => {
                while let Some(task) = world.other_task() {
                    let _ = task.await;
                }
            }
            9 if world.is_multi_thread() && sprang::task::try_id().is_some() => block_in_place(|| {
                thread::sleep(rng.moment());
                let task = world.spawn_small(&mut rng);
                task.abort();
                let _ = world.0.handle.block_on(task);
                if rng.one_in(4) {
                    world.block_until_released();
                }
            }),
            10 => {
                for _ in 0..8 {
                    let closure = world.spawn_blocking(&mut rng);
                    world.keep(&mut rng, closure);
                }
                pending().await
            }
            // In a task, without a word to the runtime.
            11 => thread::sleep(rng.moment()),
            _ => loop {
                world.wake_others(&mut rng);
                yield_now().await;
            },
        }
    })
}

/// Dropped on the thread that made it only.
struct Here(ThreadId, Rc<()>);

impl Here {
    fn new() -> Self {
        Self(thread::current().id(), Rc::default())
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        if self.0 != thread::current().id() {
            UNEXPECTED.fetch_add(1, SeqCst);
        }
    }
}

/// A life that stays on its thread.
async fn local_life(here: Here, trap: Trap) {
    let _here = (Rc::clone(&here.1), here);
    let mut rng = trap.rng.clone();
    if rng.one_in(4) {
        spawn_local(small_life(trap.world.trap(&mut rng)));
    }
    small_life(trap).await;
}

/// A runtime with a load.
enum UnderLoad {
    Runtime(Runtime),
    Local(LocalRuntime),
}

impl UnderLoad {
    /// `crowded`: closures wait for each other.
    fn new(rng: &mut Rng, crowded: bool) -> Self {
        let workers = [1, 2, 4][rng.below(3) as usize];
        let kind = rng.below(6);
        let mut builder = match kind {
            0 | 1 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        builder.enable_all().thread_name(NAME);
        if crowded {
            builder.max_blocking_threads(3);
        }
        if rng.one_in(4) {
            // So that closures find threads that are about to leave.
            builder.thread_keep_alive(Duration::from_micros(100));
        }
        if kind == 0 {
            return Self::Local(builder.build_local(LocalOptions::default()).unwrap());
        }
        Self::Runtime(builder.worker_threads(workers).build().unwrap())
    }

    fn handle(&self) -> &Handle {
        match self {
            Self::Runtime(runtime) => runtime.handle(),
            Self::Local(runtime) => runtime.handle(),
        }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self {
            Self::Runtime(runtime) => runtime.block_on(future),
            Self::Local(runtime) => runtime.block_on(future),
        }
    }

    fn end(self, timeout: Option<Duration>) {
        match (self, timeout) {
            (Self::Runtime(runtime), Some(Duration::ZERO)) => runtime.shutdown_background(),
            (Self::Local(runtime), Some(Duration::ZERO)) => runtime.shutdown_background(),
            (Self::Runtime(runtime), Some(timeout)) => runtime.shutdown_timeout(timeout),
            (Self::Local(runtime), Some(timeout)) => runtime.shutdown_timeout(timeout),
            (runtime, None) => drop(runtime),
        }
    }
}

/// Where a runtime is ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// On a thread that drives nothing.
    Outside,
    /// In another runtime's `block_on`, or in a task of it: who waits there panics.
    BlockOn,
    Task,
    /// In a task of another runtime, which says that it blocks.
    TaskThatBlocks,
    /// In a closure of another runtime's, or of its own.
    Closure,
    OwnClosure,
    /// In a task of its own.
    OwnTask,
    /// By a panic.
    Panic,
}

const PLACES: [Place; 10] = [
    Place::Outside,
    Place::Outside,
    Place::Outside,
    Place::BlockOn,
    Place::Task,
    Place::TaskThatBlocks,
    Place::Closure,
    Place::OwnClosure,
    Place::OwnTask,
    Place::Panic,
];

/// How a runtime is ended.
#[derive(Debug, Clone, Copy)]
struct End {
    place: Place,
    timeout: Option<Duration>,
}

impl End {
    fn draw(rng: &mut Rng, runtime: &UnderLoad, crowded: bool) -> Self {
        let place = match runtime {
            UnderLoad::Local(_) => Place::Outside,
            UnderLoad::Runtime(_) => PLACES[rng.below(PLACES.len() as u64) as usize],
        };
        let multi_thread = runtime.handle().runtime_flavor() == RuntimeFlavor::MultiThread;
        let place = match place {
            // Nobody would run that task.
            Place::OwnTask if !multi_thread => Place::Outside,
            // Closures that wait for the end would keep it from its turn.
            Place::OwnClosure if crowded => Place::Outside,
            other => other,
        };
        let timeout = match (place, rng.below(4)) {
            // It would wait for itself.
            (Place::OwnTask, _) | (_, 0) => Some(Duration::ZERO),
            (Place::Panic, _) | (_, 1 | 2) => None,
            _ => Some([rng.moment(), SLACK, Duration::MAX][rng.below(3) as usize]),
        };
        Self { place, timeout }
    }

    /// Whether whoever ends the runtime comes back after the last thread has gone.
    fn waits(self) -> bool {
        let allowed = !matches!(
            self.place,
            Place::BlockOn | Place::Task | Place::OwnClosure | Place::Panic
        );
        allowed && self.timeout.is_none_or(|timeout| timeout >= SLACK)
    }

    fn run(self, runtime: UnderLoad) {
        let Self { place, timeout } = self;
        let runtime = match runtime {
            UnderLoad::Local(_) => return runtime.end(timeout),
            UnderLoad::Runtime(runtime) => runtime,
        };
        let own = runtime.handle().clone();
        let end = move || UnderLoad::Runtime(runtime).end(timeout);
        match place {
            Place::Outside => end(),
            Place::BlockOn => current_thread().block_on(async { in_vain(end, timeout) }),
            Place::Task => on_another(|other| other.spawn(async move { in_vain(end, timeout) })),
            Place::TaskThatBlocks => on_another(|other| other.spawn(async { block_in_place(end) })),
            Place::Closure => on_another(|other| other.spawn_blocking(end)),
            Place::OwnClosure => drop(own.spawn_blocking(end)),
            Place::OwnTask => drop(own.spawn(async { end() })),
            Place::Panic => {
                let panicking = thread::spawn(move || {
                    let _end = sprang_tests::on_drop(end);
                    panic!("{INTENDED}");
                });
                assert!(panicking.join().is_err());
            }
        }
    }
}

/// What a runtime says that cannot wait for its end.
const REFUSED: &str = "Cannot drop a runtime in a context where blocking is not allowed";

/// Ends a runtime where nobody may wait for it.
fn in_vain(end: impl FnOnce(), timeout: Option<Duration>) {
    let panic = catch_unwind(AssertUnwindSafe(end)).err();
    let text = panic.as_deref().map(panic_message);
    match timeout {
        Some(Duration::ZERO) => assert_eq!(text, None),
        _ => assert!(text.is_some_and(|text| text.starts_with(REFUSED)), "{text:?}"),
    }
}

fn on_another(spawn: impl FnOnce(&Runtime) -> JoinHandle<()>) {
    let other = multi_thread(1);
    let task = spawn(&other);
    other.block_on(task).unwrap();
}

/// Threads that have nothing to do with the runtime, except that they spawn on it, wake its tasks, and join them.
fn strangers(world: &World, rng: &mut Rng) -> Vec<thread::JoinHandle<()>> {
    let stranger = |mut rng: Rng| {
        let world = world.clone();
        thread::spawn(move || {
            for _ in 0..CHILDREN {
                match rng.below(6) {
                    0 => {
                        let task = world.spawn(&mut rng);
                        world.keep(&mut rng, task);
                    }
                    1 => drop(world.spawn_blocking(&mut rng)),
                    2 => {
                        if let Some(task) = world.other_task() {
                            task.abort();
                            let _ = futures::executor::block_on(task);
                        }
                    }
                    _ => world.wake_others(&mut rng),
                }
                // A few more, to be late.
                if world.is_released() && rng.one_in(8) {
                    return;
                }
                thread::yield_now();
            }
        })
    };
    (0..rng.below(3)).map(|_| rng.fork()).map(stranger).collect()
}

/// The files of this process, and the threads of runtimes under load.
fn files_and_threads() -> (usize, usize) {
    let files = read_dir("/proc/self/fd").unwrap().count();
    // A thread may be gone by the time that its name is asked for.
    let threads = read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| read_to_string(thread.path().join("comm")).ok());
    (files, names.filter(|name| name.trim_end() == NAME).count())
}

fn round(mut rng: Rng) {
    let crowded = rng.one_in(2);
    let runtime = UnderLoad::new(&mut rng, crowded);
    let end = End::draw(&mut rng, &runtime, crowded);
    let world = World::new(runtime.handle(), end.waits());
    let local_set = rng.one_in(3).then(LocalSet::new);
    for _ in 0..rng.below(60) {
        let task = world.spawn(&mut rng);
        world.keep(&mut rng, task);
    }
    let strangers = strangers(&world, &mut rng);
    let mut local_tasks = Vec::new();
    for _ in 0..rng.below(8) {
        let mut task = || local_life(Here::new(), world.trap(&mut rng));
        match (&local_set, &runtime) {
            (Some(set), _) => local_tasks.push(set.spawn_local(task())),
            (None, UnderLoad::Local(runtime)) => local_tasks.push(runtime.spawn_local(task())),
            (None, UnderLoad::Runtime(_)) => {}
        }
    }
    for _ in 0..rng.below(4) {
        let moment = rng.moment();
        let pause = async move { sleep(moment).await };
        match &local_set {
            Some(set) => runtime.block_on(set.run_until(pause)),
            None => runtime.block_on(pause),
        }
    }
    // The set ends before its runtime, or after it.
    let late_set = local_set.filter(|_| rng.one_in(2));
    let releaser = {
        let (world, pause) = (world.clone(), rng.moment());
        thread::spawn(move || {
            thread::sleep(pause);
            world.release();
        })
    };
    let alone = strangers.is_empty();
    let started = Instant::now();
    end.run(runtime);
    let took = started.elapsed();
    if let Some(timeout) = end.timeout {
        assert!(took < timeout.saturating_add(SLACK), "{end:?} took {took:?}");
    }
    drop(late_set);
    if end.waits() && alone {
        assert!(world.all_dropped(), "{end:?} left a future");
    }
    releaser.join().unwrap();
    strangers.into_iter().for_each(|stranger| stranger.join().unwrap());
    // Whatever is left outside of the runtime still works, and finds the end.
    let wakers = std::mem::take(&mut *world.0.wakers.lock().unwrap());
    wakers.iter().for_each(Waker::wake_by_ref);
    local_tasks.extend(std::iter::from_fn(|| world.other_task()));
    local_tasks.push(world.spawn_small(&mut rng));
    for task in local_tasks {
        if let Err(error) = futures::executor::block_on(task) {
            assert!(error.is_cancelled() || panic_message(&*error.into_panic()) == INTENDED);
        }
    }
    eventually("every future is dropped, once", || world.all_dropped());
    drop(wakers);
}

/// Counts panics that nobody was told to make.
fn watch_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = panic_message(info.payload());
        if text != INTENDED && !text.starts_with(REFUSED) {
            UNEXPECTED.fetch_add(1, SeqCst);
            before(info);
        }
    }));
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

#[test]
fn a_runtime_under_load_ends_within_its_bound_and_leaves_nothing() {
    const TEST: &str = "a_runtime_under_load_ends_within_its_bound_and_leaves_nothing";
    if !is_child() {
        // Alone in a process, where nobody else opens files.
        let seed = number(SEED).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.unwrap().as_nanos() as u64
        });
        let output = child(TEST, "").env(SEED, seed.to_string()).output().unwrap();
        assert!(output.status.success(), "{SEED}={seed} {output:?}");
        return;
    }
    let mut rng = Rng(number(SEED).unwrap());
    let rounds = number(ROUNDS).unwrap_or(150);
    watch_panics();
    // Whatever is made once is made by now.
    drop(multi_thread(1));
    let mut files = 0;
    let mut live = 0;
    for number in 0..rounds {
        let choices = rng.fork();
        bounded(move || round(choices));
        if number == rounds / 3 {
            live = LIVE.load(SeqCst);
        }
        if number == 0 {
            eventually("no thread is left", || files_and_threads().1 == 0);
            files = files_and_threads().0;
        }
        eventually("no file and no thread is left", || {
            let (files_now, threads) = files_and_threads();
            files_now <= files && threads == 0
        });
        assert_eq!(UNEXPECTED.load(SeqCst), 0, "round {number}: unexpected panics");
    }
    let left = LIVE.load(SeqCst) - live;
    assert!(left < 1_000, "{left} blocks of memory were not given back");
}
