//! Whoever was removed and comes to be paired with anew.

use serde_json::json;
use tests::{Client, Hub, Key, await_member};

use super::*;

/// Two hubs that know each other as friends.
fn friends() -> (Hub, Hub) {
    let (anna, bert) = tests::friends();
    await_connected(&bert, "Anna");
    (anna, bert)
}

#[track_caller]
fn await_connected(hub: &Hub, peer: &str) {
    eventually("a connection", || match hub.peer(peer) {
        peer if peer["state"] == "connected" => Ok(()),
        peer => Err(peer.to_string()),
    });
}

#[test]
fn a_friend_who_was_removed_comes_back_as_a_friend() {
    let (anna, bert) = friends();
    anna.delete("/_hub/friends/Bert").expect(200);
    bert.await_reason("peer=Anna", "refused");
    let (waiting, coming) = met(&anna, &bert, "friend");
    let warnings = waiting["peer"]["warnings"].to_string();
    assert!(warnings.contains("removed here before"), "{warnings}");
    agree((&anna, &waiting), (&bert, &coming));
    assert_eq!(known(&anna)[0].1["blocked"], false);
    anna.put("/recipes", "").expect(201);
    anna.put("/recipes/soup", json!({"text": "water"})).expect(201);
    anna.post("/_hub/shares", json!({"place": "recipes", "with": "Bert", "right": "read"}))
        .expect(201);
    bert.take_offer("Anna", "recipes");
    await_member(&bert, "/recipes/soup", "text", "water");
}

#[test]
fn a_friend_who_was_removed_comes_back_as_a_device() {
    let (anna, bert) = friends();
    anna.delete("/_hub/friends/Bert").expect(200);
    bert.delete("/_hub/friends/Anna").expect(200);
    anna.put("/notes", "").expect(201);
    anna.put("/notes/milk", json!({"text": "buy"})).expect(201);
    let (waiting, coming) = met(&anna, &bert, "device");
    agree((&anna, &waiting), (&bert, &coming));
    await_member(&bert, "/notes/milk", "text", "buy");
    // Removed as a device, it comes back once more, but is nobody's friend any more.
    let name = known(&anna)[0].0.clone();
    anna.delete(&format!("/_hub/devices/{name}")).expect(200);
    let reason = bert.await_reason("", "removed_there");
    assert!(reason["sentence"].as_str().unwrap().contains("pairing with it anew"), "{reason}");
    let (waiting, coming) = met(&anna, &bert, "friend");
    let refused = anna.post(&format!("{}/confirm", path(&waiting)), json!({})).expect(400);
    assert!(refused.text("reason").contains("was one of your devices"), "{refused}");
    refuse(&anna, &waiting);
    // Refused or not, whoever came is told how it ended.
    await_state(&bert, &coming, "refused");
    let (waiting, coming) = met(&anna, &bert, "device");
    agree((&anna, &waiting), (&bert, &coming));
    anna.put("/notes/bread", json!({"text": "buy"})).expect(201);
    await_member(&bert, "/notes/bread", "text", "buy");
}

/// Whether a connection is cut before anything is answered.
fn is_cut(client: &Client) -> bool {
    client.request("GET", "/").try_send("").is_err()
}

#[test]
fn a_key_that_was_removed_finds_the_window_and_nothing_else() {
    let (anna, mallory) = (Hub::start(), Key::new());
    let url = format!("httpkey://127.0.0.1:1/ed25519publickey:{}/", mallory.text());
    let add = || anna.post("/_hub/friends", json!({"url": url, "name": "Mallory"})).expect(201);
    let client = || anna.as_key(Some(&mallory));
    add();
    client().get("/").expect(200);
    anna.delete("/_hub/friends/Mallory").expect(200);
    assert!(is_cut(&client()), "refused without a window");
    let waiting = open(&anna, json!({"kind": "friend", "proof": "compare"}));
    let hello = hostile::hello();
    let elsewhere = [
        ("GET", "/"),
        ("GET", "/_up"),
        ("GET", "/_session"),
        ("GET", "/_hub/feed"),
        ("GET", "/_hub/profile/signed"),
        ("POST", "/_hub/request"),
        ("POST", "/_hub/enrol"),
        ("POST", "/_hub/reached"),
        ("GET", "/_hub/pairing"),
        ("GET", "/_hub/pair/compare"),
        ("POST", "/_hub/pair/"),
        ("POST", "/_hub/pair/spoken"),
        ("POST", "/_hub/pair/compare/"),
        ("POST", "/_hub/pair/%63ompare"),
        ("POST", "/_hub/pair/compare/../../request"),
        ("POST", "//_hub/pair/compare"),
        ("PUT", "/_hub/pair/compare"),
        ("GET", "/_all_dbs"),
        ("GET", "/_utils/"),
    ];
    for (method, path) in elsewhere {
        let body = if method == "GET" { json!(null) } else { hello.clone() };
        let reply = match method {
            "GET" => client().get(path),
            method => client().request(method, path).send(body),
        };
        assert_eq!(
            (reply.status, reply.text("error")),
            (403, "forbidden".into()),
            "{method} {path}: {reply}"
        );
    }
    let answer = client().post("/_hub/pair/compare", hello).expect(200).json();
    assert_eq!(answer["type"], "hello");
    // Somebody else's window, once it has a guest, and none at all.
    refuse(&anna, &waiting);
    let other = Key::new();
    let waiting = open(&anna, json!({"kind": "friend", "proof": "compare"}));
    anna.as_key(Some(&other)).post("/_hub/pair/compare", hostile::hello()).expect(200);
    assert!(is_cut(&client()), "a window that has another guest");
    refuse(&anna, &waiting);
    // Whom the owner has blocked does not come by a window either.
    add();
    client().get("/").expect(200);
    anna.post("/_hub/friends/Mallory/block", json!({})).expect(200);
    let _waiting = open(&anna, json!({"kind": "friend", "proof": "compare"}));
    assert!(is_cut(&client()), "a blocked key");
    anna.delete("/_hub/friends/Mallory").expect(200);
    assert!(is_cut(&client()), "a key that was blocked before it was removed");
}
