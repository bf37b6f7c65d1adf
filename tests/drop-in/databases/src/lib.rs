//! sqlx with SQLite, and redis with a server of its own, on the drop-in.

#![cfg(test)]

mod key_value;
mod sqlite;
