//! The handle of a child process.
//!
//! Purpose: a child from its spawn to its status, with its streams, and the collection of all that it writes.
//!
//! Called by: tasks; made by `command`. Calls: `running`, `stdio`.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll};

use sprang_io::{AsyncRead, AsyncReadExt};

use super::running::Running;
use super::stdio::{ChildStderr, ChildStdin, ChildStdout};

/// A child process.
///
/// If it is dropped, the process runs on, unless [`Command::kill_on_drop`](super::Command::kill_on_drop) was set. In
/// either case no zombie is left; see the [module](super).
#[derive(Debug)]
pub struct Child {
    state: State,

    /// The standard input, if it is piped.
    pub stdin: Option<ChildStdin>,

    /// The standard output, if it is piped.
    pub stdout: Option<ChildStdout>,

    /// The standard error, if it is piped.
    pub stderr: Option<ChildStderr>,
}

#[derive(Debug)]
enum State {
    Running(Running),
    Done(ExitStatus),
}

impl Child {
    /// Takes over a process that std has spawned; it is killed if that fails.
    #[track_caller]
    pub(super) fn adopt(child: std::process::Child, kill_on_drop: bool) -> io::Result<Self> {
        let mut running = Running::new(child);
        running.watch()?;
        let child = running.child();
        let stdin = child.stdin.take().map(ChildStdin::from_std).transpose()?;
        let stdout = child.stdout.take().map(ChildStdout::from_std).transpose()?;
        let stderr = child.stderr.take().map(ChildStderr::from_std).transpose()?;
        running.set_kill_on_drop(kill_on_drop);
        Ok(Self {
            state: State::Running(running),
            stdin,
            stdout,
            stderr,
        })
    }

    /// The number that the OS has given to the process; `None` once it has been waited for, and the number may be
    /// another one's.
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running(running) => Some(running.id()),
            State::Done(_) => None,
        }
    }

    /// Kills the process (on Unix: `SIGKILL`), and does not wait for its end.
    ///
    /// Nothing happens if it has been waited for. A process that is killed is still to be [waited for](Self::wait).
    ///
    /// # Errors
    ///
    /// Those of the OS, if the process may not be killed.
    pub fn start_kill(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Running(running) => running.child().kill(),
            State::Done(_) => Ok(()),
        }
    }

    /// Kills the process (on Unix: `SIGKILL`), and waits for its end.
    ///
    /// To send another signal, use its [`id`](Self::id). Cancel safe: the process is killed at the first poll.
    ///
    /// # Errors
    ///
    /// As for [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    ///
    /// ```
    /// use sprang::process::Command;
    ///
    /// # #[sprang::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.kill().await?;
    /// assert!(!child.wait().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await?;
        Ok(())
    }

    /// Waits for the end of the process, and says how it ended, now and whenever it is called again.
    ///
    /// [`stdin`](Self::stdin) is dropped first, so that a child that reads it to its end does not wait for its parent
    /// meanwhile. A child whose output is piped waits while nobody reads it, and does not end: read it, or use
    /// [`wait_with_output`](Self::wait_with_output).
    ///
    /// If the runtime of the spawn is gone, the current one takes over. Cancel safe.
    ///
    /// # Errors
    ///
    /// If something else in this process has waited for the child, or there is no runtime left to wait in.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|cx| self.poll_wait(cx)).await
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        match &mut self.state {
            State::Running(running) => running.poll_wait(cx).map_ok(|status| self.done(status)),
            State::Done(status) => Poll::Ready(Ok(*status)),
        }
    }

    fn done(&mut self, status: ExitStatus) -> ExitStatus {
        self.state = State::Done(status);
        status
    }

    /// How the process ended, if it has. Does not wait, and leaves [`stdin`](Self::stdin) open.
    ///
    /// # Errors
    ///
    /// If something else in this process has waited for the child.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match &mut self.state {
            State::Running(running) => Ok(running.try_wait()?.map(|status| self.done(status))),
            State::Done(status) => Ok(Some(*status)),
        }
    }

    /// Waits for the end of the process and of its piped output, and returns both.
    ///
    /// Output that is not piped is empty here. Other processes that the child gave its output to (in the background of
    /// a shell, for example) are waited for, too, until they close it.
    ///
    /// Not cancel safe: the child is dropped, and with it what has been read.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Self::wait) and of reading.
    ///
    /// ```
    /// use std::process::Stdio;
    ///
    /// use sprang::process::Command;
    ///
    /// # #[sprang::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let output = child.wait_with_output().await?;
    /// assert_eq!(output.stdout, b"hello\n");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        // Closed when all is done, not when their end is seen: the child may still go on writing.
        let (mut stdout, mut stderr) = (self.stdout.take(), self.stderr.take());
        let (status, stdout, stderr) = all(self.wait(), read_all(&mut stdout), read_all(&mut stderr)).await?;
        Ok(Output { status, stdout, stderr })
    }
}

async fn read_all(stream: &mut Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Polls all three until they are done, or one fails.
async fn all<A, B, C>(
    a: impl Future<Output = io::Result<A>>,
    b: impl Future<Output = io::Result<B>>,
    c: impl Future<Output = io::Result<C>>,
) -> io::Result<(A, B, C)> {
    fn step<T>(
        future: Pin<&mut impl Future<Output = io::Result<T>>>,
        output: &mut Option<T>,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        if output.is_none()
            && let Poll::Ready(result) = future.poll(cx)
        {
            *output = Some(result?);
        }
        Ok(())
    }

    let (mut a, mut b, mut c) = (pin!(a), pin!(b), pin!(c));
    let mut outputs = (None, None, None);
    poll_fn(|cx| {
        step(a.as_mut(), &mut outputs.0, cx)?;
        step(b.as_mut(), &mut outputs.1, cx)?;
        step(c.as_mut(), &mut outputs.2, cx)?;
        match outputs {
            (Some(_), Some(_), Some(_)) => Poll::Ready(io::Result::Ok(())),
            _ => Poll::Pending,
        }
    })
    .await?;
    match outputs {
        (Some(a), Some(b), Some(c)) => Ok((a, b, c)),
        _ => unreachable!("all three are done"),
    }
}
