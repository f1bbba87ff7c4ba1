//! A PouchDB client in Node that follows hub B's database live.

use std::collections::BTreeMap;

use serde_json::Value;

use super::FOLLOWER_LIMIT;
use super::report::{count, say};
use crate::{Hub, Process, node};

/// The running `follow.mjs`.
pub(crate) struct Follower(Process);

/// What it had seen when the marker came.
pub(crate) struct Seen {
    /// Winning revisions by id.
    pub(crate) winners: BTreeMap<String, String>,
    /// Winning revisions of deleted documents by id.
    pub(crate) deleted: BTreeMap<String, String>,
}

impl Follower {
    /// Starts it, and returns once it has read the past and waits for news.
    pub(crate) fn start(hub: &Hub, database: &str, marker: &str) -> Self {
        let url = format!("{}{database}", hub.owner_url());
        let process = Process::start(&mut hub.beside(node().args(["follow.mjs", &url, marker])));
        match process.await_line("following ", FOLLOWER_LIMIT) {
            Ok(past) => say("follower", format!("PouchDB follows B live, after {past} changes")),
            Err(reason) => panic!("the PouchDB follower failed: {reason}"),
        }
        Self(process)
    }

    /// Waits until it has met the marker.
    pub(crate) fn finish(mut self) -> Seen {
        let (status, lines) = self.0.await_end(FOLLOWER_LIMIT);
        let last = lines.last().map(String::as_str).unwrap_or_default();
        let told: Value = match serde_json::from_str(last) {
            Ok(told) if status.success() => told,
            _ => panic!("the PouchDB follower ended with {status}: {lines:?}"),
        };
        let live = told["live"].as_u64().unwrap_or_default();
        say("follower", format!("PouchDB heard of {} changes live", count(live)));
        Seen { winners: revisions(&told["winners"]), deleted: revisions(&told["deleted"]) }
    }
}

fn revisions(map: &Value) -> BTreeMap<String, String> {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(id, rev)| (id.clone(), rev.as_str().unwrap_or_default().to_owned())).collect()
}
