//! The credentials of a peer.
//!
//! Purpose: who is at the other end of a Unix stream, as the kernel noted it down when the connection was made.
//!
//! Called by: `UnixStream::peer_cred`. Calls: the OS.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{gid_t, pid_t, uid_t};

/// The credentials of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<pid_t>,
    uid: uid_t,
    gid: gid_t,
}

impl UCred {
    /// The user that the process runs as.
    pub fn uid(&self) -> uid_t {
        self.uid
    }

    /// The group that the process runs as.
    pub fn gid(&self) -> gid_t {
        self.gid
    }

    /// The number of the process, where the OS says it.
    pub fn pid(&self) -> Option<pid_t> {
        self.pid
    }
}

/// Asks for the credentials of the peer of `socket`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<UCred> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `cred` has room for what the option holds, and `len` says how much.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut len,
        )
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(UCred {
        pid: Some(cred.pid),
        uid: cred.uid,
        gid: cred.gid,
    })
}

/// Asks for the credentials of the peer of `socket`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<UCred> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: both are numbers that may be written to.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(UCred { pid: None, uid, gid })
}
