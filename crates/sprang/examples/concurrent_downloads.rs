//! Several downloads at once, in one task: `cargo run --example concurrent_downloads`.
//!
//! Purpose: what is gained by not waiting for one thing after the other. `.await` waits for one future, `try_join!` for a
//! few, a `TaskGroup` for any number, of which only so many run at a time. The program serves the pages itself, slowly.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sprang::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use sprang::net::{TcpListener, TcpStream};
use sprang::task::TaskGroup;
use sprang::time::sleep;

/// How long the server thinks about a request.
const DELAY: Duration = Duration::from_millis(100);

/// Asks a server for a page.
async fn download(server: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;

    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    let (_head, page) = response.split_once("\r\n\r\n").ok_or(ErrorKind::InvalidData)?;
    Ok(page.to_owned())
}

/// Answers one request.
async fn answer(stream: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next_line().await?.unwrap_or_default();
    // The head ends with an empty line.
    while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}

    sleep(DELAY).await;
    let path = request.split(' ').nth(1).unwrap_or("/");
    let response = format!("HTTP/1.0 200 OK\r\n\r\nthe page {path}");
    lines.into_inner().write_all(response.as_bytes()).await
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _client) = listener.accept().await?;
        sprang::spawn(answer(stream));
    }
}

/// Waits for a future, and says how long that took.
async fn timed<F: Future>(what: &str, work: F) -> F::Output {
    let start = Instant::now();
    let output = work.await;
    println!("{what}: {} ms", start.elapsed().as_millis());
    output
}

#[sprang::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    sprang::spawn(serve(listener));

    let in_turn = async {
        let news = download(server, "/news").await?;
        let weather = download(server, "/weather").await?;
        let sports = download(server, "/sports").await?;
        Ok::<_, io::Error>((news, weather, sports))
    };
    let pages = timed("three pages in turn", in_turn).await?;
    println!("{pages:?}");

    // All three belong to this task, and take turns on its thread; the first error drops the others.
    let at_once = async {
        sprang::try_join!(
            download(server, "/news"),
            download(server, "/weather"),
            download(server, "/sports"),
        )
    };
    let pages = timed("three pages at once", at_once).await?;
    println!("{pages:?}");

    // Each is a task of its own, and may run on another thread.
    let mut group = TaskGroup::new().limit(3);
    for number in 1..=9 {
        group.spawn(async move { download(server, &format!("/{number}")).await });
    }
    let pages = timed("nine pages, three at a time", group.try_join()).await?;
    println!("{} pages", pages.len());
    Ok(())
}
