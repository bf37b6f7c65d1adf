//! hyper 1 and hyper-util on the drop-in, over loopback: HTTP/1, HTTP/2, and the pooling client.

#![cfg(test)]

mod http1;
mod http2;
mod pool;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

type Body = BoxBody<Bytes, hyper::Error>;

/// A body that is there as a whole.
fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// The service of the tests: `/echo` streams the body back, `/slow` answers after a moment, all else names its path.
async fn service(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = match path.as_str() {
        "/echo" => request.into_body().boxed(),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            whole("slow")
        }
        _ => whole(path),
    };
    Ok(Response::new(body))
}

/// A listener on a port that is free.
async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn connect(address: SocketAddr) -> TokioIo<TcpStream> {
    TokioIo::new(TcpStream::connect(address).await.unwrap())
}

async fn accept(listener: &TcpListener) -> TokioIo<TcpStream> {
    TokioIo::new(listener.accept().await.unwrap().0)
}

async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}
