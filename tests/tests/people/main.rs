//! A person's devices and friends: who is listed, removed, blocked, and who asks.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod forged;
mod friends;
mod removal;
mod requests;
mod several;
mod support;
mod twins;
mod upgrade;
