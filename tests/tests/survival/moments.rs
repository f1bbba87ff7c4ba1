//! `kill -9` in the middle of work that takes a while, seen to be under way by what it does to files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Body, Hub, Reply};

use super::files::{entries, files, mains};

const PATIENCE: Duration = Duration::from_secs(120);

/// Documents that are written at a time.
const BATCH: usize = 1000;

/// Superseded feed rows that an idle writer leaves alone.
const STALE_MAX: usize = 25_000;

fn json_post(hub: &Hub, path: &str) {
    hub.request("POST", path).header("content-type", "application/json").send("").expect(202);
}

/// Whether a data directory shows that work is under way.
type Seen = fn(&Path) -> bool;

/// Kills the hub as soon as its data directory looks like that.
fn kill_when(hub: Hub, what: &str, mut seen: impl FnMut(&Path) -> bool) -> TempDir {
    let (data, deadline) = (hub.data_dir(), Instant::now() + PATIENCE);
    while !seen(&data) {
        assert!(Instant::now() < deadline, "never seen: {what}");
        thread::yield_now();
    }
    hub.kill()
}

/// Writes a thousand documents over what stands there; their new revisions.
fn write(hub: &Hub, revs: &[String], round: usize) -> Vec<String> {
    revs_in(&hub.post("/db/_bulk_docs", documents(revs, round)).expect(201))
}

fn documents(revs: &[String], round: usize) -> Value {
    let docs = (0..BATCH).map(|number| {
        let mut doc =
            json!({"_id": format!("{number:04}"), "round": round, "text": "x".repeat(100)});
        if let Some(rev) = revs.get(number) {
            doc["_rev"] = json!(rev);
        }
        doc
    });
    json!({"docs": docs.collect::<Vec<_>>()})
}

fn revs_in(reply: &Reply) -> Vec<String> {
    let rows: Vec<Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
    rows.iter().filter_map(|row| row["rev"].as_str().map(str::to_owned)).collect()
}

/// A hub that compacts nothing unasked, for that would meet what the tests here wait for.
fn filled(rounds: usize) -> (Hub, Vec<String>) {
    let hub = Hub::start_with("[compaction]\nautomatic = false\n");
    hub.put("/db", "").expect(201);
    let mut revs = Vec::new();
    for round in 0..rounds {
        revs = write(&hub, &revs, round);
        assert_eq!(revs.len(), BATCH);
    }
    for number in 0..4 {
        let bytes = Body::bytes(vec![number; 100_000], "image/png");
        hub.put(&format!("/db/with-{number}/a"), bytes).expect(201);
    }
    (hub, revs)
}

/// All is there, and nothing else.
fn whole(hub: &Hub, revs: &[String], round: usize) {
    let info = hub.get("/db").expect(200).json();
    assert_eq!(info["doc_count"], json!(BATCH + 4));
    let feed = hub.get("/db/_changes").expect(200).json();
    let rows = feed["results"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found: BTreeMap<_, _> =
        rows.map(|row| (text(&row["id"]), text(&row["changes"][0]["rev"]))).collect();
    assert_eq!(found.len(), BATCH + 4, "documents in the feed");
    for (number, rev) in revs.iter().enumerate() {
        let id = format!("{number:04}");
        assert_eq!(found.get(&id), Some(rev), "{id} was acknowledged");
    }
    assert_eq!(hub.get("/db/0007").expect(200).json()["round"], json!(round));
    for number in 0..4 {
        assert_eq!(hub.get(&format!("/db/with-{number}/a")).expect(200).body, [number; 100_000]);
    }
    hub.larder(&["verify"]).expect_success();
    let data = hub.data_dir();
    let left = ["trash", "scratch"].map(|folder| entries(&data.join(folder))).concat();
    assert!(left.is_empty(), "left over: {left:?}");
    let databases = entries(&data.join("databases")).len();
    assert_eq!(mains(&data).len(), databases, "files of a compaction are left over");
}

#[test]
fn kill_9_in_the_middle_of_compaction() {
    let (mut hub, mut revs) = filled(4);
    let moments: [(&str, Seen); 3] = [
        ("the next file", |data| !files(data, "main-2.sqlite").is_empty()),
        ("the next file being filled", |data| {
            let log = files(data, "main-2.sqlite-wal");
            log.iter().any(|log| log.metadata().is_ok_and(|log| log.len() > 100_000))
        }),
        ("the next file in its place", |data| {
            let size = |name| files(data, name).first().and_then(|file| file.metadata().ok());
            size("main-2.sqlite").is_some_and(|main| main.len() > 100_000)
        }),
    ];
    for (what, seen) in moments {
        json_post(&hub, "/db/_compact");
        hub = Hub::start_in(kill_when(hub, what, seen));
        whole(&hub, &revs, 3);
    }
    revs = write(&hub, &revs, 4);
    whole(&hub, &revs, 4);
}

#[test]
fn kill_9_in_the_middle_of_a_backup() {
    let (hub, revs) = filled(2);
    let target = TempDir::with_prefix("larder-backup-").expect("a folder");
    let file = target.path().join("backup").display().to_string();
    let folder = thread::scope(|scope| {
        let (data, arguments) = (hub.data_dir(), ["backup", &file]);
        let command = scope.spawn(move || {
            let mut command = tests::larder(&arguments, &data);
            tests::Finished::of(&mut command)
        });
        let folder = kill_when(hub, "a copy being made", |data| {
            entries(&data.join("scratch")).iter().any(|copy| !entries(copy).is_empty())
        });
        let finished = command.join().expect("the command ends");
        finished.expect_failure();
        folder
    });
    assert!(!Path::new(&file).exists(), "half a backup looks like a whole one");
    let hub = Hub::start_in(folder);
    whole(&hub, &revs, 1);
    hub.larder(&["backup", &file]).expect_success();
}

/// Superseded feed rows that a hub left which was killed; looked for in a copy, for looking changes files.
fn stale(data: &Path) -> usize {
    let count = |main: &PathBuf| -> usize {
        let copy = TempDir::with_prefix("larder-copy-").expect("a folder");
        let (database, log) = (copy.path().join("copy"), copy.path().join("copy-wal"));
        fs::copy(main, &database).expect("a copy");
        // A database that nobody used has none.
        let _log = fs::copy(main.with_extension("sqlite-wal"), log);
        let copy = Connection::open(database).expect("opened");
        copy.query_row("SELECT count(*) FROM stale", [], |row| row.get(0)).expect("counted")
    };
    mains(data).iter().map(count).sum()
}

#[test]
fn kill_9_in_the_middle_of_deferred_deletion() {
    const ATTEMPTS: u64 = 20;
    let (mut hub, mut revs) = filled(1);
    let (mut round, mut superseded) = (1, 0);
    for attempt in 0..ATTEMPTS {
        while superseded + BATCH <= STALE_MAX {
            revs = write(&hub, &revs, round);
            round += 1;
            superseded += BATCH;
        }
        // One more is too many: after this is acknowledged, the writer begins to remove them.
        let reply = hub.post("/db/_bulk_docs", documents(&revs, round)).expect(201);
        // Nothing that can be seen tells when it is in the middle, only what it leaves.
        thread::sleep(Duration::from_millis(attempt));
        let folder = hub.kill();
        (revs, round) = (revs_in(&reply), round + 1);
        superseded = stale(&folder.path().join("data"));
        hub = Hub::start_in(folder);
        whole(&hub, &revs, round - 1);
        if superseded > 0 && superseded < STALE_MAX {
            revs = write(&hub, &revs, round);
            return whole(&hub, &revs, round);
        }
    }
    panic!("never killed with some of the rows removed and others not");
}

#[test]
fn kill_9_in_the_middle_of_deletion_and_creation() {
    let (mut hub, revs) = filled(1);
    for round in 0..4 {
        let name = format!("other-{round}");
        hub.put(&format!("/{name}"), "").expect(201);
        for number in 0..20_u8 {
            let bytes = Body::bytes(vec![number; 100_000 + usize::from(number)], "image/png");
            hub.put(&format!("/{name}/{number}/a"), bytes).expect(201);
        }
        let aside = |data: &Path| {
            let folders = fs::read_dir(data.join("databases")).into_iter().flatten().flatten();
            folders.filter(|at| at.file_name().to_string_lossy().starts_with("deleted-")).count()
        };
        let kept = aside(&hub.data_dir());
        let (client, path) = (hub.client().clone(), format!("/{name}"));
        let asking = thread::spawn(move || {
            client.request("DELETE", &path).try_send("").is_ok_and(|reply| reply.status == 200)
        });
        // Those of earlier rounds are there already.
        let seen = |data: &Path| aside(data) > kept;
        hub = Hub::start_in(kill_when(hub, "a deleted database", seen));
        let acknowledged = asking.join().expect("an answer or none");
        let found = hub.get(&format!("/{name}"));
        match found.status {
            404 => {}
            200 if !acknowledged => {
                assert_eq!(found.json()["doc_count"], json!(20));
                hub.delete(&format!("/{name}")).expect(200);
            }
            _ => panic!("deleted: {acknowledged}, yet {found}"),
        }
        hub.put(&format!("/{name}"), "").expect(201);
        assert_eq!(hub.get(&format!("/{name}")).expect(200).json()["doc_count"], json!(0));
        hub.delete(&format!("/{name}")).expect(200);
        whole(&hub, &revs, 0);

        let (client, path) = (hub.client().clone(), format!("/new-{round}-"));
        let asking = thread::spawn(move || {
            let create = |number| client.request("PUT", &format!("{path}{number}")).try_send("");
            (0..)
                .take_while(|number| create(*number).is_ok_and(|reply| reply.status == 201))
                .count()
        });
        hub = Hub::start_in(kill_when(hub, "a database being made", seen));
        let created = asking.join().expect("how many were made");
        let databases = hub.get("/_all_dbs").expect(200).json();
        let databases = databases.as_array().cloned().unwrap_or_default();
        for number in 0..created {
            let name = json!(format!("new-{round}-{number}"));
            assert!(databases.contains(&name), "{name} was acknowledged and is gone");
        }
        for name in
            databases.iter().filter_map(Value::as_str).filter(|name| name.starts_with("new"))
        {
            hub.get(&format!("/{name}")).expect(200);
            hub.delete(&format!("/{name}")).expect(200);
        }
        whole(&hub, &revs, 0);
    }
}
