//! The functions of `fs` on paths, on whole files and on directories.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use sprang::fs::{self, DirBuilder, DirEntry, File, FileTimes, OpenOptions, ReadDir};
use sprang::io::{AsyncReadExt, AsyncWriteExt};
use sprang_tests::on_each;
use sprang_tests::temp::TempDir;

fn mode(path: impl AsRef<Path>) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn whole_files_are_written_read_and_copied() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            let (file, copy) = (dir.join("file"), dir.join("copy"));
            fs::write(&file, "a text that is longer").await.unwrap();
            fs::write(&file, String::from("a text")).await.unwrap();
            assert_eq!(fs::read(&file).await.unwrap(), b"a text");
            assert_eq!(fs::read_to_string(&file).await.unwrap(), "a text");

            let large = vec![7; 5 << 20];
            fs::write(&file, &large).await.unwrap();
            fs::set_permissions(&file, PermissionsExt::from_mode(0o640))
                .await
                .unwrap();
            assert_eq!(fs::copy(&file, &copy).await.unwrap(), 5 << 20);
            assert!(fs::read(&copy).await.unwrap() == large);
            assert_eq!(mode(&copy), 0o640, "with its permissions");
        });
    });
}

#[test]
fn files_are_moved_linked_and_removed() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            let [one, two, hard, soft, dangling] =
                ["one", "two", "hard", "soft", "dangling"].map(|name| dir.join(name));
            fs::write(&one, "1").await.unwrap();
            fs::write(&two, "2").await.unwrap();
            fs::rename(&one, &two).await.unwrap();
            assert!(!fs::try_exists(&one).await.unwrap());
            assert_eq!(fs::read(&two).await.unwrap(), b"1");

            fs::hard_link(&two, &hard).await.unwrap();
            assert_eq!(fs::metadata(&hard).await.unwrap().nlink(), 2);
            fs::symlink("two", &soft).await.unwrap();
            assert_eq!(fs::read_link(&soft).await.unwrap(), Path::new("two"));
            assert!(fs::metadata(&soft).await.unwrap().is_file());
            assert!(fs::symlink_metadata(&soft).await.unwrap().is_symlink());
            let canonical = std::fs::canonicalize(&two).unwrap();
            assert_eq!(fs::canonicalize(&soft).await.unwrap(), canonical);
            fs::symlink("nothing", &dangling).await.unwrap();
            assert!(!fs::try_exists(&dangling).await.unwrap());

            fs::remove_file(&two).await.unwrap();
            assert_eq!(fs::read(&hard).await.unwrap(), b"1");
        });
    });
}

#[test]
fn directories_are_made_and_removed() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            fs::create_dir(dir.join("a")).await.unwrap();
            fs::create_dir_all(dir.join("a/b/c")).await.unwrap();
            fs::remove_dir(dir.join("a/b/c")).await.unwrap();
            assert!(std::fs::exists(dir.join("a/b")).unwrap() && !std::fs::exists(dir.join("a/b/c")).unwrap());
            fs::write(dir.join("a/b/file"), "").await.unwrap();
            fs::remove_dir_all(dir.join("a")).await.unwrap();
            assert!(!std::fs::exists(dir.join("a")).unwrap());

            let mut builder = DirBuilder::new();
            builder.mode(0o700);
            builder.create(dir.join("d")).await.unwrap();
            builder.create(dir.join("e/f")).await.unwrap_err();
            builder.recursive(true).create(dir.join("e/f")).await.unwrap();
            assert_eq!((mode(dir.join("d")), mode(dir.join("e/f"))), (0o700, 0o700));
        });
    });
}

#[test]
fn a_directory_is_listed_whole_whatever_its_size() {
    async fn next(entries: &mut ReadDir) -> Option<DirEntry> {
        entries.next_entry().await.unwrap()
    }
    on_each(|runtime| {
        // None, one chunk, what is not a multiple of a chunk, several chunks to the entry.
        for files in [0, 128, 300, 512_u32] {
            let dir = TempDir::new();
            let names: BTreeSet<_> = (0..files).map(|number| format!("file {number}")).collect();
            names
                .iter()
                .for_each(|name| std::fs::write(dir.join(name), "text").unwrap());
            runtime.block_on(async {
                let mut entries = fs::read_dir(dir.path()).await.unwrap();
                let mut listed = BTreeSet::new();
                while let Some(entry) = next(&mut entries).await {
                    assert_eq!(entry.path(), dir.join(entry.file_name()));
                    let name = entry.file_name().into_string().unwrap();
                    assert!(listed.insert(name), "each once");
                }
                assert_eq!(listed, names);
                assert!(next(&mut entries).await.is_none(), "it stays at the end");
            });
        }
    });
}

#[test]
fn an_entry_says_what_it_is() {
    on_each(|runtime| {
        let dir = TempDir::new();
        std::fs::write(dir.join("file"), "text").unwrap();
        std::fs::create_dir(dir.join("directory")).unwrap();
        std::os::unix::fs::symlink("file", dir.join("link")).unwrap();
        runtime.block_on(async {
            let mut entries = fs::read_dir(dir.path()).await.unwrap();
            let mut seen = 0;
            while let Some(entry) = entries.next_entry().await.unwrap() {
                let (of_type, metadata) = (entry.file_type().await.unwrap(), entry.metadata().await.unwrap());
                let std = std::fs::symlink_metadata(entry.path()).unwrap();
                assert_eq!(of_type, std.file_type());
                assert_eq!((metadata.file_type(), metadata.len()), (std.file_type(), std.len()));
                assert_eq!(entry.ino(), std.ino());
                seen += 1;
            }
            assert_eq!(seen, 3);
        });
    });
}

#[test]
fn options_say_how_a_file_is_opened() {
    on_each(|runtime| {
        let dir = TempDir::new();
        let path = dir.join("file");
        runtime.block_on(async {
            let mut options = OpenOptions::new();
            options.write(true).create(true).mode(0o600);
            let mut file = options.open(&path).await.unwrap();
            assert_eq!(mode(&path), 0o600);
            file.write_all(b"abc").await.unwrap();
            file.flush().await.unwrap();
            file.read_u8().await.expect_err("it was not opened to read");

            let mut file = OpenOptions::new().append(true).open(&path).await.unwrap();
            file.write_all(b"def").await.unwrap();
            file.flush().await.unwrap();
            let mut file = options.read(true).open(&path).await.unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "abcdef");

            OpenOptions::from(std::fs::OpenOptions::new().read(true).clone())
                .open(&path)
                .await
                .unwrap();
            options.create_new(true).open(&path).await.expect_err("there is one");
            options.create_new(false).truncate(true).open(&path).await.unwrap();
            assert_eq!(fs::metadata(&path).await.unwrap().len(), 0);

            std::os::unix::fs::symlink(&path, dir.join("link")).unwrap();
            const O_NOFOLLOW: i32 = 0o400_000;
            let mut options = OpenOptions::default();
            options.read(true).custom_flags(O_NOFOLLOW).open(&path).await.unwrap();
            options.open(dir.join("link")).await.expect_err("it is a link");
        });
    });
}

#[test]
fn a_file_has_the_permissions_and_times_that_were_set() {
    on_each(|runtime| {
        let dir = TempDir::new();
        runtime.block_on(async {
            let mut file = File::create(dir.join("file")).await.unwrap();
            file.set_permissions(PermissionsExt::from_mode(0o604)).await.unwrap();
            assert_eq!(mode(dir.join("file")), 0o604);

            let [early, late] = [1_000, 2_000].map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            file.write_all(b"before the times are set").await.unwrap();
            let times = FileTimes::new().set_accessed(early).set_modified(late);
            file.set_times(times).await.unwrap();
            let metadata = file.metadata().await.unwrap();
            assert_eq!(
                (metadata.accessed().unwrap(), metadata.modified().unwrap()),
                (early, late)
            );
            file.set_modified(early).await.unwrap();
            assert_eq!(file.metadata().await.unwrap().modified().unwrap(), early);
        });
    });
}
