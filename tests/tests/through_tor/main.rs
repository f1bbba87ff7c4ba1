//! Hubs that reach each other through onion services, over a private Tor network.

mod nat;
mod pairing;
mod programs;
mod reach;
mod restricted;
mod support;
mod withstand;
