//! Which types and futures can be sent, shared and moved: exactly those of Tokio.
//!
//! Programs compile or not depending on these facts, so that each is checked in both directions. A row has one word for
//! each kind of content: [`Shared`], [`Sent`], [`Local`]. The letters of a word say whether the type is `Send`, `Sync`
//! and `Unpin`, in this order: `s`, `s`, `u`, or `-`.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use sprang_sync::*;

/// `Send` and `Sync`.
type Shared = u8;
/// `Send` only.
type Sent = Cell<u8>;
/// Neither.
type Local = Rc<u8>;

/// Answers for a type. A method of its own comes before one of a trait, if its bound holds.
struct Ask<T>(PhantomData<T>);

impl<T: Send> Ask<T> {
    fn send(&self) -> char {
        's'
    }
}

impl<T: Sync> Ask<T> {
    fn sync(&self) -> char {
        's'
    }
}

impl<T: Unpin> Ask<T> {
    fn unpin(&self) -> char {
        'u'
    }
}

trait Not {
    fn send(&self) -> char {
        '-'
    }

    fn sync(&self) -> char {
        '-'
    }

    fn unpin(&self) -> char {
        '-'
    }
}

impl<T> Not for Ask<T> {}

/// What a function returns, without calling it.
fn output<A, R>(_: fn(A) -> R) -> Ask<R> {
    Ask(PhantomData)
}

/// An argument of a function that is never called.
fn some<T>() -> T {
    unreachable!("only its type is looked at")
}

macro_rules! word {
    ($ask:expr) => {{
        let ask = $ask;
        String::from_iter([ask.send(), ask.sync(), ask.unpin()])
    }};
}

macro_rules! types {
    ($([$T:ident] $type:ty: $words:literal,)*) => {$({
        type Type<$T> = $type;
        let words = [
            word!(Ask(PhantomData::<Type<Shared>>)),
            word!(Ask(PhantomData::<Type<Sent>>)),
            word!(Ask(PhantomData::<Type<Local>>)),
        ];
        assert_eq!(words.join(" "), $words, "{}", stringify!($type));
    })*};
}

macro_rules! plain {
    ($($type:ty: $word:literal,)*) => {$(
        assert_eq!(word!(Ask(PhantomData::<$type>)), $word, "{}", stringify!($type));
    )*};
}

macro_rules! futures {
    ($([$T:ident] $call:expr => $words:literal,)*) => {$({
        let words = [
            { type $T = Shared; word!(output($call)) },
            { type $T = Sent; word!(output($call)) },
            { type $T = Local; word!(output($call)) },
        ];
        assert_eq!(words.join(" "), $words, "{}", stringify!($call));
    })*};
}

#[test]
fn types_without_contents() {
    plain! {
        AcquireError: "ssu",
        Barrier: "ssu",
        BarrierWaitResult: "ssu",
        Notify: "ssu",
        OwnedSemaphorePermit: "ssu",
        Semaphore: "ssu",
        SemaphorePermit<'static>: "ssu",
        TryAcquireError: "ssu",
        TryLockError: "ssu",
        broadcast::error::RecvError: "ssu",
        futures::Notified<'static>: "ss-",
        futures::OwnedNotified: "ss-",
        mpsc::error::TryRecvError: "ssu",
        oneshot::error::RecvError: "ssu",
        watch::error::RecvError: "ssu",
    }
}

#[test]
fn types_with_contents() {
    types! {
        [T] MappedMutexGuard<'static, T>: "ssu s-u --u",
        [T] Mutex<T>: "ssu ssu --u",
        [T] MutexGuard<'static, T>: "ssu s-u --u",
        [T] OnceCell<T>: "ssu s-u --u",
        [T] OwnedMappedMutexGuard<T, T>: "ssu s-u --u",
        [T] OwnedMutexGuard<T>: "ssu s-u --u",
        [T] OwnedRwLockMappedWriteGuard<T>: "ssu --u --u",
        [T] OwnedRwLockReadGuard<T>: "ssu --u --u",
        [T] OwnedRwLockWriteGuard<T>: "ssu --u --u",
        [T] RwLock<T>: "ssu s-u --u",
        [T] RwLockMappedWriteGuard<'static, T>: "ssu --u --u",
        [T] RwLockReadGuard<'static, T>: "ssu --u --u",
        [T] RwLockWriteGuard<'static, T>: "ssu --u --u",
        [T] SetOnce<T>: "ssu s-u --u",
        [T] broadcast::Receiver<T>: "ssu ssu --u",
        [T] broadcast::Sender<T>: "ssu ssu --u",
        [T] broadcast::WeakSender<T>: "ssu ssu --u",
        [T] broadcast::error::SendError<T>: "ssu s-u --u",
        [T] mpsc::OwnedPermit<T>: "ssu ssu --u",
        [T] mpsc::Permit<'static, T>: "ssu ssu --u",
        [T] mpsc::PermitIterator<'static, T>: "ssu ssu --u",
        [T] mpsc::Receiver<T>: "ssu ssu --u",
        [T] mpsc::Sender<T>: "ssu ssu --u",
        [T] mpsc::UnboundedReceiver<T>: "ssu ssu --u",
        [T] mpsc::UnboundedSender<T>: "ssu ssu --u",
        [T] mpsc::WeakSender<T>: "ssu ssu --u",
        [T] mpsc::WeakUnboundedSender<T>: "ssu ssu --u",
        [T] mpsc::error::SendError<T>: "ssu s-u --u",
        [T] mpsc::error::SendTimeoutError<T>: "ssu s-u --u",
        [T] mpsc::error::TrySendError<T>: "ssu s-u --u",
        [T] oneshot::Receiver<T>: "ssu ssu --u",
        [T] oneshot::Sender<T>: "ssu ssu --u",
        [T] watch::Receiver<T>: "ssu --u --u",
        [T] watch::Ref<'static, T>: "-su --u --u",
        [T] watch::Sender<T>: "ssu --u --u",
        [T] watch::error::SendError<T>: "ssu s-u --u",
    }
}

#[test]
fn futures() {
    type Of<T> = Pin<Box<dyn Future<Output = T>>>;
    type SendOf<T> = Pin<Box<dyn Future<Output = T> + Send>>;
    type SyncOf<T> = Pin<Box<dyn Future<Output = T> + Send + Sync>>;

    assert_eq!(word!(output(|barrier: &'static Barrier| barrier.wait())), "ss-");
    assert_eq!(word!(output(|notify: &'static Notify| notify.notified())), "ss-");
    assert_eq!(
        word!(output(|semaphore: &'static Semaphore| semaphore.acquire())),
        "ss-"
    );
    assert_eq!(
        word!(output(|semaphore: &'static Semaphore| semaphore.acquire_many(1))),
        "ss-"
    );
    assert_eq!(
        word!(output(|semaphore: Arc<Semaphore>| semaphore.acquire_owned())),
        "ss-"
    );
    assert_eq!(
        word!(output(|semaphore: Arc<Semaphore>| semaphore.acquire_many_owned(1))),
        "ss-"
    );
    futures! {
        [T] |mutex: &'static Mutex<T>| mutex.lock() => "ss- ss- ---",
        [T] |mutex: Arc<Mutex<T>>| mutex.lock_owned() => "ss- ss- ---",
        [T] |cell: &'static OnceCell<T>| cell.get_or_init(some::<fn() -> SyncOf<T>>()) => "ss- --- ---",
        [T] |cell: &'static OnceCell<T>| cell.get_or_init(some::<fn() -> SendOf<T>>()) => "s-- --- ---",
        [T] |cell: &'static OnceCell<T>| cell.get_or_init(some::<fn() -> Of<T>>()) => "--- --- ---",
        [T] |cell: &'static OnceCell<T>| cell.get_or_try_init(some::<fn() -> SyncOf<Result<T, u8>>>()) => "ss- --- ---",
        [T] |cell: &'static OnceCell<T>| cell.get_or_try_init(some::<fn() -> SendOf<Result<T, u8>>>()) => "s-- --- ---",
        [T] |cell: &'static OnceCell<T>| cell.get_or_try_init(some::<fn() -> Of<Result<T, u8>>>()) => "--- --- ---",
        [T] |cell: &'static SetOnce<T>| cell.wait() => "ss- --- ---",
        [T] |lock: &'static RwLock<T>| lock.read() => "ss- --- ---",
        [T] |lock: &'static RwLock<T>| lock.write() => "ss- --- ---",
        [T] |lock: Arc<RwLock<T>>| lock.read_owned() => "ss- --- ---",
        [T] |lock: Arc<RwLock<T>>| lock.write_owned() => "ss- --- ---",
        [T] |receiver: &'static mut broadcast::Receiver<T>| receiver.recv() => "ss- ss- ---",
        [T] |receiver: &'static mut mpsc::Receiver<T>| receiver.recv() => "ss- ss- ---",
        [T] |sender: &'static mpsc::Sender<T>| sender.closed() => "ss- ss- ---",
        [T] |sender: &'static mpsc::Sender<T>| sender.reserve() => "ss- ss- ---",
        [T] |sender: &'static mpsc::Sender<T>| sender.reserve_many(1) => "ss- ss- ---",
        [T] |sender: mpsc::Sender<T>| sender.reserve_owned() => "ss- ss- ---",
        [T] |sender: &'static mpsc::Sender<T>| sender.send(some::<T>()) => "ss- s-- ---",
        [T] |receiver: &'static mut mpsc::Receiver<T>| receiver.recv_many(some(), 1) => "ss- s-- ---",
        [T] |sender: &'static broadcast::Sender<T>| sender.closed() => "ss- ss- ---",
        [T] |receiver: &'static mut mpsc::UnboundedReceiver<T>| receiver.recv() => "ss- ss- ---",
        [T] |receiver: &'static mut mpsc::UnboundedReceiver<T>| receiver.recv_many(some(), 1) => "ss- s-- ---",
        [T] |sender: &'static mpsc::UnboundedSender<T>| sender.closed() => "ss- ss- ---",
        [T] |sender: &'static mut oneshot::Sender<T>| sender.closed() => "ss- ss- ---",
        [T] |receiver: &'static mut watch::Receiver<T>| receiver.changed() => "ss- --- ---",
        [T] |receiver: &'static mut watch::Receiver<T>| receiver.wait_for(some::<fn(&T) -> bool>()) => "ss- --- ---",
        [T] |sender: &'static watch::Sender<T>| sender.closed() => "ss- --- ---",
    }
}

#[cfg(feature = "time")]
#[test]
fn futures_with_a_time_limit() {
    use std::time::Duration;

    futures! {
        [T] |sender: &'static mpsc::Sender<T>| sender.send_timeout(some::<T>(), Duration::ZERO) => "ss- s-- ---",
    }
}
