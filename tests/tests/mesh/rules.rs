//! What each of the owner's devices takes, and what it does without.

use serde_json::{Value, json};
use tests::{Body, Hub, await_member, await_status, eventually, pair};

/// Two devices that know each other, the second of which has a rule for the database `notes` of the first.
#[track_caller]
fn devices(rule: &[&str]) -> (Hub, Hub) {
    let (first, second) = (Hub::start(), Hub::start());
    first.put("/notes", "").expect(201);
    first.put("/notes/before", json!({"year": 2025})).expect(201);
    pair(&first, &second);
    await_status(&second, "/notes", 200);
    await_status(&second, "/notes/before", 200);
    second.larder(&[&["device", "rules", "this", "notes"], rule].concat()).expect_success();
    (first, second)
}

fn rule_of(hub: &Hub) -> Value {
    hub.get("/_hub/rules").expect(200).json()["rules"][0].clone()
}

/// Waits until a device says that it has all that it takes.
#[track_caller]
fn await_complete(hub: &Hub) {
    eventually("complete for its rules", || {
        let rule = rule_of(hub);
        if rule["complete"] == true { Ok(()) } else { Err(rule.to_string()) }
    });
}

#[test]
fn a_selector_leaves_documents_out_but_no_deletion() {
    let (first, second) = devices(&["--selector", r#"{"year": {"$gte": 2026}}"#]);
    first.put("/notes/old", json!({"year": 2020})).expect(201);
    let rev = first.put("/notes/new", json!({"year": 2026})).expect(201).text("rev");
    await_status(&second, "/notes/new", 200);
    await_complete(&second);
    second.get("/notes/old").expect(404);
    // What was there before the rule stays, and goes when it is deleted, whatever the rule says.
    second.get("/notes/before").expect(200);
    let before = first.get("/notes/before").expect(200).text("_rev");
    first.delete(&format!("/notes/before?rev={before}")).expect(200);
    await_status(&second, "/notes/before", 404);
    assert_eq!(second.get("/notes/before").json()["reason"], "deleted");
    // What it writes goes to the other one, whatever the rule says.
    second.put("/notes/mine", json!({"year": 1999})).expect(201);
    await_status(&first, "/notes/mine", 200);
    // A document that does not match any more stays as it was when it did.
    first.put("/notes/new", json!({"year": 2000, "_rev": rev})).expect(201);
    first.put("/notes/later", json!({"year": 2027})).expect(201);
    await_status(&second, "/notes/later", 200);
    assert_eq!(second.get("/notes/new").json()["year"], 2026);
    // Both see the rule, and the first that it is the second's.
    let (here, there) = (rule_of(&second), rule_of(&first));
    assert_eq!((&here["this"], &here["name"]), (&json!(true), &json!("this")));
    assert_eq!((&there["this"], &there["name"]), (&json!(false), &json!("second")));
    assert_eq!(here["selector"], there["selector"]);
    // A wider one brings what the narrower one left out, also over a restart.
    let folder = second.kill();
    let second = Hub::start_in(folder);
    second.get("/notes/old").expect(404);
    second.larder(&["device", "rules", "this", "notes", "--all"]).expect_success();
    first.add_device(&second, "second");
    await_status(&second, "/notes/old", 200);
    await_member(&second, "/notes/new", "year", 2000);
}

#[test]
fn a_database_is_left_out_and_taken_in_again() {
    let (first, second) = devices(&["--skip"]);
    first.put("/notes/a", json!({})).expect(201);
    // Another one shows that it goes on.
    first.put("/other", "").expect(201);
    first.put("/other/a", json!({})).expect(201);
    await_status(&second, "/other/a", 200);
    second.get("/notes/a").expect(404);
    assert_eq!(rule_of(&second)["complete"], true);
    assert_eq!(second.peer("first")["databases"]["left_out"], 1);
    assert_eq!(second.alarms(), Vec::<String>::new(), "a rule says something");
    // Rules of one device are set on any of them.
    eventually("the rule", || match rule_of(&first) {
        Value::Null => Err("none".into()),
        _ => Ok(()),
    });
    first.larder(&["device", "rules", "second", "notes", "--all"]).expect_success();
    await_status(&second, "/notes/a", 200);
    assert_eq!(second.get("/_hub/rules").json()["rules"], json!([]));
}

#[test]
fn large_attachments_are_left_out_and_nothing_is_lost() {
    let (first, second) = devices(&["--attachment-bytes-max", "1000"]);
    let picture = |bytes| Body::bytes(vec![7; bytes], "image/png");
    let rev = first.put("/notes/small/picture", picture(1000)).expect(201).text("rev");
    await_status(&second, "/notes/small", 200);
    first.put("/notes/large/picture", picture(1001)).expect(201);
    // One that grows beyond it stays as it is.
    first.put(&format!("/notes/small/picture?rev={rev}"), picture(5000)).expect(201);
    first.put("/notes/later", json!({})).expect(201);
    await_status(&second, "/notes/later", 200);
    second.get("/notes/large").expect(404);
    assert_eq!(second.get("/notes/small/picture").expect(200).body.len(), 1000);
    await_complete(&second);
    // Nothing of that came back to the first.
    assert_eq!(first.get("/notes/small/picture").expect(200).body.len(), 5000);
    let rev = first.get("/notes/large").expect(200).text("_rev");
    first.delete(&format!("/notes/large?rev={rev}")).expect(200);
    eventually("the deletion", || {
        let reply = second.get("/notes/large");
        if reply.json()["reason"] == "deleted" { Ok(()) } else { Err(reply.status.to_string()) }
    });
    second
        .larder(&["device", "rules", "this", "notes", "--attachment-bytes-max", "9000"])
        .expect_success();
    eventually("the large one", || {
        let bytes = second.get("/notes/small/picture").body.len();
        if bytes == 5000 { Ok(()) } else { Err(bytes.to_string()) }
    });
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    for (rule, status) in [
        (json!({"db": "notes"}), 400),
        (json!({"db": "notes", "skip": true, "attachment_bytes_max": 1}), 400),
        (json!({"db": "notes", "selector": {"a": {"$nothing": 1}}}), 400),
        (json!({"db": "notes", "selector": 7}), 400),
        (json!({"db": "nothing", "skip": true}), 404),
        (json!({"db": "_acl", "skip": true}), 400),
        (json!({"db": "notes", "skip": true, "device": "phone"}), 404),
        (json!({"db": "notes", "skip": true, "more": 1}), 400),
    ] {
        hub.put("/_hub/rules", rule.clone()).expect(status);
    }
    hub.delete("/_hub/rules?db=notes").expect(404);
    hub.delete("/_hub/rules").expect(400);
    hub.put("/_hub/rules", json!({"db": "notes", "skip": true})).expect(200);
    assert_eq!(rule_of(&hub)["words"], "nothing of it");
    hub.delete("/_hub/rules?db=notes").expect(200);
}
