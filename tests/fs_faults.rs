//! Faults of files and of the runtime below them: each gives the documented error, and nothing waits for ever.

use std::fmt::Debug;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::panic::catch_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};

use sprang::fs::{self, DirBuilder, File};
use sprang::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use sprang::runtime::{Builder, Handle, Runtime, is_rt_shutdown_err};
use sprang_tests::temp::TempDir;
use sprang_tests::{FLAVOURS, PATIENCE, bounded, child, is_child, on_each, panic_message};

#[track_caller]
fn fails<T: Debug>(result: io::Result<T>, kind: ErrorKind) {
    assert_eq!(result.unwrap_err().kind(), kind);
}

#[test]
fn what_is_missing_is_not_found() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            let missing = dir.join("missing");
            fails(fs::read(&missing).await, ErrorKind::NotFound);
            fails(fs::read_to_string(&missing).await, ErrorKind::NotFound);
            fails(fs::write(missing.join("file"), "").await, ErrorKind::NotFound);
            fails(fs::copy(&missing, dir.join("copy")).await, ErrorKind::NotFound);
            fails(fs::canonicalize(&missing).await, ErrorKind::NotFound);
            fails(fs::metadata(&missing).await, ErrorKind::NotFound);
            fails(fs::symlink_metadata(&missing).await, ErrorKind::NotFound);
            fails(fs::read_link(&missing).await, ErrorKind::NotFound);
            fails(fs::read_dir(&missing).await, ErrorKind::NotFound);
            fails(fs::hard_link(&missing, dir.join("link")).await, ErrorKind::NotFound);
            fails(fs::rename(&missing, dir.join("new")).await, ErrorKind::NotFound);
            fails(fs::remove_file(&missing).await, ErrorKind::NotFound);
            fails(fs::remove_dir(&missing).await, ErrorKind::NotFound);
            fails(fs::remove_dir_all(&missing).await, ErrorKind::NotFound);
            fails(fs::create_dir(missing.join("deeper")).await, ErrorKind::NotFound);
            let permissions = PermissionsExt::from_mode(0o600);
            fails(fs::set_permissions(&missing, permissions).await, ErrorKind::NotFound);
            fails(File::open(&missing).await, ErrorKind::NotFound);
            fails(
                DirBuilder::new().create(missing.join("deeper")).await,
                ErrorKind::NotFound,
            );
            assert!(!fs::try_exists(&missing).await.unwrap());
        });
    });
}

#[test]
fn what_is_something_else_is_an_error_of_its_own() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            let (file, path) = (dir.join("file"), dir.path());
            fs::write(&file, [0xff]).await.unwrap();
            fails(fs::read(path).await, ErrorKind::IsADirectory);
            fails(fs::write(path, "").await, ErrorKind::IsADirectory);
            fails(File::create(path).await, ErrorKind::IsADirectory);
            // A directory can be opened; only reading it fails, and does so again.
            let mut opened = File::open(path).await.unwrap();
            fails(opened.read(&mut [0]).await, ErrorKind::IsADirectory);
            fails(opened.read(&mut [0]).await, ErrorKind::IsADirectory);

            fails(fs::read_dir(&file).await, ErrorKind::NotADirectory);
            fails(fs::create_dir_all(file.join("deeper")).await, ErrorKind::NotADirectory);
            fails(fs::try_exists(file.join("deeper")).await, ErrorKind::NotADirectory);
            fails(fs::create_dir(&file).await, ErrorKind::AlreadyExists);
            fails(fs::symlink("somewhere", &file).await, ErrorKind::AlreadyExists);
            fails(File::create_new(&file).await, ErrorKind::AlreadyExists);
            fails(fs::remove_dir(path).await, ErrorKind::DirectoryNotEmpty);
            fails(fs::read_to_string(&file).await, ErrorKind::InvalidData);
            fails(fs::read("a\0path").await, ErrorKind::InvalidInput);
        });
    });
}

#[test]
fn a_full_disk_fails_the_write() {
    on_each(|runtime| {
        runtime.block_on(async {
            fails(fs::write("/dev/full", "text").await, ErrorKind::StorageFull);
            let dir = TempDir::new();
            fs::write(dir.join("file"), "text").await.unwrap();
            fails(fs::copy(dir.join("file"), "/dev/full").await, ErrorKind::StorageFull);
            let mut file = File::create("/dev/full").await.unwrap();
            file.write_all(b"text").await.expect("it is only buffered");
            fails(file.flush().await, ErrorKind::StorageFull);
        });
    });
}

/// In a process of a user who may not read everything.
#[test]
fn what_is_not_allowed_is_denied() {
    const NAME: &str = "what_is_not_allowed_is_denied";
    if !is_child() {
        let mut command = child(NAME, "");
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(65534).gid(65534);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    on_each(|runtime| {
        let dir = TempDir::new();
        let (file, closed) = (dir.join("file"), dir.join("closed"));
        std::fs::write(&file, "secret").unwrap();
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o000)).unwrap();
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
        runtime.block_on(async {
            fails(fs::read(&file).await, ErrorKind::PermissionDenied);
            fails(fs::write(&file, "").await, ErrorKind::PermissionDenied);
            fails(File::open(&file).await, ErrorKind::PermissionDenied);
            fails(fs::read_dir(&closed).await, ErrorKind::PermissionDenied);
            fails(fs::create_dir(closed.join("deeper")).await, ErrorKind::PermissionDenied);
            fails(fs::try_exists(closed.join("deeper")).await, ErrorKind::PermissionDenied);
        });
        // For it to be removed.
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    });
}

#[test]
fn outside_of_a_runtime_the_futures_panic() {
    fn poll_once<T>(future: impl Future<Output = T>) {
        let _: Poll<T> = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    }
    let file = || File::from_std(std::fs::File::open("/dev/null").unwrap());
    let panics: [Box<dyn Fn()>; 5] = [
        Box::new(|| poll_once(fs::read("/dev/null"))),
        Box::new(|| poll_once(File::open("/dev/null"))),
        Box::new(move || poll_once(file().read(&mut [0]))),
        Box::new(move || poll_once(file().write(&[0]))),
        Box::new(move || poll_once(file().rewind())),
    ];
    for panics in panics {
        let panic = catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
        assert!(panic_message(&*panic).contains("there is no reactor running"));
    }
}

#[test]
fn after_the_end_of_the_runtime_everything_is_an_error() {
    #[track_caller]
    fn ended<T: Debug>(result: io::Result<T>) {
        assert!(is_rt_shutdown_err(&result.unwrap_err()));
    }
    for flavour in FLAVOURS {
        bounded(move || {
            let dir = TempDir::new();
            for number in 0..200 {
                std::fs::write(dir.join(number.to_string()), "text").unwrap();
            }
            let runtime = flavour();
            let handle = runtime.handle().clone();
            let mut entries = runtime.block_on(fs::read_dir(dir.path())).unwrap();
            let mut file = runtime.block_on(File::create_new(dir.join("file"))).unwrap();
            drop(runtime);
            let _context = handle.enter();
            futures::executor::block_on(async {
                ended(fs::read(dir.join("1")).await);
                ended(File::open(dir.join("1")).await);
                for _ in 0..2 {
                    ended(file.write(b"text").await);
                    ended(file.read(&mut [0]).await);
                    ended(file.rewind().await);
                    ended(file.set_len(1).await);
                    ended(file.metadata().await);
                }
                file.flush().await.expect("there is nothing to wait for");
                let listed = loop {
                    match entries.next_entry().await {
                        Ok(Some(_)) => {}
                        other => break other,
                    }
                };
                ended(listed);
                assert!(entries.next_entry().await.unwrap().is_none());
            });
        });
    }
}

/// Closures that keep all threads for closures, and a long queue of others, until the sender is dropped.
fn flood(runtime: &Runtime) -> Sender<()> {
    let (release, released) = channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    for _ in 0..10_000 {
        let released = Arc::clone(&released);
        runtime.spawn_blocking(move || released.lock().unwrap().recv());
    }
    release
}

#[test]
fn a_flood_of_closures_keeps_no_file_waiting() {
    bounded(|| {
        let dir = TempDir::new();
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).max_blocking_threads(2).build().unwrap();
        let release = flood(&runtime);
        runtime.block_on(async {
            fs::write(dir.join("file"), "text").await.unwrap();
            let mut file = File::open(dir.join("file")).await.unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "text");
        });
        assert!(
            runtime.metrics().blocking_queue_depth() > 9_000,
            "the flood is still there"
        );
        assert!(runtime.metrics().num_blocking_threads() <= 4);
        drop(release);
    });
}

#[test]
fn a_closure_may_use_files_while_the_runtime_ends() {
    bounded(|| {
        let dir = TempDir::new();
        let path = dir.join("file");
        let runtime = Runtime::new().unwrap();
        let (say, said) = channel();
        let (go_on, gone_on) = channel::<()>();
        runtime.spawn_blocking(move || {
            say.send(()).unwrap();
            let _ = gone_on.recv();
            let result = Handle::current().block_on(fs::write(path, "text"));
            say.send(()).unwrap();
            assert!(is_rt_shutdown_err(&result.unwrap_err()));
        });
        said.recv_timeout(PATIENCE).unwrap();
        runtime.shutdown_background();
        drop(go_on);
        said.recv_timeout(PATIENCE).expect("it has an answer");
    });
}
