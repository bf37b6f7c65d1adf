//! Standard input that a task waits for, and no thread: a terminal, a pipe, or a socket.
//!
//! Purpose: non-blocking reads that leave the standard input of other processes alone. Whether reads block is a property
//! of what was opened, and that is shared with the shell and everybody else who has the terminal or the pipe. So a
//! terminal and a pipe are opened once more, for this process alone; a socket, which cannot be opened, is told with each
//! read not to block.
//!
//! Data flow: task → `stdio` → [`Pollable`] → `read`, `recv`; reactor (wait).
//!
//! Invariants:
//! - I1: the descriptor is tried before it is waited for. A pipe that is opened when its last writer has gone is at its
//!   end, and nothing ever announces that.
//! - I2: the readiness that is cleared is older than the read that found nothing, so that no event is missed.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::task::{Context, Poll, ready};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, recv};
use sprang_core::coop;
use sprang_reactor::PollEvented;

use crate::io::ReadBuf;
use crate::runtime::{Handle, Id};

/// The standard input, watched by the reactor of the runtime in which it was opened.
#[derive(Debug)]
pub(super) struct Pollable {
    input: PollEvented<Input>,
    /// The runtime: the others' reactors know nothing of it, and that one need not be driven while another one reads.
    runtime: Option<Id>,
}

/// A terminal or a pipe with `O_NONBLOCK`, or a socket.
#[derive(Debug)]
struct Input {
    file: File,
    is_socket: bool,
}

impl Pollable {
    /// Opens standard input, if it is something to wait for, this process may open it, and the current runtime has a
    /// reactor.
    pub(super) fn open() -> Option<Self> {
        Self::open_again(io::stdin().as_fd())
    }

    fn open_again(stdin: BorrowedFd<'_>) -> Option<Self> {
        sprang_reactor::with_current(|_| ())?;
        let input = Input::open(stdin.try_clone_to_owned().ok()?)?;
        let input = PollEvented::with_interest(input, sprang_reactor::Interest::READABLE).ok()?;
        Some(Self {
            input,
            runtime: current_runtime(),
        })
    }

    /// Reads once; `None` if the runtime is gone, or is not the current one.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<Option<io::Result<()>>> {
        if self.runtime != current_runtime() {
            return Poll::Ready(None);
        }
        let registration = self.input.registration();
        let unit = ready!(coop::poll_proceed(cx));
        let mut event = None;
        loop {
            match self.input.read(dst) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Some(event) = event {
                        registration.clear_readiness(event);
                    }
                    // The driver's end is the only error.
                    match ready!(registration.poll_read_ready(cx)) {
                        Ok(ready) => event = Some(ready),
                        Err(_) => return Poll::Ready(None),
                    }
                }
                result => {
                    unit.made_progress();
                    return Poll::Ready(Some(result));
                }
            }
        }
    }
}

fn current_runtime() -> Option<Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

impl Input {
    fn open(stdin: OwnedFd) -> Option<Self> {
        let file = File::from(stdin);
        let metadata = file.metadata().ok()?;
        let kind = metadata.file_type();
        if kind.is_socket() {
            return Some(Self { file, is_socket: true });
        }
        if !kind.is_fifo() && (!file.is_terminal() || is_multiplexer(&metadata)) {
            return None;
        }
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
            .ok()?;
        Some(Self { file, is_socket: false })
    }

    fn read(&self, dst: &mut ReadBuf<'_>) -> io::Result<()> {
        let room = dst.initialize_unfilled();
        let n = if self.is_socket {
            recv(&self.file, room, RecvFlags::DONTWAIT)?.0
        } else {
            (&self.file).read(room)?
        };
        dst.advance(n);
        Ok(())
    }
}

/// Whether this is the device that makes a new terminal each time it is opened.
fn is_multiplexer(metadata: &Metadata) -> bool {
    metadata.rdev() == libc::makedev(5, 2)
}

impl Source for Input {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.file.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.file.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.file.as_raw_fd()).deregister(registry)
    }
}

#[cfg(test)]
mod tests;
