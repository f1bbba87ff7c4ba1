//! What apps may do, and when it ends.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::{Duration, Instant};

use serde_json::json;
use tests::exchange::app;
use tests::{Client, Hub, eventually};

/// How long something that happens by itself may take.
const SOON: Duration = Duration::from_secs(20);

fn address(hub: &Hub) -> String {
    hub.url().trim_start_matches("http://").trim_end_matches('/').to_owned()
}

#[track_caller]
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn system_databases_are_for_admins() {
    let hub = Hub::start();
    let (limited, _) = app(&hub, "limited", &["--db", "notes:rw"]);
    let (admin, _) = app(&hub, "helper", &["--admin"]);
    for path in ["/_users", "/_apps", "/_global_changes", "/_apps/limited", "/_hub/status"] {
        assert_eq!(limited.get(path).expect(403).text("error"), "forbidden", "{path}");
        admin.get(path).expect(200);
    }
    limited.put("/_apps/limited", json!({})).expect(403);
    let session = |client: &Client| client.get("/_session").expect(200).json()["userCtx"].clone();
    assert_eq!(session(&limited), json!({ "name": "limited", "roles": [] }));
    assert_eq!(session(&admin), json!({ "name": "helper", "roles": ["_admin"] }));
    assert_eq!(session(&hub), json!({ "name": "owner", "roles": ["_admin"] }));
}

#[test]
fn what_is_written_to_apps_takes_effect() {
    let hub = Hub::start();
    for database in ["notes", "photos"] {
        hub.put(&format!("/{database}"), "").expect(201);
    }
    let (client, _) = app(&hub, "changing", &["--db", "notes:rw"]);
    client.get("/notes").expect(200);
    client.get("/photos").expect(403);
    let mut document = hub.get("/_apps/changing").expect(200).json();
    document["databases"] = json!([{ "name": "photos", "write": false }]);
    hub.put("/_apps/changing", document).expect(201);
    soon("the new grant counts", || client.get("/photos").status == 200);
    client.get("/notes").expect(403);
    client.put("/photos/doc", json!({})).expect(403);
    let rev = hub.get("/_apps/changing").expect(200).text("_rev");
    hub.delete(&format!("/_apps/changing?rev={rev}")).expect(200);
    soon("the app is gone", || client.get("/photos").status == 401);
}

#[test]
fn an_open_feed_ends_with_its_right() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let (reader, _) = app(&hub, "reader", &["--db", "notes:r"]);
    let feed = std::thread::spawn(move || {
        reader.request("GET", "/notes/_changes?feed=continuous&heartbeat=500").try_send("").is_ok()
    });
    std::thread::sleep(Duration::from_millis(500));
    assert!(!feed.is_finished());
    hub.larder(&["app", "remove", "reader"]).expect_success();
    hub.put("/notes/doc", json!({})).expect(201);
    soon("the feed has ended", || feed.is_finished());
}

#[test]
fn replication_needs_the_rights_it_uses() {
    let hub = Hub::start();
    for database in ["mine", "readable", "hidden"] {
        hub.put(&format!("/{database}"), "").expect(201);
        hub.put(&format!("/{database}/doc"), json!({})).expect(201);
    }
    let rights = ["--db", "mine:rw", "--db", "readable:r", "--db", "new:rw"];
    let (client, token) = app(&hub, "copier", &rights);
    let replicate = |source: &str, target: &str| {
        let body = json!({ "source": source, "target": target, "create_target": true });
        client.post("/_replicate", body).status
    };
    assert_eq!(replicate("readable", "mine"), 200);
    assert_eq!(replicate("readable", "new"), 200);
    assert_eq!(replicate("hidden", "mine"), 403);
    assert_eq!(replicate("mine", "readable"), 403);
    assert_eq!(replicate("mine", "other"), 403);
    assert_eq!(replicate("_users", "mine"), 403);
    // Through the network it is nobody, or itself; a proxy between others it is not.
    let url = |database: &str| format!("{}{database}", hub.url());
    let own = |database: &str| format!("http://copier:{token}@{}/{database}", address(&hub));
    assert_eq!(replicate(&url("hidden"), "mine"), 401);
    assert_eq!(replicate(&own("mine"), "new"), 200);
    assert_eq!(replicate("readable", &own("mine")), 200);
    // A source that may only be read keeps no checkpoint, and is read all the same.
    assert_eq!(replicate(&own("readable"), "mine"), 200);
    assert_eq!(replicate(&own("readable"), &own("mine")), 403);
    assert_eq!(hub.get("/mine").json()["doc_count"], 1);
}

#[test]
fn a_replication_ends_with_the_rights_of_its_app() {
    let hub = Hub::start();
    for database in ["from", "to"] {
        hub.put(&format!("/{database}"), "").expect(201);
    }
    let (client, _) = app(&hub, "copier", &["--db", "from:r", "--db", "to:rw"]);
    let body = json!({ "source": "from", "target": "to", "continuous": true });
    let started = client.post("/_replicate", body.clone()).expect(202);
    let tasks = |client: &Client| {
        let tasks = client.get("/_active_tasks").expect(200).json();
        tasks.as_array().cloned().unwrap_or_default()
    };
    let task = eventually("its task", || tasks(&client).pop().ok_or_else(String::new));
    assert_eq!(task["replication_id"], started.json()["_local_id"]);
    assert_eq!(task["user"], "copier");
    // Others neither see nor end it.
    let (other, _) = app(&hub, "other", &["--db", "from:r"]);
    assert!(tasks(&other).is_empty());
    let cancel = json!({ "replication_id": started.json()["_local_id"], "cancel": true });
    other.post("/_replicate", cancel).expect(404);

    hub.put("/from/one", json!({})).expect(201);
    soon("the document arrives", || hub.get("/to/one").status == 200);
    hub.larder(&["app", "remove", "copier"]).expect_success();
    soon("the replication has ended", || tasks(hub.client()).is_empty());
    hub.put("/from/two", json!({})).expect(201);
    std::thread::sleep(Duration::from_secs(1));
    hub.get("/to/two").expect(404);
}
