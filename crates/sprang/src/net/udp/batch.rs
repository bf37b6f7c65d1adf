//! Many datagrams in one system call.
//!
//! Purpose: what a server of small datagrams spends its time on is the system calls. Here one takes up to [`BATCH`]
//! datagrams, and, where the kernel can split and merge datagrams (Linux 4.18, 5.0), each of these up to 64 KiB of
//! segments.
//!
//! Data flow: task → [`UdpSocket::send_batch`], [`UdpSocket::recv_batch`] → reactor (wait, budget) → `sendmmsg`,
//! `recvmmsg`.
//!
//! Invariants:
//! - I1: whatever a message header points to outlives the system call: it lies in the caller's batch, or in arrays that
//!   do not move between the making of the headers and the call.
//! - I2: the kernel writes no more than the lengths in a header allow, and sets them to what it has written.
//! - I3: a batch that came short says nothing about the next datagram (an error may have cut it off), so readiness stays.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::fd::AsRawFd;
use std::{array, mem, slice};

use socket2::{SockAddr, SockAddrStorage};
use sprang_reactor::Interest;

use super::socket::UdpSocket;

/// Datagrams that one system call takes.
const BATCH: usize = 32;

/// The size of a control message that holds a number: of a segment in bytes.
// SAFETY: computes a number.
const CONTROL: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::c_int>() as u32) } as usize;

/// Room for a control message.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

impl Control {
    const EMPTY: Self = Self([0; CONTROL]);
}

/// A datagram to send in a batch.
///
/// ```
/// use std::num::NonZeroU16;
///
/// use sprang::net::udp::Outgoing;
///
/// let to_the_connected_peer = Outgoing::new(b"hello");
/// let to_an_address = Outgoing::new(b"hello").to(([127, 0, 0, 1], 80).into());
/// let three_datagrams = Outgoing::new(b"abcdef").in_segments(NonZeroU16::new(2).unwrap());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    payload: &'a [u8],
    target: Option<SocketAddr>,
    segment: Option<NonZeroU16>,
}

impl<'a> Outgoing<'a> {
    /// A datagram to the socket that the sender is connected to.
    pub fn new(payload: &'a [u8]) -> Self {
        Self {
            payload,
            target: None,
            segment: None,
        }
    }

    /// The same datagram, to `target`.
    #[must_use]
    pub fn to(self, target: SocketAddr) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }

    /// The same payload, sent as datagrams of `size` bytes (the last one may be shorter), which the kernel or the network
    /// card splits it into.
    #[must_use]
    pub fn in_segments(self, size: NonZeroU16) -> Self {
        Self {
            segment: Some(size),
            ..self
        }
    }
}

/// Room for a datagram to receive in a batch, and the datagram once it was received.
#[derive(Debug)]
pub struct Incoming<'a> {
    buf: &'a mut [u8],
    len: usize,
    sender: Option<SocketAddr>,
    segment: Option<usize>,
    is_truncated: bool,
}

impl<'a> Incoming<'a> {
    /// Room of the size of `buf`.
    pub fn new(buf: &'a mut [u8]) -> Self {
        Self {
            buf,
            len: 0,
            sender: None,
            segment: None,
            is_truncated: false,
        }
    }

    /// What was received.
    pub fn payload(&self) -> &[u8] {
        &self.buf[..self.len]
    }

    /// Who has sent it.
    pub fn sender(&self) -> Option<SocketAddr> {
        self.sender
    }

    /// The datagrams in the payload: more than one if the kernel has merged some, see [`UdpSocket::set_gro`].
    pub fn datagrams(&self) -> slice::Chunks<'_, u8> {
        self.payload().chunks(self.segment.unwrap_or(self.len).max(1))
    }

    /// Whether it was longer than the room for it: the rest is lost.
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }
}

impl UdpSocket {
    /// Sends datagrams, in order, with one system call, and returns how many were sent: at least one, but perhaps not all,
    /// even if there is room. Waits until there is room for one. An empty batch is sent at once.
    ///
    /// Cancel safe: a call that is dropped has sent nothing.
    ///
    /// # Errors
    ///
    /// That of the OS for the first datagram, such as `InvalidInput` for one in segments that are too large or too many;
    /// besides, if the runtime is gone.
    ///
    /// ```
    /// use sprang::net::UdpSocket;
    /// use sprang::net::udp::{Incoming, Outgoing};
    ///
    /// # #[sprang::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// let to_server = |text: &'static str| Outgoing::new(text.as_bytes()).to(server.local_addr().unwrap());
    /// assert_eq!(client.send_batch(&[to_server("one"), to_server("two")]).await?, 2);
    ///
    /// let mut bufs = [[0; 1024]; 4];
    /// let mut batch = bufs.each_mut().map(|buf| Incoming::new(buf));
    /// let received = server.recv_batch(&mut batch).await?;
    /// assert_eq!(batch[0].payload(), b"one");
    /// assert_eq!(batch[received - 1].payload(), b"two");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_batch(&self, batch: &[Outgoing<'_>]) -> io::Result<usize> {
        if batch.is_empty() {
            return Ok(0);
        }
        self.sending(|| send(self, batch)).await
    }

    /// As [`send_batch`](Self::send_batch), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as for [`send_batch`](Self::send_batch).
    pub fn try_send_batch(&self, batch: &[Outgoing<'_>]) -> io::Result<usize> {
        if batch.is_empty() {
            return Ok(0);
        }
        self.try_io(Interest::WRITABLE, || send(self, batch))
    }

    /// Receives datagrams, in order, with one system call, and returns how many were received: at least one, but perhaps
    /// not all that are there. Waits until there is one. An empty batch is received at once.
    ///
    /// Cancel safe: a call that is dropped takes no datagram.
    ///
    /// # Errors
    ///
    /// As for [`recv_from`](Self::recv_from).
    pub async fn recv_batch(&self, batch: &mut [Incoming<'_>]) -> io::Result<usize> {
        if batch.is_empty() {
            return Ok(0);
        }
        self.receiving(|| recv(self, batch)).await
    }

    /// As [`recv_batch`](Self::recv_batch), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing; else those of the OS.
    pub fn try_recv_batch(&self, batch: &mut [Incoming<'_>]) -> io::Result<usize> {
        if batch.is_empty() {
            return Ok(0);
        }
        self.try_receive(|| recv(self, batch))
    }

    /// Sets `UDP_GRO`: whether the kernel may merge datagrams of one sender, to be received as one. Whoever turns it on
    /// receives with [`recv_batch`](Self::recv_batch), which says where the datagrams begin, into buffers of 64 KiB.
    ///
    /// # Errors
    ///
    /// Those of the OS, such as `ENOPROTOOPT` for a kernel before Linux 5.0.
    pub fn set_gro(&self, on: bool) -> io::Result<()> {
        let value = libc::c_int::from(on);
        // SAFETY: the value is a number of the size that is said.
        let result = unsafe {
            libc::setsockopt(
                self.as_raw_fd(),
                libc::SOL_UDP,
                libc::UDP_GRO,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// A header without anything.
fn empty_header() -> libc::mmsghdr {
    // SAFETY: null pointers and zero lengths.
    unsafe { mem::zeroed() }
}

fn part(bytes: *mut u8, len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.cast(),
        iov_len: len,
    }
}

/// `sendmmsg(2)`.
fn send(socket: &UdpSocket, batch: &[Outgoing<'_>]) -> io::Result<usize> {
    let batch = &batch[..batch.len().min(BATCH)];
    let targets: [Option<SockAddr>; BATCH] = array::from_fn(|i| batch.get(i)?.target.map(SockAddr::from));
    let mut parts = [part(std::ptr::null_mut(), 0); BATCH];
    let mut controls = [Control::EMPTY; BATCH];
    let mut headers = [empty_header(); BATCH];
    for (i, datagram) in batch.iter().enumerate() {
        parts[i] = part(datagram.payload.as_ptr().cast_mut(), datagram.payload.len());
        let header = &mut headers[i].msg_hdr;
        header.msg_iov = &raw mut parts[i];
        header.msg_iovlen = 1;
        if let Some(target) = &targets[i] {
            header.msg_name = target.as_ptr().cast_mut().cast();
            header.msg_namelen = target.len();
        }
        if let Some(size) = datagram.segment {
            header.msg_control = (&raw mut controls[i]).cast();
            header.msg_controllen = CONTROL as _;
            put_segment_size(header, size);
        }
    }
    // SAFETY: the headers and what they point to are there, and only read (I1).
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), batch.len() as _, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Makes the control message that asks for segments. There is room for one.
fn put_segment_size(header: &mut libc::msghdr, size: NonZeroU16) {
    // SAFETY: computes numbers.
    let (len, space) = unsafe {
        (
            libc::CMSG_LEN(size_of::<u16>() as u32),
            libc::CMSG_SPACE(size_of::<u16>() as u32),
        )
    };
    header.msg_controllen = space as _;
    // SAFETY: the control buffer has room for a control message, and is aligned for one.
    let control = unsafe { &mut *libc::CMSG_FIRSTHDR(header) };
    control.cmsg_level = libc::SOL_UDP;
    control.cmsg_type = libc::UDP_SEGMENT;
    control.cmsg_len = len as _;
    // SAFETY: the control message has room for the number.
    unsafe { libc::CMSG_DATA(control).cast::<u16>().write_unaligned(size.get()) };
}

/// `recvmmsg(2)`.
fn recv(socket: &UdpSocket, batch: &mut [Incoming<'_>]) -> io::Result<usize> {
    let wanted = batch.len().min(BATCH);
    let batch = &mut batch[..wanted];
    let mut senders: [SockAddrStorage; BATCH] = array::from_fn(|_| SockAddrStorage::zeroed());
    let mut parts = [part(std::ptr::null_mut(), 0); BATCH];
    let mut controls = [Control::EMPTY; BATCH];
    let mut headers = [empty_header(); BATCH];
    for (i, datagram) in batch.iter_mut().enumerate() {
        parts[i] = part(datagram.buf.as_mut_ptr(), datagram.buf.len());
        let header = &mut headers[i].msg_hdr;
        header.msg_iov = &raw mut parts[i];
        header.msg_iovlen = 1;
        header.msg_namelen = senders[i].size_of();
        header.msg_name = (&raw mut senders[i]).cast();
        header.msg_control = (&raw mut controls[i]).cast();
        header.msg_controllen = CONTROL as _;
    }
    let (fd, no_time) = (socket.as_raw_fd(), std::ptr::null_mut());
    // SAFETY: the headers and what they point to are there, and may be written to (I1).
    let received = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), wanted as _, 0, no_time) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for ((datagram, header), sender) in batch.iter_mut().zip(&headers).zip(senders).take(received) {
        // SAFETY: the kernel has written an address of that length there (I2).
        let sender = unsafe { SockAddr::new(sender, header.msg_hdr.msg_namelen) };
        datagram.len = header.msg_len as usize;
        datagram.sender = sender.as_socket();
        datagram.segment = segment_size(&header.msg_hdr);
        datagram.is_truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
    }
    Ok(received)
}

/// The size of the datagrams that were merged, if some were.
fn segment_size(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: the kernel has filled the control buffer up to the length in the header (I2).
    let control = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
    if (control.cmsg_level, control.cmsg_type) != (libc::SOL_UDP, libc::UDP_GRO) {
        return None;
    }
    // SAFETY: the data of this control message is a number.
    let size = unsafe { libc::CMSG_DATA(control).cast::<libc::c_int>().read_unaligned() };
    usize::try_from(size).ok()
}
