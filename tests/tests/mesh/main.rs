//! Hubs that keep each other in step, as real processes over TLS on this machine.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod connection;
mod devices;
mod friends;
mod quotas;
mod ring;
mod rules;
mod survival;
