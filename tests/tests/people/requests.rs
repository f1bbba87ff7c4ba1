//! Strangers who ask to be friends.

use serde_json::json;
use tests::{Hub, Key, await_status, eventually};

#[test]
fn nobody_asks_before_the_owner_opens() {
    let (hub, stranger) = (Hub::start(), Key::new());
    let asking = json!({"name": "Anna", "message": "hi", "reach": []});
    hub.as_key(Some(&stranger)).post("/_hub/request", asking.clone()).expect(403);
    assert_eq!(hub.get("/_hub/requests").json(), json!({"open": false, "requests": []}));
    hub.larder(&["friend", "requests", "--open"]).expect_success();
    hub.as_key(None).post("/_hub/request", asking.clone()).expect(401);
    hub.as_key(Some(&stranger)).post("/_hub/request", asking.clone()).expect(202);
    hub.as_key(Some(&stranger)).post("/_hub/request", asking.clone()).expect(202);
    let shown = hub.get("/_hub/requests").json();
    assert_eq!(shown["requests"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown["requests"][0]["key"], stranger.text());
    // They get nothing by it.
    hub.as_key(Some(&stranger)).get("/_hub/feed").expect(403);
    // It waits over a restart, and is dropped when refused.
    let hub = Hub::start_in(hub.stop());
    hub.larder(&["friend", "refuse", &stranger.text()]).expect_success();
    assert_eq!(hub.get("/_hub/requests").json(), json!({"open": true, "requests": []}));
    hub.post(&format!("/_hub/requests/{}", stranger.text()), json!({"accept": true})).expect(404);
    hub.put("/_hub/requests", json!({"open": false})).expect(200);
    hub.as_key(Some(&stranger)).post("/_hub/request", asking).expect(403);
}

#[test]
fn a_request_that_is_accepted_makes_friends_of_two() {
    let (anna, bert) = (Hub::start(), Hub::start());
    anna.put("/_hub/profile", json!({"name": "Anna B."})).expect(200);
    let url = bert.key_url();
    let ask = ["friend", "request", &url, "--name", "Bert", "--message", "It is me"];
    let refused = anna.larder(&ask).expect_failure();
    assert!(refused.contains("could not be asked"), "{refused}");
    bert.put("/_hub/requests", json!({"open": true})).expect(200);
    anna.larder(&ask).expect_success();
    let listed = bert.larder(&["friend", "requests"]).expect_success();
    assert!(listed.contains("Anna B.") && listed.contains("It is me"), "{listed}");
    bert.larder(&["friend", "accept-request", &anna.key(), "--name", "Anna"]).expect_success();
    assert_eq!(bert.get("/_hub/requests").json()["requests"], json!([]));
    for (hub, other) in [(&anna, "Bert"), (&bert, "Anna")] {
        eventually("friends", || {
            let peer = hub.peer(other);
            if peer["state"] == "connected" { Ok(()) } else { Err(peer.to_string()) }
        });
    }
    anna.put("/recipes", "").expect(201);
    let granted = json!({"place": "recipes", "who": "Bert", "right": "read"});
    anna.post("/_hub/acl/grant", granted).expect(200);
    anna.put("/recipes/soup", json!({})).expect(201);
    eventually("an offer", || {
        let accepted = json!({"database": "recipes"});
        let reply = bert.post("/_hub/friends/Anna/accept", accepted);
        if reply.status == 201 { Ok(()) } else { Err(reply.status.to_string()) }
    });
    await_status(&bert, "/recipes/soup", 200);
}

#[test]
fn a_flood_of_requests_is_bounded_and_hostile_ones_are_harmless() {
    let hub = Hub::start();
    hub.put("/_hub/requests", json!({"open": true})).expect(200);
    let statuses: Vec<_> = (0..60)
        .map(|n| {
            let asking = json!({
                "name": format!("\u{1b}[2J{}", "x".repeat(1000)),
                "message": "y".repeat(5000),
                "reach": [hub.key_url()],
                "more": n,
            });
            hub.as_key(Some(&Key::new())).post("/_hub/request", asking).status
        })
        .collect();
    assert!(statuses.iter().all(|status| [202, 503].contains(status)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 202).count() < 40, "{statuses:?}");
    let shown = hub.get("/_hub/requests").json();
    let first = &shown["requests"][0];
    assert_eq!(first["message"].as_str().unwrap().len(), 500);
    assert!(!first["name"].as_str().unwrap().contains('\u{1b}'));
    assert_eq!(first["reach"], json!([]), "no way to somebody else");
    assert!(hub.data_dir().join("requests.json").metadata().unwrap().len() < 100_000);
    let stranger = hub.as_key(Some(&Key::new()));
    stranger.post("/_hub/request", json!({"message": "z".repeat(100_000)})).expect(413);
    stranger.post("/_hub/request", json!([1])).expect(400);
    stranger.post("/_hub/request", json!({"message": 7})).expect(400);
}
