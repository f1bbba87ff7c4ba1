//! A view shared as a database of its own: its rows and nothing else.

use serde_json::{Value, json};
use tests::{Hub, await_status, eventually, pair};

use super::{accept, await_bodies, bodies, friends, invitations, path, share, shares, unshare};

const TITLES: &str = "function (doc) { if (doc.title) { emit(doc.title, doc.text.length); } }";

#[track_caller]
fn design(hub: &Hub, map: &str) {
    let known = hub.get("/recipes/_design/d");
    let mut design = json!({"views": {"titles": {"map": map, "reduce": "_sum"}}});
    if known.status == 200 {
        design["_rev"] = known.json()["_rev"].clone();
    }
    hub.put("/recipes/_design/d", design).expect(201);
}

/// Documents of which a hub is killed in the middle.
const MANY: u64 = 2000;

fn row(key: impl Into<Value>, value: impl Into<Value>) -> Value {
    json!({"key": key.into(), "value": value.into()})
}

#[track_caller]
fn edit(hub: &Hub, id: &str, change: impl FnOnce(&mut Value)) {
    let mut document = hub.get(&format!("/recipes/{id}")).expect(200).json();
    change(&mut document);
    hub.put(&format!("/recipes/{id}"), document).expect(201);
}

/// Waits until what is said of the published view is so.
#[track_caller]
fn await_state(hub: &Hub, code: &str) -> Value {
    eventually(code, || {
        let shares = shares(hub);
        let view = shares.iter().map(|share| &share["view"]);
        let mut found = view.filter(|view| view["code"] == code || view["state"] == code);
        found.next().cloned().ok_or_else(|| format!("{shares:?}"))
    })
}

#[test]
fn a_friend_gets_rows_and_what_becomes_of_them() {
    let (anna, bert) = friends();
    design(&anna, TITLES);
    let shared = share(&anna, "recipes/d/titles", "Bert", "read");
    assert_eq!(shared["copy"], "views/titles", "{shared}");
    let here = accept(&bert, "views/titles");
    assert_eq!(here, "anna/views/titles");
    let (soup, bread) = (row("Soup", 5), row("Bread", 5));
    await_bodies(&bert, &here, &[soup.clone(), bread.clone()]);
    // Nothing else, and nothing that tells what they were made of.
    let offered = invitations(&bert);
    assert_eq!(offered.len(), 1, "{offered:?}");
    let all = bert.get(&(path(&here) + "/_all_docs?include_docs=true")).expect(200).json();
    for secret in ["water", "flour", "soup", "bread", "recipes"] {
        assert!(!all.to_string().contains(secret), "{secret}: {all}");
    }
    let knocking = anna.as_key(None);
    knocking.get("/recipes").expect(401);

    // New, changed and deleted rows follow.
    anna.put("/recipes/tea", json!({"text": "leaves", "title": "Tea"})).expect(201);
    await_bodies(&bert, &here, &[soup.clone(), bread.clone(), row("Tea", 6)]);
    edit(&anna, "soup", |soup| soup["text"] = "water, salt".into());
    await_bodies(&bert, &here, &[row("Soup", 11), bread.clone(), row("Tea", 6)]);
    edit(&anna, "bread", |bread| bread["title"] = "Rye bread".into());
    edit(&anna, "tea", |tea| _ = tea.as_object_mut().unwrap().remove("title"));
    await_bodies(&bert, &here, &[row("Soup", 11), row("Rye bread", 5)]);
    let soup = anna.get("/recipes/soup").json();
    anna.delete(&format!("/recipes/soup?rev={}", soup["_rev"].as_str().unwrap())).expect(200);
    await_bodies(&bert, &here, &[row("Rye bread", 5)]);

    // Nobody edits it where it is made.
    let refused = anna.put("/views%2Ftitles/mine", json!({})).expect(403).json();
    assert!(refused["reason"].as_str().unwrap().contains("rows of a view"), "{refused}");
    let all = json!({"docs": [{"_id": "mine"}]});
    let refused = anna.post("/views%2Ftitles/_bulk_docs", all).expect(201).json();
    assert_eq!(refused[0]["error"], "forbidden", "{refused}");
    assert_eq!(bodies(&anna, "views/titles"), [row("Rye bread", 5)]);
}

#[test]
fn several_rows_of_one_document_with_one_key_are_several_documents() {
    let (anna, bert) = friends();
    design(&anna, "function (doc) { [1, 2, 2].forEach(function (n) { emit('k', n); }); }");
    share(&anna, "recipes/d/titles", "Bert", "read");
    let here = accept(&bert, "views/titles");
    let three = [row("k", 1), row("k", 2), row("k", 2)];
    await_bodies(&bert, &here, &[three.clone(), three].concat());
}

#[test]
fn rows_follow_the_design_document_and_a_view_that_fails_keeps_them() {
    let (anna, bert) = friends();
    design(&anna, TITLES);
    share(&anna, "recipes/d/titles", "Bert", "read");
    let here = accept(&bert, "views/titles");
    await_bodies(&bert, &here, &[row("Soup", 5), row("Bread", 5)]);
    design(&anna, "function (doc) { emit(doc.text, null); }");
    await_bodies(&bert, &here, &[row("water", Value::Null), row("flour", Value::Null)]);
    // One that does not end.
    design(&anna, "function (doc) { while (true) {} }");
    let failed = await_state(&anna, "view_failed");
    assert!(failed["sentence"].is_string(), "{failed}");
    let reason = anna.await_reason("", "view_failed");
    assert_eq!(reason["db"], "views/titles", "{reason}");
    assert_eq!(anna.await_reason("db=recipes", "view_failed"), reason);
    assert!(anna.why("db=diary").iter().all(|reason| reason["code"] != "view_failed"));
    assert_eq!(bodies(&anna, "views/titles").len(), 2, "the last state stays");
    design(&anna, TITLES);
    await_bodies(&bert, &here, &[row("Soup", 5), row("Bread", 5)]);
    await_state(&anna, "current");
    // One that is gone has no rows.
    let known = anna.get("/recipes/_design/d").json();
    let gone = format!("/recipes/_design/d?rev={}", known["_rev"].as_str().unwrap());
    anna.delete(&gone).expect(200);
    await_bodies(&bert, &here, &[]);
    await_state(&anna, "view_missing");
}

#[test]
fn after_a_restart_and_after_a_kill_it_catches_up() {
    let (anna, bert) = friends();
    design(&anna, TITLES);
    share(&anna, "recipes/d/titles", "Bert", "read");
    let here = accept(&bert, "views/titles");
    await_bodies(&bert, &here, &[row("Soup", 5), row("Bread", 5)]);
    let anna = Hub::start_in(anna.stop());
    bert.add_friend(&anna, "Anna");
    anna.put("/recipes/tea", json!({"text": "leaves", "title": "Tea"})).expect(201);
    await_bodies(&bert, &here, &[row("Soup", 5), row("Bread", 5), row("Tea", 6)]);

    // Killed in the middle of many.
    let many = |from: u64, text: &str| -> Value {
        let docs =
            (from..from + MANY).map(|n| json!({"_id": format!("n{n}"), "title": n, "text": text}));
        json!({"docs": docs.collect::<Vec<_>>()})
    };
    anna.post("/recipes/_bulk_docs", many(1, "one")).expect(201);
    eventually("some of the rows", || match bodies(&anna, "views/titles").len() {
        0..4 => Err("none".to_owned()),
        _ => Ok(()),
    });
    let anna = Hub::start_in(anna.kill());
    bert.add_friend(&anna, "Anna");
    let mut expected = vec![row("Soup", 5), row("Bread", 5), row("Tea", 6)];
    expected.extend((1..=MANY).map(|n| row(n, 3)));
    await_bodies(&anna, "views/titles", &expected);
    await_bodies(&bert, &here, &expected);
    // What was there already was not written anew.
    let revs = anna.get("/views%2Ftitles/_all_docs").json();
    let revs = revs["rows"].as_array().unwrap();
    assert!(revs.iter().all(|row| row["value"]["rev"].as_str().unwrap().starts_with("1-")));
}

#[test]
fn it_goes_with_the_last_share_and_goes_on_when_shared_again() {
    let (anna, bert) = friends();
    design(&anna, TITLES);
    let carl = Hub::start();
    anna.add_friend(&carl, "Carl");
    share(&anna, "recipes/d/titles", "Bert", "read");
    share(&anna, "recipes/d/titles", "Carl", "read");
    let here = accept(&bert, "views/titles");
    await_bodies(&bert, &here, &[row("Soup", 5), row("Bread", 5)]);
    let of = |hub: &Hub| hub.get("/_hub/dbs").json()["databases"].to_string();
    unshare(&anna, "recipes/d/titles", "Carl");
    anna.get("/views%2Ftitles").expect(200);
    unshare(&anna, "recipes/d/titles", "Bert");
    await_status(&anna, "/views%2Ftitles", 404);
    assert!(!of(&anna).contains("views/titles"));
    assert!(shares(&anna).is_empty());
    eventually("withdrawn", || {
        let all = invitations(&bert);
        match all.iter().any(|one| one["state"] == "withdrawn") {
            true => Ok(()),
            false => Err(format!("{all:?}")),
        }
    });
    edit(&anna, "soup", |soup| soup["title"] = "Broth".into());
    // The copy stays.
    assert_eq!(bodies(&bert, &here).len(), 2);
    share(&anna, "recipes/d/titles", "Bert", "read");
    // It is the same database, so that Bert's copy goes on, and what is gone goes there, too.
    await_bodies(&bert, &here, &[row("Broth", 5), row("Bread", 5)]);
    // Deleting the database takes all with it.
    anna.delete("/recipes").expect(200);
    await_status(&anna, "/views%2Ftitles", 404);
    assert!(shares(&anna).is_empty());
}

#[test]
fn what_was_purged_goes_and_what_is_too_large_is_left_out() {
    let (anna, bert) = friends();
    design(&anna, "function (doc) { emit(doc.title, doc.text); }");
    share(&anna, "recipes/d/titles", "Bert", "read");
    let here = accept(&bert, "views/titles");
    await_bodies(&bert, &here, &[row("Soup", "water"), row("Bread", "flour")]);
    let soup = anna.get("/recipes/soup").json();
    anna.post("/recipes/_purge", json!({"soup": [soup["_rev"]]})).expect(201);
    await_bodies(&bert, &here, &[row("Bread", "flour")]);
    let large = "x".repeat((1 << 20) + 1);
    anna.put("/recipes/tome", json!({"title": "Tome", "text": large})).expect(201);
    anna.put("/recipes/tea", json!({"title": "Tea", "text": "leaves"})).expect(201);
    await_bodies(&bert, &here, &[row("Bread", "flour"), row("Tea", "leaves")]);
    eventually("what was left out", || {
        let shares = shares(&anna);
        match shares[0]["view"]["too_large"] == 1 {
            true => Ok(()),
            false => Err(format!("{shares:?}")),
        }
    });
}

#[test]
fn other_devices_have_it_of_the_one_that_makes_it_and_may_withdraw_it() {
    let (anna, bert) = friends();
    let tablet = Hub::start();
    pair(&anna, &tablet);
    design(&anna, TITLES);
    share(&anna, "recipes/d/titles", "Bert", "read");
    await_bodies(&tablet, "views/titles", &[row("Soup", 5), row("Bread", 5)]);
    edit(&anna, "soup", |soup| soup["title"] = "Broth".into());
    await_bodies(&tablet, "views/titles", &[row("Broth", 5), row("Bread", 5)]);
    tablet.put("/views%2Ftitles/mine", json!({})).expect(403);
    // The tablet knows of the share, and does not make the rows itself.
    let view = eventually("the share", || {
        let shares = shares(&tablet);
        shares.first().map(|share| share["view"].clone()).ok_or_else(|| "none".to_owned())
    });
    assert_eq!(view["state"], "made_elsewhere", "{view}");
    await_status(&tablet, "/recipes/_design/d", 200);
    tablet.put("/recipes/tea", json!({"title": "Tea", "text": "leaves"})).expect(201);
    let here = accept(&bert, "views/titles");
    await_bodies(&bert, &here, &[row("Broth", 5), row("Bread", 5), row("Tea", 6)]);
    eventually("Bert's name", || {
        let acl = tablet.get("/_hub/acl").json();
        if acl.to_string().contains("Bert") { Ok(()) } else { Err(acl.to_string()) }
    });
    unshare(&tablet, "recipes/d/titles", "Bert");
    await_status(&anna, "/views%2Ftitles", 404);
    assert!(shares(&anna).is_empty());
    assert_eq!(bodies(&bert, &here).len(), 3, "the copy stays");
}

#[test]
fn rows_of_partitioned_databases_have_the_keys_that_were_emitted() {
    let (anna, bert) = friends();
    anna.put("/kinds?partitioned=true", "").expect(201);
    anna.put("/kinds/a:1", json!({"n": [1, "x"]})).expect(201);
    anna.put("/kinds/b:1", json!({"n": 2})).expect(201);
    let design = json!({"views": {"n": {"map": "function (doc) { emit(doc.n, null); }"}}});
    anna.put("/kinds/_design/d", design).expect(201);
    share(&anna, "kinds/d/n", "Bert", "read");
    let here = accept(&bert, "views/n");
    await_bodies(&bert, &here, &[row(json!([1, "x"]), Value::Null), row(2, Value::Null)]);
}

#[test]
fn another_device_goes_on_with_what_one_made_that_was_taken_away() {
    let (anna, bert) = friends();
    let tablet = Hub::start();
    pair(&anna, &tablet);
    design(&anna, TITLES);
    await_status(&tablet, "/recipes/_design/d", 200);
    eventually("Bert's name", || {
        let asked = json!({"place": "recipes/d/titles", "with": "Bert"});
        match tablet.post("/_hub/shares", asked).status {
            201 => Ok(()),
            other => Err(other.to_string()),
        }
    });
    await_bodies(&anna, "views/titles", &[row("Soup", 5), row("Bread", 5)]);
    let here = accept(&bert, "views/titles");
    anna.delete("/_hub/devices/second").expect(200);
    share(&anna, "recipes/d/titles", "Bert", "read");
    anna.put("/recipes/tea", json!({"title": "Tea", "text": "leaves"})).expect(201);
    await_bodies(&bert, &here, &[row("Soup", 5), row("Bread", 5), row("Tea", 6)]);
    assert_eq!(shares(&anna).len(), 1);
}
