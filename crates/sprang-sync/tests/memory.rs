//! What idle channels and cancellation tokens cost.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use sprang_sync::cancellation_token::CancellationToken;
use sprang_sync::{broadcast, mpsc, oneshot, watch};

/// Counts the bytes that this thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    HELD.set(HELD.get() + bytes);
}

// SAFETY: passes everything on to the system's allocator; the counter allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The bytes that what `make` makes holds.
fn held<T>(make: impl FnOnce() -> T) -> (isize, T) {
    let before = HELD.get();
    let made = make();
    (HELD.get() - before, made)
}

#[test]
fn an_idle_channel_takes_less_than_a_kibibyte() {
    let (bounded, _channel) = held(|| mpsc::channel::<u8>(32));
    let (unbounded, _channel) = held(mpsc::unbounded_channel::<u8>);
    let (watch, _channel) = held(|| watch::channel(0_u8));
    let (oneshot, _channel) = held(oneshot::channel::<u8>);
    let (broadcast, _channel) = held(|| broadcast::channel::<u8>(16));
    println!("bounded {bounded}, unbounded {unbounded}, watch {watch}, oneshot {oneshot}, broadcast {broadcast}");
    for bytes in [bounded, unbounded, watch, oneshot, broadcast] {
        assert!((1..1_024).contains(&bytes), "{bytes} bytes");
    }
}

#[test]
fn a_channel_that_was_full_gives_its_blocks_back() {
    const MESSAGES: usize = 100_000;
    let (idle, (sender, mut receiver)) = held(mpsc::unbounded_channel::<u64>);
    let (full, ()) = held(|| (0..MESSAGES).for_each(|i| sender.send(i as u64).unwrap()));
    assert!(full >= (MESSAGES * size_of::<u64>()) as isize);
    let (freed, ()) = held(|| {
        while receiver.try_recv().is_ok() {}
        // A receiver that finds nothing is idle.
        let mut recv = std::pin::pin!(receiver.recv());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(recv.as_mut().poll(&mut cx).is_pending());
    });
    let kept = full + freed;
    println!("idle {idle}, full {full}, kept {kept}");
    assert!(kept < idle, "at most a block, of which an idle channel has one");
    let (freed, ()) = held(|| drop((sender, receiver)));
    assert_eq!(idle + kept + freed, 0);
}

#[test]
fn a_broadcast_channel_keeps_no_value_that_all_have_received() {
    let (sender, mut receiver) = broadcast::channel::<Box<[u8]>>(16);
    let (kept, ()) = held(|| {
        for _ in 0..100 {
            sender.send(vec![0; 1_000].into()).unwrap();
            receiver.try_recv().unwrap();
        }
    });
    assert_eq!(kept, 0);
}

/// Polls a wait for `token` once, and drops it.
fn wait_in_vain(token: &CancellationToken) {
    let mut cancelled = std::pin::pin!(token.cancelled());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(cancelled.as_mut().poll(&mut cx).is_pending());
}

#[test]
fn children_that_are_dropped_leave_nothing_in_their_parent() {
    let root = CancellationToken::new();
    let sibling = root.child_token();
    let (kept, ()) = held(|| {
        for _ in 0..10_000 {
            let child = root.child_token();
            let below = [child.child_token(), child.child_token()];
            wait_in_vain(&below[0]);
            drop(child);
            drop(below);
        }
    });
    assert_eq!(kept, 0);
    assert!(!sibling.is_cancelled());
}

#[test]
fn a_tree_of_tokens_takes_as_much_as_its_tokens() {
    let (one, root) = held(CancellationToken::new);
    println!("a token {one}");
    assert!((1..=128).contains(&one), "{one} bytes");
    let (tree, tokens) = held(|| {
        let mut tokens = Vec::with_capacity(1_000);
        for i in 0..1_000 {
            let parent = tokens.get(i / 3).unwrap_or(&root);
            tokens.push(parent.child_token());
        }
        tokens
    });
    assert_eq!(tree, 1_000 * (one + size_of::<CancellationToken>() as isize));
    let (for_the_cancellation, ()) = held(|| root.cancel());
    assert_eq!(for_the_cancellation, 0);
    let (freed, ()) = held(|| drop((tokens, root)));
    assert_eq!(one + tree + freed, 0);
}
