//! What a hub does unasked: compaction, and backups on a schedule.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Finished, Hub, larder};

/// How long anything here may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks until the answer is there.
#[track_caller]
fn await_some<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < LIMIT, "no {what} in time");
        thread::sleep(Duration::from_millis(50));
    }
}

fn status(hub: &Hub) -> Value {
    serde_json::from_str(&hub.larder(&["status", "--json"]).expect_success()).expect("JSON")
}

/// Writes a document over and over.
fn fill(hub: &Hub, db: &str) {
    hub.put(&format!("/{db}"), "").expect(201);
    let text = "x".repeat(2_000);
    for n in 0..60 {
        let revs = hub.get(&format!("/{db}/_all_docs")).expect(200).json()["rows"].clone();
        let rev = |n: usize| revs[n]["value"]["rev"].clone();
        let doc = |id: &str, at: usize| match rev(at) {
            Value::Null => json!({"_id": id, "n": n, "text": text}),
            rev => json!({"_id": id, "_rev": rev, "n": n, "text": text}),
        };
        hub.post(&format!("/{db}/_bulk_docs"), json!({"docs": [doc("a", 0), doc("b", 1)]}))
            .expect(201);
    }
}

/// What a database has on the disk that is not active, right after compaction: at most a few pages and the
/// index of its log.
const BESIDE_BYTES: u64 = 48 << 10;

fn superseded(hub: &Hub, db: &str) -> u64 {
    let sizes = hub.get(&format!("/{db}")).expect(200).json()["sizes"].clone();
    sizes["file"].as_u64().unwrap_or_default() - sizes["active"].as_u64().unwrap_or_default()
}

#[test]
fn superseded_revisions_go_by_themselves() {
    let hub = Hub::start_with("[compaction]\nbytes_min = 1\nsuperseded_percent = 1\n");
    fill(&hub, "busy");
    await_some("compaction", || (superseded(&hub, "busy") <= BESIDE_BYTES).then_some(()));
    assert_eq!(hub.get("/busy/a").expect(200).json()["n"], 59);
    hub.larder(&["verify"]).expect_success();
}

#[test]
fn who_turns_it_off_keeps_everything() {
    let hub = Hub::start_with("[compaction]\nautomatic = false\nbytes_min = 1\n");
    fill(&hub, "busy");
    let before = superseded(&hub, "busy");
    assert!(before > 100_000, "{before}");
    // A hub that does it unasked is done with the first database when the second one is.
    let other = Hub::start_with("[compaction]\nbytes_min = 1\nsuperseded_percent = 1\n");
    fill(&other, "busy");
    await_some("compaction", || (superseded(&other, "busy") <= BESIDE_BYTES).then_some(()));
    assert!(superseded(&hub, "busy") >= before);
}

fn backups(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".backup")).collect()
}

#[test]
fn backups_are_made_and_bring_everything_back() {
    let aside = TempDir::new().expect("a folder");
    let folder = aside.path().join("backups");
    let settings = format!("[backup]\nfolder = {:?}\nkeep = 2\n", folder.display().to_string());
    let hub = Hub::start_with(&settings);
    let made = await_some("backup", || {
        Some(status(&hub)["backup"]["last"].clone()).filter(|last| !last.is_null())
    });
    let file = made["file"].as_str().expect("a file").to_owned();
    assert_eq!(backups(&folder).len(), 1);
    assert!(hub.larder(&["status"]).expect_success().contains(&file));
    hub.larder(&["backup", "--verify", &file]).expect_success();

    // One that is there counts, whoever made it; settings go along.
    hub.put("/notes", "").expect(201);
    hub.put("/notes/a", json!({"n": 1})).expect(201);
    hub.put("/_node/_local/_config/cors/origins", "\"app://notes\"").expect(200);
    let second = aside.path().join("second.backup");
    let second = second.display().to_string();
    hub.larder(&["backup", &second]).expect_success();
    let hub = Hub::start_in(hub.stop());
    let last = await_some("look", || {
        Some(status(&hub)["backup"]["last"].clone()).filter(|last| !last.is_null())
    });
    assert_eq!(last["file"], file.as_str());
    assert_eq!(backups(&folder).len(), 1);

    let fresh = TempDir::new().expect("a folder");
    let run = |arguments: &[&str]| Finished::of(&mut larder(arguments, &fresh.path().join("data")));
    // What is damaged is told, and leaves nothing behind.
    let mut bytes = fs::read(&second).expect("a backup");
    bytes.truncate(bytes.len() - 100);
    let cut = aside.path().join("cut.backup").display().to_string();
    fs::write(&cut, &bytes).expect("a cut backup");
    run(&["backup", "--verify", &cut]).expect_failure();
    run(&["restore", &cut]).expect_failure();
    assert!(!fresh.path().join("data").exists());
    run(&["restore", &second]).expect_success();
    let restored = Hub::start_in(fresh);
    assert_eq!(restored.get("/notes/a").expect(200).json()["n"], 1);
    let origins = restored.get("/_node/_local/_config/cors/origins").expect(200).json();
    assert_eq!(origins, "app://notes");
}

#[test]
fn a_failure_is_shown() {
    let hub = Hub::start_with("[backup]\nfolder = '/nowhere/on/this/machine'\n");
    let failed = await_some("failure", || {
        Some(status(&hub)["backup"]["failed"].clone()).filter(|failed| !failed.is_null())
    });
    let reason = failed["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("could not make /nowhere/on/this/machine"), "{reason}");
    let shown = hub.larder(&["status"]).expect_success();
    assert!(shown.contains("FAILED"), "{shown}");
    hub.get("/").expect(200);
}
