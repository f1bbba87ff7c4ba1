//! Onion services, as far as they work without a Tor: addresses, keys, settings, and that nothing is
//! dialled or looked up where they are switched off.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Finished, Hub, Key, encode, eventually, larder};

/// An address that nobody has.
const ADDRESS: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

/// A key by which somebody could look for a service.
fn client_key(of: &Hub) -> String {
    of.larder(&["onion", "client-key", ADDRESS]).expect_success().trim().to_owned()
}

#[track_caller]
fn run(arguments: &[&str], data_dir: &Path) -> Finished {
    Finished::of(&mut larder(arguments, data_dir))
}

#[test]
fn status_says_that_it_is_off() {
    let hub = Hub::start();
    let status = hub.get("/_hub/status").expect(200).json();
    let onion = &status["onion"];
    for (member, expected) in [
        ("mode", json!("off")),
        ("stage", json!("off")),
        ("reachable", json!(false)),
        ("percent", Value::Null),
        ("blocked", Value::Null),
        ("restarts", json!(0)),
        ("child_pid", Value::Null),
        ("last_error", Value::Null),
        ("last_self_dial", Value::Null),
        ("discovery", json!({"state": "nobody", "keys": null})),
        ("streams", json!(0)),
    ] {
        assert_eq!(onion[member], expected, "{member} of {onion}");
    }
    assert!(onion["address"].as_str().unwrap().ends_with(".onion"), "{onion}");
    let shown = hub.larder(&["status"]).expect_success();
    let words =
        |line: &str| line.split_whitespace().collect::<Vec<_>>() == ["onion", "service", "off"];
    assert!(shown.lines().any(words), "{shown}");
    let found = hub.larder(&["onion", "check"]).expect_finding();
    assert!(found.contains("switched off (`--onion off`)"), "{found}");
    let answer = hub.post("/_hub/onion/check", json!({})).expect(200).json();
    assert_eq!(answer["reachable"], false);
    let figures = hub.get("/_node/_local/_stats/larder").expect(200).json();
    for figure in ["onion_reachable", "onion_restarts", "onion_streams", "onion_bytes_out"] {
        assert_eq!(figures[figure]["value"], 0, "{figure}");
    }
}

#[test]
fn the_address_follows_from_the_key_with_and_without_a_hub() {
    let hub = Hub::start();
    let print = |arguments: &[&str]| hub.larder(arguments).expect_success().trim().to_owned();
    let address = print(&["onion", "address"]);
    assert_eq!(hub.get("/_hub/status").json()["onion"]["address"], *address);
    let url = print(&["onion", "address", "--url"]);
    let key: Value = serde_json::from_str(&print(&["key", "show", "--json"])).unwrap();
    let key = key["key"].as_str().unwrap();
    assert_eq!(url, format!("httpkey://{address}:9898/ed25519publickey:{key}/"));
    let looks = print(&["onion", "client-key", ADDRESS]);
    assert!(looks.starts_with("descriptor:x25519:"), "{looks}");
    assert_ne!(looks, print(&["onion", "client-key", &address]), "another one for each service");

    let folder = hub.stop();
    let data = folder.path().join("data");
    assert_eq!(run(&["onion", "address"], &data).expect_success().trim(), address);
    assert_eq!(run(&["onion", "address", "--url"], &data).expect_success().trim(), url);
    assert_eq!(run(&["onion", "client-key", ADDRESS], &data).expect_success().trim(), looks);
    for verb in [&["onion", "check"][..], &["onion", "clients", "list"]] {
        assert!(run(verb, &data).expect_failure().contains("no hub is running"));
    }
    let nowhere = run(&["onion", "address"], &folder.path().join("elsewhere")).expect_failure();
    assert!(nowhere.contains("no device key yet"), "{nowhere}");

    // Behind a passphrase the key has to be unlocked, but for a hub that has it already.
    let file = folder.path().join("passphrase");
    fs::write(&file, "a rather long passphrase\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let with = |arguments: &[&str]| {
        Finished::of(larder(arguments, &data).env("LARDER_PASSPHRASE_FILE", &file))
    };
    with(&["key", "passphrase"]).expect_success();
    assert!(run(&["onion", "address"], &data).expect_failure().contains("passphrase"));
    assert_eq!(with(&["onion", "address"]).expect_success().trim(), address);
}

#[test]
fn devices_tell_by_which_key_they_look() {
    let hub = Hub::start();
    let (friend, stranger) = (Key::new(), Key::new());
    let place = format!("/_acl/principal%2F{}", friend.text());
    let rev = hub.put(&place, json!({"name": "anna"})).expect(201).rev();
    let key = client_key(&hub);
    let body = json!({"key": key});
    let path = "/_hub/onion/client-key";
    let tell = |key: Option<&Key>| hub.as_key(key).put(path, body.clone()).status;
    eventually("the hub knows its friend", || match tell(Some(&friend)) {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
    let address = hub.larder(&["onion", "address"]).expect_success();
    let told = hub.as_key(Some(&friend)).get("/_hub/onion/address").expect(200);
    assert_eq!(told.text("address"), address.trim());
    hub.as_key(Some(&stranger)).get("/_hub/onion/address").expect(403);
    hub.as_key(None).get("/_hub/onion/address").expect(401);
    assert_eq!(tell(Some(&stranger)), 403);
    assert_eq!(tell(None), 401);
    assert_eq!(hub.put(path, body.clone()).status, 403, "the owner is no other device");
    for bad in [json!({}), json!({"key": "x"}), json!({"key": key, "who": stranger.text()})] {
        hub.as_key(Some(&friend)).put(path, bad).expect(400);
    }
    let clients = || hub.get("/_hub/onion/clients").expect(200).json();
    let listed = json!({friend.text(): {"name": "anna", "key": key}});
    assert_eq!(clients()["clients"], listed);
    assert_eq!(clients()["restricted"], false);
    let shown = hub.larder(&["onion", "clients", "list"]).expect_success();
    assert!(shown.contains(&friend.text()) && shown.contains(&key), "{shown}");

    // It outlives the hub, and not what the owner has to do with the device.
    let hub = Hub::start_in(hub.stop());
    assert_eq!(hub.get("/_hub/onion/clients").json()["clients"], listed);
    hub.put(&format!("{place}?rev={rev}"), json!({"name": "anna", "blocked": true})).expect(201);
    eventually("it is forgotten", || {
        match hub.get("/_hub/onion/clients").json()["clients"] == json!({}) {
            true => Ok(()),
            false => Err("still there".into()),
        }
    });
}

#[test]
fn the_owner_says_who_finds_the_hub() {
    let hub = Hub::start();
    let friend = Key::new();
    let key = client_key(&hub);
    let refused = hub.larder(&["onion", "clients", "allow", &friend.text(), &key]);
    assert!(refused.expect_failure().contains("does not know this key"));
    hub.put("/notes", "").expect(201);
    hub.larder(&["acl", "grant", "notes", &friend.text(), "read"]).expect_success();
    hub.larder(&["onion", "clients", "allow", &friend.text(), &key]).expect_success();
    let listed = hub.larder(&["onion", "clients", "list"]).expect_success();
    assert!(listed.contains(&friend.text()), "{listed}");
    hub.larder(&["onion", "clients", "remove", &friend.text()]).expect_success();
    assert_eq!(hub.larder(&["onion", "clients", "list"]).expect_success(), "");
    let again = hub.larder(&["onion", "clients", "remove", &friend.text()]).expect_failure();
    assert!(again.contains("has told no key"), "{again}");
    hub.larder(&["group", "create", "family"]).expect_success();
    let group = hub.larder(&["onion", "clients", "allow", "group:family", &key]).expect_failure();
    assert!(group.contains("is no device"), "{group}");
}

#[test]
fn settings_that_cannot_be_are_named() {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for (settings, expected) in [
        ("mode = 'tor'", "`tor` is no way into Tor; write arti, system or off"),
        ("mode = 'off'\nbridge = 'x'", "unknown field `bridge`"),
        ("check_every_s = 1", "at least 10 s apart"),
        ("control = '10.0.0.1:9051'", "a Tor is controlled on this machine only"),
    ] {
        fs::write(data.join("larder.toml"), format!("[onion]\n{settings}\n")).unwrap();
        let message = run(&["run", "--http", "127.0.0.1:0"], &data).expect_failure();
        assert!(message.contains(expected), "{settings}: {message}");
    }
    let message = run(&["run", "--onion", "maybe"], &data).expect_failure();
    assert!(message.contains("is no way into Tor"), "{message}");
}

#[test]
fn what_is_off_dials_no_onion_service_whatever_names_it() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let key: Value =
        serde_json::from_str(&hub.larder(&["key", "show", "--json"]).expect_success()).unwrap();
    let key = key["key"].as_str().unwrap();
    let upper = ADDRESS.to_ascii_uppercase();
    let urls = [
        format!("httpkey://{ADDRESS}:9898/ed25519publickey:{key}/db"),
        format!("http://{ADDRESS}/db"),
        format!("https://{ADDRESS}:6984/db"),
        format!("http://user:password@{upper}.:5984/db"),
        format!("http://www.{ADDRESS}./db"),
    ];
    for (number, url) in urls.iter().enumerate() {
        let bodies = [
            json!({"source": url, "target": "notes"}),
            json!({"source": "notes", "target": {"url": url}, "create_target": true}),
        ];
        for body in bodies {
            let reply = hub.post("/_replicate", body).expect(501);
            assert!(reply.text("reason").contains("switched off"), "{reply:?}");
        }
        let document = format!("/_replicator/{number}");
        hub.put(&document, json!({"source": url, "target": "notes"})).expect(201);
        let reason = eventually("its document says why it failed", || {
            let document = hub.get(&document).json();
            match document["_replication_state"].as_str() {
                Some("failed") => Ok(document["_replication_state_reason"].to_string()),
                _ => Err(document.to_string()),
            }
        });
        assert!(reason.contains("switched off"), "{reason}");
        if url.starts_with("http") && !url.starts_with("httpkey") {
            let server = url.trim_end_matches("/db");
            let message = hub.larder(&["import", server]).expect_failure();
            assert!(message.contains("switched off"), "{message}");
            let path = format!("/_scheduler/docs/_replicator/{}", encode(&number.to_string()));
            assert!(!hub.get(&path).text("source").contains("password"));
        }
    }
    for url in ["http://abc.onion/db", "http://onion/db", "https://abc%2Eonion/db"] {
        hub.post("/_replicate", json!({"source": url, "target": "notes"})).expect(400);
        hub.larder(&["import", url]).expect_failure();
    }
}
