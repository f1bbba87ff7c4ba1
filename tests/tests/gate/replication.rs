//! Two hubs over mutual TLS: what one key may do with the other's databases.

use serde_json::{Value, json};
use tests::{Hub, Key, Reply};

use super::cast::until;

/// What a hub's discovery file says of its key.
#[track_caller]
fn key(hub: &Hub) -> String {
    let text = std::fs::read(hub.data_dir().join("run/hub.json")).unwrap();
    let said: Value = serde_json::from_slice(&text).unwrap();
    said["key"].as_str().unwrap().to_owned()
}

/// A database of a hub as others name it.
#[track_caller]
fn url(hub: &Hub, database: &str) -> String {
    let tls = hub.tls_url();
    let host = tls.trim_start_matches("https://").trim_end_matches('/');
    format!("httpkey://{host}/ed25519publickey:{}/{database}", key(hub))
}

/// A friend's hub with a database of three documents, and ours, which is granted this.
#[track_caller]
fn two(policy: impl FnOnce(&str) -> Value) -> (Hub, Hub) {
    let (friend, ours) = (Hub::start(), Hub::start());
    friend.put("/notes", "").expect(201);
    for id in ["a", "b", "c"] {
        friend.put(&format!("/notes/{id}"), json!({ "from": "friend" })).expect(201);
    }
    friend.put("/notes/_security", policy(&key(&ours))).expect(200);
    (friend, ours)
}

fn reader(key: &str) -> Value {
    json!({ "readers": { "names": [key], "roles": [] } })
}

fn writer(key: &str) -> Value {
    json!({ "members": { "names": [key], "roles": [] } })
}

fn replicate(hub: &Hub, source: &str, target: &str) -> Reply {
    hub.post("/_replicate", json!({ "source": source, "target": target, "create_target": false }))
}

#[test]
fn a_reader_pulls_and_does_not_push() {
    let (friend, ours) = two(reader);
    ours.put("/notes", "").expect(201);
    let pulled = replicate(&ours, &url(&friend, "notes"), "notes").expect(200).json();
    assert_eq!(pulled["history"][0]["docs_written"], 3, "{pulled}");
    // The checkpoint was kept on both sides: nothing is read twice.
    let again = replicate(&ours, &url(&friend, "notes"), "notes").expect(200).json();
    assert_eq!(again["no_changes"], true, "{again}");
    ours.put("/notes/mine", json!({})).expect(201);
    let pushed = replicate(&ours, "notes", &url(&friend, "notes"));
    assert!(
        pushed.status != 200 || pushed.json()["history"][0]["doc_write_failures"] == 1,
        "{pushed:?}"
    );
    friend.get("/notes/mine").expect(404);
}

#[test]
fn a_writer_pushes_and_pulls() {
    let (friend, ours) = two(writer);
    ours.put("/notes", "").expect(201);
    ours.put("/notes/mine", json!({ "from": "us" })).expect(201);
    ours.put("/notes/_design/rules", json!({ "validate_doc_update": "function () {}" }))
        .expect(201);
    replicate(&ours, "notes", &url(&friend, "notes")).expect(200);
    friend.get("/notes/mine").expect(200);
    // Rules are the owner's to make.
    friend.get("/notes/_design/rules").expect(404);
    replicate(&ours, &url(&friend, "notes"), "notes").expect(200);
    assert_eq!(ours.get("/notes").json()["doc_count"], 5);
}

#[test]
fn without_a_right_the_database_is_not_there() {
    let (friend, ours) = two(|_| json!({}));
    ours.put("/notes", "").expect(201);
    for database in ["notes", "nowhere"] {
        let reply = replicate(&ours, &url(&friend, database), "notes").expect(404);
        assert_eq!(reply.text("error"), "db_not_found", "{database}");
    }
    assert_eq!(ours.get("/notes").json()["doc_count"], 0);
}

#[test]
fn another_key_at_the_same_place_is_not_talked_to() {
    let (friend, ours) = two(reader);
    ours.put("/notes", "").expect(201);
    let right = url(&friend, "notes");
    let wrong = right.replace(&key(&friend), &key(&ours));
    let reply = replicate(&ours, &wrong, "notes");
    assert!(reply.status >= 500, "{reply:?}");
    assert_eq!(ours.get("/notes").json()["doc_count"], 0);
}

#[test]
fn a_right_that_is_withdrawn_ends_the_replication() {
    let (friend, ours) = two(reader);
    ours.put("/notes", "").expect(201);
    let job = json!({ "source": url(&friend, "notes"), "target": "notes", "continuous": true });
    ours.put("/_replicator/pull", job).expect(201);
    until("the first documents come", || ours.get("/notes").json()["doc_count"] == 3);
    friend.put("/notes/_security", json!({})).expect(200);
    friend.put("/notes/later", json!({})).expect(201);
    until("the job has failed", || {
        let job = ours.get("/_scheduler/docs/_replicator/pull").expect(200).json();
        matches!(job["state"].as_str(), Some("crashing" | "failed" | "error"))
    });
    ours.get("/notes/later").expect(404);
    // Nothing that came before was taken back.
    assert_eq!(ours.get("/notes").json()["doc_count"], 3);
    friend.put("/notes/_security", reader(&key(&ours))).expect(200);
    ours.delete(&format!("/_replicator/pull?rev={}", ours.get("/_replicator/pull").text("_rev")));
    replicate(&ours, &url(&friend, "notes"), "notes").expect(200);
    ours.get("/notes/later").expect(200);
}

#[test]
fn apps_do_not_use_the_hubs_key() {
    let (friend, ours) = two(reader);
    ours.put("/notes", "").expect(201);
    let (app, _) = tests::exchange::app(&ours, "curious", &["--db", "notes:rw"]);
    let body = json!({ "source": url(&friend, "notes"), "target": "notes" });
    app.post("/_replicate", body).expect(403);
    assert_eq!(ours.get("/notes").json()["doc_count"], 0);
}

#[test]
fn a_replication_that_a_device_asks_for_is_the_owners() {
    let hub = Hub::start();
    let device = Key::new();
    hub.add_device_key(&device.text(), "device");
    hub.put("/notes", "").expect(201);
    hub.put("/notes/a", json!({})).expect(201);
    let remote = hub.as_key(Some(&device));
    let job = json!({ "source": "notes", "target": "copy", "create_target": true });
    until("the device is the owner's", || {
        remote.put("/_replicator/copy", job.clone()).status == 201
    });
    until("the copy is there", || {
        hub.get("/copy").status == 200 && hub.get("/copy/a").status == 200
    });
    // A key that is no device's any more asks for nothing.
    hub.delete("/_hub/devices/device").expect(200);
    let refused = hub.as_key(Some(&device)).get("/notes").expect(403);
    assert_eq!(refused.text("error"), "removed");
    hub.as_key(Some(&device)).put("/_replicator/more", job).expect(403);
}

#[test]
fn onion_addresses_are_not_looked_up() {
    let ours = Hub::start();
    ours.put("/notes", "").expect(201);
    let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    let source = format!("httpkey://{onion}:9898/ed25519publickey:{}/notes", key(&ours));
    // Refused before anything is asked for: with `--onion off` a name server would be the only way.
    let reply = replicate(&ours, &source, "notes").expect(501);
    assert_eq!(reply.text("error"), "not_implemented");
    let broken = source.replace("pg6m", "pg6n");
    assert_eq!(replicate(&ours, &broken, "notes").expect(400).text("error"), "bad_request");
}
