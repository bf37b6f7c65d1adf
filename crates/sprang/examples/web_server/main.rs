//! A web server: `cargo run --release --example web_server`, then `curl http://127.0.0.1:7878/`.
//!
//! Purpose: the first program to read. `GET /` answers a page, `GET /sleep` the same after five seconds, without
//! keeping anyone else waiting; anything else is a 404.
//!
//! Data flow: [`main`] reads the arguments (`args`) and starts the runtime → [`serve`] accepts and spawns one task a
//! client → `connection` reads requests and writes responses → `http` decides what they mean. Ctrl-C travels through
//! `shutdown`: no new clients, idle connections close, requests under way are finished within [`GRACE`].

mod args;
mod connection;
mod http;
mod shutdown;

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use sprang::net::{TcpListener, TcpStream};
use sprang::runtime::Builder;
use sprang::signal::ctrl_c;
use sprang::sync::mpsc;
use sprang::time::{sleep, timeout};

use args::{Args, Command};
use shutdown::{Either, Shutdown, race};

/// How long requests may go on after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);
/// How long the server rests when it cannot accept, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

pub(crate) fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print!("{}", args::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Serve(args)) => run(&args).unwrap_or_else(|error| {
            eprintln!("web_server: {error}");
            ExitCode::FAILURE
        }),
        Err(error) => {
            eprintln!("web_server: {error}\n\n{}", args::HELP);
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> io::Result<ExitCode> {
    let mut builder = Builder::new_multi_thread();
    if let Some(workers) = args.workers {
        builder.worker_threads(workers);
    }
    let runtime = builder.enable_all().build()?;
    // As a task, so that the accept loop runs on a worker like the connections it spawns.
    let server = runtime.spawn(serve(args.addr));
    runtime.block_on(server)?
}

/// Serves until Ctrl-C.
///
/// # Errors
///
/// When the address cannot be bound, or Ctrl-C not be listened for.
async fn serve(addr: SocketAddr) -> io::Result<ExitCode> {
    let listener = TcpListener::bind(addr)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}")))?;
    println!("listening on http://{}", listener.local_addr()?);

    let shutdown = Arc::new(Shutdown::default());
    // Every connection keeps a sender and sends nothing: the channel closes when the last of them has ended.
    let (alive, mut all_ended) = mpsc::channel::<Infallible>(1);
    let accepting = async {
        loop {
            let stream = accept(&listener).await;
            let (shutdown, alive) = (Arc::clone(&shutdown), alive.clone());
            sprang::spawn(async move {
                connection::serve(stream, &shutdown).await;
                drop(alive);
            });
        }
    };
    match race(ctrl_c(), accepting).await {
        Either::First(interrupted) => interrupted?,
        Either::Second(never) => never,
    }

    drop((listener, alive));
    // The signal is looked at first: whoever sees a connection end may send it again.
    let ending = async {
        shutdown.request();
        timeout(GRACE, all_ended.recv()).await
    };
    match race(ctrl_c(), ending).await {
        Either::First(_again) => return Ok(ExitCode::from(130)),
        Either::Second(Err(_elapsed)) => eprintln!("web_server: some requests were not finished in time"),
        Either::Second(Ok(_all_ended)) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// The next client.
///
/// A client that is gone before it was accepted is skipped. Any other error is the system's (no more file descriptors,
/// no memory): it passes when other clients leave, so the server rests and tries again.
async fn accept(listener: &TcpListener) -> TcpStream {
    let mut backoff = BACKOFF.0;
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => return stream,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                if backoff == BACKOFF.0 {
                    eprintln!("web_server: cannot accept for now: {error}");
                }
                sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF.1);
            }
        }
    }
}
