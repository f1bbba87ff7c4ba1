//! Edits of devices whose clocks are ahead: nobody sees them before their time, unless the owner wants to.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use tests::{Hub, eventually, now_ms};

/// How far ahead a revision may be stamped.
const AHEAD_MS: u64 = 10 * 60 * 1000;

/// The id of a first revision as a hub writes it whose clock shows this.
fn stamped(ms: u64) -> String {
    format!("1-{}", tests::stamped(ms))
}

/// An app that may write to `notes`.
#[track_caller]
fn app(hub: &Hub) -> tests::Client {
    let asked = json!({"name": "pad", "databases": [{"name": "notes", "write": true}]});
    let token = hub.post("/_hub/apps", asked).expect(201).text("token");
    hub.as_principal(Some(("pad", &token)))
}

#[track_caller]
fn deliver(client: &tests::Client, id: &str, rev: &str) {
    let docs = json!({"docs": [{"_id": id, "_rev": rev, "n": 1}], "new_edits": false});
    assert_eq!(client.post("/notes/_bulk_docs", docs).expect(201).json(), json!([]));
}

#[track_caller]
fn held(hub: &Hub) -> Vec<Value> {
    let held = hub.get("/_hub/held").expect(200).json();
    held["held"].as_array().cloned().unwrap_or_default()
}

#[test]
fn an_edit_from_the_future_waits_and_the_owner_may_let_it_in() {
    let hub = Hub::start();
    hub.larder(&["db", "create", "notes"]).expect_success();
    let pad = app(&hub);
    let rev = stamped(now_ms() + 2 * 60 * 60 * 1000);
    deliver(&pad, "late", &rev);
    hub.get("/notes/late").expect(404);
    // To whoever asks what is missing, it is there.
    let asked = json!({"late": [rev]});
    assert_eq!(pad.post("/notes/_revs_diff", asked).expect(200).json(), json!({}));
    let [one] = &held(&hub)[..] else { panic!("one is held: {:?}", held(&hub)) };
    assert_eq!(
        (&one["by"], &one["document"], &one["revision"]),
        (&json!("pad"), &json!("late"), &json!(rev))
    );
    let status = hub.get("/_hub/status").expect(200).json();
    assert_eq!(status["held"][0]["by"], "pad");
    assert!(status["held"][0]["clock_ahead_ms"].as_u64().unwrap() > 100 * 60 * 1000, "{status}");

    let status = hub.larder(&["status"]).expect_success();
    assert!(status.contains("1 edit of pad, whose clock is ahead by 1 h"), "{status}");

    // It is still held by a hub that was killed.
    let hub = Hub::start_in(hub.kill());
    let listed = eventually("what is held", || {
        let listed = hub.larder(&["held", "list"]).expect_success();
        if listed.contains("notes/late") { Ok(listed) } else { Err(listed) }
    });
    assert!(listed.contains("by pad"), "{listed}");
    let id = listed.split_whitespace().next().unwrap();
    hub.larder(&["held", "release", id]).expect_success();
    let document = hub.get("/notes/late").expect(200).json();
    assert_eq!(document["n"], 1);
    assert_ne!(document["_rev"], rev.as_str(), "a new edit, stamped now");
    assert!(held(&hub).is_empty());
    hub.larder(&["held", "release", id]).expect_failure();
}

#[test]
fn an_edit_from_the_future_is_let_in_when_its_time_has_come() {
    let hub = Hub::start();
    hub.larder(&["db", "create", "notes"]).expect_success();
    let rev = stamped(now_ms() + AHEAD_MS + 4000);
    deliver(&app(&hub), "soon", &rev);
    hub.get("/notes/soon").expect(404);
    let document = eventually("the document", || match hub.get("/notes/soon") {
        reply if reply.status == 200 => Ok(reply.json()),
        reply => Err(reply.to_string()),
    });
    assert_eq!(document["_rev"], rev.as_str());
    assert!(held(&hub).is_empty());
}

#[test]
fn what_the_owners_own_programs_write_is_never_held() {
    let hub = Hub::start();
    hub.larder(&["db", "create", "notes"]).expect_success();
    hub.put("/notes/a", json!({"n": 1})).expect(201);
    hub.get("/notes/a").expect(200);
    assert!(held(&hub).is_empty());
    assert_eq!(hub.get("/_hub/status").expect(200).json()["held"], json!([]));
}
