//! Friends: what they say of themselves, and being blocked.

use serde_json::{Value, json};
use tests::{Hub, Key, await_status, eventually};

#[track_caller]
fn friend(hub: &Hub, name: &str) -> Value {
    let shown = hub.get("/_hub/friends").expect(200).json();
    let mut friends = shown["friends"].as_array().into_iter().flatten();
    friends.find(|friend| friend["name"] == name).cloned().unwrap_or_default()
}

/// Two people's hubs that know each other, and a database that the first one shares.
#[track_caller]
fn two() -> (Hub, Hub) {
    let (anna, bert) = tests::friends();
    anna.put("/recipes", "").expect(201);
    anna.put("/recipes/soup", json!({})).expect(201);
    let granted = json!({"place": "recipes", "who": "Bert", "right": "write"});
    anna.post("/_hub/acl/grant", granted).expect(200);
    eventually("the offer", || {
        let offers = bert.get("/_hub/friends/Anna/databases").expect(200).json();
        match offers["databases"][0]["name"] == "recipes" {
            true => Ok(()),
            false => Err(offers.to_string()),
        }
    });
    bert.post("/_hub/friends/Anna/accept", json!({"database": "recipes", "as": "recipes"}))
        .expect(201);
    await_status(&bert, "/recipes/soup", 200);
    (anna, bert)
}

#[test]
fn a_blocked_friend_is_refused_everywhere_until_unblocked() {
    let (anna, bert) = two();
    anna.larder(&["friend", "block", "Bert"]).expect_success();
    assert_eq!(friend(&anna, "Bert")["blocked"], true);
    anna.put("/recipes/cake", json!({})).expect(201);
    bert.put("/recipes/tea", json!({})).expect(201);
    bert.await_reason("peer=Anna", "refused");
    anna.await_reason("peer=Bert", "blocked");
    bert.get("/recipes/cake").expect(404);
    anna.get("/recipes/tea").expect(404);
    // The key is in no list of those who may find the onion service.
    let clients = anna.get("/_hub/onion/clients").expect(200).json();
    assert!(clients["clients"][bert.key()].is_null(), "{clients}");
    let listed = anna.larder(&["friend", "list"]).expect_success();
    assert!(listed.contains("blocked"), "{listed}");
    anna.larder(&["friend", "unblock", "Bert"]).expect_success();
    assert_eq!(friend(&anna, "Bert")["blocked"], false);
    await_status(&anna, "/recipes/tea", 200);
    await_status(&bert, "/recipes/cake", 200);
}

#[test]
fn an_open_connection_of_a_friend_ends_when_they_are_blocked() {
    let (hub, key) = (Hub::start(), Key::new());
    let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{}/", key.text());
    hub.post("/_hub/friends", json!({"url": url, "name": "Anna"})).expect(201);
    let anna = hub.as_key(Some(&key));
    anna.get("/").expect(200);
    hub.post("/_hub/friends/Anna/block", json!({})).expect(200);
    for path in ["/", "/_up", "/_session", "/_hub/request"] {
        let asked = anna.request("GET", path).try_send("");
        assert!(asked.is_err(), "{path}: the connection is gone, and no other is let in");
    }
    let asked = hub.as_key(Some(&key)).request("POST", "/_hub/request").try_send(json!({}));
    assert!(asked.is_err(), "nor does a blocked key ask to be a friend");
}

#[test]
fn a_friend_is_added_with_what_is_shared_or_not_at_all() {
    let (hub, key) = (Hub::start(), Key::new());
    let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{}/", key.text());
    hub.put("/notes", "").expect(201);
    hub.put("/photos", "").expect(201);
    let with = |share: Value| {
        let friend = json!({"url": url, "name": "Anna", "share": share});
        hub.post("/_hub/friends", friend)
    };
    let notes = json!({"database": "notes", "right": "write"});
    with(json!([notes, {"database": "nothing", "right": "read"}])).expect(400);
    with(json!([notes, {"database": "_acl", "right": "read"}])).expect(400);
    with(json!([notes, {"database": "photos", "right": "own"}])).expect(400);
    assert_eq!(hub.get("/_hub/friends").json()["friends"], json!([]));
    hub.as_key(Some(&key)).get("/notes").expect(404);
    with(json!([notes, {"database": "photos", "right": "read"}])).expect(201);
    let anna = hub.as_key(Some(&key));
    anna.put("/notes/a", json!({})).expect(201);
    anna.get("/photos").expect(200);
    anna.put("/photos/a", json!({})).expect(403);
    // What was there in a policy stays.
    let other = Key::new();
    let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{}/", other.text());
    let friend =
        json!({"url": url, "name": "Bert", "share": [{"database": "notes", "right": "read"}]});
    hub.post("/_hub/friends", friend).expect(201);
    anna.put("/notes/b", json!({})).expect(201);
    hub.as_key(Some(&other)).get("/notes/b").expect(200);
}

#[test]
fn friends_are_renamed_and_names_are_nobody_elses() {
    let (hub, key) = (Hub::start(), Key::new());
    let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{}/", key.text());
    hub.post("/_hub/friends", json!({"url": url, "name": "Anna"})).expect(201);
    hub.add_device_key(&Key::new().text(), "phone");
    hub.larder(&["friend", "rename", "Anna", "Anne"]).expect_success();
    assert_eq!(friend(&hub, "Anne")["key"], key.text());
    hub.put("/_hub/friends/Anne", json!({"name": "phone"})).expect(409);
    hub.put("/_hub/devices/phone", json!({"name": "Anne"})).expect(409);
    hub.put("/_hub/friends/Anna", json!({"name": "x"})).expect(404);
    // Nobody is a friend who was a device and was removed.
    let device = hub.device("phone")["key"].as_str().unwrap().to_owned();
    hub.delete("/_hub/devices/phone").expect(200);
    let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{device}/");
    hub.post("/_hub/friends", json!({"url": url, "name": "Otto"})).expect(400);
}

#[test]
fn friends_hear_what_others_say_of_themselves() {
    let (anna, bert) = two();
    anna.put("/_hub/profile", json!({"name": "Anna B.", "windows": ["evenings"]})).expect(200);
    let profile = eventually("the profile", || {
        let shown = friend(&bert, "Anna")["profile"].clone();
        if shown["name"] == "Anna B." { Ok(shown) } else { Err(shown.to_string()) }
    });
    assert_eq!(profile["devices"][0]["key"], anna.key());
    assert_eq!(profile["devices"][0]["windows"], json!(["evenings"]));
    assert_eq!(profile["devices"][0]["urls"], json!([anna.key_url()]));
    // What they call themselves is theirs, what they are called here is not.
    anna.put("/_hub/profile", json!({"name": "Queen"})).expect(200);
    eventually("a newer one", || {
        let shown = friend(&bert, "Anna")["profile"].clone();
        match shown["name"] == "Queen" && shown["seq"].as_u64() > profile["seq"].as_u64() {
            true => Ok(()),
            false => Err(shown.to_string()),
        }
    });
    anna.put("/_hub/profile", json!({"name": "x".repeat(65)})).expect(400);
    anna.put("/_hub/profile", json!({"seq": 7})).expect(400);
    // It is for those whom the owner knows.
    let reply = anna.as_key(Some(&Key::new())).get("/_hub/profile/signed");
    assert_eq!(reply.status, 403);
    anna.get("/_hub/profile/signed").expect(403);
}

#[test]
fn friends_see_when_a_device_fetches_where_nobody_has_put_that_in_words() {
    let (anna, bert) = (Hub::start_with("[mesh]\nwindows = [\"02:00-06:00\"]\n"), Hub::start());
    anna.add_friend(&bert, "Bert");
    bert.add_friend(&anna, "Anna");
    let words = "every day from 02:00 to 06:00, by its clock";
    let await_windows = |expected: Value| {
        eventually("the windows", || {
            let profile = friend(&bert, "Anna")["profile"].clone();
            let is_said = profile["windows"] == expected;
            if is_said { Ok(()) } else { Err(profile.to_string()) }
        });
    };
    await_windows(json!([words]));
    let listed = bert.larder(&["friend", "list"]).expect_success();
    assert!(listed.contains(&format!("reached {words}")), "{listed}");
    // What the owner says counts for more.
    anna.put("/_hub/profile", json!({"windows": ["evenings"]})).expect(200);
    await_windows(json!(["evenings"]));
}

#[test]
fn a_new_way_reaches_friends_who_were_told_by_hand_of_another() {
    let (anna, bert) = two();
    eventually("the profile", || {
        let shown = friend(&bert, "Anna");
        if shown["profile"].is_null() { Err(shown.to_string()) } else { Ok(()) }
    });
    // Another port from now on: Anna's hub still reaches Bert's, but not the other way about, until Bert's
    // has fetched what is new. It can do that over no way it knows, so Anna's owner says it by hand.
    let anna = Hub::start_in(anna.stop());
    bert.add_friend(&anna, "Anna");
    eventually("the new way is announced", || {
        let shown = friend(&bert, "Anna");
        match shown["announced"] == json!([anna.key_url()]) {
            true => Ok(()),
            false => Err(shown.to_string()),
        }
    });
    assert_eq!(friend(&bert, "Anna")["reach"].as_array().unwrap().len(), 2);
}
