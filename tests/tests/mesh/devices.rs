//! Two devices of one owner: every database, both ways.

use serde_json::json;
use tests::{Body, Hub, await_member, await_status, eventually, pair};

#[test]
fn devices_follow_each_other_in_every_database() {
    let (first, second) = (Hub::start(), Hub::start());
    first.put("/notes", "").expect(201);
    first.put("/notes/a", json!({"text": "before they met"})).expect(201);
    pair(&first, &second);
    await_member(&second, "/notes/a", "text", "before they met");
    // What is written from then on, on either of them.
    second.put("/notes/b", json!({"text": "from the second"})).expect(201);
    await_member(&first, "/notes/b", "text", "from the second");
    // A database that is made later, on the other one.
    second.put("/photos", "").expect(201);
    let picture = vec![7; 300_000];
    let rev = second
        .put("/photos/p/picture", Body::bytes(picture.clone(), "image/png"))
        .expect(201)
        .json()["rev"]
        .clone();
    await_status(&first, "/photos/p", 200);
    assert_eq!(first.get("/photos/p/picture").expect(200).body, picture);
    assert_eq!(first.get("/photos/p").json()["_rev"], rev);
    // A deletion.
    let rev = first.get("/notes/a").json()["_rev"].as_str().unwrap().to_owned();
    first.delete(&format!("/notes/a?rev={rev}")).expect(200);
    await_status(&second, "/notes/a", 404);
    assert_eq!(second.get("/notes/a").json()["reason"], "deleted");
}

#[test]
fn a_deleted_database_goes_everywhere() {
    let (first, second) = (Hub::start(), Hub::start());
    pair(&first, &second);
    first.put("/notes", "").expect(201);
    first.put("/notes/a", json!({})).expect(201);
    await_status(&second, "/notes/a", 200);
    second.delete("/notes").expect(200);
    await_status(&first, "/notes", 404);
}

#[test]
fn the_status_says_how_it_is() {
    let (first, second) = (Hub::start(), Hub::start());
    pair(&first, &second);
    first.put("/notes", "").expect(201);
    first.put("/notes/a", json!({})).expect(201);
    await_status(&second, "/notes/a", 200);
    eventually("in step", || {
        let peer = second.peer("first");
        let databases = &peer["databases"];
        let done = peer["state"] == "connected"
            && peer["way"] == "lan"
            // The hubs' own are counted apart.
            && (&databases["offered"], &databases["in_step"]) == (&json!(1), &json!(1))
            && databases["system"]["offered"].as_u64() > Some(4)
            && databases["system"]["offered"] == databases["system"]["in_step"];
        if done { Ok(()) } else { Err(peer.to_string()) }
    });
    let shown = second.larder(&["status"]).expect_success();
    assert!(
        shown.contains("device first: connected in this network; 1 of 1 database in step"),
        "{shown}"
    );
    eventually("nothing to say", || {
        let reasons = second.why("");
        if reasons.is_empty() { Ok(()) } else { Err(format!("{reasons:?}")) }
    });
    let said = second.larder(&["why", "notes"]).expect_success();
    assert_eq!(said.trim(), "Everything is in step.");
}

#[test]
fn devices_are_named_and_taken_away() {
    let (first, second) = (Hub::start(), Hub::start());
    let url = second.key_url();
    first.larder(&["device", "add", &url, "--name", "phone"]).expect_success();
    let listed = first.larder(&["device", "list"]).expect_success();
    assert!(listed.contains("phone") && listed.contains(&second.key()), "{listed}");
    let device = first.get("/_hub/devices").json()["devices"][0].clone();
    assert_eq!(device["reach"], json!([url]));
    let record = first.get(&format!("/_devices/{}", second.key())).expect(200).json();
    assert_eq!(record["name"], "phone");
    let notes = first.get(&format!("/_acl/principal%2F{}", second.key())).expect(200).json();
    assert_eq!((&notes["own"], &notes["name"]), (&json!(true), &json!("phone")));
    // Nobody is two things, nor called as somebody else.
    first.post("/_hub/friends", json!({"url": url, "name": "Anna"})).expect(400);
    let third = Hub::start();
    first.post("/_hub/devices", json!({"url": third.key_url(), "name": "phone"})).expect(409);
    first.post("/_hub/devices", json!({"url": first.key_url()})).expect(400);
    first.larder(&["device", "remove", "phone"]).expect_success();
    assert_eq!(first.device("phone")["standing"], "removed");
    let notes = first.get(&format!("/_acl/principal%2F{}", second.key())).expect(200).json();
    assert_eq!((&notes["own"], &notes["blocked"]), (&json!(null), &json!(true)));
    first.delete("/_hub/devices/phone").expect(404);
}

#[test]
fn a_device_that_is_taken_away_gets_nothing_more() {
    let (first, second) = (Hub::start(), Hub::start());
    pair(&first, &second);
    first.put("/notes", "").expect(201);
    first.put("/notes/a", json!({})).expect(201);
    await_status(&second, "/notes/a", 200);
    first.delete("/_hub/devices/second").expect(200);
    first.put("/notes/b", json!({})).expect(201);
    second.put("/notes/c", json!({})).expect(201);
    let reason = second.await_reason("peer=first", "removed_there");
    assert!(reason["sentence"].as_str().unwrap().contains("was removed"), "{reason}");
    second.get("/notes/b").expect(404);
    first.get("/notes/c").expect(404);
}
