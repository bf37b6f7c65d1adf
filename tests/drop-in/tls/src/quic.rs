//! QUIC over UDP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use support::on_each;
use tokio::task::JoinSet;

use crate::configs;

/// A client that is connected, and its endpoint, to a server that sends back every stream and every datagram; `idle` is
/// after how long a silent connection ends.
async fn connected(idle: Duration) -> (Endpoint, Connection) {
    let configs = configs();
    let server = QuicServerConfig::try_from(Arc::new(configs.server)).unwrap();
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = Endpoint::server(ServerConfig::with_crypto(Arc::new(server)), here).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = listener.accept().await {
            tokio::spawn(echo(incoming.await.unwrap()));
        }
    });

    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(IdleTimeout::try_from(idle).unwrap()));
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(Arc::new(configs.client)).unwrap()));
    config.transport_config(Arc::new(transport));
    let mut client = Endpoint::client(here).unwrap();
    client.set_default_client_config(config);
    let connection = client.connect(address, "localhost").unwrap().await.unwrap();
    (client, connection)
}

async fn echo(connection: Connection) {
    loop {
        tokio::select! {
            stream = connection.accept_bi() => {
                let Ok((mut sink, mut stream)) = stream else { return };
                tokio::spawn(async move {
                    tokio::io::copy(&mut stream, &mut sink).await.unwrap();
                    sink.finish().unwrap();
                });
            }
            datagram = connection.read_datagram() => {
                let Ok(datagram) = datagram else { return };
                connection.send_datagram(datagram).unwrap();
            }
        }
    }
}

#[test]
fn streams_share_a_connection() {
    on_each(async || {
        let (client, connection) = connected(support::PATIENCE).await;
        let mut streams = JoinSet::new();
        for number in 0..20u8 {
            let connection = connection.clone();
            streams.spawn(async move {
                let (mut sink, mut stream) = connection.open_bi().await.unwrap();
                let sent = vec![number; 200_000];
                let (written, received) = tokio::join!(
                    async {
                        sink.write_all(&sent).await.unwrap();
                        sink.finish()
                    },
                    stream.read_to_end(sent.len())
                );
                written.unwrap();
                assert!(received.unwrap() == sent);
            });
        }
        streams.join_all().await;
        connection.close(VarInt::from_u32(7), b"done");
        assert!(matches!(connection.closed().await, ConnectionError::LocallyClosed));
        client.wait_idle().await;
    });
}

#[test]
fn a_datagram_comes_back() {
    on_each(async || {
        let (_client, connection) = connected(support::PATIENCE).await;
        connection.send_datagram_wait("hello".into()).await.unwrap();
        assert_eq!(connection.read_datagram().await.unwrap(), "hello");
    });
}

#[test]
fn a_silent_connection_ends_at_its_time() {
    on_each(async || {
        let (_client, connection) = connected(Duration::from_millis(100)).await;
        assert!(matches!(connection.closed().await, ConnectionError::TimedOut));
    });
}
