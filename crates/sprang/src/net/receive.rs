//! Receiving into memory that need not be initialised.
//!
//! Purpose: the one place that calls bytes initialised because the kernel has written them.
//!
//! Called by: `byte_stream`, `udp`, `unix`. Calls: the OS.
//!
//! Invariants:
//! - I1: a call that receives reads nothing of its buffer, writes the first `n` bytes of it, and returns `n`.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use bytes::BufMut;
use socket2::{SockAddr, SockRef};

/// Takes the bytes without removing them.
pub(super) const PEEK: libc::c_int = libc::MSG_PEEK;

/// Has `receive` fill the spare room of `buf`.
///
/// # Safety
///
/// `receive` keeps I1.
unsafe fn fill<T>(
    buf: &mut (impl BufMut + ?Sized),
    receive: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<(usize, T)>,
) -> io::Result<(usize, T)> {
    // SAFETY: nothing but received bytes is written there (I1).
    let spare = unsafe { buf.chunk_mut().as_uninit_slice_mut() };
    let (n, rest) = receive(spare)?;
    // SAFETY: that many were written (I1).
    unsafe { buf.advance_mut(n) };
    Ok((n, rest))
}

/// `read(2)`: of anything.
#[inline]
pub(super) fn read(fd: BorrowedFd<'_>, buf: &mut (impl BufMut + ?Sized)) -> io::Result<usize> {
    let read = |spare: &mut [MaybeUninit<u8>]| {
        // SAFETY: the pointer and the length are those of a buffer that may be written to.
        let n = unsafe { libc::read(fd.as_raw_fd(), spare.as_mut_ptr().cast(), spare.len()) };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        Ok((n, ()))
    };
    // SAFETY: `read(2)` keeps I1.
    let (n, ()) = unsafe { fill(buf, read) }?;
    Ok(n)
}

/// `recv(2)`: from a socket.
#[inline]
pub(super) fn recv(socket: &impl AsFd, buf: &mut (impl BufMut + ?Sized), flags: libc::c_int) -> io::Result<usize> {
    let recv = |spare: &mut [MaybeUninit<u8>]| Ok((SockRef::from(socket).recv_with_flags(spare, flags)?, ()));
    // SAFETY: `recv(2)` keeps I1.
    let (n, ()) = unsafe { fill(buf, recv) }?;
    Ok(n)
}

/// `recvfrom(2)`: from a socket, with the address of the sender.
#[inline]
pub(super) fn recv_from(
    socket: &impl AsFd,
    buf: &mut (impl BufMut + ?Sized),
    flags: libc::c_int,
) -> io::Result<(usize, SockAddr)> {
    // SAFETY: `recvfrom(2)` keeps I1.
    unsafe { fill(buf, |spare| SockRef::from(socket).recv_from_with_flags(spare, flags)) }
}

/// `recvmsg(2)`: from a socket; besides, whether the message came with something (file descriptors, credentials) that
/// there was no room for.
#[inline]
pub(super) fn recv_bare(socket: &impl AsFd, buf: &mut (impl BufMut + ?Sized)) -> io::Result<(usize, bool)> {
    let recv = |spare: &mut [MaybeUninit<u8>]| {
        let mut part = libc::iovec {
            iov_base: spare.as_mut_ptr().cast(),
            iov_len: spare.len(),
        };
        // SAFETY: all zero is a message without address, data and control messages.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        // SAFETY: the message has one part: a buffer that may be written to.
        let n = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, 0) };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        Ok((n, message.msg_flags & libc::MSG_CTRUNC != 0))
    };
    // SAFETY: `recvmsg(2)` keeps I1.
    unsafe { fill(buf, recv) }
}
