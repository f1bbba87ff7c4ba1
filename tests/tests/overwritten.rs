//! Edits that lost to later ones: listed, brought back, dismissed, forgotten.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use tests::{Body, Hub, eventually};

/// A hub with an empty database whose newest edits count.
#[track_caller]
fn with_notes(settings: &str) -> Hub {
    let hub = if settings.is_empty() { Hub::start() } else { Hub::start_with(settings) };
    hub.larder(&["db", "create", "notes"]).expect_success();
    hub
}

/// Brings what a database of one hub has to the one of that name here.
#[track_caller]
fn pull(hub: &Hub, from: &Hub, database: &str) {
    let source = format!("{}{database}", from.owner_url());
    hub.post("/_replicate", json!({"source": source, "target": database})).expect(200);
}

#[track_caller]
fn listed(hub: &Hub) -> Vec<Value> {
    let listed = hub.get("/_hub/overwritten").expect(200).json();
    listed["overwritten"].as_array().cloned().unwrap_or_default()
}

fn words(length: usize) -> String {
    "word ".repeat(length / 5)
}

/// Two hubs that edited documents at once, the phone later; the phone's edits have come to the laptop.
#[track_caller]
fn overwritten_on(settings: &str) -> (Hub, Hub) {
    let (laptop, phone) = (with_notes(settings), with_notes(""));
    for id in ["large", "small"] {
        laptop
            .put(&format!("/notes/{id}"), json!({"by": "laptop", "text": words(2000)}))
            .expect(201);
    }
    let rev = laptop.get("/notes/large").expect(200).rev_of_document();
    let bytes = Body::bytes(vec![7; 100_000], "image/png");
    laptop.put(&format!("/notes/large/photo.png?rev={rev}"), bytes).expect(201);
    phone.put("/notes/large", json!({})).expect(201);
    phone.put("/notes/small", json!({"by": "phone", "text": words(1900)})).expect(201);
    pull(&laptop, &phone, "notes");
    (laptop, phone)
}

trait RevOfDocument {
    fn rev_of_document(&self) -> String;
}

impl RevOfDocument for tests::Reply {
    fn rev_of_document(&self) -> String {
        self.json()["_rev"].as_str().unwrap().to_owned()
    }
}

#[test]
fn what_lost_is_listed_and_comes_back() {
    let (laptop, _phone) = overwritten_on("");
    assert_eq!(laptop.get("/notes/small").expect(200).json()["by"], "phone");
    assert_eq!(laptop.get("/notes/large").expect(200).json()["by"], Value::Null);
    let lost = listed(&laptop);
    assert_eq!(lost.len(), 2, "{lost:?}");
    // A person should look where little is in the place of much: that one is first.
    assert_eq!(lost[0]["document"], "large");
    assert_eq!((&lost[0]["attention"], &lost[1]["attention"]), (&json!(true), &json!(false)));
    assert_eq!(lost[0]["database"], "notes");
    assert_eq!(lost[0]["deleted"], false);
    assert!(lost[0]["bytes"].as_u64().unwrap() > 100_000);
    let text = laptop.larder(&["overwritten", "list"]).expect_success();
    let first = text.lines().next().unwrap();
    assert!(first.starts_with('!') && first.contains("notes/large"), "{text}");

    let short = lost[0]["short"].as_str().unwrap();
    let shown = laptop.larder(&["overwritten", "show", short]).expect_success();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["body"]["by"], "laptop");
    assert_eq!(shown["attachments"][0]["name"], "photo.png");
    assert_eq!(shown["winner"]["body"], json!({}));

    let winner = laptop.get("/notes/large").expect(200).rev_of_document();
    laptop.larder(&["overwritten", "restore", short]).expect_success();
    let back = laptop.get("/notes/large?revs=true").expect(200).json();
    assert_eq!(back["by"], "laptop");
    let parent = back["_revisions"]["ids"][1].as_str().unwrap();
    assert!(winner.ends_with(parent), "an ordinary edit of the winner: {back}");
    assert_eq!(laptop.get("/notes/large/photo.png").expect(200).body, vec![7; 100_000]);
    assert_eq!(listed(&laptop).len(), 1, "it is no longer among what lost");

    let small = listed(&laptop)[0]["short"].as_str().unwrap().to_owned();
    laptop.larder(&["overwritten", "dismiss", &small]).expect_success();
    assert_eq!(listed(&laptop), [json!(null); 0]);
    laptop.larder(&["overwritten", "show", &small]).expect_failure();
    assert_eq!(laptop.get("/notes/small").expect(200).json()["by"], "phone");
    laptop.larder(&["verify"]).expect_success();
}

#[test]
fn what_lost_outlives_kill_9_and_is_the_same_on_all_devices() {
    let (laptop, phone) = overwritten_on("");
    let laptop = Hub::start_in(laptop.kill());
    let lost = listed(&laptop);
    assert_eq!(lost.len(), 2);
    pull(&phone, &laptop, "_overwritten");
    let rows = |hub: &Hub| hub.get("/_overwritten/_all_docs").expect(200).json()["rows"].clone();
    assert_eq!(rows(&phone), rows(&laptop));

    let pad = with_notes("");
    pull(&pad, &laptop, "_overwritten");
    assert_eq!(rows(&pad), rows(&laptop));

    // Dismissed on one device, it is dismissed on the others, and their rows go.
    let short = lost[1]["short"].as_str().unwrap();
    pull(&laptop, &phone, "_overwritten");
    laptop.larder(&["overwritten", "dismiss", short]).expect_success();
    pull(&phone, &laptop, "_overwritten");
    assert_eq!(rows(&phone), rows(&laptop));
    let phone_id = lost[0]["id"].as_str().unwrap();
    let rev = phone.get(&format!("/_overwritten/{phone_id}")).expect(200).rev_of_document();
    phone.delete(&format!("/_overwritten/{phone_id}?rev={rev}")).expect(200);
    pull(&laptop, &phone, "_overwritten");
    eventually("nothing left", || match listed(&laptop) {
        lost if lost.is_empty() => Ok(()),
        lost => Err(format!("{lost:?}")),
    });
    // It does not come back with the next start.
    let laptop = Hub::start_in(laptop.stop());
    assert_eq!(listed(&laptop), [json!(null); 0]);
}

#[test]
fn a_policy_settles_the_conflicts_that_are_there() {
    let (laptop, phone) = (Hub::start(), Hub::start());
    for (hub, word) in [(&laptop, "laptop"), (&phone, "phone")] {
        hub.put("/notes", "").expect(201);
        hub.put("/notes/a", json!({"by": word})).expect(201);
    }
    pull(&laptop, &phone, "notes");
    let kept = laptop.get("/notes/a?conflicts=true").expect(200).json();
    assert_eq!(kept["_conflicts"].as_array().map(Vec::len), Some(1), "an app's: {kept}");
    assert_eq!(listed(&laptop), [json!(null); 0]);
    laptop.larder(&["db", "set", "notes", "conflicts=newest"]).expect_success();
    let settled = laptop.get("/notes/a?conflicts=true").expect(200).json();
    assert_eq!((&settled["by"], &settled["_conflicts"]), (&json!("phone"), &Value::Null));
    let lost = listed(&laptop);
    assert_eq!((lost.len(), &lost[0]["document"]), (1, &json!("a")));
}

/// What settles a conflict is nobody's deletion, so nobody is asked; any other deletion is judged.
#[test]
fn validation_functions_do_not_keep_conflicts_from_being_settled() {
    let (laptop, phone) = (with_notes(""), with_notes(""));
    let rules = "function (doc) { if (doc._deleted) { throw({forbidden: 'never'}); } }";
    for (hub, word) in [(&laptop, "laptop"), (&phone, "phone")] {
        hub.put("/notes/_design/rules", json!({"validate_doc_update": rules})).expect(201);
        hub.put("/notes/a", json!({"by": word})).expect(201);
    }
    pull(&phone, &laptop, "notes");
    let source = format!("{}notes", phone.owner_url());
    let pulled = laptop.post("/_replicate", json!({"source": source, "target": "notes"}));
    let pulled = pulled.expect(200).json();
    assert_eq!(pulled["history"][0]["doc_write_failures"], 0, "{pulled}");
    for hub in [&laptop, &phone] {
        let settled = hub.get("/notes/a?conflicts=true").expect(200).json();
        assert_eq!((&settled["by"], &settled["_conflicts"]), (&json!("phone"), &Value::Null));
        let rev = settled["_rev"].as_str().unwrap();
        hub.delete(&format!("/notes/a?rev={rev}")).expect(403);
    }
}

#[test]
fn purging_and_deleting_reach_what_lost() {
    let (laptop, _phone) = overwritten_on("");
    assert_eq!(listed(&laptop).len(), 2);
    let leaves = laptop
        .request("GET", "/notes/large?open_revs=all")
        .header("accept", "application/json")
        .send("")
        .expect(200)
        .json();
    let revs: Vec<_> =
        leaves.as_array().into_iter().flatten().map(|leaf| leaf["ok"]["_rev"].clone()).collect();
    laptop.post("/notes/_purge", json!({"large": revs})).expect(201);
    laptop.get("/notes/large").expect(404);
    let left = listed(&laptop);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["document"], "small");

    laptop.delete("/notes").expect(200);
    assert_eq!(listed(&laptop), [json!(null); 0], "what is in the trash is not shown");
    laptop.larder(&["db", "restore", "notes"]).expect_success();
    assert_eq!(listed(&laptop).len(), 1);
    laptop.larder(&["db", "delete", "notes", "--now"]).expect_success();
    eventually("nothing published", || {
        let rows = laptop.get("/_overwritten/_all_docs").expect(200).json()["rows"].clone();
        if rows == json!([]) { Ok(()) } else { Err(rows.to_string()) }
    });
}

#[test]
fn no_more_is_kept_than_there_is_room_for() {
    let (laptop, _phone) = overwritten_on("[databases]\noverwritten_bytes_max = 5000\n");
    assert_eq!(listed(&laptop).len(), 2);
    // It is looked for at the start.
    let laptop = Hub::start_in(laptop.stop());
    eventually("what fits", || match listed(&laptop) {
        lost if lost.len() == 1 && lost[0]["document"] == "small" => Ok(()),
        lost => Err(format!("{lost:?}")),
    });
}

#[test]
fn only_the_owner_and_admins_see_what_lost() {
    let (laptop, _phone) = overwritten_on("");
    let short = listed(&laptop)[0]["short"].as_str().unwrap().to_owned();
    let added = laptop.post(
        "/_hub/apps",
        json!({"name": "pad", "databases": [{"name": "notes", "write": true}]}),
    );
    let token = added.expect(201).text("token");
    for (client, refused) in
        [(laptop.as_principal(Some(("pad", &token))), 403), (laptop.as_principal(None), 401)]
    {
        for (method, path) in [
            ("GET", "/_hub/overwritten".to_owned()),
            ("GET", format!("/_hub/overwritten/{short}")),
            ("POST", format!("/_hub/overwritten/{short}/restore")),
            ("DELETE", format!("/_hub/overwritten/{short}")),
            ("GET", "/_hub/held".to_owned()),
            ("POST", "/_hub/held/x:1/release".to_owned()),
            ("GET", "/_overwritten/_all_docs".to_owned()),
        ] {
            let request = client.request(method, &path).header("content-type", "application/json");
            request.send("").expect(refused);
        }
    }
    assert_eq!(listed(&laptop).len(), 2);
    laptop.get("/_hub/overwritten/nothing").expect(404);
    laptop.post("/_hub/held/x:1/release", json!({})).expect(404);
}
