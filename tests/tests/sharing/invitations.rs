//! What friends share: seen before it is taken, taken under a name, or declined.

use serde_json::json;
use tests::{Hub, await_status, eventually, pair};

use super::{accept, await_invitation, friends, invitations, path, share};

#[test]
fn rights_and_size_are_seen_before_anything_is_taken() {
    let (anna, bert) = friends();
    share(&anna, "recipes", "Bert", "read");
    let seen = await_invitation(&bert, "the size", |one| one["documents"].is_u64());
    assert_eq!((&seen["name"], &seen["right"]), (&json!("recipes"), &json!("read")));
    assert_eq!(seen["documents"], 2, "{seen}");
    assert!(seen["bytes"].as_u64().unwrap() > 0, "{seen}");
    assert_eq!(seen["from"], json!({"key": anna.key(), "name": "Anna"}));
    assert_eq!((&seen["state"], &seen["here"]), (&json!("open"), &json!(null)));
    assert_eq!(invitations(&bert).len(), 1, "the diary is nobody's business");
    // Looking took nothing.
    assert!(!bert.get("/_all_dbs").json().to_string().contains("recipes"));
    // A right that changes is told.
    share(&anna, "recipes", "Bert", "write");
    let now = await_invitation(&bert, "the right", |one| one["right"] == "write");
    assert_eq!(now["id"], seen["id"], "the id stays");
    anna.put("/recipes/tea", json!({})).expect(201);
    await_invitation(&bert, "the new size", |one| one["documents"] == 3);
}

#[test]
fn names_are_the_friends_and_never_taken_twice() {
    let (anna, bert) = friends();
    bert.put("/anna%2Frecipes", "").expect(201);
    share(&anna, "recipes", "Bert", "read");
    assert_eq!(accept(&bert, "recipes"), "anna/recipes-2");
    await_status(&bert, "/anna%2Frecipes-2/soup", 200);
    share(&anna, "diary", "Bert", "read");
    let seen = await_invitation(&bert, "the diary", |one| one["name"] == "diary");
    let answer = format!("/_hub/invitations/{}", seen["id"].as_str().unwrap());
    bert.post(&answer, json!({"accept": true, "as": "Not A Name"})).expect(400);
    let taken = bert.post(&answer, json!({"accept": true, "as": "her-diary"})).expect(201).json();
    assert_eq!(taken["database"], "her-diary");
    await_status(&bert, "/her-diary/monday", 200);
    // Once more changes nothing.
    let again = bert.post(&answer, json!({"accept": true})).expect(201).json();
    assert_eq!(again["database"], "her-diary");
    bert.post(&answer, json!({"accept": false})).expect(400);
    bert.post("/_hub/invitations/nonsense", json!({"accept": true})).expect(404);
}

#[test]
fn what_was_taken_and_deleted_can_be_taken_again() {
    let (anna, bert) = friends();
    share(&anna, "recipes", "Bert", "write");
    let here = accept(&bert, "recipes");
    await_status(&bert, &(path(&here) + "/soup"), 200);
    // What Bert took is Anna's own: he offers it to her, and she is not asked whether she wants it.
    await_invitation(&bert, "accepted", |one| one["state"] == "accepted");
    bert.put(&(path(&here) + "/cake"), json!({})).expect(201);
    await_status(&anna, "/recipes/cake", 200);
    assert!(invitations(&anna).is_empty(), "{:?}", invitations(&anna));
    bert.delete(&path(&here)).expect(200);
    anna.put("/recipes/tea", json!({})).expect(201);
    await_invitation(&bert, "open again", |one| one["state"] == "open");
    assert_eq!(accept(&bert, "recipes"), here);
    for document in ["soup", "tea", "cake"] {
        await_status(&bert, &format!("{}/{document}", path(&here)), 200);
    }
}

#[test]
fn what_is_declined_is_declined_on_all_devices() {
    let (anna, bert) = friends();
    let tablet = Hub::start();
    pair(&bert, &tablet);
    anna.add_friend(&tablet, "Bert's tablet");
    tablet.add_friend(&anna, "Anna");
    for with in ["Bert", "Bert's tablet"] {
        share(&anna, "recipes", with, "read");
    }
    let seen = await_invitation(&bert, "an invitation", |one| one["name"] == "recipes");
    let same = await_invitation(&tablet, "an invitation", |one| one["name"] == "recipes");
    assert_eq!(seen["id"], same["id"]);
    let id = seen["id"].as_str().unwrap();
    bert.larder(&["invitations", "decline", &id[..8]]).expect_success();
    for hub in [&bert, &tablet] {
        await_invitation(hub, "declined", |one| one["declined"] == true);
    }
    let bert = Hub::start_in(bert.stop());
    // It is reached elsewhere now.
    tablet.add_device(&bert, "first");
    let seen = await_invitation(&bert, "declined still", |one| one["name"] == "recipes");
    assert_eq!(seen["state"], "declined", "{seen}");
    // Who thinks again may take it.
    let here = accept(&bert, "recipes");
    await_status(&bert, &(path(&here) + "/soup"), 200);
    eventually("taken on the other device", || match tablet.get(&(path(&here) + "/soup")).status {
        200 => Ok(()),
        other => Err(other.to_string()),
    });
    await_invitation(&tablet, "accepted", |one| one["state"] == "accepted");
}
