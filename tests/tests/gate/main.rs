//! The gate: who gets what, over TLS by key and over HTTP by token.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod cast;
mod cells;
mod connections;
mod feeds;
mod lan;
mod leaks;
mod programs;
mod reads;
mod replication;
mod rows;
mod tricks;
mod view_only;
