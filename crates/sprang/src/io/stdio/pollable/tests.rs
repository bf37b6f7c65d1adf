//! Tests of input that is waited for: what it is read from, and that nobody else notices.

use std::future::poll_fn;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::pin::pin;

use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, mknodat, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;
use crate::net::testing::{Folder, Rt, block_on, poll_once};

/// Reads once; `None` if the runtime is gone.
async fn read(input: &Pollable) -> Option<Vec<u8>> {
    let mut memory = [0; 64];
    let mut dst = ReadBuf::new(&mut memory);
    let result = poll_fn(|cx| input.poll_read(cx, &mut dst)).await?;
    result.unwrap();
    Some(dst.filled().to_vec())
}

/// Both sides of a terminal.
fn terminal() -> (File, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (master.into(), slave)
}

fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = io::pipe().unwrap();
    (OwnedFd::from(writer).into(), reader.into())
}

fn socket() -> (File, OwnedFd) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (OwnedFd::from(theirs).into(), ours.into())
}

const ALL: [fn() -> (File, OwnedFd); 3] = [terminal, pipe, socket];

#[test]
fn input_is_waited_for_and_stays_blocking_for_everybody_else() {
    for make in ALL {
        let (mut writer, stdin) = make();
        let flags = || [fcntl_getfl(&stdin).unwrap(), fcntl_getfl(&writer).unwrap()];
        let before = flags();
        assert!(!before[0].contains(OFlags::NONBLOCK));
        let mut rt = Rt::new();
        rt.block_on(async {
            let input = Pollable::open_again(stdin.as_fd()).unwrap();
            let mut reading = pin!(read(&input));
            assert!(poll_once(&mut reading).is_pending());
            assert_eq!(flags(), before);
            for line in [b"one\n", b"two\n"] {
                (&writer).write_all(line).unwrap();
                assert_eq!(reading.as_mut().await.as_deref(), Some(line.as_slice()));
                reading.set(read(&input));
                assert!(poll_once(&mut reading).is_pending());
            }
            assert_eq!(flags(), before);
        });
        writer.flush().unwrap();
        let counts = rt.handle.counts();
        assert_eq!(counts.registered, counts.deregistered);
    }
}

#[test]
fn the_end_of_input_is_seen_whenever_it_comes() {
    for make in [pipe, socket] {
        block_on(async {
            let (writer, stdin) = make();
            let input = Pollable::open_again(stdin.as_fd()).unwrap();
            let mut reading = pin!(read(&input));
            assert!(poll_once(&mut reading).is_pending());
            drop(writer);
            assert_eq!(reading.await.as_deref(), Some(b"".as_slice()));
            assert_eq!(read(&input).await.as_deref(), Some(b"".as_slice()));

            // It was there before.
            let (mut writer, stdin) = make();
            writer.write_all(b"rest").unwrap();
            drop(writer);
            let input = Pollable::open_again(stdin.as_fd()).unwrap();
            assert_eq!(read(&input).await.as_deref(), Some(b"rest".as_slice()));
            assert_eq!(read(&input).await.as_deref(), Some(b"".as_slice()));
        });
    }
}

#[test]
fn an_end_that_nothing_announces_is_seen() {
    let folder = Folder::new();
    let path = folder.path("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    // Who opens for both waits for nobody.
    let writer = open(&path, OFlags::RDWR, Mode::empty()).unwrap();
    let stdin = open(&path, OFlags::RDONLY, Mode::empty()).unwrap();
    drop(writer);
    block_on(async {
        let input = Pollable::open_again(stdin.as_fd()).unwrap();
        let read = poll_once(&mut pin!(read(&input)));
        assert_eq!(read, Poll::Ready(Some(Vec::new())));
    });
}

#[test]
fn an_end_that_is_typed_is_seen_and_more_may_follow() {
    block_on(async {
        let (mut writer, stdin) = terminal();
        let input = Pollable::open_again(stdin.as_fd()).unwrap();
        for _ in 0..2 {
            let mut reading = pin!(read(&input));
            assert!(poll_once(&mut reading).is_pending());
            // Ctrl-D
            writer.write_all(b"\x04").unwrap();
            assert_eq!(reading.await.as_deref(), Some(b"".as_slice()));
            writer.write_all(b"more\n").unwrap();
            assert_eq!(read(&input).await.as_deref(), Some(b"more\n".as_slice()));
        }
    });
}

#[test]
fn what_is_typed_is_had_by_one_of_several_readers() {
    for make in ALL {
        block_on(async {
            let (mut writer, stdin) = make();
            let inputs = [(); 2].map(|()| Pollable::open_again(stdin.as_fd()).unwrap());
            let mut readings = [pin!(read(&inputs[0])), pin!(read(&inputs[1]))];
            for reading in &mut readings {
                assert!(poll_once(reading).is_pending());
            }
            // Both are told, and only one finds something.
            writer.write_all(b"one\n").unwrap();
            let [first, second] = &mut readings;
            assert_eq!(first.as_mut().await.as_deref(), Some(b"one\n".as_slice()));
            assert!(poll_once(second).is_pending());
            writer.write_all(b"two\n").unwrap();
            assert_eq!(second.as_mut().await.as_deref(), Some(b"two\n".as_slice()));
        });
    }
}

#[test]
fn what_cannot_be_waited_for_is_left_to_threads() {
    block_on(async {
        for path in ["/proc/self/exe", "/dev/null", "/dev/ptmx"] {
            let file = File::open(path).unwrap();
            assert!(Pollable::open_again(file.as_fd()).is_none(), "{path}");
        }
    });
    let (_writer, stdin) = pipe();
    assert!(Pollable::open_again(stdin.as_fd()).is_none(), "there is no reactor");
}

#[test]
fn input_whose_runtime_is_gone_says_so() {
    let (mut writer, stdin) = pipe();
    let input = Rt::new().block_on(async { Pollable::open_again(stdin.as_fd()).unwrap() });
    writer.write_all(b"there").unwrap();
    block_on(async {
        assert_eq!(read(&input).await.as_deref(), Some(b"there".as_slice()));
        assert_eq!(read(&input).await, None);
    });
}
