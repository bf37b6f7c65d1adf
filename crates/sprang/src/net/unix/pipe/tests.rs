//! Tests of pipes.

use std::io::{Read, Write};
use std::pin::pin;

use sprang_io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::net::testing::{Folder, Rt, block_on, in_own_process, join, open_descriptors, poll_once};

fn fifo(folder: &Folder) -> std::path::PathBuf {
    let path = folder.path("fifo");
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a string that ends with a zero byte.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    path
}

fn would_block<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    result.unwrap_err().kind() == io::ErrorKind::WouldBlock
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn more_than_a_pipe_holds_goes_through() {
    let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    block_on(async {
        let (mut sender, mut receiver) = pipe().unwrap();
        let send = async {
            sender.write_all(&sent).await.unwrap();
            sender.shutdown().await.unwrap();
            drop(sender);
        };
        let mut received = Vec::new();
        let ((), n) = join(send, receiver.read_to_end(&mut received)).await;
        assert_eq!(n.unwrap(), sent.len());
        assert!(received == sent);
    });
}

#[test]
fn a_sender_without_receivers_gets_an_error() {
    block_on(async {
        let (mut sender, receiver) = pipe().unwrap();
        sender.writable().await.unwrap();
        while sender.try_write(&[0; 1 << 12]).is_ok() {}
        let (write, ()) = join(sender.write(&[0; 1 << 12]), async { drop(receiver) }).await;
        assert_eq!(kind(write), io::ErrorKind::BrokenPipe);
        assert!(sender.ready(Interest::WRITABLE).await.unwrap().is_write_closed());
    });
}

#[test]
fn try_operations_say_when_they_would_block() {
    block_on(async {
        let (sender, receiver) = pipe().unwrap();
        assert!(would_block(receiver.try_read(&mut [0])));
        sender.writable().await.unwrap();
        let text = [io::IoSlice::new(b"ab"), io::IoSlice::new(b"cd")];
        assert_eq!(sender.try_write_vectored(&text).unwrap(), 4);
        receiver.readable().await.unwrap();
        let mut start = [0; 1];
        let read = receiver.try_read_vectored(&mut [io::IoSliceMut::new(&mut start)]);
        assert_eq!(read.unwrap(), 1);
        let mut rest = Vec::with_capacity(8);
        assert_eq!(receiver.try_read_buf(&mut rest).unwrap(), 3);
        assert_eq!((&start[..], &rest[..]), (&b"a"[..], &b"bcd"[..]));
        while sender.try_write(&[0; 1 << 12]).is_ok() {}
        assert!(would_block(sender.try_write(&[0; 1 << 12])));
        assert!(sender.try_io(|| Ok(())).is_err(), "it is known to be full");
        assert!(
            receiver
                .try_io(|| Err::<(), _>(io::ErrorKind::WouldBlock.into()))
                .is_err()
        );
        assert!(would_block(receiver.try_io(|| Ok(()))));
    });
}

#[test]
fn a_fifo_is_opened_at_both_ends() {
    let folder = Folder::new();
    let path = fifo(&folder);
    block_on(async {
        let no_receiver = OpenOptions::new().open_sender(&path).unwrap_err();
        assert_eq!(no_receiver.raw_os_error(), Some(libc::ENXIO));
        let mut receiver = OpenOptions::new().open_receiver(&path).unwrap();
        let mut sender = OpenOptions::new().open_sender(&path).unwrap();
        sender.write_all(b"x").await.unwrap();
        assert_eq!(receiver.read_u8().await.unwrap(), b'x');
        assert!(poll_once(&mut pin!(receiver.read_u8())).is_pending());
        drop(sender);
        assert_eq!(kind(receiver.read_u8().await), io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_fifo_opened_for_both_has_no_end() {
    let folder = Folder::new();
    let path = fifo(&folder);
    block_on(async {
        let mut sender = OpenOptions::new().read_write(true).open_sender(&path).unwrap();
        let mut receiver = OpenOptions::new()
            .read_write(true)
            .unchecked(true)
            .open_receiver(&path)
            .unwrap();
        sender.write_all(b"x").await.unwrap();
        drop(sender);
        assert_eq!(receiver.read_u8().await.unwrap(), b'x');
        assert!(poll_once(&mut pin!(receiver.read_u8())).is_pending());
    });
}

#[test]
fn what_is_no_pipe_or_open_the_wrong_way_is_refused() {
    let folder = Folder::new();
    let path = folder.path("file");
    std::fs::write(&path, b"").unwrap();
    block_on(async {
        let invalid = io::ErrorKind::InvalidInput;
        assert_eq!(kind(OpenOptions::new().open_receiver(&path)), invalid);
        assert_eq!(kind(OpenOptions::new().open_sender(&path)), invalid);
        assert_eq!(kind(Sender::from_file(File::open(&path).unwrap())), invalid);
        assert_eq!(kind(Receiver::from_file(File::open(&path).unwrap())), invalid);
        // epoll refuses regular files.
        assert!(Receiver::from_file_unchecked(File::open(&path).unwrap()).is_err());
        let (sender, receiver) = pipe().unwrap();
        assert_eq!(
            kind(Receiver::from_owned_fd(sender.into_nonblocking_fd().unwrap())),
            invalid
        );
        assert_eq!(
            kind(Sender::from_owned_fd(receiver.into_nonblocking_fd().unwrap())),
            invalid
        );
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(kind(Sender::from_owned_fd(socket.into())), invalid);
    });
}

#[test]
fn descriptors_come_and_go_in_the_mode_asked_for() {
    block_on(async {
        let (reader, writer) = io::pipe().unwrap();
        let mut receiver = Receiver::from_owned_fd(reader.into()).unwrap();
        assert!(
            poll_once(&mut pin!(receiver.read_u8())).is_pending(),
            "it does not block"
        );
        let sender = Sender::from_owned_fd(writer.into()).unwrap();
        let mut writer = File::from(sender.into_blocking_fd().unwrap());
        writer.write_all(b"x").unwrap();
        assert_eq!(receiver.read_u8().await.unwrap(), b'x');
        let fd = receiver.into_nonblocking_fd().unwrap();
        assert!(would_block((&File::from(fd.try_clone().unwrap())).read(&mut [0])));
        let mut receiver = Receiver::from_owned_fd_unchecked(fd).unwrap();
        drop(writer);
        assert_eq!(receiver.read(&mut [0]).await.unwrap(), 0);
        let mut blocking = File::from(receiver.into_blocking_fd().unwrap());
        assert_eq!(blocking.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn pipes_leave_no_descriptor_and_no_slot_behind() {
    in_own_process(|| {
        let before = open_descriptors();
        let mut rt = Rt::new();
        for _ in 0..10 {
            rt.block_on(async {
                let (sender, receiver) = pipe().unwrap();
                drop(sender.into_blocking_fd().unwrap());
                assert!(Sender::from_owned_fd(receiver.into_nonblocking_fd().unwrap()).is_err());
            });
        }
        let counts = rt.handle.counts();
        assert_eq!(counts.registered, counts.deregistered);
        drop(rt);
        assert_eq!(open_descriptors(), before);
    });
}
