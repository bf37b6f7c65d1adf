//! HTTP/1.1, client and server.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use hyper_util::rt::{TokioIo, TokioTimer};
use support::on_each;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{accept, connect, listen, service, text};

#[test]
fn one_connection_serves_many_requests() {
    on_each(async || {
        let (listener, address) = listen().await;
        let server = tokio::spawn(async move {
            let connection =
                server::conn::http1::Builder::new().serve_connection(accept(&listener).await, service_fn(service));
            connection.await.unwrap();
        });

        let (mut sender, connection) = client::conn::http1::handshake(connect(address).await).await.unwrap();
        let connection = tokio::spawn(connection);
        for number in 0..100 {
            sender.ready().await.unwrap();
            let request = Request::get(format!("/{number}")).body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(text(response).await, format!("/{number}"));
        }
        drop(sender);
        connection.await.unwrap().unwrap();
        server.await.unwrap();
    });
}

#[test]
fn a_large_body_streams_both_ways_at_once() {
    const CHUNKS: usize = 256;
    on_each(async || {
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            let io = accept(&listener).await;
            server::conn::http1::Builder::new()
                .serve_connection(io, service_fn(service))
                .await
        });

        let (mut sender, connection) = client::conn::http1::handshake(connect(address).await).await.unwrap();
        tokio::spawn(connection);
        // The channel holds less than the body, so that the writer waits for the reader all along.
        let (chunks, body) = mpsc::channel(2);
        tokio::spawn(async move {
            for number in 0..CHUNKS {
                let chunk = Bytes::from(vec![number as u8; 32 * 1024]);
                chunks.send(Ok::<_, hyper::Error>(Frame::data(chunk))).await.unwrap();
            }
        });
        let request = Request::post("/echo")
            .body(StreamBody::new(ReceiverStream::new(body)))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len(), CHUNKS * 32 * 1024);
        assert!(
            bytes
                .chunks(32 * 1024)
                .enumerate()
                .all(|(number, chunk)| chunk.iter().all(|&byte| byte == number as u8))
        );
    });
}

#[test]
fn a_head_that_does_not_come_is_given_up_at_its_time() {
    on_each(async || {
        let (listener, address) = listen().await;
        let server = tokio::spawn(async move {
            let io = accept(&listener).await;
            server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_millis(50))
                .serve_connection(io, service_fn(service))
                .await
        });

        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
        assert!(server.await.unwrap().unwrap_err().is_timeout());
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    });
}

#[test]
fn an_upgraded_connection_is_a_plain_stream() {
    async fn upgrade(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, hyper::Error> {
        assert_eq!(request.headers()[UPGRADE], "echo");
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
            let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(UPGRADE, "echo")
            .header(CONNECTION, "upgrade");
        Ok(response.body(Empty::new()).unwrap())
    }

    on_each(async || {
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            let io = accept(&listener).await;
            server::conn::http1::Builder::new()
                .serve_connection(io, service_fn(upgrade))
                .with_upgrades()
                .await
        });

        let (mut sender, connection) = client::conn::http1::handshake(connect(address).await).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let request = Request::get("/")
            .header(UPGRADE, "echo")
            .header(CONNECTION, "upgrade")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        stream.write_all(b"not HTTP").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut echo = String::new();
        stream.read_to_string(&mut echo).await.unwrap();
        assert_eq!(echo, "not HTTP");
    });
}

#[test]
fn a_graceful_shutdown_lets_the_request_in_flight_finish() {
    on_each(async || {
        let (listener, address) = listen().await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let io = accept(&listener).await;
            let mut connection = pin!(server::conn::http1::Builder::new().serve_connection(io, service_fn(service)));
            tokio::select! {
                _ = connection.as_mut() => panic!("nobody closed the connection"),
                _ = stopped => connection.as_mut().graceful_shutdown(),
            }
            connection.await
        });

        let (mut sender, connection) = client::conn::http1::handshake(connect(address).await).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/slow").body(Full::<Bytes>::default()).unwrap();
        let (response, ()) = tokio::join!(sender.send_request(request), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            stop.send(()).unwrap();
        });
        assert_eq!(text(response.unwrap()).await, "slow");
        server.await.unwrap().unwrap();
        assert!(sender.ready().await.is_err(), "the server keeps the connection");
    });
}
