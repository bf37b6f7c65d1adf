//! Tests of descriptors that the runtime has no type for.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use super::*;
use crate::net::testing::{Rt, block_on, in_own_process, join, open_descriptors, poll_once};

/// A stream, and a registered one that it is connected to.
fn pair() -> (UnixStream, AsyncFd<UnixStream>) {
    let (one, other) = UnixStream::pair().unwrap();
    for stream in [&one, &other] {
        stream.set_nonblocking(true).unwrap();
    }
    (one, register(other))
}

fn register<T: AsRawFd>(inner: T) -> AsyncFd<T> {
    // SAFETY: what is registered here keeps its descriptor open.
    unsafe { AsyncFd::register(inner) }.unwrap()
}

fn would_block<T: fmt::Debug>(result: io::Result<T>) -> bool {
    result.unwrap_err().kind() == io::ErrorKind::WouldBlock
}

#[test]
fn a_guard_lets_the_next_wait_wait_only_once_it_is_cleared() {
    block_on(async {
        let (mut peer, fd) = pair();
        assert!(poll_once(&mut pin!(fd.readable())).is_pending());
        peer.write_all(b"x").unwrap();
        let mut guard = fd.readable().await.unwrap();
        guard.retain_ready();
        assert!(guard.ready().is_readable());
        assert!(poll_once(&mut pin!(fd.readable())).is_ready());
        assert_eq!(guard.try_io(|fd| fd.get_ref().read(&mut [0; 8])).unwrap().unwrap(), 1);
        assert!(poll_once(&mut pin!(fd.readable())).is_ready(), "it was no error");
        assert!(guard.try_io(|fd| fd.get_ref().read(&mut [0; 8])).is_err());
        assert!(guard.ready().is_empty());
        assert!(poll_once(&mut pin!(fd.readable())).is_pending());
        peer.write_all(b"x").unwrap();
        fd.readable().await.unwrap().clear_ready();
        assert!(poll_once(&mut pin!(fd.readable())).is_pending());
    });
}

#[test]
fn a_guard_does_not_clear_what_came_after_it() {
    let mut rt = Rt::new();
    let (mut peer, fd) = rt.block_on(async { pair() });
    peer.write_all(b"x").unwrap();
    let mut guard = rt.block_on(fd.readable()).unwrap();
    assert_eq!(fd.get_ref().read(&mut [0; 8]).unwrap(), 1);
    peer.write_all(b"y").unwrap();
    rt.turn();
    guard.clear_ready();
    assert!(poll_once(&mut pin!(fd.readable())).is_ready());
}

#[test]
fn states_are_cleared_one_by_one() {
    block_on(async {
        let (mut peer, fd) = pair();
        peer.write_all(b"x").unwrap();
        let both = Interest::READABLE | Interest::WRITABLE;
        let mut guard = loop {
            let guard = fd.ready(both).await.unwrap();
            if guard.ready().is_readable() {
                break guard;
            }
            fd.readable().await.unwrap().retain_ready();
        };
        guard.clear_ready_matching(Ready::READABLE);
        assert_eq!(guard.ready(), Ready::WRITABLE);
        assert!(poll_once(&mut pin!(fd.readable())).is_pending());
        assert!(poll_once(&mut pin!(fd.writable())).is_ready());
        guard.clear_ready();
        assert!(poll_once(&mut pin!(fd.writable())).is_pending());
    });
}

#[test]
fn that_a_side_is_closed_is_never_cleared() {
    block_on(async {
        let (peer, fd) = pair();
        drop(peer);
        let mut guard = fd.readable().await.unwrap();
        assert!(guard.ready().is_read_closed());
        guard.clear_ready();
        assert!(poll_once(&mut pin!(fd.readable())).is_ready());
    });
}

#[test]
fn exclusive_guards_and_poll_functions_do_the_same() {
    block_on(async {
        let (mut peer, mut fd) = pair();
        let mut buf = [0; 1];
        peer.write_all(b"abcd").unwrap();
        let mut guard = fd.readable_mut().await.unwrap();
        assert_eq!(guard.try_io(|fd| fd.get_mut().read(&mut buf)).unwrap().unwrap(), 1);
        assert_eq!(guard.get_inner_mut().read(&mut buf).unwrap(), 1);
        guard.get_mut().get_mut().set_nonblocking(true).unwrap();
        assert_eq!(guard.get_inner().as_raw_fd(), guard.get_ref().as_raw_fd());
        let mut guard = poll_fn(|cx| fd.poll_read_ready(cx).map_ok(|guard| guard.ready())).await;
        assert!(guard.as_mut().unwrap().is_readable());
        let mut read = |fd: &UnixStream| (&*fd).read(&mut buf);
        assert_eq!(fd.try_io(Interest::READABLE, &mut read).unwrap(), 1);
        assert_eq!(fd.async_io(Interest::READABLE, &mut read).await.unwrap(), 1);
        assert!(would_block(fd.try_io(Interest::READABLE, &mut read)));
        let read_mut = fd.async_io_mut(Interest::READABLE, |fd| fd.read(&mut buf));
        let (read, ()) = join(read_mut, async { peer.write_all(b"e").unwrap() }).await;
        assert_eq!((read.unwrap(), buf), (1, *b"e"));
        assert!(would_block(fd.try_io_mut(Interest::READABLE, |fd| fd.read(&mut buf))));
        assert!(
            poll_fn(|cx| fd.poll_write_ready(cx).map_ok(|guard| guard.ready().is_writable()))
                .await
                .unwrap()
        );
        poll_fn(|cx| fd.poll_write_ready_mut(cx).map_ok(|mut guard| guard.clear_ready()))
            .await
            .unwrap();
        assert!(poll_once(&mut pin!(fd.writable_mut())).is_pending());
        let closed = fd.ready_mut(Interest::READABLE);
        let (closed, ()) = join(closed, async { drop(peer) }).await;
        assert!(closed.unwrap().ready().is_read_closed());
        poll_fn(|cx| fd.poll_read_ready_mut(cx).map_ok(|mut guard| guard.retain_ready()))
            .await
            .unwrap();
    });
}

#[test]
fn priority_data_is_waited_for_by_itself() {
    block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let sender = socket2::Socket::from(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (receiver, _) = listener.accept().unwrap();
        receiver.set_nonblocking(true).unwrap();
        // SAFETY: the socket keeps its descriptor open.
        let fd = unsafe { AsyncFd::register_with_interest(receiver, Interest::PRIORITY) }.unwrap();
        sender.send(b"ordinary").unwrap();
        assert!(poll_once(&mut pin!(fd.ready(Interest::PRIORITY))).is_pending());
        sender.send_out_of_band(b"!").unwrap();
        assert!(fd.ready(Interest::PRIORITY).await.unwrap().ready().is_priority());
    });
}

#[test]
fn errors_are_waited_for_by_themselves() {
    block_on(async {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // A port that nobody is bound to.
        socket.connect("127.0.0.1:1").unwrap();
        // SAFETY: the socket keeps its descriptor open.
        let fd = unsafe { AsyncFd::register_with_interest(socket, Interest::ERROR) }.unwrap();
        assert!(poll_once(&mut pin!(fd.ready(Interest::ERROR))).is_pending());
        fd.get_ref().send(b"x").unwrap();
        assert!(fd.ready(Interest::ERROR).await.unwrap().ready().is_error());
    });
}

#[test]
fn a_descriptor_that_the_os_refuses_comes_back_and_leaves_no_slot() {
    let mut rt = Rt::new();
    rt.block_on(async {
        let (_peer, fd) = pair();
        // SAFETY: the duplicate of the number is not kept beyond the original.
        let again = unsafe { AsyncFd::register(fd.as_raw_fd()) };
        let (number, error) = again.unwrap_err().into_parts();
        assert_eq!((number, error.kind()), (fd.as_raw_fd(), io::ErrorKind::AlreadyExists));
        // epoll refuses regular files.
        let file = std::env::current_exe().and_then(std::fs::File::open).unwrap();
        // SAFETY: the file keeps its descriptor open.
        let refused = unsafe { AsyncFd::register(file) }.unwrap_err();
        assert!(refused.source().is_some() && refused.to_string() == format!("{}", io::Error::from(refused)));
        // SAFETY: no descriptor has this number.
        let closed = unsafe { AsyncFd::register(-1) }.unwrap_err().into_parts().1;
        assert_eq!(closed.raw_os_error(), Some(libc::EBADF));
    });
    let counts = rt.handle.counts();
    assert_eq!((counts.registered, counts.deregistered), (4, 4));
}

#[test]
fn a_descriptor_handed_back_stays_open_and_one_dropped_is_closed() {
    in_own_process(|| {
        let before = open_descriptors();
        let mut rt = Rt::new();
        rt.block_on(async {
            let (mut peer, fd) = pair();
            peer.write_all(b"x").unwrap();
            let mut inner = fd.into_inner();
            assert_eq!(inner.read(&mut [0; 8]).unwrap(), 1);
            let fd = register(inner);
            drop(fd);
            assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
        });
        drop(rt);
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_descriptor_closed_behind_the_back_does_no_harm() {
    in_own_process(|| {
        let mut rt = Rt::new();
        rt.block_on(async {
            let (_peer, inner) = UnixStream::pair().unwrap();
            let number = inner.into_raw_fd();
            let fd = register(number);
            // SAFETY: the descriptor is open, and owned by nobody else.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
            assert!(poll_once(&mut pin!(fd.readable())).is_pending());
            drop(fd);
        });
        rt.turn();
        let counts = rt.handle.counts();
        assert_eq!(counts.registered, counts.deregistered);
    });
}

#[test]
fn a_runtime_that_ends_ends_every_wait() {
    let mut rt = Rt::new();
    let (_peer, fd) = rt.block_on(async { pair() });
    let mut wait = Box::pin(fd.readable());
    assert!(poll_once(&mut wait).is_pending());
    drop(rt);
    block_on(async {
        assert!(wait.await.is_err());
        assert!(fd.writable().await.is_err());
        assert!(poll_fn(|cx| fd.poll_read_ready(cx)).await.is_err());
        assert!(would_block(fd.try_io(Interest::READABLE, |_| Ok(()))));
    });
}

#[test]
fn registering_outside_of_a_runtime_panics() {
    let (_peer, inner) = UnixStream::pair().unwrap();
    // SAFETY: the stream keeps its descriptor open.
    let caught = catch_unwind(AssertUnwindSafe(|| unsafe { AsyncFd::register(inner) }));
    assert!(caught.is_err());
}

#[test]
#[expect(deprecated, reason = "they are there for those who still use them")]
fn the_former_constructors_register_too() {
    block_on(async {
        let new = || UnixStream::pair().unwrap().0;
        assert!(AsyncFd::new(new()).is_ok() && AsyncFd::with_interest(new(), Interest::READABLE).is_ok());
        assert!(AsyncFd::try_new(new()).is_ok() && AsyncFd::try_with_interest(-1, Interest::READABLE).is_err());
    });
}
