//! Nobody becomes a device, or ceases to be one, by documents alone.

use serde_json::json;
use tests::exchange::app;
use tests::{Hub, Key, await_status, encode, eventually};

use crate::support::{statements, three};

/// What an earlier release would have believed.
fn note_as_device(hub: &Hub, key: &str) {
    let record = json!({"key": key, "name": "intruder", "reach": [], "added_at": 1});
    hub.put(&format!("/_devices/{key}"), record).expect(201);
    let notes = json!({"name": "intruder", "own": true});
    hub.put(&format!("/_acl/{}", encode(&format!("principal/{key}"))), notes).expect(201);
}

#[test]
fn documents_alone_make_nobody_a_device() {
    let hub = Hub::start();
    hub.put("/diary", "").expect(201);
    let intruder = Key::new();
    note_as_device(&hub, &intruder.text());
    let forged = json!({
        "v": 1, "signer": hub.key(), "seq": 1, "prev": null, "kind": "add",
        "subject": intruder.text(), "at": 1, "answers": [], "signer_set": "",
        "signature": format!("{}==", "A".repeat(86)),
    });
    let id = format!("statement-{}", intruder.text());
    hub.put(&format!("/_devices/{id}"), forged).expect(201);
    hub.put("/_devices/rubbish", json!({"v": 1})).expect(201);
    hub.await_alarm("statements");
    hub.as_key(Some(&intruder)).get("/diary").expect(404);
    let shown = hub.get("/_hub/devices").json();
    assert_eq!(shown["devices"].as_array().unwrap().len(), 1, "{shown}");
    // Nor after a restart, as if it came from an earlier release.
    let hub = Hub::start_in(hub.stop());
    hub.as_key(Some(&intruder)).get("/diary").expect(404);
}

#[test]
fn apps_and_friends_write_no_statements() {
    let (hub, friend) = (Hub::start(), Key::new());
    let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{}/", friend.text());
    hub.post("/_hub/friends", json!({"url": url, "name": "Anna"})).expect(201);
    let (program, _) = app(&hub, "curious", &["--db", "notes:rw"]);
    let document = json!({"key": friend.text(), "name": "x"});
    for (client, status) in [(&program, 403), (&hub.as_key(Some(&friend)), 404)] {
        for database in ["_devices", "_contacts", "_acl"] {
            client.put(&format!("/{database}/{}", friend.text()), document.clone()).expect(status);
            client.get(&format!("/{database}/_all_docs")).expect(status);
        }
    }
    hub.as_key(Some(&friend)).get("/_hub/devices").expect(403);
}

#[test]
fn a_device_takes_no_statement_back() {
    let [laptop, phone, _tablet] = three();
    laptop.delete("/_hub/devices/tablet").expect(200);
    phone.await_standing("tablet", "suspended");
    let is_removal = |statement: &&serde_json::Value| statement["kind"] == "remove";
    let removal = statements(&phone).iter().find(is_removal).cloned().unwrap();
    let id = removal["_id"].as_str().unwrap();
    let path = format!("/_devices/{id}");
    // The documents are the phone's to delete; what was said is said.
    phone.delete(&format!("{path}?rev={}", removal["_rev"].as_str().unwrap())).expect(200);
    await_status(&phone, &path, 200);
    await_status(&laptop, &path, 200);
    assert_eq!(phone.device("tablet")["standing"], "suspended");
    assert_eq!(laptop.device("tablet")["standing"], "removed");
    // Nor by overwriting it.
    let rev = phone.get(&path).expect(200).text("_rev");
    phone.put(&path, json!({"_rev": rev, "kind": "keep"})).expect(201);
    eventually("it is as it was", || {
        match phone.get(&path).json()["kind"] == "remove" {
            true => Ok(()),
            false => Err("overwritten"),
        }
        .map_err(str::to_owned)
    });
    assert_eq!(laptop.device("tablet")["standing"], "removed");
}

#[test]
fn devices_write_there_by_their_own_hub_only() {
    let (hub, device) = (Hub::start(), Key::new());
    hub.add_device_key(&device.text(), "phone");
    let phone = hub.as_key(Some(&device));
    phone.put("/notes", "").expect(201);
    for database in ["_devices", "_contacts", "_acl"] {
        phone.get(&format!("/{database}/_all_docs")).expect(200);
        phone.put(&format!("/{database}/x"), json!({})).expect(403);
    }
}
