//! Hubs in step on a virtual clock: from one seed follows everything that happens to them.
//!
//! A [`run`](run()) makes a world of devices (`world`, `device`), has people use them (`person`) while
//! things go wrong (`weather`, `network`), lets them come to rest (`settle`) and compares what they have
//! with a ledger of its own (`ledger`, `checker`). No thread, no timer, no socket: events of one agenda
//! happen one after the other.

mod bug;
mod checker;
mod content;
mod courier;
mod device;
mod event;
mod inbox;
mod judge;
mod ledger;
mod liar;
mod lists;
mod network;
mod person;
mod profile;
mod pull;
mod random;
mod room;
mod rules;
mod run;
mod settle;
mod stamp;
mod trace;
mod transfer;
mod weather;
mod world;

pub use bug::Bug;
pub use run::{Failure, Summary, run};
pub use trace::Sink;
