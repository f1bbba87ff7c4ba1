//! Whole hubs for tests: started as real processes on port 0 with a directory of their own.
//!
//! ```no_run
//! use serde_json::json;
//!
//! let hub = tests::Hub::start();
//! hub.put("/notes", "").expect(201);
//! hub.put("/notes/first", json!({ "text": "hello" })).expect(201);
//! assert_eq!(hub.get("/notes").json()["doc_count"], 1);
//! hub.stop();
//! ```
//!
//! Helpers panic with method, path, status and body: whoever reads the failure needs no debugger.

mod body;
mod built;
pub use body::Body;
mod key;
pub use key::Key;
mod chance;
pub use chance::Chance;
mod client;
pub use client::{Client, Request, encode};
mod reply;
pub use reply::Reply;
mod process;
pub use process::Process;
mod finished;
pub use finished::Finished;
mod guarded;
pub use guarded::Guarded;
mod disk;
pub use disk::{SmallDisk, hidden};
mod eventually;
pub use eventually::{eventually, eventually_within};
mod hub;
pub use hub::{Hub, HubOptions, larder};
mod link;
mod median;
pub use link::{Link, LinkOptions};
pub use median::median;
mod netns;
pub use netns::{Capture, Incoming, Namespace, Namespaces, Packet, Protocol};
mod scripts;
pub use scripts::{node, node_client, run_page_suite, run_python_suite, run_suite};
mod testnet;
pub use testnet::{CTor, CTorOptions, Control, OnionService, TestNet};
mod peers;
pub use peers::{await_member, await_status, friends, pair};
mod stamp;
pub use stamp::{now_ms, stamp_ms, stamped};
pub mod demo;
pub mod exchange;
