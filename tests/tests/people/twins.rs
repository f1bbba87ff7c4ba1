//! Two hubs with one key, and how they are found out.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use tests::{Hub, await_status, eventually, larder, pair};

/// Copies a data directory, key and all.
fn copy(from: &Path, to: &TempDir) {
    let mut command = Command::new("cp");
    command.arg("-a").arg(from).arg(to.path().join("data"));
    assert!(command.status().unwrap().success());
}

#[test]
fn a_copied_data_directory_is_found_out() {
    let (first, second) = (Hub::start(), Hub::start());
    pair(&first, &second);
    first.put("/notes", "").expect(201);
    await_status(&second, "/notes", 200);
    // The copy is taken while the second hub is stopped, as a backup program would.
    let folder = second.stop();
    let twin = TempDir::with_prefix("larder-test-").unwrap();
    copy(&folder.path().join("data"), &twin);
    let second = Hub::start_in(folder);
    second.put("/notes/a", json!({})).expect(201);
    first.add_device(&second, "second");
    await_status(&first, "/notes/a", 200);
    // Both have been started once more: the same count, and other ids.
    let twin = Hub::start_in(twin);
    assert_eq!(twin.key(), second.key());
    first.await_alarm("twin");
    assert_eq!(first.device("second")["standing"], "suspended");
    let reason = first.await_reason("peer=second", "twin");
    assert!(reason["sentence"].as_str().unwrap().contains("two hubs have its key"), "{reason}");
    let status = first.get("/_hub/status").json();
    assert_eq!(status["alarms"][0]["code"], "twin", "{}", status["alarms"]);
    // It is remembered.
    let first = Hub::start_in(first.stop());
    assert_eq!(first.device("second")["standing"], "suspended");
    second.add_device(&first, "first");
    second.await_reason("peer=first", "removed_there");
    // Until the owner, who has thrown the copy away, says that all is well.
    drop(twin);
    first.larder(&["device", "keep", "second"]).expect_success();
    assert_eq!(first.device("second")["standing"], "listed");
    assert_eq!(first.alarms(), Vec::<String>::new());
    second.put("/notes/b", json!({})).expect(201);
    await_status(&first, "/notes/b", 200);
}

#[test]
fn a_restored_backup_is_another_device_each_time() {
    let (first, second) = (Hub::start(), Hub::start());
    pair(&first, &second);
    first.put("/notes", "").expect(201);
    first.put("/notes/a", json!({})).expect(201);
    await_status(&second, "/notes/a", 200);
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let file = folder.path().join("backup");
    second.larder(&["backup", file.to_str().unwrap()]).expect_success();
    let restored = || {
        let folder = TempDir::with_prefix("larder-test-").unwrap();
        let restoring =
            larder(&["restore", file.to_str().unwrap()], &folder.path().join("data")).status();
        assert!(restoring.unwrap().success());
        Hub::start_in(folder)
    };
    let (third, fourth) = (restored(), restored());
    let keys = [second.key(), third.key(), fourth.key()];
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2], "{keys:?}");
    for hub in [&third, &fourth] {
        hub.get("/notes/a").expect(200);
        // What the old key has said is not its own: it is nobody's device until it is paired.
        let devices = hub.get("/_hub/devices").json()["devices"].as_array().unwrap().len();
        assert_eq!(devices, 1);
        assert_eq!(hub.alarms(), Vec::<String>::new());
    }
    third.add_device(&first, "first");
    first.add_device(&third, "third");
    third.put("/notes/b", json!({})).expect(201);
    await_status(&first, "/notes/b", 200);
    eventually("no alarm", || match first.alarms() {
        alarms if alarms.is_empty() => Ok(()),
        alarms => Err(format!("{alarms:?}")),
    });
}
