//! tokio-util: frames over sockets.

use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use support::on_each;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::codec::{BytesCodec, Decoder, Encoder, Framed, LengthDelimitedCodec, LinesCodec, LinesCodecError};
use tokio_util::udp::UdpFramed;

/// Both ends of a connection over loopback.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

#[test]
fn lines_are_echoed_in_order() {
    on_each(async || {
        let (client, server) = connected().await;
        let echo = tokio::spawn(async move {
            let (sink, lines) = Framed::new(server, LinesCodec::new()).split();
            lines.forward(sink).await.unwrap();
        });
        let (mut sink, mut lines) = Framed::new(client, LinesCodec::new()).split::<String>();
        let writer = tokio::spawn(async move {
            for number in 0..1000 {
                sink.feed(number.to_string()).await.unwrap();
            }
            sink.close().await.unwrap();
        });
        for number in 0..1000 {
            assert_eq!(lines.next().await.unwrap().unwrap(), number.to_string());
        }
        assert!(lines.next().await.is_none());
        writer.await.unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn a_line_beyond_the_limit_is_an_error_and_the_next_one_is_not() {
    on_each(async || {
        let (mut client, server) = connected().await;
        client.write_all(b"far too long\nshort\n").await.unwrap();
        drop(client);
        let mut lines = Framed::new(server, LinesCodec::new_with_max_length(5));
        assert!(matches!(
            lines.next().await,
            Some(Err(LinesCodecError::MaxLineLengthExceeded))
        ));
        // The stream ends after an error once, and can be read on from there.
        assert!(lines.next().await.is_none());
        assert_eq!(lines.next().await.unwrap().unwrap(), "short");
    });
}

#[test]
fn a_frame_arrives_whole_however_it_is_cut() {
    on_each(async || {
        let (mut client, server) = connected().await;
        client.set_nodelay(true).unwrap();
        let frame = Bytes::from_iter((0..=255).cycle().take(10_000));
        let sent = frame.clone();
        tokio::spawn(async move {
            let mut bytes = BytesMut::new();
            LengthDelimitedCodec::new().encode(sent, &mut bytes).unwrap();
            for piece in bytes.chunks(997) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut frames = LengthDelimitedCodec::new().framed(server);
        assert_eq!(frames.next().await.unwrap().unwrap(), frame);
        assert!(frames.next().await.is_none());
    });
}

#[test]
fn datagrams_are_frames() {
    on_each(async || {
        let (one, two) = (
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        );
        let to = two.local_addr().unwrap();
        let (mut one, mut two) = (
            UdpFramed::new(one, BytesCodec::new()),
            UdpFramed::new(two, BytesCodec::new()),
        );
        for text in ["one", "two", "three"] {
            one.send((Bytes::from(text), to)).await.unwrap();
            let (bytes, from) = two.next().await.unwrap().unwrap();
            assert_eq!(
                (&bytes[..], from),
                (text.as_bytes(), one.get_ref().local_addr().unwrap())
            );
        }
    });
}
