//! axum: routing, JSON, state, streams, layers, and the graceful shutdown.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream;
use serde::{Deserialize, Serialize};
use support::on_each;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::Server;

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct User {
    id: u32,
    name: String,
}

type Users = Arc<Mutex<HashMap<u32, User>>>;

async fn add(State(users): State<Users>, Json(user): Json<User>) -> (StatusCode, Json<User>) {
    users.lock().unwrap().insert(user.id, user.clone());
    (StatusCode::CREATED, Json(user))
}

async fn find(State(users): State<Users>, Path(id): Path<u32>) -> Result<Json<User>, StatusCode> {
    users
        .lock()
        .unwrap()
        .get(&id)
        .cloned()
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}

async fn sleep(Query(query): Query<HashMap<String, u64>>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(query["ms"])).await;
    "awake"
}

fn router() -> Router {
    let ticks = || async {
        let events = stream::unfold(0, async |number| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            (number < 5).then(|| {
                (
                    Ok::<_, Infallible>(Event::default().data(number.to_string())),
                    number + 1,
                )
            })
        });
        Sse::new(events)
    };
    Router::new()
        .route("/users", post(add))
        .route("/users/{id}", get(find))
        .route("/sleep", get(sleep))
        .route("/ticks", get(ticks))
        .with_state(Users::default())
        .layer(RequestBodyLimitLayer::new(1024))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_secs(2),
        ))
}

#[test]
fn json_goes_in_and_comes_out() {
    on_each(async || {
        let server = Server::start(router()).await;
        let client = reqwest::Client::new();
        for id in 0..20 {
            let user = User {
                id,
                name: format!("user {id}"),
            };
            let response = client.post(server.url("/users")).json(&user).send().await.unwrap();
            assert_eq!(response.status(), 201);
            let found = client.get(server.url(&format!("/users/{id}"))).send().await.unwrap();
            assert_eq!(found.json::<User>().await.unwrap(), user);
        }
        assert_eq!(client.get(server.url("/users/99")).send().await.unwrap().status(), 404);
        assert_eq!(client.get(server.url("/users")).send().await.unwrap().status(), 405);
        let nonsense = client
            .post(server.url("/users"))
            .header("content-type", "application/json")
            .body("{");
        assert_eq!(nonsense.send().await.unwrap().status(), 400);
        drop(client);
        server.stop().await;
    });
}

#[test]
fn layers_refuse_what_is_too_large_or_too_slow() {
    on_each(async || {
        let server = Server::start(router()).await;
        let client = reqwest::Client::new();
        let large = User {
            id: 1,
            name: "x".repeat(2000),
        };
        assert_eq!(
            client
                .post(server.url("/users"))
                .json(&large)
                .send()
                .await
                .unwrap()
                .status(),
            413
        );
        assert_eq!(
            client
                .get(server.url("/sleep?ms=1"))
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap(),
            "awake"
        );
        assert_eq!(
            client.get(server.url("/sleep?ms=60000")).send().await.unwrap().status(),
            408
        );
    });
}

#[test]
fn events_are_streamed_as_they_come() {
    on_each(async || {
        let server = Server::start(router()).await;
        let text = reqwest::get(server.url("/ticks")).await.unwrap().text().await.unwrap();
        assert_eq!(text, "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n");
    });
}

#[test]
fn a_graceful_shutdown_answers_what_was_asked_and_refuses_what_comes_later() {
    on_each(async || {
        let server = Server::start(router()).await;
        let url = server.url("/sleep?ms=100");
        let requests: Vec<_> = (0..10).map(|_| tokio::spawn(reqwest::get(url.clone()))).collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.stop().await;
        for request in requests {
            assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "awake");
        }
        assert!(reqwest::get(url).await.unwrap_err().is_connect());
    });
}
