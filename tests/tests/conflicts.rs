//! Conflicts that no policy decides: listed, shown, and decided by their owner.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use tests::{Hub, eventually, pair};

/// Revisions as PouchDB makes them: no hub stamped them.
const OLD: &str = "1-0a0b0c0d0e0f40004000100020003001";
const NEW: &str = "1-fa0b0c0d0e0f40004000100020003002";

/// Writes two revisions of a document at once that no hub stamped.
#[track_caller]
fn conflict(hub: &Hub, database: &str, id: &str) {
    let photo = json!({"a.txt": {"content_type": "text/plain", "data": "aGVsbG8="}});
    let docs = json!([
        {"_id": id, "_rev": OLD, "by": "old", "_attachments": photo},
        {"_id": id, "_rev": NEW, "by": "new"},
    ]);
    let written = json!({"new_edits": false, "docs": docs});
    hub.post(&format!("/{database}/_bulk_docs"), written).expect(201);
}

/// A hub with a database whose newest edits count, and documents in conflict.
#[track_caller]
fn in_conflict(ids: &[&str]) -> Hub {
    let hub = Hub::start();
    hub.larder(&["db", "create", "notes"]).expect_success();
    ids.iter().for_each(|id| conflict(&hub, "notes", id));
    hub
}

#[track_caller]
fn listed(hub: &Hub, query: &str) -> Value {
    hub.get(&format!("/_hub/conflicts{query}")).expect(200).json()
}

#[track_caller]
fn ids(listed: &Value) -> Vec<&str> {
    let conflicts = listed["conflicts"].as_array().unwrap();
    conflicts.iter().map(|one| one["id"].as_str().unwrap()).collect()
}

/// A document with its conflicts.
#[track_caller]
fn document(hub: &Hub, id: &str) -> Value {
    hub.get(&format!("/notes/{id}?conflicts=true")).expect(200).json()
}

#[track_caller]
fn keep(hub: &Hub, id: &str, rev: &str) {
    let decided = json!({"db": "notes", "id": id, "keep": rev});
    let answer = hub.post("/_hub/conflicts", decided).expect(200).json();
    assert_eq!((&answer["ok"], &answer["deleted"]), (&json!(true), &json!(1)), "{answer}");
}

#[test]
fn what_no_policy_decides_is_listed_with_the_reason() {
    let hub = in_conflict(&["a/b", "c"]);
    // Two hubs' edits are no conflict for a person.
    hub.put("/notes/edited", json!({"by": "me"})).expect(201);
    let shown = listed(&hub, "");
    assert_eq!(ids(&shown), ["a/b", "c"], "{shown}");
    assert_eq!((&shown["undecided"], &shown["complete"]), (&json!(2), &json!(true)));
    let first = &shown["conflicts"][0];
    assert_eq!((&first["database"], &first["policy"]), (&json!("notes"), &json!("newest")));
    assert_eq!((&first["winner"], &first["leaves_count"]), (&json!(NEW), &json!(2)));
    assert_eq!(
        (&first["leaves"][0]["rev"], &first["leaves"][1]["rev"]),
        (&json!(NEW), &json!(OLD))
    );
    assert_eq!(first["leaves"][0]["written"], Value::Null, "no hub stamped it");
    assert_eq!((&first["decides"], &first["code"]), (&json!(false), &json!("untimed")));
    assert_eq!(first["why"], "a revision that no hub stamped");

    assert_eq!(ids(&listed(&hub, "?limit=1")), ["a/b"]);
    assert_eq!(listed(&hub, "?limit=1")["more"], true);
    assert_eq!(ids(&listed(&hub, "?limit=1&skip=1")), ["c"]);
    assert_eq!(listed(&hub, "?limit=1&skip=1")["more"], false);
    let text = hub.larder(&["conflicts"]).expect_success();
    assert!(text.contains("notes/a/b") && text.contains("no hub stamped"), "{text}");
    let status = hub.larder(&["status"]).expect_success();
    assert!(status.contains("2 documents in conflict: larder conflicts"), "{status}");

    let shown = hub.larder(&["conflicts", "show", "notes", "a/b"]).expect_success();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["leaves"][0]["body"], json!({"by": "new"}));
    assert_eq!(shown["leaves"][1]["body"], json!({"by": "old"}));
    assert_eq!(shown["leaves"][1]["attachments"][0]["name"], "a.txt");

    // What is purged is in no feed any more.
    hub.post("/notes/_purge", json!({"c": [OLD, NEW]})).expect(201);
    assert_eq!(ids(&listed(&hub, "")), ["a/b"]);
    // After a start everything is found anew.
    let hub = Hub::start_in(hub.stop());
    assert_eq!(hub.get("/_hub/status").expect(200).json()["conflicts"]["undecided"], 1);
    assert_eq!(ids(&listed(&hub, "")), ["a/b"]);
}

#[test]
fn a_field_that_says_the_time_is_missed_by_name() {
    let hub = Hub::start();
    hub.larder(&["db", "create", "notes"]).expect_success();
    hub.larder(&["db", "set", "notes", "conflicts=newest_by:/edited"]).expect_success();
    let docs = json!([
        {"_id": "a", "_rev": OLD, "edited": 5000},
        {"_id": "a", "_rev": NEW, "by": "new"},
        {"_id": "timed", "_rev": OLD, "edited": 6000},
        {"_id": "timed", "_rev": NEW, "edited": 5000},
    ]);
    hub.post("/notes/_bulk_docs", json!({"new_edits": false, "docs": docs})).expect(201);
    let shown = listed(&hub, "");
    assert_eq!(ids(&shown), ["a"], "the field decides the other one: {shown}");
    let one = &shown["conflicts"][0];
    let times = [&one["leaves"][0]["written"], &one["leaves"][1]["written"]];
    assert_eq!(times, [&Value::Null, &json!(5000)]);
    assert!(one["why"].as_str().unwrap().contains("/edited"), "{one}");
    keep(&hub, "a", NEW);
    assert_eq!(document(&hub, "a")["by"], "new");
    assert_eq!(ids(&listed(&hub, "")), [""; 0]);
}

#[test]
fn the_owner_decides_and_nothing_is_lost() {
    let hub = in_conflict(&["a", "b"]);
    hub.larder(&["conflicts", "keep", "notes", "a", OLD]).expect_success();
    keep(&hub, "b", NEW);
    for (id, by) in [("a", "old"), ("b", "new")] {
        let kept = document(&hub, id);
        assert_eq!((&kept["by"], &kept["_conflicts"]), (&json!(by), &Value::Null), "{kept}");
        assert!(kept["_rev"].as_str().unwrap().starts_with("2-"), "an ordinary edit: {kept}");
    }
    assert_eq!(hub.get("/notes/a/a.txt").expect(200).body, b"hello");
    assert_eq!(ids(&listed(&hub, "")), [""; 0]);
    assert_eq!(hub.larder(&["conflicts"]).expect_success(), "");

    // What lost is where all is that lost, and comes back.
    let lost = hub.get("/_hub/overwritten").expect(200).json()["overwritten"].clone();
    let revs: Vec<_> = lost.as_array().unwrap().iter().map(|one| &one["revision"]).collect();
    assert!(
        revs.len() == 2 && revs.contains(&&json!(OLD)) && revs.contains(&&json!(NEW)),
        "{lost}"
    );
    let of_a = lost.as_array().unwrap().iter().find(|one| one["document"] == "a").unwrap();
    let short = of_a["short"].as_str().unwrap();
    hub.larder(&["overwritten", "restore", short]).expect_success();
    assert_eq!(document(&hub, "a")["by"], "new");
    hub.larder(&["verify"]).expect_success();
}

#[test]
fn devices_agree_whoever_decides() {
    let (laptop, phone) = (Hub::start(), Hub::start());
    pair(&laptop, &phone);
    laptop.larder(&["db", "create", "notes"]).expect_success();
    for id in ["one", "both"] {
        conflict(&laptop, "notes", id);
    }
    let has = |hub: &Hub, count: u64| {
        eventually(&format!("{count} to decide"), || match hub.get("/_hub/conflicts").json() {
            shown if shown["undecided"] == count => Ok(()),
            shown => Err(shown.to_string()),
        });
    };
    has(&laptop, 2);
    has(&phone, 2);
    phone.larder(&["conflicts", "keep", "notes", "one", OLD]).expect_success();
    has(&phone, 1);
    has(&laptop, 1);

    // Both decide, each otherwise, while they do not hear of each other: the later decision counts.
    for hub in [&laptop, &phone] {
        hub.larder(&["pause", "sync"]).expect_success();
    }
    keep(&laptop, "both", OLD);
    keep(&phone, "both", NEW);
    for hub in [&laptop, &phone] {
        hub.larder(&["resume", "sync"]).expect_success();
    }
    eventually("both devices agree", || {
        let read = |hub: &Hub| (document(hub, "one"), document(hub, "both"));
        let (here, there) = (read(&laptop), read(&phone));
        let agreed = here == there && here.0["by"] == "old" && here.1["by"] == "new";
        let settled = here.1["_conflicts"].is_null() && here.0["_conflicts"].is_null();
        if agreed && settled { Ok(()) } else { Err(format!("{here:?} {there:?}")) }
    });
    has(&laptop, 0);
    has(&phone, 0);
}

#[test]
fn conflicts_of_apps_are_counted_and_decided_when_asked() {
    let hub = Hub::start();
    hub.put("/lists", "").expect(201);
    conflict(&hub, "lists", "a");
    let shown = listed(&hub, "");
    assert_eq!(ids(&shown), [""; 0]);
    assert_eq!(shown["kept"], json!([{"database": "lists", "documents": 1}]));
    let status = hub.get("/_hub/status").expect(200).json();
    assert_eq!(status["conflicts"]["undecided"], 0, "apps decide them");
    let of_lists = listed(&hub, "?db=lists");
    assert_eq!((ids(&of_lists), &of_lists["conflicts"][0]["code"]), (vec!["a"], &json!("keep")));
    hub.larder(&["conflicts", "keep", "lists", "a", OLD]).expect_success();
    let decided = hub.get("/lists/a?conflicts=true&deleted_conflicts=true").expect(200).json();
    assert_eq!((&decided["by"], &decided["_conflicts"]), (&json!("old"), &Value::Null));
    assert_eq!(decided["_deleted_conflicts"].as_array().map(Vec::len), Some(1), "as CouchDB's");
    assert_eq!(listed(&hub, "")["kept"], json!([]));
}

#[test]
fn what_cannot_be_decided_is_refused() {
    let hub = in_conflict(&["a"]);
    hub.put("/notes/whole", json!({})).expect(201);
    for (asked, status) in [
        (json!({"db": "notes", "id": "a", "keep": "1-nothing"}), 404),
        (json!({"db": "notes", "id": "a", "keep": "nothing"}), 400),
        (json!({"db": "notes", "id": "whole", "keep": NEW}), 404),
        (json!({"db": "notes", "id": "missing", "keep": NEW}), 404),
        (json!({"db": "nothing", "id": "a", "keep": NEW}), 404),
        (json!({"db": "_dbs", "id": "a", "keep": NEW}), 400),
        (json!({"db": "notes", "id": "a"}), 400),
        (json!({"db": "notes", "id": "a", "keep": NEW, "more": 1}), 400),
    ] {
        hub.post("/_hub/conflicts", asked).expect(status);
    }
    for (query, status) in [("?id=a", 400), ("?db=_dbs", 400), ("?db=x", 404), ("?limit=x", 400)] {
        hub.get(&format!("/_hub/conflicts{query}")).expect(status);
    }
    hub.get("/_hub/conflicts?db=notes&id=missing").expect(404);
    assert_eq!(ids(&listed(&hub, "")), ["a"]);

    let rules = "function (doc) { if (doc._deleted) { throw({forbidden: 'never'}); } }";
    hub.put("/notes/_design/rules", json!({"validate_doc_update": rules})).expect(201);
    let asked = json!({"db": "notes", "id": "a", "keep": OLD});
    hub.post("/_hub/conflicts", asked).expect(403);
    assert_eq!(document(&hub, "a")["by"], "new", "nothing of it was written");
    assert_eq!(ids(&listed(&hub, "")), ["a"]);
}

#[test]
fn only_the_owner_and_admins_decide() {
    let hub = in_conflict(&["a"]);
    let app = json!({"name": "pad", "databases": [{"name": "notes", "write": true}]});
    let token = hub.post("/_hub/apps", app).expect(201).text("token");
    for (client, refused) in
        [(hub.as_principal(Some(("pad", &token))), 403), (hub.as_principal(None), 401)]
    {
        client.get("/_hub/conflicts").expect(refused);
        client.get("/_hub/conflicts?db=notes&id=a").expect(refused);
        let asked = json!({"db": "notes", "id": "a", "keep": OLD});
        client.post("/_hub/conflicts", asked).expect(refused);
    }
    assert_eq!(ids(&listed(&hub, "")), ["a"]);
}
