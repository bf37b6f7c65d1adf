//! hyper-util: the client that looks names up and pools connections, against the server that speaks either version.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::service::service_fn;
use hyper::{Uri, Version};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::{conn::auto, graceful::GracefulShutdown};
use support::on_each;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{listen, service, text};

/// Serves until it is told to stop, then waits for its connections; says how many there were.
async fn serve(listener: TcpListener, stopped: oneshot::Receiver<()>) -> usize {
    let (graceful, connections) = (GracefulShutdown::new(), Arc::new(AtomicUsize::new(0)));
    let mut stopped = pin!(stopped);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            _ = stopped.as_mut() => break,
        };
        connections.fetch_add(1, Ordering::Relaxed);
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new());
        let connection = builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service_fn(service))
            .into_owned();
        tokio::spawn(graceful.watch(connection));
    }
    graceful.shutdown().await;
    connections.load(Ordering::Relaxed)
}

#[test]
fn requests_one_after_the_other_reuse_connections() {
    on_each(async || {
        let (listener, address) = listen().await;
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, stopped));

        // A name, so that the resolver's blocking thread is needed.
        let uri = |path: &str| {
            format!("http://localhost:{}{path}", address.port())
                .parse::<Uri>()
                .unwrap()
        };
        let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(support::PATIENCE)
            .build_http();
        for number in 0..20 {
            let path = format!("/{number}");
            assert_eq!(text(client.get(uri(&path)).await.unwrap()).await, path);
        }
        drop(client);
        stop.send(()).unwrap();
        // Not one: a request may be faster than the way of the last one's connection back to the pool.
        assert!(server.await.unwrap() < 20);
    });
}

#[test]
fn a_connection_that_idles_too_long_is_replaced() {
    on_each(async || {
        let (listener, address) = listen().await;
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, stopped));

        let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(20))
            .build_http();
        for path in ["/first", "/second"] {
            let uri = format!("http://{address}{path}").parse::<Uri>().unwrap();
            assert_eq!(text(client.get(uri).await.unwrap()).await, path);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        drop(client);
        stop.send(()).unwrap();
        assert_eq!(server.await.unwrap(), 2);
    });
}

#[test]
fn the_server_speaks_both_versions_on_one_port() {
    on_each(async || {
        let (listener, address) = listen().await;
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, stopped));

        for (only_http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
            let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new())
                .http2_only(only_http2)
                .build_http();
            let response = client.get(format!("http://{address}/").parse().unwrap()).await.unwrap();
            assert_eq!(response.version(), version);
            assert_eq!(text(response).await, "/");
        }
        stop.send(()).unwrap();
        assert_eq!(server.await.unwrap(), 2);
    });
}
