//! Receiving into memory that need not be initialised.
//!
//! Purpose: the one place that calls bytes initialised because the kernel has written them.
//!
//! Called by: `byte_stream`, `udp`, `unix`. Calls: the OS.
//!
//! Invariants:
//! - I1: a call that receives reads nothing of its buffer, writes the first `n` bytes of it, and returns `n`.
//! - I2: it writes `len` bytes of a [`Sender`], which are an address whose first field is its family.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use bytes::BufMut;
use socket2::SockAddr;

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

/// What a call that receives has returned.
#[inline]
fn count(n: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// `read(2)`: of anything.
#[inline]
pub(super) fn read(file: &impl AsRawFd, buf: &mut (impl BufMut + ?Sized)) -> io::Result<usize> {
    let read = |spare: &mut [MaybeUninit<u8>]| {
        // SAFETY: the pointer and the length are those of a buffer that may be written to.
        let n = unsafe { libc::read(file.as_raw_fd(), spare.as_mut_ptr().cast(), spare.len()) };
        Ok((count(n)?, ()))
    };
    // SAFETY: `read(2)` keeps I1.
    let (n, ()) = unsafe { fill(buf, read) }?;
    Ok(n)
}

/// `recv(2)`: from a socket.
#[inline]
pub(super) fn recv(socket: &impl AsRawFd, buf: &mut (impl BufMut + ?Sized), flags: libc::c_int) -> io::Result<usize> {
    let recv = |spare: &mut [MaybeUninit<u8>]| {
        // SAFETY: the pointer and the length are those of a buffer that may be written to.
        let n = unsafe { libc::recv(socket.as_raw_fd(), spare.as_mut_ptr().cast(), spare.len(), flags) };
        Ok((count(n)?, ()))
    };
    // SAFETY: `recv(2)` keeps I1.
    let (n, ()) = unsafe { fill(buf, recv) }?;
    Ok(n)
}

/// `recvfrom(2)`: from a socket, with the address of the sender.
#[inline]
pub(super) fn recv_from(
    socket: &impl AsRawFd,
    buf: &mut (impl BufMut + ?Sized),
    flags: libc::c_int,
) -> io::Result<(usize, Sender)> {
    let recv = |spare: &mut [MaybeUninit<u8>]| {
        let mut sender = Sender {
            storage: MaybeUninit::uninit(),
            len: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        };
        // SAFETY: the pointers and the lengths are those of a buffer and of an address that may be written to.
        let n = unsafe {
            libc::recvfrom(
                socket.as_raw_fd(),
                spare.as_mut_ptr().cast(),
                spare.len(),
                flags,
                sender.storage.as_mut_ptr().cast(),
                &raw mut sender.len,
            )
        };
        Ok((count(n)?, sender))
    };
    // SAFETY: `recvfrom(2)` keeps I1.
    unsafe { fill(buf, recv) }
}

/// `recvmsg(2)`: from a socket; besides, whether the message came with something (file descriptors, credentials) that
/// there was no room for.
#[inline]
pub(super) fn recv_bare(socket: &impl AsRawFd, buf: &mut (impl BufMut + ?Sized)) -> io::Result<(usize, bool)> {
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
        let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
        Ok((count(n)?, message.msg_flags & libc::MSG_CTRUNC != 0))
    };
    // SAFETY: `recvmsg(2)` keeps I1.
    unsafe { fill(buf, recv) }
}

/// The address of a sender, as the kernel says it.
pub(super) struct Sender {
    storage: MaybeUninit<libc::sockaddr_storage>,
    len: libc::socklen_t,
}

impl Sender {
    /// The address as one of the internet.
    ///
    /// # Errors
    ///
    /// If it is none.
    #[inline]
    pub(super) fn ip(&self) -> io::Result<SocketAddr> {
        let (start, len) = (self.storage.as_ptr(), self.len as usize);
        match self.family() {
            libc::AF_INET if len >= size_of::<libc::sockaddr_in>() => {
                // SAFETY: it is an address of this type, in storage that is aligned for every one (I2).
                let addr = unsafe { &*start.cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from_bits(u32::from_be(addr.sin_addr.s_addr));
                Ok(SocketAddrV4::new(ip, u16::from_be(addr.sin_port)).into())
            }
            libc::AF_INET6 if len >= size_of::<libc::sockaddr_in6>() => {
                // SAFETY: it is an address of this type, in storage that is aligned for every one (I2).
                let addr = unsafe { &*start.cast::<libc::sockaddr_in6>() };
                let (ip, port) = (Ipv6Addr::from(addr.sin6_addr.s6_addr), u16::from_be(addr.sin6_port));
                Ok(SocketAddrV6::new(ip, port, addr.sin6_flowinfo, addr.sin6_scope_id).into())
            }
            _ => Err(io::Error::other("the sender has no internet address")),
        }
    }

    #[inline]
    fn family(&self) -> libc::c_int {
        if (self.len as usize) < size_of::<libc::sa_family_t>() {
            return libc::AF_UNSPEC;
        }
        // SAFETY: an address begins with its family (I2).
        unsafe { (*self.storage.as_ptr()).ss_family }.into()
    }

    /// The address of any kind.
    pub(super) fn any(&self) -> SockAddr {
        let mut any = socket2::SockAddrStorage::zeroed();
        let len = self.len.min(any.size_of());
        // SAFETY: both have room for as many bytes, and that many were written (I2).
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.storage.as_ptr().cast::<u8>(),
                (&raw mut any).cast::<u8>(),
                len as usize,
            );
        }
        // SAFETY: it is an address of that length (I2).
        unsafe { SockAddr::new(any, len) }
    }
}
