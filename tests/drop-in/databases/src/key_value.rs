//! redis: one connection that many tasks share, subscriptions, and a server that goes away.

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use futures::StreamExt;
use redis::aio::ConnectionManager;
use redis::{AsyncCommands, Client};
use support::on_each;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// A server on a socket in a folder of its own.
struct Server {
    process: Child,
    client: Client,
    _folder: TempDir,
}

/// Starts a server, or says that there is none to start.
async fn start() -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let mut command = Command::new("redis-server");
    command
        .args(["--port", "0", "--save", "", "--loglevel", "warning", "--unixsocket"])
        .arg(&socket)
        .stdout(Stdio::null());
    let process = match command.current_dir(folder.path()).kill_on_drop(true).spawn() {
        Ok(process) => process,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: redis-server is not installed");
            return None;
        }
        Err(error) => panic!("cannot start redis-server: {error}"),
    };
    while UnixStream::connect(&socket).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let client = Client::open(format!("unix://{}", socket.display())).unwrap();
    Some(Server {
        process,
        client,
        _folder: folder,
    })
}

#[test]
fn tasks_share_a_connection() {
    on_each(async || {
        let Some(server) = start().await else { return };
        let connection = server.client.get_multiplexed_async_connection().await.unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..100 {
            let mut connection = connection.clone();
            tasks.spawn(async move {
                let key = format!("key {number}");
                let () = connection.set(&key, number).await.unwrap();
                assert_eq!(connection.get::<_, u64>(&key).await.unwrap(), number);
                connection.incr::<_, _, u64>("count", 1).await.unwrap()
            });
        }
        let mut counts = tasks.join_all().await;
        counts.sort_unstable();
        assert!(counts.into_iter().eq(1..=100));
    });
}

#[test]
fn a_subscriber_hears_what_is_published() {
    on_each(async || {
        let Some(server) = start().await else { return };
        let mut subscriber = server.client.get_async_pubsub().await.unwrap();
        subscriber.subscribe("news").await.unwrap();
        let mut publisher = server.client.get_multiplexed_async_connection().await.unwrap();
        let publishing = tokio::spawn(async move {
            for number in 0..100 {
                assert_eq!(publisher.publish::<_, _, usize>("news", number).await.unwrap(), 1);
            }
        });
        let messages = subscriber
            .on_message()
            .take(100)
            .map(|message| message.get_payload::<u64>().unwrap());
        assert!(messages.collect::<Vec<_>>().await.into_iter().eq(0..100));
        publishing.await.unwrap();
    });
}

#[test]
fn a_server_that_went_away_is_an_error_and_not_a_hang() {
    on_each(async || {
        let Some(mut server) = start().await else { return };
        let mut manager = ConnectionManager::new(server.client.clone()).await.unwrap();
        let () = manager.set("key", 1).await.unwrap();
        server.process.kill().await.unwrap();
        assert!(manager.get::<_, u64>("key").await.is_err());
    });
}
