//! reqwest: time limits, bodies in pieces, redirects, HTTP/2, many requests at once.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::Redirect;
use axum::routing::{get, post};
use bytes::Bytes;
use futures::{StreamExt, stream};
use reqwest::Client;
use support::on_each;

use crate::Server;

fn router() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/echo", post(async |body: Body| body))
        .route("/moved", get(async || Redirect::permanent("/")))
        .route("/never", get(std::future::pending::<&'static str>))
        .route(
            "/stuck",
            get(async || {
                Body::from_stream(stream::once(async { Ok::<_, std::io::Error>("begin") }).chain(stream::pending()))
            }),
        )
}

#[test]
fn a_time_limit_ends_a_request_before_and_within_its_body() {
    on_each(async || {
        let server = Server::start(router()).await;
        let client = Client::builder().timeout(Duration::from_millis(50)).build().unwrap();
        let start = Instant::now();
        assert!(client.get(server.url("/never")).send().await.unwrap_err().is_timeout());
        let stuck = client.get(server.url("/stuck")).send().await.unwrap();
        assert!(stuck.text().await.unwrap_err().is_timeout());
        assert!(start.elapsed() >= Duration::from_millis(100));
    });
}

#[test]
fn a_body_is_sent_and_received_in_pieces() {
    on_each(async || {
        let server = Server::start(router()).await;
        let pieces = stream::iter(0..200u8).then(async |number| {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(Bytes::from(vec![number; 5000]))
        });
        let request = Client::new()
            .post(server.url("/echo"))
            .body(reqwest::Body::wrap_stream(pieces));
        let mut echo = request.send().await.unwrap().bytes_stream();
        let mut bytes = Vec::new();
        while let Some(piece) = echo.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(bytes.len(), 200 * 5000);
        assert!(
            bytes
                .chunks(5000)
                .zip(0..)
                .all(|(chunk, number)| chunk.iter().all(|&byte| byte == number))
        );
    });
}

#[test]
fn many_requests_run_at_once() {
    on_each(async || {
        let server = Server::start(router()).await;
        for client in [
            Client::new(),
            Client::builder().http2_prior_knowledge().build().unwrap(),
        ] {
            let answers = stream::iter(0..300).map(|number| {
                let request = client.post(server.url("/echo")).body(number.to_string()).send();
                async move { (request.await.unwrap().text().await.unwrap(), number.to_string()) }
            });
            let answers: Vec<_> = answers.buffer_unordered(64).collect().await;
            assert!(answers.len() == 300 && answers.iter().all(|(answer, asked)| answer == asked));
        }
        let moved = reqwest::get(server.url("/moved")).await.unwrap();
        assert_eq!((moved.url().path(), moved.status().as_u16()), ("/", 200));
        drop(moved);
        server.stop().await;
    });
}
