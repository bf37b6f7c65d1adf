//! sqlx: a pool of connections to a file. SQLite runs on threads of sqlx's own; the runtime wakes who waits for them.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Row, SqlitePool};
use support::on_each;
use tempfile::TempDir;
use tokio::task::JoinSet;

async fn open(connections: u32) -> (TempDir, SqlitePool) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("accounts.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(support::PATIENCE);
    let options_of_pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10));
    let pool = options_of_pool.connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE account (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)")
        .execute(&pool)
        .await
        .unwrap();
    (folder, pool)
}

async fn total(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT SUM(amount) FROM account")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[test]
fn tasks_take_turns_with_a_pool() {
    on_each(async || {
        let (_folder, pool) = open(3).await;
        sqlx::query("INSERT INTO account VALUES (1, 0)")
            .execute(&pool)
            .await
            .unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..50 {
            let pool = pool.clone();
            tasks.spawn(async move {
                sqlx::query("UPDATE account SET amount = amount + 1 WHERE id = 1")
                    .execute(&pool)
                    .await
                    .unwrap();
            });
        }
        tasks.join_all().await;
        assert_eq!(total(&pool).await, 50);
        pool.close().await;
        assert!(pool.is_closed() && pool.size() == 0);
    });
}

#[test]
fn a_transaction_is_all_or_nothing() {
    on_each(async || {
        let (_folder, pool) = open(2).await;
        let mut kept = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO account VALUES (1, 10)")
            .execute(&mut *kept)
            .await
            .unwrap();
        kept.commit().await.unwrap();

        let mut dropped = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO account VALUES (2, 10)")
            .execute(&mut *dropped)
            .await
            .unwrap();
        drop(dropped);
        assert_eq!(total(&pool).await, 10);
    });
}

#[test]
fn rows_are_streamed() {
    on_each(async || {
        let (_folder, pool) = open(1).await;
        let mut transaction = pool.begin().await.unwrap();
        for id in 0..500 {
            sqlx::query("INSERT INTO account VALUES (?, ?)")
                .bind(id)
                .bind(2 * id)
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();

        let mut rows = sqlx::query("SELECT id, amount FROM account ORDER BY id").fetch(&pool);
        let mut next = 0;
        while let Some(row) = rows.try_next().await.unwrap() {
            assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (next, 2 * next));
            next += 1;
        }
        assert_eq!(next, 500);
    });
}

#[test]
fn an_exhausted_pool_times_out_and_recovers() {
    on_each(async || {
        let (_folder, pool) = open(1).await;
        let held = pool.acquire().await.unwrap();
        let wait = tokio::time::timeout(Duration::from_millis(50), pool.acquire());
        assert!(wait.await.is_err());
        drop(held);
        pool.acquire().await.unwrap();
    });
}
