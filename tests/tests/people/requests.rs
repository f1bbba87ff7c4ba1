//! Strangers who ask to be friends.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tests::{Client, Hub, Key, await_status, eventually};

/// Strangers of a flood, each with a key of its own, and how many come at a time.
const STRANGERS: usize = 2000;
const AT_A_TIME: usize = 8;

/// What a flood may cost the hub in memory and on disk, in bytes.
const MEMORY_MAX: u64 = 100_000_000;
const FILE_MAX: u64 = 400_000;

/// What the kernel says that the hub has in memory, in bytes.
#[track_caller]
fn memory(hub: &Hub) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", hub.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Lets all strangers ask, over connections of their own; how many were taken.
#[track_caller]
fn flood(url: &str) -> usize {
    let ask = |number: usize| {
        let message = format!("{number} {}", "y".repeat(5000));
        let asking = json!({"name": "x".repeat(500), "message": message, "reach": []});
        // One that is not let in for want of room was not taken either.
        let stranger = Client::with_key(url, Some(&Key::new()));
        let sent = stranger.request("POST", "/_hub/request").try_send(asking);
        let Ok(reply) = sent else { return false };
        assert!([202, 503].contains(&reply.status), "{}", reply.status);
        reply.status == 202
    };
    std::thread::scope(|scope| {
        let some = |at: usize| (at..STRANGERS).step_by(AT_A_TIME).filter(|n| ask(*n)).count();
        let all: Vec<_> = (0..AT_A_TIME).map(|at| scope.spawn(move || some(at))).collect();
        all.into_iter().map(|some| some.join().unwrap()).sum()
    })
}

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
    bert.take_offer("Anna", "recipes");
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

#[test]
fn a_flood_of_strangers_holds_nobody_up_and_a_person_after_it_is_heard() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    hub.put("/_hub/requests", json!({"open": true})).expect(200);
    let (url, early) = (hub.tls_url(), Key::new());
    let asking = |words: &str| json!({"name": "Anna", "message": words, "reach": []});
    hub.as_key(Some(&early)).post("/_hub/request", asking("before it")).expect(202);
    // A first part warms up what is kept in any case.
    let mut taken = flood(&url);
    let before = memory(&hub);
    let is_over = AtomicBool::new(false);
    let answered = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let taken = flood(&url);
            is_over.store(true, Ordering::Release);
            taken
        });
        let mut answered = 0;
        while !is_over.load(Ordering::Acquire) {
            hub.put(&format!("/notes/{answered}"), json!({})).expect(201);
            hub.get("/_hub/requests").expect(200);
            answered += 1;
        }
        taken += flooding.join().unwrap();
        answered
    });
    assert!(answered > 10, "the owner was answered {answered} times meanwhile");
    let grown = memory(&hub).saturating_sub(before);
    assert!(grown < MEMORY_MAX, "{grown} bytes");
    assert!(hub.data_dir().join("requests.json").metadata().unwrap().len() < FILE_MAX);
    let shown = hub.get("/_hub/requests").json();
    let waiting = shown["requests"].as_array().unwrap();
    assert_eq!(waiting.len(), taken + 1, "those and nobody else wait");
    assert!(taken < 200, "{taken} of {}", 2 * STRANGERS);
    // Somebody who comes now is heard as soon as there is room.
    let person = Key::new();
    eventually("room for a person", || {
        let reply = hub.as_key(Some(&person)).post("/_hub/request", asking("after it"));
        if reply.status == 202 { Ok(()) } else { Err(reply.status.to_string()) }
    });
    let shown = hub.get("/_hub/requests").json();
    let messages: Vec<_> =
        shown["requests"].as_array().unwrap().iter().map(|asks| asks["message"].clone()).collect();
    for words in ["before it", "after it"] {
        assert!(messages.contains(&Value::from(words)), "{words}");
    }
    hub.larder(&["friend", "requests", "--close"]).expect_success();
    hub.as_key(Some(&Key::new())).post("/_hub/request", asking("too late")).expect(403);
    let refused = format!("/_hub/requests/{}", early.text());
    hub.post(&refused, json!({"accept": false})).expect(200);
}
