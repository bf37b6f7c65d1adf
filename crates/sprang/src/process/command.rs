//! What to run.
//!
//! Purpose: std's `Command`, whose children are the runtime's.
//!
//! Called by: tasks. Calls: std (spawns), `child`, `reaper`.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as StdCommand, ExitStatus, Output, Stdio};

use super::child::Child;
use super::reaper;

/// What to run, and how: a builder for child processes.
///
/// As [`std::process::Command`]; where nothing else is said, its methods do what those of std do. A new command runs
/// in the current folder, with this process's environment and standard streams.
///
/// ```
/// use sprang::process::Command;
///
/// # #[sprang::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let output = Command::new("echo").args(["hello", "world"]).output().await?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello world\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    std: StdCommand,
    kill_on_drop: bool,
}

impl Command {
    /// A command that runs `program`, which is looked for in `PATH` if it has no slash.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Self {
        StdCommand::new(program).into()
    }

    /// The command as std's: to look at what was set.
    pub fn as_std(&self) -> &StdCommand {
        &self.std
    }

    /// The command as std's: to set what has no method here.
    pub fn as_std_mut(&mut self) -> &mut StdCommand {
        &mut self.std
    }

    /// The command as std's. [`kill_on_drop`](Self::kill_on_drop) is lost.
    pub fn into_std(self) -> StdCommand {
        self.std
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Self {
        self.std.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(args);
        self
    }

    /// Sets a variable of the environment.
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Self
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.env(key, val);
        self
    }

    /// Sets variables of the environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(vars);
        self
    }

    /// Removes a variable from the environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Self {
        self.std.env_remove(key);
        self
    }

    /// Removes all variables from the environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// The folder to run in.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Self {
        self.std.current_dir(dir);
        self
    }

    /// The standard input; this process's by default.
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.std.stdin(cfg);
        self
    }

    /// The standard output; this process's by default. [`output`](Self::output) pipes it, whatever is set.
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.std.stdout(cfg);
        self
    }

    /// The standard error; this process's by default. [`output`](Self::output) pipes it, whatever is set.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.std.stderr(cfg);
        self
    }

    /// Whether to kill the process when its [`Child`] is dropped and it has not been waited for; not by default.
    ///
    /// The process is waited for in the background; see the [module](super).
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Self {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// What was set by [`kill_on_drop`](Self::kill_on_drop).
    pub fn get_kill_on_drop(&self) -> bool {
        self.kill_on_drop
    }

    /// The user to run as. The spawn fails if this process may not choose.
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.std.uid(id);
        self
    }

    /// The group to run as. The spawn fails if this process may not choose.
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.std.gid(id);
        self
    }

    /// What the program is told that it is called; by default what it was looked for by.
    pub fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Self {
        self.std.arg0(arg);
        self
    }

    /// Calls `f` in the child, before the program starts. If it fails, so does the spawn.
    ///
    /// # Safety
    ///
    /// `f` runs in a copy of this process that has one thread only, whatever the other threads were doing: it must do
    /// nothing but what is async-signal-safe, such as system calls, and neither allocate nor take locks.
    pub unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Self
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller says that `f` may run there.
        unsafe { self.std.pre_exec(f) };
        self
    }

    /// The process group of the child; 0 is for one of its own, which what is typed into the terminal (Ctrl-C) does not
    /// reach.
    pub fn process_group(&mut self, pgroup: i32) -> &mut Self {
        self.std.process_group(pgroup);
        self
    }

    /// Starts the process.
    ///
    /// The call blocks until the program has started, or failed to, as std's does.
    ///
    /// # Errors
    ///
    /// If the program is not found or may not be run, if the OS has no process or descriptor left, or if the runtime is
    /// shutting down. If the process cannot be watched, it is killed: none is left behind.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O enabled; no process is started then.
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.spawn_with(StdCommand::spawn)
    }

    /// As [`spawn`](Self::spawn), with a closure that starts the process: to do what std's `spawn` does not.
    ///
    /// # Errors
    ///
    /// Those of `with`, and of [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// As for [`spawn`](Self::spawn); `with` is not called then.
    #[track_caller]
    pub fn spawn_with(
        &mut self,
        with: impl FnOnce(&mut StdCommand) -> io::Result<std::process::Child>,
    ) -> io::Result<Child> {
        // Panics here, and not when there is a process already.
        drop(sprang_reactor::Handle::current());
        reaper::attend();
        Child::adopt(with(&mut self.std)?, self.kill_on_drop)
    }

    /// Starts the process at once, and waits for its end.
    ///
    /// Streams that are piped are closed. If the future is dropped, the process runs on, unless
    /// [`kill_on_drop`](Self::kill_on_drop) was set.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Panics
    ///
    /// As for [`spawn`](Self::spawn).
    ///
    /// ```
    /// use sprang::process::Command;
    ///
    /// # #[sprang::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let status = Command::new("sh").args(["-c", "exit 3"]).status().await?;
    /// assert_eq!(status.code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            drop((child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }

    /// Starts the process at once, and waits for its end and its output.
    ///
    /// Standard output and standard error are piped, whatever was set. As [`Child::wait_with_output`]; if the future
    /// is dropped, the process runs on, unless [`kill_on_drop`](Self::kill_on_drop) was set.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Panics
    ///
    /// As for [`spawn`](Self::spawn).
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        self.std.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.spawn();
        async { child?.wait_with_output().await }
    }
}

impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Self {
        Self {
            std,
            kill_on_drop: false,
        }
    }
}
