//! A JSON server, built from this one source on the drop-in (this package) and on Tokio (`on-tokio`), to compare them:
//! `cargo xtask drop-in --compare`. It prints its address and serves until its standard input ends.

use std::io::Read;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    tags: Vec<String>,
}

async fn find(Path(id): Path<u64>) -> Json<User> {
    Json(User {
        id,
        name: format!("user {id}"),
        tags: ["one", "two", "three"].map(str::to_owned).into(),
    })
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let router = Router::new()
        .route("/users/{id}", get(find))
        .route("/users", post(async |Json(user): Json<User>| Json(user)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);

    let stopped = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let serve = axum::serve(listener, router);
    tokio::select! {
        result = serve.into_future() => result,
        _ = stopped => Ok(()),
    }
}
