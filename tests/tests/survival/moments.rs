//! `kill -9` in the middle of work that takes a while, seen to be under way by what it does to files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Body, Hub};

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

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The files of all databases whose names begin like this.
fn files(data: &Path, prefix: &str) -> Vec<PathBuf> {
    let all = entries(&data.join("databases")).into_iter().flat_map(|folder| entries(&folder));
    let begins = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    all.filter(begins).collect()
}

/// Writes a thousand documents over what stands there; their new revisions.
fn write(hub: &Hub, database: &str, revs: &[String], round: usize) -> Vec<String> {
    let docs = (0..BATCH).map(|number| {
        let mut doc =
            json!({"_id": format!("{number:04}"), "round": round, "text": "x".repeat(100)});
        if let Some(rev) = revs.get(number) {
            doc["_rev"] = json!(rev);
        }
        doc
    });
    let docs: Vec<_> = docs.collect();
    let rows = hub.post(&format!("/{database}/_bulk_docs"), json!({"docs": docs})).expect(201);
    let rows: Vec<Value> = serde_json::from_slice(&rows.body).unwrap_or_default();
    rows.iter().filter_map(|row| row["rev"].as_str().map(str::to_owned)).collect()
}

fn filled(rounds: usize) -> (Hub, Vec<String>) {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let mut revs = Vec::new();
    for round in 0..rounds {
        revs = write(&hub, "db", &revs, round);
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
    assert_eq!(entries(&data.join("trash")), Vec::<PathBuf>::new());
    assert_eq!(entries(&data.join("scratch")), Vec::<PathBuf>::new());
    let mains = files(&data, "main-")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "sqlite"));
    let databases = entries(&data.join("databases")).len();
    assert_eq!(mains.count(), databases, "files of a compaction are left over");
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
    revs = write(&hub, "db", &revs, 4);
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

#[test]
fn kill_9_in_the_middle_of_deferred_deletion() {
    let rounds = STALE_MAX / BATCH;
    let (hub, mut revs) = filled(rounds);
    // One more is too many: after this is acknowledged, the writer begins to remove them.
    revs = write(&hub, "db", &revs, rounds);
    revs = write(&hub, "db", &revs, rounds + 1);
    let log = |data: &Path| {
        let logs = files(data, "main-1.sqlite-wal");
        logs.iter().filter_map(|log| log.metadata().ok()?.modified().ok()).max()
    };
    let before = log(&hub.data_dir());
    // A writer that was done before anybody looked writes no more: then it dies idle.
    let until = Instant::now() + Duration::from_secs(1);
    let seen = |data: &Path| log(data) > before || Instant::now() > until;
    let folder = kill_when(hub, "rows being removed", seen);
    let hub = Hub::start_in(folder);
    whole(&hub, &revs, rounds + 1);
    revs = write(&hub, "db", &revs, rounds + 2);
    whole(&hub, &revs, rounds + 2);
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
        let (client, path) = (hub.client().clone(), format!("/{name}"));
        let asking = thread::spawn(move || {
            client.request("DELETE", &path).try_send("").is_ok_and(|reply| reply.status == 200)
        });
        let seen = |data: &Path| !entries(&data.join("trash")).is_empty();
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
