//! A future and an executor made by hand: `cargo run --example timer_future`.
//!
//! Purpose: what `.await` stands on. An executor polls futures; one that is not ready keeps the waker that it is given,
//! and wakes it when there is a reason to poll again. That is the whole contract. So the channels of `sprang::sync`
//! work with an executor of thirty lines, and a timer that knows no runtime works on sprang's.

use std::error::Error;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use sprang::runtime::Runtime;
use sprang::sync::oneshot;

/// A future that is ready some time after it was made.
struct Timer(Arc<Mutex<TimerState>>);

/// What the timer shares with its thread.
#[derive(Default)]
struct TimerState {
    rang: bool,
    waker: Option<Waker>,
}

impl Timer {
    fn new(time: Duration) -> Self {
        let timer = Arc::new(Mutex::new(TimerState::default()));
        let shared = Arc::clone(&timer);
        // A thread for each timer: a runtime has one list of all timers instead.
        thread::spawn(move || {
            thread::sleep(time);
            let waker = {
                let mut state = shared.lock().unwrap();
                state.rang = true;
                state.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        Self(timer)
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.rang {
            return Poll::Ready(());
        }
        // The waker of the latest poll is the one that counts: the future may have moved to another task.
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Runs tasks on one thread.
struct Executor {
    sender: Sender<Arc<Task>>,
    queue: Receiver<Arc<Task>>,
}

/// A future, and the queue for it to be polled again.
struct Task {
    /// Empty when it is done.
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    sender: Sender<Arc<Task>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let sender = self.sender.clone();
        // An error says that the executor is gone: then nobody will poll this task any more.
        let _ = sender.send(self);
    }
}

impl Executor {
    fn new() -> Self {
        let (sender, queue) = channel();
        Self { sender, queue }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let task = Task {
            future: Mutex::new(Some(Box::pin(future))),
            sender: self.sender.clone(),
        };
        // It starts as if it had been woken.
        Arc::new(task).wake();
    }

    /// Polls tasks until all are done.
    fn run(self) {
        // From here on only tasks have senders. The queue ends with the last of them.
        drop(self.sender);
        for task in self.queue {
            let waker = Waker::from(Arc::clone(&task));
            let mut future = task.future.lock().unwrap();
            if let Some(pending) = future.as_mut()
                && pending.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
            {
                *future = None;
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let executor = Executor::new();
    let (sender, receiver) = oneshot::channel();
    executor.spawn(async move {
        println!("one task waits for the timer");
        Timer::new(Duration::from_millis(20)).await;
        println!("the timer rings");
        let _ = sender.send("wake up");
    });
    executor.spawn(async move {
        println!("another task waits for the first");
        if let Ok(message) = receiver.await {
            println!("it hears: {message}");
        }
    });
    executor.run();

    Runtime::new()?.block_on(Timer::new(Duration::from_millis(20)));
    println!("sprang's runtime can wait for the timer, too");
    Ok(())
}
