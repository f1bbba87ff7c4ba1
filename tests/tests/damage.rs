//! Damaged files: what they belong to is refused with a reason, everything else is served.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::exchange::check;
use tests::{Body, Finished, Hub, eventually, larder};

const PAGE: u64 = 4096;

/// A stopped hub's directory with the databases `sound` and `broken`.
fn prepared() -> TempDir {
    let hub = Hub::start();
    for name in ["sound", "broken"] {
        hub.put(&format!("/{name}"), "").expect(201);
        let docs: Vec<_> = (0..300)
            .map(|number| json!({"_id": format!("{number:03}"), "text": "x".repeat(300)}))
            .collect();
        hub.post(&format!("/{name}/_bulk_docs"), json!({"docs": docs})).expect(201);
        hub.put(&format!("/{name}/with/a"), Body::bytes(content(name), "image/png")).expect(201);
    }
    hub.stop()
}

fn content(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(200_000).collect()
}

/// The folder of `broken`, and the file of its attachment.
fn broken(folder: &TempDir) -> (PathBuf, PathBuf) {
    let inside = |folder: PathBuf| {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
    };
    let databases = inside(folder.path().join("data/databases"));
    let mut files = databases.flat_map(|database| {
        let shards = inside(database.join("att")).flat_map(inside);
        shards.map(move |file| (database.clone(), file)).collect::<Vec<_>>()
    });
    let is_its = |file: &Path| fs::read(file).is_ok_and(|bytes| bytes == content("broken"));
    files.find(|(_, file)| is_its(file)).expect("the attachment of `broken`")
}

fn overwrite(path: &Path, from: u64, length: usize) {
    let file = File::options().write(true).open(path).expect("a file to damage");
    file.write_all_at(&vec![0xa5; length], from).expect("damage");
}

#[track_caller]
fn serves_the_others(hub: &Hub) {
    let count = hub.get("/sound").expect(200).json()["doc_count"].as_u64();
    assert!(count >= Some(301), "{count:?}");
    hub.post("/sound", json!({})).expect(201);
    assert_eq!(hub.get("/sound/with/a").expect(200).body, content("sound"));
    let listed = hub.get("/_all_dbs").expect(200).json();
    assert!(listed.as_array().is_some_and(|names| names.contains(&json!("broken"))), "{listed}");
    let said = hub.larder(&["verify"]);
    let said = said.to_string();
    assert!(said.contains("broken") && !said.contains("ended with 0"), "{said}");
    assert!(!hub.log().contains("panicked"), "{}", hub.log());
}

/// Refused with a reason, deleted, and made anew.
#[track_caller]
fn is_refused_until_deleted(hub: &Hub) {
    let refused = "500 {\"error\":\"database_unreadable\",\"reason\":\"stored data is damaged";
    for _ in 0..2 {
        check(hub, "GET /broken/_all_docs?include_docs=true", "", refused);
        check(hub, "GET /broken", "", refused);
        check(hub, "PUT /broken/new", json!({}), refused);
        check(hub, "GET /broken/_changes", "", refused);
    }
    serves_the_others(hub);
    hub.delete("/broken").expect(200);
    hub.get("/broken").expect(404);
    hub.put("/broken", "").expect(201);
    assert_eq!(hub.get("/broken").expect(200).json()["doc_count"], 0);
}

#[test]
fn a_damaged_page_refuses_its_database() {
    let folder = prepared();
    let main = broken(&folder).0.join("main-1.sqlite");
    let length = main.metadata().expect("its length").len();
    // From the second page on: what the first says is right.
    overwrite(&main, PAGE, (length - PAGE) as usize);
    is_refused_until_deleted(&Hub::start_in(folder));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let damages: [fn(&Path); 4] = [
        |path| overwrite(path, 0, PAGE as usize),
        |path| cut(path, 0),
        |path| cut(path, 5 * PAGE),
        |path| fs::remove_file(path).expect("removed"),
    ];
    for damage in damages {
        let folder = prepared();
        damage(&broken(&folder).0.join("main-1.sqlite"));
        is_refused_until_deleted(&Hub::start_in(folder));
    }
}

fn cut(path: &Path, length: u64) {
    let file = File::options().write(true).open(path).expect("a file to cut");
    file.set_len(length).expect("cut");
}

#[test]
fn a_single_damaged_page_is_found_and_a_backup_brings_the_database_back() {
    let hub = Hub::start_in(prepared());
    let aside = TempDir::with_prefix("larder-aside-").expect("a folder");
    let backup = aside.path().join("backup").display().to_string();
    hub.larder(&["backup", &backup]).expect_success();
    let folder = hub.stop();
    let main = broken(&folder).0.join("main-1.sqlite");
    let pages = main.metadata().expect("its length").len() / PAGE;
    overwrite(&main, pages / 2 * PAGE, PAGE as usize);
    let hub = Hub::start_in(folder);
    serves_the_others(&hub);
    hub.stop();
    let restored = TempDir::with_prefix("larder-restored-").expect("a folder");
    let target = restored.path().join("data");
    Finished::of(&mut larder(&["restore", &backup], &target)).expect_success();
    let hub = Hub::start_in(restored);
    assert_eq!(hub.get("/broken").expect(200).json()["doc_count"], 301);
    assert_eq!(hub.get("/broken/with/a").expect(200).body, content("broken"));
    hub.larder(&["verify"]).expect_success();
}

#[test]
fn a_damaged_attachment_is_not_handed_out() {
    let folder = prepared();
    let path = broken(&folder).1;
    overwrite(&path, 100_000, 1);
    let hub = Hub::start_in(folder);
    let answer = hub.request("GET", "/broken/with/a").try_send("");
    assert!(answer.as_ref().map_or(true, |reply| reply.status == 500), "{answer:?}");
    serves_the_others(&hub);
    // The documents are none the worse.
    hub.get("/broken/000").expect(200);
    hub.put("/broken/new", json!({})).expect(201);
    let folder = hub.stop();
    fs::remove_file(&path).expect("removed");
    let hub = Hub::start_in(folder);
    hub.get("/broken/with/a").expect(500);
    serves_the_others(&hub);
}

#[test]
fn a_damaged_log_loses_no_database() {
    let hub = Hub::start_in(prepared());
    for number in 0..50 {
        hub.put(&format!("/broken/late-{number}"), json!({"text": "x".repeat(500)})).expect(201);
    }
    let folder = hub.kill();
    let log = broken(&folder).0.join("main-1.sqlite-wal");
    let length = log.metadata().expect("its length").len();
    overwrite(&log, length / 2, PAGE as usize);
    let hub = Hub::start_in(folder);
    // Nothing tells such damage from a write that the loss of power cut short: what came before it is
    // there, and all of that is sound.
    let count = hub.get("/broken").expect(200).json()["doc_count"].as_u64().unwrap_or_default();
    assert!((301..351).contains(&count), "{count}");
    hub.larder(&["verify"]).expect_success();
    hub.put("/broken/new", json!({})).expect(201);
}

/// Documents enough for an index of many pages, in the order of a view, and of an index of Mango.
fn with_indexes() -> Hub {
    let hub = Hub::start_in(prepared());
    let map = "function (doc) { if (doc.text) emit([doc.text, doc._id], doc.text); }";
    let views = json!({"v": {"map": map, "reduce": "_count"}});
    hub.put("/broken/_design/v", json!({"views": views})).expect(201);
    let index = json!({"index": {"fields": ["text"]}, "ddoc": "m", "name": "m"});
    hub.post("/broken/_index", index).expect(200);
    hub
}

/// What the view and the index of Mango answer; none where one of them does not.
fn answers(hub: &Hub) -> Result<[Value; 2], String> {
    let question = json!({
        "selector": {"text": {"$gte": null}}, "use_index": ["m", "m"], "limit": 1000,
        "fields": ["_id", "text"],
    });
    let replies =
        [hub.get("/broken/_design/v/_view/v?reduce=false"), hub.post("/broken/_find", question)];
    match replies.iter().find(|reply| reply.status != 200) {
        Some(failed) => Err(failed.to_string()),
        None => Ok([replies[0].json()["rows"].clone(), replies[1].json()["docs"].clone()]),
    }
}

#[test]
fn damaged_indexes_are_made_again_while_documents_are_served() {
    let damages: [fn(&Path, u64); 7] = [
        |path, _| overwrite(path, 0, PAGE as usize),
        |path, length| overwrite(path, PAGE, (length - PAGE) as usize),
        |path, length| overwrite(path, length / PAGE / 2 * PAGE, PAGE as usize),
        |path, length| overwrite(path, length - PAGE, PAGE as usize),
        |path, _| cut(path, 0),
        |path, length| cut(path, length / PAGE / 2 * PAGE),
        |path, _| cut(path, 5 * PAGE + 100),
    ];
    let mut hub = with_indexes();
    for (number, damage) in damages.into_iter().enumerate() {
        let expected = answers(&hub).expect("answers of sound indexes");
        let folder = hub.stop();
        let indexes = index_files(&folder);
        assert_eq!(indexes.len(), 2, "{indexes:?}");
        for file in &indexes {
            damage(file, file.metadata().expect("its length").len());
        }
        hub = Hub::start_in(folder);
        hub.get("/broken/000").expect(200);
        let found = eventually("an index that was made again", || answers(&hub));
        assert!(found == expected, "damage {number}");
        // What no question looked at shows when the index has to change.
        let late = json!({"text": format!("y{number}")});
        hub.put(&format!("/broken/late-{number}"), late).expect(201);
        let [rows, docs] = eventually("an index with the new document", || answers(&hub));
        let [before_rows, before_docs] = expected;
        for (after, before) in [(rows, before_rows), (docs, before_docs)] {
            let length = |value: &Value| value.as_array().map_or(0, Vec::len);
            assert_eq!(length(&after), length(&before) + 1, "damage {number}");
        }
        let anew = hub.log().matches("starts anew").count();
        assert!(anew >= indexes.len() * (number + 1), "damage {number} was not met: {anew}");
        assert_eq!(hub.get("/broken/with/a").expect(200).body, content("broken"));
        assert!(!hub.log().contains("panicked"), "{}", hub.log());
    }
    hub.larder(&["verify"]).expect_success();
}

/// The files of all indexes of a hub that was stopped.
fn index_files(folder: &TempDir) -> Vec<PathBuf> {
    let inside = |folder: PathBuf| {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
    };
    let databases = inside(folder.path().join("data/databases"));
    databases.flat_map(|database| inside(database.join("indexes"))).collect()
}

#[test]
fn a_damaged_catalog_or_settings_file_is_named() {
    let folder = prepared();
    let data = folder.path().join("data");
    for (name, from) in [("catalog.sqlite", 0), ("catalog.sqlite", PAGE), ("owner-token", 0)] {
        let path = data.join(name);
        let sound = fs::read(&path).expect("a file");
        overwrite(&path, from, sound.len() - from as usize);
        let run =
            Finished::of(&mut larder(&["run", "--http", "127.0.0.1:0", "--onion", "off"], &data));
        let said = run.expect_failure();
        assert!(said.contains(name) && said.contains("damaged"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        fs::write(&path, sound).expect("put back");
    }
    fs::write(data.join("couch-config.json"), "{\"a\":").expect("written");
    let run = Finished::of(&mut larder(&["run", "--http", "127.0.0.1:0", "--onion", "off"], &data));
    let said = run.expect_failure();
    assert!(said.contains("couch-config.json is damaged"), "{said}");
    fs::remove_file(data.join("couch-config.json")).expect("removed");
    let hub = Hub::start_in(folder);
    assert_eq!(hub.get("/sound").expect(200).json()["doc_count"], 301);
}
