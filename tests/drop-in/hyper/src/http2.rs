//! HTTP/2 without TLS, client and server.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use hyper::{Request, Version, client, server};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use support::on_each;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{accept, connect, listen, service, text};

async fn serve(listener: TcpListener) {
    let io = accept(&listener).await;
    let mut builder = server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_millis(20))
        .keep_alive_timeout(support::PATIENCE);
    builder.serve_connection(io, service_fn(service)).await.unwrap();
}

#[test]
fn one_connection_carries_many_requests_at_once() {
    on_each(async || {
        let (listener, address) = listen().await;
        let server = tokio::spawn(serve(listener));

        let (sender, connection) = client::conn::http2::handshake(TokioExecutor::new(), connect(address).await)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let mut requests = JoinSet::new();
        for number in 0..200 {
            let mut sender = sender.clone();
            requests.spawn(async move {
                // Those that wait are overtaken by those that do not.
                let path = if number % 4 == 0 {
                    "/slow".to_owned()
                } else {
                    format!("/{number}")
                };
                let request = Request::get(format!("http://localhost{path}"))
                    .body(Empty::<Bytes>::new())
                    .unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.version(), Version::HTTP_2);
                assert_eq!(
                    text(response).await,
                    if number % 4 == 0 { "slow" } else { path.as_str() }
                );
            });
        }
        requests.join_all().await;
        drop(sender);
        connection.await.unwrap().unwrap();
        server.await.unwrap();
    });
}

#[test]
fn bodies_beyond_the_window_share_a_connection() {
    on_each(async || {
        let (listener, address) = listen().await;
        tokio::spawn(serve(listener));

        let (sender, connection) = client::conn::http2::handshake(TokioExecutor::new(), connect(address).await)
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut requests = JoinSet::new();
        for number in 0..4u8 {
            let mut sender = sender.clone();
            requests.spawn(async move {
                let body = Full::new(Bytes::from(vec![number; 2 << 20]));
                let response = sender
                    .send_request(Request::post("http://localhost/echo").body(body).unwrap())
                    .await
                    .unwrap();
                let echo = response.into_body().collect().await.unwrap().to_bytes();
                assert!(echo.len() == 2 << 20 && echo.iter().all(|&byte| byte == number));
            });
        }
        requests.join_all().await;
    });
}

#[test]
fn an_idle_connection_is_kept_by_pings() {
    on_each(async || {
        let (listener, address) = listen().await;
        tokio::spawn(serve(listener));

        let mut builder = client::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_millis(20))
            .keep_alive_while_idle(true);
        let (mut sender, connection) = builder.handshake(connect(address).await).await.unwrap();
        tokio::spawn(connection);
        for path in ["/before", "/after"] {
            let request = Request::get(format!("http://localhost{path}"))
                .body(Empty::<Bytes>::new())
                .unwrap();
            assert_eq!(text(sender.send_request(request).await.unwrap()).await, path);
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    });
}
