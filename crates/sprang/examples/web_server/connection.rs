//! One client, from its first byte to the end of its connection.
//!
//! Purpose: reads requests, keeps the time limits, writes responses.
//!
//! Data flow: `main` calls [`serve`] in a task of its own → [`Connection::fill`] reads into the one buffer →
//! `http::parse` → [`Connection::answer`] → one write. Requests that were sent in one go are answered one after the
//! other from the buffer. Nothing is allocated for a request.
//!
//! Invariants:
//! - I1: at every await on the client's part the deadline runs: [`IDLE`] between requests, [`STALL`] for a head, again
//!   for its body, and again for a write that has to wait. Nobody keeps a connection open by doing nothing.
//! - I2: a connection between two requests ends as soon as the server's end is requested; one with a request under way
//!   after it was answered.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use sprang::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use sprang::time::{Instant, Sleep, sleep};

use super::http::{self, Request, Route, Status};
use super::shutdown::Shutdown;

/// How long a connection may stay open between requests.
const IDLE: Duration = Duration::from_secs(60);
/// How long a request may take to arrive, and a response to be taken.
const STALL: Duration = Duration::from_secs(10);
/// How long a client that was told that this is the end may take to close its side.
const LINGER: Duration = Duration::from_secs(1);
/// How long `/sleep` takes.
const SLEEP: Duration = Duration::from_secs(5);

/// Bytes of a connection's buffer; it grows, up to about [`http::MAX_HEAD`], for a client that sends long heads.
const BUFFER: usize = 2048;

/// Serves one client until either side ends the connection.
///
/// What goes wrong on the way (a reset, a timeout) is the client's doing and ends the connection without a word.
///
/// To be called in a task of its own: the waker of the first poll is used throughout.
pub(crate) async fn serve<S>(stream: S, shutdown: &Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let timer = pin!(sleep(IDLE));
    let connection = Connection {
        stream,
        buffer: Vec::with_capacity(BUFFER),
        start: 0,
        deadline: Deadline::new(timer),
        shutdown,
    };
    let mut requests = pin!(connection.serve_requests());
    let mut notified = pin!(shutdown.notified());
    // One poll leaves this task's waker with `shutdown`; from then on to look at its flag is enough (I2).
    let _ = poll_fn(|cx| Poll::Ready(notified.as_mut().poll(cx))).await;
    let _client_gone: io::Result<()> = requests.as_mut().await;
}

/// A client's connection.
struct Connection<'a, S> {
    stream: S,
    buffer: Vec<u8>,
    /// Where the unread bytes of the buffer begin.
    start: usize,
    deadline: Deadline<'a>,
    shutdown: &'a Shutdown,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn serve_requests(mut self) -> io::Result<()> {
        let mut inside_head = false;
        loop {
            match http::parse(&self.buffer[self.start..]) {
                Ok(Some(request)) => {
                    if !self.answer(request).await? {
                        break;
                    }
                    inside_head = false;
                }
                Ok(None) => {
                    let idle = self.start == self.buffer.len();
                    if idle {
                        self.deadline.set(IDLE);
                    } else if !inside_head {
                        self.deadline.set(STALL);
                        inside_head = true;
                    }
                    if self.fill(idle).await? == 0 {
                        return Ok(());
                    }
                }
                Err(status) => {
                    self.send(http::response(status, false, true)).await?;
                    break;
                }
            }
        }
        self.close().await
    }

    /// Carries out one request; whether the connection goes on.
    async fn answer(&mut self, request: Request) -> io::Result<bool> {
        self.start += request.head_len;
        self.skip_body(request).await?;
        let status = match request.route {
            Route::Hello => Status::Ok,
            Route::Sleep => {
                sleep(SLEEP).await;
                Status::Ok
            }
            Route::Unknown => Status::NotFound,
        };
        let keep_alive = request.keep_alive && !self.shutdown.is_requested();
        self.send(http::response(status, keep_alive, request.wants_body))
            .await?;
        Ok(keep_alive)
    }

    /// Reads past the body of a request.
    async fn skip_body(&mut self, request: Request) -> io::Result<()> {
        let mut left = request.body_len;
        if left > self.unread() && request.expects_continue {
            self.send(http::CONTINUE).await?;
        }
        if left > self.unread() {
            self.deadline.set(STALL);
        }
        while left > self.unread() {
            left -= self.unread();
            self.start = self.buffer.len();
            if self.fill(false).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        self.start += left as usize;
        Ok(())
    }

    fn unread(&self) -> u64 {
        (self.buffer.len() - self.start) as u64
    }

    /// Appends what the client sends to the buffer; 0 at the end, which for an `idle` connection is also the server's.
    async fn fill(&mut self, idle: bool) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(1);
        let mut read = pin!(self.stream.read_buf(&mut self.buffer));
        poll_fn(|cx| match read.as_mut().poll(cx) {
            Poll::Pending if idle && self.shutdown.is_requested() => Poll::Ready(Ok(0)),
            Poll::Pending => self.deadline.poll_passed(cx),
            read => read,
        })
        .await
    }

    /// Sends a whole response.
    async fn send(&mut self, response: &[u8]) -> io::Result<()> {
        let mut write = pin!(self.stream.write_all(response));
        let mut waiting = false;
        poll_fn(|cx| match write.as_mut().poll(cx) {
            Poll::Pending => {
                if !waiting {
                    self.deadline.set(STALL);
                    waiting = true;
                }
                self.deadline.poll_passed(cx)
            }
            written => written,
        })
        .await
    }

    /// Ends the connection from this side, and lets the client take in what it was sent.
    ///
    /// To close a socket with unread bytes resets it, and the reset may overtake the last response. So whatever still
    /// comes is read, for a while, and thrown away.
    async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        self.deadline.set(LINGER);
        loop {
            self.start = self.buffer.len();
            if self.fill(false).await? == 0 {
                return Ok(());
            }
        }
    }
}

/// A deadline that moves with every request, over a timer that hardly ever does.
///
/// To put the deadline off costs nothing but the time of day. The timer is armed again when it rang too early, which
/// is once in [`IDLE`], or when it would ring too late.
struct Deadline<'a> {
    at: Instant,
    timer: Pin<&'a mut Sleep>,
}

impl<'a> Deadline<'a> {
    fn new(timer: Pin<&'a mut Sleep>) -> Self {
        Self {
            at: timer.deadline(),
            timer,
        }
    }

    fn set(&mut self, timeout: Duration) {
        self.at = Instant::now() + timeout;
        if self.at < self.timer.deadline() {
            self.timer.as_mut().reset(self.at);
        }
    }

    /// An error once the deadline has passed.
    fn poll_passed<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            match self.timer.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if self.timer.deadline() >= self.at => {
                    return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                }
                Poll::Ready(()) => self.timer.as_mut().reset(self.at),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sprang::io::DuplexStream;
    use sprang::runtime::Builder;

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const GET_AND_CLOSE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    /// The other end of a connection that a task serves.
    struct Client {
        stream: DuplexStream,
        shutdown: Arc<Shutdown>,
        connected: Instant,
    }

    impl Client {
        fn connect(buffer: usize) -> Self {
            let (stream, served) = sprang::io::duplex(buffer);
            let shutdown = Arc::new(Shutdown::default());
            let watched = Arc::clone(&shutdown);
            sprang::spawn(async move { serve(served, &watched).await });
            let connected = Instant::now();
            Self {
                stream,
                shutdown,
                connected,
            }
        }

        async fn send(&mut self, bytes: &[u8]) {
            self.stream.write_all(bytes).await.unwrap();
        }

        async fn expect(&mut self, response: &[u8]) {
            let mut received = vec![0; response.len()];
            self.stream.read_exact(&mut received).await.unwrap();
            assert_eq!(String::from_utf8(received).unwrap(), str::from_utf8(response).unwrap());
        }

        /// Waits for the end of the connection; at which second it came.
        async fn expect_end(&mut self) -> u64 {
            let mut rest = Vec::new();
            self.stream.read_to_end(&mut rest).await.unwrap();
            assert_eq!(String::from_utf8(rest).unwrap(), "");
            self.connected.elapsed().as_secs()
        }
    }

    fn with_client(test: impl AsyncFnOnce(Client)) {
        with_buffer(64 * 1024, test);
    }

    /// Runs `test` on a clock that jumps to the next timer whenever everybody waits.
    fn with_buffer(buffer: usize, test: impl AsyncFnOnce(Client)) {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async { test(Client::connect(buffer)).await });
    }

    fn ok(keep_alive: bool) -> &'static [u8] {
        http::response(Status::Ok, keep_alive, true)
    }

    #[test]
    fn requests_in_one_go_are_answered_in_order() {
        with_client(async |mut client| {
            let head_of_nothing = b"HEAD /nothing HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
            client.send(&[GET, head_of_nothing, GET_AND_CLOSE, GET].concat()).await;
            client.expect(ok(true)).await;
            client.expect(http::response(Status::NotFound, true, false)).await;
            client.expect(ok(false)).await;
            assert_eq!(client.expect_end().await, 0, "and the one after `close` is not");
        });
    }

    #[test]
    fn a_request_may_come_byte_by_byte() {
        with_client(async |mut client| {
            for byte in GET {
                client.send(&[*byte]).await;
                sprang::task::yield_now().await;
            }
            client.expect(ok(true)).await;
        });
    }

    #[test]
    fn a_head_longer_than_the_buffer_is_read() {
        with_client(async |mut client| {
            let field = format!("X: {}\r\n\r\n", "x".repeat(3 * BUFFER));
            client.send(&[&GET[..GET.len() - 2], field.as_bytes()].concat()).await;
            client.expect(ok(true)).await;
        });
    }

    #[test]
    fn bodies_are_skipped() {
        with_client(async |mut client| {
            for len in [0, 1, BUFFER, 5 * BUFFER] {
                let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
                client.send(&[head.as_bytes(), &vec![b'G'; len], GET].concat()).await;
                client.expect(http::response(Status::NotFound, true, true)).await;
                client.expect(ok(true)).await;
            }
        });
    }

    #[test]
    fn a_client_that_waits_to_send_its_body_is_told_to() {
        with_client(async |mut client| {
            client
                .send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
                .await;
            client.expect(http::CONTINUE).await;
            client.send(b"ab").await;
            client.expect(http::response(Status::NotFound, true, true)).await;
        });
    }

    #[test]
    fn a_refused_client_gets_to_read_why() {
        with_client(async |mut client| {
            client
                .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n")
                .await;
            client
                .expect(http::response(Status::ContentTooLarge, false, true))
                .await;
            client.send(&[0; 100_000]).await;
            assert_eq!(client.expect_end().await, 0);
        });
    }

    #[test]
    fn sleep_takes_five_seconds() {
        with_client(async |mut client| {
            client.send(b"GET /sleep HTTP/1.0\r\n\r\n").await;
            client.expect(ok(false)).await;
            assert_eq!(client.expect_end().await, 5);
        });
    }

    #[test]
    fn a_head_that_trickles_in_is_cut_off_after_ten_seconds() {
        with_client(async |mut client| {
            client.send(b"GET /").await;
            sleep(Duration::from_secs(9)).await;
            client.send(b" HTTP").await;
            assert_eq!(client.expect_end().await, 10);
        });
    }

    #[test]
    fn every_head_has_ten_seconds_of_its_own() {
        with_client(async |mut client| {
            for _ in 0..2 {
                let (first, second) = GET.split_at(5);
                client.send(first).await;
                sleep(Duration::from_secs(9)).await;
                client.send(second).await;
                client.expect(ok(true)).await;
            }
            client.send(b"GET /").await;
            assert_eq!(client.expect_end().await, 28);
        });
    }

    #[test]
    fn a_body_that_stays_away_is_cut_off_after_ten_seconds() {
        with_client(async |mut client| {
            client
                .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
                .await;
            assert_eq!(client.expect_end().await, 10);
        });
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_off_after_ten_seconds() {
        with_buffer(GET.len(), async |mut client| {
            client.send(GET).await;
            sleep(Duration::from_secs(11)).await;
            let mut received = Vec::new();
            client.stream.read_to_end(&mut received).await.unwrap();
            assert!(received.len() < ok(true).len());
        });
    }

    #[test]
    fn an_idle_connection_ends_a_minute_after_its_last_request() {
        with_client(async |mut client| {
            sleep(Duration::from_secs(50)).await;
            client.send(GET).await;
            client.expect(ok(true)).await;
            assert_eq!(client.expect_end().await, 110);
        });
    }

    #[test]
    fn shutdown_ends_an_idle_connection_at_once() {
        with_client(async |mut client| {
            client.send(GET).await;
            client.expect(ok(true)).await;
            client.shutdown.request();
            assert_eq!(client.expect_end().await, 0);
        });
    }

    #[test]
    fn shutdown_before_the_first_poll_is_seen() {
        with_client(async |mut client| {
            client.shutdown.request();
            assert_eq!(client.expect_end().await, 0);
        });
    }

    #[test]
    fn shutdown_lets_a_request_under_way_finish() {
        with_client(async |mut client| {
            client.send(b"GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n").await;
            sleep(Duration::from_secs(2)).await;
            client.shutdown.request();
            client.expect(ok(false)).await;
            assert_eq!(client.expect_end().await, 5);
        });
    }
}
