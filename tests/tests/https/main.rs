//! Replication with a server that speaks TLS.

#![allow(clippy::unwrap_used, reason = "a test file with helpers")]

mod tls;

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Body, Hub};
use tls::Front;

/// A hub with this `larder.toml`.
fn hub_with(settings: &str) -> Hub {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/larder.toml"), settings).unwrap();
    Hub::start_in(folder)
}

/// A hub with the database `notes` behind a server whose certificate is for `localhost`.
fn served() -> (Front, Hub) {
    let front = Front::for_name("localhost");
    let names = [front.host("localhost"), front.host("127.0.0.1")];
    let hub = hub_with(&format!("[http]\nhosts = {names:?}\n"));
    front.stand_before(hub.url());
    hub.put("/notes", "").expect(201);
    hub.put("/notes/one", json!({"n": 1})).expect(201);
    let bytes = vec![7_u8; 300_000];
    let rev = hub.get("/notes/one").text("_rev");
    let path = format!("/notes/one/large?rev={rev}");
    hub.put(&path, Body::bytes(bytes, "application/octet-stream")).expect(201);
    (front, hub)
}

/// A hub that trusts the server's authority, and the folder with its certificate.
fn trusting(front: &Front) -> (Hub, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("authority.pem");
    fs::write(&file, &front.authority).unwrap();
    (hub_with(&format!("[replication]\nca_file = {:?}\n", file.to_str().unwrap())), folder)
}

/// The database behind the server, as this name and with the owner's token.
fn url(front: &Front, hub: &Hub, name: &str) -> String {
    let (credentials, _) = hub.owner_url().rsplit_once('@').unwrap();
    let credentials = credentials.trim_start_matches("http://");
    format!("https://{credentials}@{}", front.host(name))
}

fn replicate(hub: &Hub, source: &str, target: &str) -> (u16, Value) {
    let asked = json!({
        "source": source, "target": target, "create_target": true, "retries_per_request": 0,
    });
    let reply = hub.post("/_replicate", asked);
    (reply.status, reply.json())
}

#[test]
fn replicates_both_ways() {
    let (front, there) = served();
    let (here, _folder) = trusting(&front);
    let notes = format!("{}/notes", url(&front, &there, "localhost"));
    let (status, answer) = replicate(&here, &notes, "copy");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(here.get("/copy/one").expect(200).json(), there.get("/notes/one").json());
    assert_eq!(here.get("/copy/one/large").expect(200).body, vec![7_u8; 300_000]);

    here.put("/copy/two", json!({"n": 2})).expect(201);
    let (status, answer) = replicate(&here, "copy", &notes);
    assert_eq!(status, 200, "{answer}");
    there.get("/notes/two").expect(200);
}

#[test]
fn who_is_not_trusted_gets_no_request() {
    let (front, there) = served();
    let (here, _folder) = trusting(&front);
    // The certificate is for another name.
    let notes = format!("{}/notes", url(&front, &there, "127.0.0.1"));
    let (status, answer) = replicate(&here, &notes, "copy");
    assert_eq!((status, &answer["error"]), (502, &json!("replication_failed")));
    assert!(answer["reason"].as_str().unwrap().contains("certificate"), "{answer}");
    // Nobody vouches for the authority.
    let stranger = Hub::start();
    let notes = format!("{}/notes", url(&front, &there, "localhost"));
    let (status, answer) = replicate(&stranger, &notes, "copy");
    assert_eq!((status, &answer["error"]), (502, &json!("replication_failed")));
    assert!(answer["reason"].as_str().unwrap().contains("certificate"), "{answer}");
    // Plain HTTP to a server that speaks TLS is no way around.
    let (status, _) = replicate(&here, &notes.replace("https:", "http:"), "copy");
    assert_eq!(status, 502);
    for hub in [&here, &stranger] {
        assert!(!hub.log().contains(there.owner_url().split(['@', ':']).nth(2).unwrap()));
    }
}

#[test]
fn imports() {
    let (front, there) = served();
    let (here, _folder) = trusting(&front);
    let printed = here.larder(&["import", &url(&front, &there, "localhost")]).expect_success();
    assert!(printed.contains("1 database imported, all complete"), "{printed}");
    assert_eq!(here.get("/notes/one").expect(200).json(), there.get("/notes/one").json());
}
