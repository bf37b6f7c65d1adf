//! smol under the names that the workloads use.
//!
//! Purpose: its executor on two threads, behind the little of Tokio's API that the workloads in `on_smol` need.

use std::pin::Pin;
use std::task::{Context, Poll};

use smol::Executor;

/// All tasks run here: smol's own global executor may have another number of threads.
static EXECUTOR: Executor<'static> = Executor::new();

pub(crate) fn spawn<F>(future: F) -> task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    task::JoinHandle::new(EXECUTOR.spawn(future))
}

pub(crate) mod runtime {
    //! The threads of the executor.

    use std::io;
    use std::thread::{self, JoinHandle};

    use smol::channel::{Sender, bounded};

    use super::{EXECUTOR, task};

    #[derive(Debug)]
    pub(crate) struct Builder {
        workers: usize,
    }

    impl Builder {
        pub(crate) fn new_multi_thread() -> Self {
            Self { workers: 1 }
        }

        pub(crate) fn worker_threads(&mut self, workers: usize) -> &mut Self {
            self.workers = workers;
            self
        }

        pub(crate) fn enable_all(&mut self) -> &mut Self {
            self
        }

        pub(crate) fn build(&mut self) -> io::Result<Runtime> {
            let (stop, stopped) = bounded::<()>(1);
            let threads = (0..self.workers)
                .map(|_| {
                    let stopped = stopped.clone();
                    thread::Builder::new().spawn(move || {
                        // Its only message is its end.
                        let _ = smol::block_on(EXECUTOR.run(stopped.recv()));
                    })
                })
                .collect::<io::Result<_>>()?;
            let stop = Some(stop);
            Ok(Runtime { stop, threads })
        }
    }

    #[derive(Debug)]
    pub(crate) struct Runtime {
        stop: Option<Sender<()>>,
        threads: Vec<JoinHandle<()>>,
    }

    impl Runtime {
        pub(crate) fn spawn<F>(&self, future: F) -> task::JoinHandle<F::Output>
        where
            F: Future<Output: Send> + Send + 'static,
        {
            super::spawn(future)
        }

        /// Runs `future` on this thread, and no tasks meanwhile.
        pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
            smol::block_on(future)
        }
    }

    impl Drop for Runtime {
        fn drop(&mut self) {
            drop(self.stop.take());
            for thread in self.threads.drain(..) {
                thread.join().expect("no task panics");
            }
        }
    }
}

pub(crate) mod task {
    //! Tasks, which go on when their handle is dropped.

    use super::{Context, Pin, Poll};

    pub(crate) async fn yield_now() {
        smol::future::yield_now().await;
    }

    #[derive(Debug)]
    pub(crate) struct JoinHandle<T>(Option<smol::Task<T>>);

    impl<T> JoinHandle<T> {
        pub(super) fn new(task: smol::Task<T>) -> Self {
            Self(Some(task))
        }
    }

    impl<T> Future for JoinHandle<T> {
        type Output = Result<T, std::convert::Infallible>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let task = self.0.as_mut().expect("only the drop takes the task");
            Pin::new(task).poll(cx).map(Ok)
        }
    }

    impl<T> Drop for JoinHandle<T> {
        fn drop(&mut self) {
            if let Some(task) = self.0.take() {
                task.detach();
            }
        }
    }
}

pub(crate) mod time {
    //! Sleeps.

    use std::time::Duration;

    pub(crate) async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }
}

pub(crate) mod sync {
    //! smol has `async-channel`; its book takes the oneshot of `futures`.

    pub(crate) use futures::channel::oneshot;

    pub(crate) mod mpsc {
        //! A channel that gives `None` at its end.

        use smol::channel;

        #[derive(Debug)]
        pub(crate) struct Receiver<T>(channel::Receiver<T>);

        impl<T> Receiver<T> {
            pub(crate) async fn recv(&mut self) -> Option<T> {
                self.0.recv().await.ok()
            }
        }

        pub(crate) fn channel<T>(capacity: usize) -> (channel::Sender<T>, Receiver<T>) {
            let (sender, receiver) = channel::bounded(capacity);
            (sender, Receiver(receiver))
        }
    }
}

pub(crate) mod net {
    //! Sockets.

    pub(crate) use smol::net::{TcpListener, TcpStream, UdpSocket};
}

pub(crate) mod io {
    //! Extension traits.

    pub(crate) use smol::io::{AsyncReadExt, AsyncWriteExt};
}
