//! Many, slow, endless and lying clients: the hub's memory stays bounded, and it serves the others.

#![allow(clippy::unwrap_used, reason = "suites may panic")]

mod bodies;
mod connections;
mod feeds;
mod readers;
mod socket;

use std::fs;

use serde_json::json;
use tempfile::TempDir;
use tests::Hub;

/// A hub with an empty database `db` and these settings.
fn hub_with(settings: &str) -> Hub {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("larder.toml"), settings).unwrap();
    let hub = Hub::start_in(folder);
    hub.put("/db", "").expect(201);
    hub
}

/// What the hub has in memory, in MiB.
fn resident_mib(hub: &Hub) -> u64 {
    let pid = hub.get("/_hub/status").expect(200).json()["pid"].as_u64().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

/// The hub holds no more than that much more than before.
#[track_caller]
fn assert_grown_at_most(hub: &Hub, before: u64, mib: u64) {
    let now = resident_mib(hub);
    assert!(now <= before + mib, "grown from {before} to {now} MiB");
}

/// An honest client gets in and is served.
#[track_caller]
fn assert_serves(hub: &Hub, id: &str) {
    // A connection of its own: the suite's other client may hold one already.
    let client = tests::Client::new(hub.owner_url());
    client.put(&format!("/db/{id}"), json!({"n": 1})).expect(201);
    assert_eq!(client.get(&format!("/db/{id}")).expect(200).json()["n"], 1);
}
