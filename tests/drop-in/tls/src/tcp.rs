//! TLS over TCP, and WebSockets over TLS.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use support::on_each;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_tungstenite::tungstenite::Message;

use crate::{Configs, configs, distrustful};

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor) -> std::io::Result<server::TlsStream<TcpStream>> {
    acceptor.accept(listener.accept().await?.0).await
}

async fn connect(address: SocketAddr, config: ClientConfig) -> std::io::Result<client::TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, TcpStream::connect(address).await?)
        .await
}

#[test]
fn many_connections_carry_more_than_their_buffers() {
    on_each(async || {
        let Configs { client, server } = configs();
        let (listener, address) = listen().await;
        let acceptor = TlsAcceptor::from(Arc::new(server));
        tokio::spawn(async move {
            loop {
                let mut stream = accept(&listener, &acceptor).await.unwrap();
                tokio::spawn(async move {
                    let (mut reader, mut writer) = tokio::io::split(&mut stream);
                    tokio::io::copy(&mut reader, &mut writer).await.unwrap();
                    stream.shutdown().await.unwrap();
                });
            }
        });

        let mut clients = JoinSet::new();
        for number in 0..8u8 {
            let client = client.clone();
            clients.spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(connect(address, client).await.unwrap());
                let (sent, mut received) = (vec![number; 1 << 20], Vec::new());
                let (written, read) = tokio::join!(
                    async {
                        writer.write_all(&sent).await?;
                        writer.shutdown().await
                    },
                    reader.read_to_end(&mut received)
                );
                written.unwrap();
                read.unwrap();
                assert!(received == sent);
            });
        }
        clients.join_all().await;
    });
}

#[test]
fn a_stranger_is_refused_on_both_sides() {
    on_each(async || {
        let (listener, address) = listen().await;
        let acceptor = TlsAcceptor::from(Arc::new(configs().server));
        let (accepted, connected) = tokio::join!(accept(&listener, &acceptor), connect(address, distrustful()));
        let error = connected.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("UnknownIssuer"), "{error}");
        assert!(accepted.is_err());
    });
}

#[test]
fn a_websocket_runs_over_tls() {
    on_each(async || {
        let Configs { client, server } = configs();
        let (listener, address) = listen().await;
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let serving = tokio::spawn(async move {
            let stream = accept(&listener, &acceptor).await.unwrap();
            let (sink, messages) = tokio_tungstenite::accept_async(stream).await.unwrap().split();
            let echoes =
                messages.take_while(|message| std::future::ready(message.as_ref().is_ok_and(Message::is_text)));
            echoes.forward(sink).await.unwrap();
        });
        let stream = connect(address, client).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async("wss://localhost/", stream)
            .await
            .unwrap();
        for number in 0..100 {
            socket.send(Message::text(number.to_string())).await.unwrap();
            assert_eq!(
                socket.next().await.unwrap().unwrap().into_text().unwrap(),
                number.to_string().as_str()
            );
        }
        socket.close(None).await.unwrap();
        serving.await.unwrap();
    });
}
