//! Hubs in a private Tor network.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{CTor, CTorOptions, Control, Finished, Hub, HubOptions, Reply, TestNet, larder};

/// Far longer than a hub takes to be reachable.
const REACHABLE_LIMIT: Duration = Duration::from_secs(120);

/// The settings of a hub in this network, with further lines of its section `[onion]`.
pub(crate) fn settings(network: &TestNet, lines: &str) -> String {
    network.hub_settings().replacen("[onion]\n", &format!("[onion]\n{lines}\n"), 1)
}

/// A hub on Arti that is reachable in this network.
#[track_caller]
pub(crate) fn hub(network: &TestNet) -> Hub {
    hub_with(network, "")
}

/// The same with further lines of its section `[onion]`.
#[track_caller]
pub(crate) fn hub_with(network: &TestNet, lines: &str) -> Hub {
    let settings = settings(network, lines);
    let hub = Hub::start_as(&HubOptions {
        settings: &settings,
        onion: Some("arti"),
        ..Default::default()
    });
    await_reachable(&hub);
    hub
}

/// A hub on a system Tor of its own that is reachable in this network, and that Tor, which has to outlive it.
#[track_caller]
pub(crate) fn hub_on_system_tor(network: &TestNet, lines: &str) -> (Hub, CTor) {
    let tor = network.c_tor(&CTorOptions { control: Control::Cookie, ..CTorOptions::default() });
    let settings = format!("[onion]\ncontrol = '{}'\n{lines}\n", tor.control());
    let options =
        HubOptions { settings: &settings, onion: Some("system"), ..HubOptions::default() };
    let hub = Hub::start_as(&options);
    await_reachable(&hub);
    (hub, tor)
}

/// What a hub says of its onion service.
#[track_caller]
pub(crate) fn status(hub: &Hub) -> Value {
    hub.get("/_hub/status").expect(200).json()["onion"].clone()
}

/// Waits until a hub says this of its onion service.
#[track_caller]
pub(crate) fn until(hub: &Hub, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + REACHABLE_LIMIT;
    loop {
        let status = status(hub);
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "not {what} in time: {status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a hub has reached itself.
#[track_caller]
pub(crate) fn await_reachable(hub: &Hub) -> Value {
    until(hub, "reachable", |status| status["reachable"] == true)
}

/// A hub's database as others name it.
#[track_caller]
pub(crate) fn url(hub: &Hub, database: &str) -> String {
    let url = hub.larder(&["onion", "address", "--url"]).expect_success();
    format!("{}{database}", url.trim())
}

/// A hub's onion address.
#[track_caller]
pub(crate) fn address(hub: &Hub) -> String {
    hub.larder(&["onion", "address"]).expect_success().trim().to_owned()
}

/// A hub's key.
#[track_caller]
pub(crate) fn key(hub: &Hub) -> String {
    let text = std::fs::read(hub.data_dir().join("run/hub.json")).expect("hub.json");
    let said: Value = serde_json::from_slice(&text).expect("JSON");
    said["key"].as_str().expect("a key").to_owned()
}

/// Makes a database of so many documents in which this key may read and write.
#[track_caller]
pub(crate) fn share(hub: &Hub, database: &str, documents: usize, key: &str) {
    hub.put(&format!("/{database}"), "").expect(201);
    write(hub, database, 0..documents);
    let members = json!({ "members": { "names": [key], "roles": [] } });
    hub.put(&format!("/{database}/_security"), members).expect(200);
}

/// Writes documents with these numbers.
#[track_caller]
pub(crate) fn write(hub: &Hub, database: &str, numbers: std::ops::Range<usize>) {
    let docs: Vec<_> = numbers
        .map(|number| json!({ "_id": format!("{number:06}"), "text": "x".repeat(1000) }))
        .collect();
    hub.post(&format!("/{database}/_bulk_docs"), json!({ "docs": docs })).expect(201);
}

/// How many documents a database has.
#[track_caller]
pub(crate) fn count(hub: &Hub, database: &str) -> u64 {
    hub.get(&format!("/{database}")).expect(200).json()["doc_count"].as_u64().expect("a count")
}

/// One replication, to its end.
pub(crate) fn replicate(hub: &Hub, source: &str, target: &str) -> Reply {
    hub.post("/_replicate", json!({ "source": source, "target": target }))
}

/// One replication that must go well; how many documents it wrote.
#[track_caller]
pub(crate) fn replicated(hub: &Hub, source: &str, target: &str) -> u64 {
    let answer = replicate(hub, source, target).expect(200).json();
    answer["history"][0]["docs_written"].as_u64().expect("a number of documents")
}

/// Sends a signal to a process.
#[track_caller]
pub(crate) fn signal(pid: u64, signal: &str) {
    let mut kill = std::process::Command::new("kill");
    Finished::of(kill.args([signal, &pid.to_string()])).expect_success();
}

/// A `larder` command on a data directory in which no hub runs.
pub(crate) fn without_hub(arguments: &[&str], data_dir: &std::path::Path) -> Finished {
    Finished::of(&mut larder(arguments, data_dir))
}
