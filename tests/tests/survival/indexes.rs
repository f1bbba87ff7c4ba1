//! `kill -9` while an index is made, and while it is brought up to date: afterwards it answers as one that
//! was made from nothing.

use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Client, Hub};

use super::files::entries;

const DOCUMENTS: usize = 6_000;

/// Documents that are written at a time.
const BATCH: usize = 1_000;

/// Tries at killing a hub in the middle of it.
const ATTEMPTS: usize = 20;

/// Bytes of an index's log that show its pages being written.
const LOG_BYTES_MIN: u64 = 50_000;

#[test]
fn kill_9_while_a_view_is_indexed() {
    killed_again_and_again(Index::View);
}

#[test]
fn kill_9_while_an_index_of_mango_is_made() {
    killed_again_and_again(Index::Mango);
}

#[derive(Clone, Copy)]
enum Index {
    View,
    Mango,
}

/// Whether an index is seen to be worked at.
type Seen = fn(&Hub) -> bool;

const MOMENTS: [(&str, Seen); 2] = [("documents being mapped", mapping), ("pages", writing)];

fn killed_again_and_again(index: Index) {
    let mut hub = Hub::start_with("[compaction]\nautomatic = false\n");
    hub.put("/db", "").expect(201);
    let mut revs = write(&hub, &[], 0);
    index.define(&hub);
    for (what, seen) in MOMENTS {
        let mut attempts = 0..ATTEMPTS;
        loop {
            assert!(attempts.next().is_some(), "never seen: {what} of an index that is made");
            let folder = hub.stop();
            remove_indexes(&folder);
            let (folder, met) = kill_when(folder, index, seen);
            hub = Hub::start_in(folder);
            if met {
                break;
            }
        }
        hub = as_made_from_nothing(hub, index);
    }
    for (round, (what, seen)) in MOMENTS.into_iter().enumerate() {
        let mut attempts = 0..ATTEMPTS;
        loop {
            assert!(attempts.next().is_some(), "never seen: {what} of an index that is updated");
            revs = write(&hub, &revs, round + 1);
            let (folder, met) = kill_when(hub.stop(), index, seen);
            hub = Hub::start_in(folder);
            if met {
                break;
            }
        }
        hub = as_made_from_nothing(hub, index);
    }
    hub.larder(&["verify"]).expect_success();
}

/// Asks the index of a fresh hub, whose logs are empty, and kills it as soon as it is seen at work;
/// `false` when the answer came first.
fn kill_when(folder: TempDir, index: Index, seen: Seen) -> (TempDir, bool) {
    let hub = Hub::start_in(folder);
    let client = hub.client().clone();
    let asking = thread::spawn(move || index.ask(&client).is_some());
    while !asking.is_finished() && !seen(&hub) {
        thread::yield_now();
    }
    let folder = hub.kill();
    let answered = asking.join().expect("an answer or none");
    (folder, !answered)
}

/// Some documents are mapped, and others not yet.
fn mapping(hub: &Hub) -> bool {
    let tasks = hub.get("/_active_tasks").expect(200).json();
    let mut tasks = tasks.as_array().into_iter().flatten();
    tasks.any(|task| task["type"] == "indexer" && task["progress"].as_u64() < Some(100))
}

/// Pages go to the disk.
fn writing(hub: &Hub) -> bool {
    let files = indexes(&hub.data_dir()).into_iter().flat_map(|folder| entries(&folder));
    let mut logs = files.filter(|path| path.to_string_lossy().ends_with("-wal"));
    logs.any(|log| log.metadata().is_ok_and(|log| log.len() > LOG_BYTES_MIN))
}

/// What the index answers is what it answers when it is removed and made again.
fn as_made_from_nothing(hub: Hub, index: Index) -> Hub {
    let found = index.ask(&hub).expect("an answer");
    let folder = hub.stop();
    remove_indexes(&folder);
    let hub = Hub::start_in(folder);
    let expected = index.ask(&hub).expect("an answer");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!((found.len(), found.len() >= DOCUMENTS), (expected.len(), true));
    hub
}

/// The folders of indexes of all databases.
fn indexes(data: &Path) -> Vec<PathBuf> {
    let databases = entries(&data.join("databases")).into_iter();
    databases.map(|folder| folder.join("indexes")).filter(|folder| folder.is_dir()).collect()
}

fn remove_indexes(folder: &TempDir) {
    for folder in indexes(&folder.path().join("data")) {
        std::fs::remove_dir_all(folder).expect("removed");
    }
}

/// Writes all documents over what stands there; their new revisions.
fn write(hub: &Hub, revs: &[Value], round: usize) -> Vec<Value> {
    let numbers: Vec<usize> = (0..DOCUMENTS).collect();
    let written = numbers.chunks(BATCH).flat_map(|batch| {
        let docs: Vec<Value> = batch.iter().map(|number| document(*number, revs, round)).collect();
        let reply = hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201).json();
        reply.as_array().cloned().unwrap_or_default()
    });
    written.map(|row| row["rev"].clone()).collect()
}

/// A document whose rows lie elsewhere in every round; in some rounds it has none.
fn document(number: usize, revs: &[Value], round: usize) -> Value {
    let n = (number * 7919 + round * 1237) % DOCUMENTS;
    let mut doc = json!({"_id": format!("{number:05}"), "n": n, "text": "x".repeat(number % 300)});
    if (number + round).is_multiple_of(50) {
        doc["n"] = Value::Null;
    }
    if let Some(rev) = revs.get(number) {
        doc["_rev"] = rev.clone();
    }
    doc
}

impl Index {
    fn define(self, hub: &Hub) {
        match self {
            Self::View => {
                let map = "function (doc) {
                    if (doc.n === null) return;
                    emit([doc.n % 10, doc.n], doc.text);
                    emit(['all', doc.n], doc.text);
                }";
                let views = json!({"v": {"map": map, "reduce": "_count"}});
                hub.put("/db/_design/v", json!({"views": views})).expect(201);
            }
            Self::Mango => {
                let index = json!({"index": {"fields": ["n", "text"]}, "ddoc": "v", "name": "v"});
                hub.post("/db/_index", index).expect(200);
            }
        }
    }

    /// All that the index has; none when the hub dies on the way.
    fn ask(self, client: &Client) -> Option<Vec<Value>> {
        let reply = match self {
            Self::View => {
                let mut rows = ask_view(client, "group_level=1")?;
                rows.extend(ask_view(client, "reduce=false")?);
                return Some(rows);
            }
            Self::Mango => {
                let selector = json!({"n": {"$gte": null}, "text": {"$gte": null}});
                let body = json!({
                    "selector": selector, "use_index": ["v", "v"], "limit": 2 * DOCUMENTS,
                    "sort": ["n", "text"],
                });
                client.request("POST", "/db/_find").try_send(body).ok()?
            }
        };
        let reply = reply.expect(200).json();
        assert_eq!(reply.get("warning"), None, "{reply}");
        reply["docs"].as_array().cloned()
    }
}

fn ask_view(client: &Client, query: &str) -> Option<Vec<Value>> {
    let path = format!("/db/_design/v/_view/v?{query}");
    client.request("GET", &path).try_send("").ok()?.expect(200).json()["rows"].as_array().cloned()
}
