//! One million tasks at once: spawned from plain threads and from inside tasks, with aborts, panics, detached handles
//! and wake-ups from foreign threads mixed in.
//!
//! What must hold: every future is dropped exactly once, every awaited handle gives the result that its kind of task
//! can have, and the memory of all of it comes back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::{Future, pending, poll_fn};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, AtomicUsize};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::thread;

use sprang::runtime::{Builder, Runtime};
use sprang::task::{JoinHandle, yield_now};

const TASKS: usize = 1_000_000;
const SPAWNERS: usize = 4;
/// Tasks that each task which spawns, spawns.
const CHILDREN: usize = 3;

/// Counts the small allocations that are alive, those of tasks and wakers among them.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

/// From this size on blocks are not counted: crossbeam-epoch keeps what it retired (buffers of queues and its own bags,
/// all of them larger) until some later time.
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

/// How often the future of each task was dropped.
static DROPS: OnceLock<Box<[AtomicU8]>> = OnceLock::new();
/// Panics other than those that tasks are told to make, failed assertions inside of tasks among them.
static UNEXPECTED: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// The runtime is being dropped, and with it every task that has not ended.
static ENDING: AtomicBool = AtomicBool::new(false);

/// A task's number; lives in its future.
struct Ticket(usize);

impl Ticket {
    /// `None` when all tasks are spawned.
    fn take() -> Option<Self> {
        let number = NEXT.fetch_add(1, Relaxed);
        (number < TASKS).then(|| Self(number))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        DROPS.get().expect("set before the first task")[self.0].fetch_add(1, Relaxed);
    }
}

/// What a task does, by its number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Ready,
    Yields,
    Panics,
    WokenFromAfar,
    Aborted,
    Spawns,
}

fn kind(number: usize) -> Kind {
    match number % 16 {
        0..4 => Kind::Ready,
        4..8 => Kind::Yields,
        8 => Kind::Panics,
        9..12 => Kind::WokenFromAfar,
        12..14 => Kind::Aborted,
        _ => Kind::Spawns,
    }
}

/// Wakers on their way to the threads that wake them, each with the flag that it is to set before.
type Wakers = Sender<(Waker, Arc<AtomicBool>)>;

/// Pending until one of the waking threads has woken it.
fn woken_from_afar(wakers: Wakers) -> impl Future<Output = ()> + Send {
    let mut flag: Option<Arc<AtomicBool>> = None;
    poll_fn(move |cx| match &flag {
        Some(flag) if flag.load(Relaxed) => Poll::Ready(()),
        // Woken without the flag: by a waker from before, which no poll of ours left behind.
        Some(_) => panic!("a wake-up without its message"),
        None => {
            let new = flag.insert(Arc::new(AtomicBool::new(false)));
            wakers
                .send((cx.waker().clone(), Arc::clone(new)))
                .expect("the wakers outlive the tasks");
            Poll::Pending
        }
    })
}

async fn task(ticket: Ticket, wakers: Wakers) -> usize {
    match kind(ticket.0) {
        Kind::Ready => {}
        Kind::Yields => {
            yield_now().await;
            yield_now().await;
        }
        Kind::Panics => panic!("as it should"),
        Kind::WokenFromAfar => woken_from_afar(wakers).await,
        Kind::Aborted => pending().await,
        Kind::Spawns => {
            for _ in 0..CHILDREN {
                let Some(child) = Ticket::take() else { break };
                // In a box: a task that contains itself has no size.
                let (number, handle) = spawn_boxed(child, wakers.clone());
                settle(number, handle).await;
            }
        }
    }
    ticket.0
}

fn spawn_boxed(ticket: Ticket, wakers: Wakers) -> (usize, JoinHandle<usize>) {
    let number = ticket.0;
    let future: std::pin::Pin<Box<dyn Future<Output = usize> + Send>> = Box::pin(task(ticket, wakers));
    (number, sprang::spawn(future))
}

/// Aborts the task if that is its end, and awaits or detaches it.
async fn settle(number: usize, handle: JoinHandle<usize>) {
    let kind = kind(number);
    if kind == Kind::Aborted {
        handle.abort();
    } else if number.is_multiple_of(3) {
        return drop(handle);
    }
    match (kind, handle.await) {
        // A worker may still poll this task while another one already drops those that are left.
        (_, Err(error)) if error.is_shutdown() => assert!(ENDING.load(Relaxed), "task {number}: {error}"),
        (Kind::Panics, Err(error)) => assert!(error.is_panic()),
        (Kind::Aborted, Err(error)) => assert!(error.is_cancelled()),
        (Kind::Panics | Kind::Aborted, Ok(_)) => panic!("task {number} ended well"),
        (_, output) => assert_eq!(output.expect("the task ends well"), number),
    }
}

/// Threads that are no workers and wake tasks.
fn start_wakers() -> (Wakers, Vec<thread::JoinHandle<()>>) {
    let (to_first, first) = mpsc::channel::<(Waker, Arc<AtomicBool>)>();
    let (to_second, second) = mpsc::channel::<(Waker, Arc<AtomicBool>)>();
    let forward = thread::spawn(move || {
        for (turn, (waker, flag)) in first.into_iter().enumerate() {
            if turn % 2 == 0 {
                to_second.send((waker, flag)).expect("the second outlives the first");
            } else {
                flag.store(true, Relaxed);
                waker.wake_by_ref();
                // A late second wake-up of a task that may be complete.
                waker.wake();
            }
        }
    });
    let wake = thread::spawn(move || {
        for (waker, flag) in second {
            flag.store(true, Relaxed);
            waker.wake();
        }
    });
    (to_first, vec![forward, wake])
}

fn spawn_all(runtime: &Runtime, wakers: &Wakers) {
    thread::scope(|scope| {
        for _ in 0..SPAWNERS {
            let (handle, wakers) = (runtime.handle().clone(), wakers.clone());
            scope.spawn(move || {
                let _guard = handle.enter();
                while let Some(ticket) = Ticket::take() {
                    let number = ticket.0;
                    let task = sprang::spawn(task(ticket, wakers.clone()));
                    drop(sprang::spawn(settle(number, task)));
                }
            });
        }
    });
}

#[test]
fn every_future_is_dropped_once_and_the_memory_returns() {
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref() != Some(&"as it should") {
            UNEXPECTED.fetch_add(1, Relaxed);
            eprintln!("{info}");
        }
    }));
    DROPS.get_or_init(|| (0..TASKS).map(|_| AtomicU8::new(0)).collect());
    // Once without a count, for what the process allocates for good.
    drop(
        Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .unwrap(),
    );
    let before = LIVE.load(Relaxed);

    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let (wakers, waking) = start_wakers();
    spawn_all(&runtime, &wakers);
    // Half of the tasks end by themselves, the rest by the end of the runtime.
    let ended = || {
        DROPS
            .get()
            .unwrap()
            .iter()
            .filter(|drops| drops.load(Relaxed) > 0)
            .count()
    };
    while ended() < TASKS / 2 {
        thread::yield_now();
    }
    ENDING.store(true, Relaxed);
    drop(runtime);
    drop(wakers);
    for thread in waking {
        thread.join().unwrap();
    }

    assert_eq!(UNEXPECTED.load(Relaxed), 0, "panics that no task was told to make");
    let drops = DROPS.get().unwrap();
    let wrong = drops.iter().position(|drops| drops.load(Relaxed) != 1);
    assert_eq!(wrong, None, "a future that was not dropped exactly once");
    let left = LIVE.load(Relaxed) - before;
    assert!(left < 256, "{left} blocks did not come back");
}
