//! `larder verify`: what it looks at, by the running hub and without one.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use tests::{Finished, Hub, larder};

#[track_caller]
fn verify(data: &Path) -> Finished {
    Finished::of(&mut larder(&["verify"], data))
}

/// Damage is found while it lasts.
#[track_caller]
fn check(data: &Path, damage: impl FnOnce(), mend: impl FnOnce(), expected: &[&str]) {
    verify(data).expect_success();
    damage();
    let said = verify(data).expect_finding();
    mend();
    assert!(said.contains("1 damaged"), "{said}");
    for words in expected {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    verify(data).expect_success();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Every way in which a key file can be wrong.
fn check_keys(data: &Path) {
    for name in ["owner-token", "device"] {
        let file = data.join(name);
        let text = fs::read_to_string(&file).unwrap();
        let put = |text: &str| fs::write(&file, text).unwrap();
        let (open, close) = (|| set_mode(&file, 0o644), || set_mode(&file, 0o600));
        check(data, open, close, &[name, "may be read by others"]);
        check(data, || put(&text[..20]), || put(&text), &[name, "is damaged"]);
        check(data, || put(""), || put(&text), &[name, "is damaged"]);
        check(data, || put(&format!("{text}{text}")), || put(&text), &[name, "is damaged"]);
        let aside = data.join("aside");
        let link = || {
            fs::rename(&file, &aside).unwrap();
            symlink(&aside, &file).unwrap();
        };
        check(data, link, || fs::rename(&aside, &file).unwrap(), &[name, "could not read"]);
        if rustix::process::geteuid().is_root() {
            let owner = |id| std::os::unix::fs::chown(&file, Some(id), None).unwrap();
            check(data, || owner(1), || owner(0), &[name, "belongs to another user"]);
        }
    }
}

fn with_indexes() -> Hub {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let docs: Vec<_> = (0..500)
        .map(|number| json!({"_id": format!("{number:03}"), "text": format!("text {number}")}))
        .collect();
    hub.post("/notes/_bulk_docs", json!({"docs": docs})).expect(201);
    let design = json!({
        "views": {"texts": {"map": "function (doc) { emit(doc.text); }"}},
        "indexes": {"texts": {"index": "function (doc) { index('text', doc.text); }"}}});
    hub.put("/notes/_design/all", design).expect(201);
    hub.get("/notes/_design/all/_view/texts?limit=1").expect(200);
    hub.get("/notes/_design/all/_search/texts?q=text:7").expect(200);
    hub
}

/// Files of indexes whose names end so, the largest first.
fn index_files(data: &Path, end: &str) -> Vec<PathBuf> {
    let mut folders = vec![data.join("databases")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            if metadata.is_dir() {
                folders.push(path);
            } else if path.display().to_string().contains("/indexes/")
                && path.display().to_string().ends_with(end)
            {
                found.push((metadata.len(), path));
            }
        }
    }
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

/// Indexes of views and of texts, in the middle and at the end.
fn check_indexes(data: &Path) {
    for end in [".sqlite", ".store", ".term", ".idx"] {
        let files = index_files(data, end);
        let file = files.first().unwrap_or_else(|| panic!("no index with {end}"));
        let sound = fs::read(file).unwrap();
        let mut torn = sound.clone();
        let middle = torn.len() / 2;
        let length = torn.len().min(9000) / 2;
        torn[middle - length / 2..middle + length.div_ceil(2)].fill(0xa5);
        let put = |bytes: &[u8]| fs::write(file, bytes).unwrap();
        check(data, || put(&torn), || put(&sound), &["notes: index "]);
    }
}

fn data_of(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

#[test]
fn key_files_by_the_hub_and_without_one() {
    let hub = Hub::start();
    check_keys(&hub.data_dir());
    let folder = hub.stop();
    check_keys(&data_of(&folder));
}

#[test]
fn settings_that_cannot_be_read_are_found() {
    let hub = Hub::start();
    hub.put("/_node/_local/_config/replicator/retries_per_request", json!("3")).expect(200);
    let folder = hub.stop();
    let file = data_of(&folder).join("couch-config.json");
    let text = fs::read_to_string(&file).unwrap();
    let put = |text: &str| fs::write(&file, text).unwrap();
    check(&data_of(&folder), || put("{"), || put(&text), &["couch-config.json", "1 damaged"]);
}

#[test]
fn indexes_without_a_hub() {
    let folder = with_indexes().stop();
    check_indexes(&data_of(&folder));
}

#[test]
fn indexes_by_the_hub() {
    let hub = with_indexes();
    // Started anew, it has none of them open, and no log of writes that stands for them.
    let hub = Hub::start_in(hub.stop());
    hub.larder(&["verify"]).expect_success();
    let files = index_files(&hub.data_dir(), ".store");
    let sound = fs::read(&files[0]).unwrap();
    let put = |bytes: &[u8]| fs::write(&files[0], bytes).unwrap();
    let torn = vec![0xa5; sound.len()];
    check(&hub.data_dir(), || put(&torn), || put(&sound), &["notes: index "]);
    hub.get("/notes/_design/all/_search/texts?q=text:7").expect(200);
    hub.stop();
}

#[test]
fn a_hub_that_cannot_be_asked_is_named() {
    let hub = Hub::start();
    fs::rename(hub.data_dir().join("run"), hub.data_dir().join("elsewhere")).unwrap();
    let message = verify(&hub.data_dir()).expect_failure();
    let process = format!("in use by another hub (process {})", hub.pid());
    assert!(message.contains(&process), "{message}");
}
