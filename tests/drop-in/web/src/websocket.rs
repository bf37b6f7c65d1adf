//! axum's WebSockets against tokio-tungstenite's client.

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use futures::{SinkExt, StreamExt};
use support::on_each;
use tokio::sync::broadcast;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite;

use crate::Server;

/// Says again what it hears, until it hears the end.
async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            socket.send(message).await.unwrap();
        }
    }
}

/// Passes what it hears on to everyone in the room, and what they say to its client.
async fn chat(socket: WebSocket, room: broadcast::Sender<String>) {
    let (mut sink, mut messages) = socket.split();
    let mut said = room.subscribe();
    sink.send("welcome".into()).await.unwrap();
    loop {
        tokio::select! {
            text = said.recv() => sink.send(text.unwrap().into()).await.unwrap(),
            message = messages.next() => match message {
                Some(Ok(Message::Text(text))) => _ = room.send(text.to_string()).unwrap(),
                _ => break,
            },
        }
    }
}

fn router() -> Router {
    let room = broadcast::channel(100).0;
    Router::new()
        .route("/echo", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)))
        .route(
            "/chat",
            any(async |State(room): State<_>, upgrade: WebSocketUpgrade| {
                upgrade.on_upgrade(|socket| chat(socket, room))
            }),
        )
        .with_state(room)
}

#[test]
fn messages_of_every_size_come_back() {
    on_each(async || {
        let server = Server::start(router()).await;
        let (mut socket, _) = connect_async(format!("ws://{}/echo", server.address)).await.unwrap();
        for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            socket.send(tungstenite::Message::binary(vec![7; size])).await.unwrap();
            let echo = socket.next().await.unwrap().unwrap();
            assert_eq!(echo.into_data(), vec![7; size]);
        }
        socket.close(None).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_close());
        assert!(socket.next().await.is_none());
        server.stop().await;
    });
}

#[test]
fn everyone_in_a_room_hears_everyone_in_one_order() {
    on_each(async || {
        let server = Server::start(router()).await;
        let mut sockets = Vec::new();
        for _ in 0..5 {
            let (mut socket, _) = connect_async(format!("ws://{}/chat", server.address)).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "welcome");
            sockets.push(socket);
        }
        let members = sockets.into_iter().enumerate().map(|(number, mut socket)| {
            tokio::spawn(async move {
                socket
                    .send(tungstenite::Message::text(number.to_string()))
                    .await
                    .unwrap();
                let mut heard = String::new();
                for _ in 0..5 {
                    heard += &socket.next().await.unwrap().unwrap().into_text().unwrap();
                }
                heard
            })
        });
        let heard: Vec<_> = futures::future::try_join_all(members).await.unwrap();
        assert!(
            heard.iter().all(|order| order == &heard[0] && order.len() == 5),
            "{heard:?}"
        );
    });
}
