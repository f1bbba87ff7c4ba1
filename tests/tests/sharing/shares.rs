//! Databases shared, withdrawn and shared again.

use serde_json::json;
use tests::{Hub, await_member, await_status, eventually};

use super::{accept, await_invitation, friends, path, share, shares, unshare};

#[test]
fn a_database_shared_to_read_then_to_write_then_withdrawn_and_shared_again() {
    let (anna, bert) = friends();
    share(&anna, "recipes", "Bert", "read");
    let shared = shares(&anna);
    assert_eq!(shared.len(), 1, "{shared:?}");
    assert_eq!(shared[0]["place"], "recipes");
    assert_eq!(shared[0]["right"], "read");
    assert_eq!(shared[0]["with"]["name"], "Bert");
    assert_eq!(shared[0]["with"]["kind"], "friend");
    let here = accept(&bert, "recipes");
    assert_eq!(here, "anna/recipes");
    await_member(&bert, &(path(&here) + "/soup"), "text", "water");

    // To share for reading alone keeps nothing from being in step.
    eventually("in step", || {
        let why = anna.get("/_hub/why").expect(200).json();
        if why["in_step"] == true && why["reasons"] == json!([]) {
            Ok(())
        } else {
            Err(why.to_string())
        }
    });
    let figures = &anna.peer("Bert")["databases"];
    assert_eq!(figures["offered"], figures["in_step"], "{figures}");

    // What is edited where only reading is shared stays there, and its owner is told so.
    assert!(bert.why("").is_empty(), "{:?}", bert.why(""));
    bert.put(&(path(&here) + "/cake"), json!({"text": "sugar"})).expect(201);
    let reason = bert.await_reason("", "read_only");
    assert_eq!(reason["db"], "anna/recipes", "{reason}");
    let told = await_invitation(&bert, "the sentence", |one| one["sentence"].is_string());
    assert_eq!(told["sentence"], "You may only read it: your edits stay here.");
    assert_eq!(bert.peer("Anna")["kept_here"], json!(["anna/recipes"]));
    anna.put("/recipes/tea", json!({"text": "leaves"})).expect(201);
    await_status(&bert, &(path(&here) + "/tea"), 200);
    anna.get("/recipes/cake").expect(404);

    // With the right to write it comes.
    share(&anna, "recipes", "Bert", "write");
    await_member(&anna, "/recipes/cake", "text", "sugar");
    assert_eq!(shares(&anna)[0]["right"], "write");
    await_invitation(&bert, "the right", |one| one["right"] == "write");

    // Withdrawn: the copy stays as it is, and nothing of it was deleted.
    unshare(&anna, "recipes", "Bert");
    assert!(shares(&anna).is_empty());
    let withdrawn = await_invitation(&bert, "withdrawn", |one| one["state"] == "withdrawn");
    assert_eq!(withdrawn["followed"], false, "{withdrawn}");
    anna.put("/recipes/pie", json!({"text": "apples"})).expect(201);
    bert.put(&(path(&here) + "/jam"), json!({"text": "plums"})).expect(201);
    bert.get(&(path(&here) + "/soup")).expect(200);
    let reason = bert.await_reason("peer=Anna&db=anna%2Frecipes", "right_missing_there");
    assert!(reason["sentence"].as_str().unwrap().contains("no longer followed"), "{reason}");
    bert.get(&(path(&here) + "/pie")).expect(404);
    anna.get("/recipes/jam").expect(404);

    // Shared again: all that there is comes, also what was written meanwhile.
    share(&anna, "recipes", "Bert", "write");
    await_status(&bert, &(path(&here) + "/pie"), 200);
    await_member(&anna, "/recipes/jam", "text", "plums");
    await_member(&bert, &(path(&here) + "/soup"), "text", "water");
    // And from write back to read: what is shared last counts.
    share(&anna, "recipes", "Bert", "read");
    assert_eq!(shares(&anna)[0]["right"], "read");
    await_invitation(&bert, "the right", |one| one["right"] == "read");
}

#[test]
fn what_cannot_be_shared_says_why() {
    let (anna, _bert) = friends();
    let other = Hub::start();
    anna.add_device(&other, "phone");
    anna.post("/_hub/dbs", json!({"name": "private", "scope": "local"})).expect(201);
    for (place, with, right, status, reason) in [
        ("nothing", "Bert", "read", 404, "there is no such database"),
        ("_dbs", "Bert", "read", 400, "a system database is shared with nobody"),
        ("recipes", "Nobody", "read", 400, "`Nobody` is no key"),
        ("recipes", "phone", "read", 400, "your own devices have every database already"),
        ("private", "Bert", "read", 400, "private stays on this device"),
        ("recipes/d/v", "Bert", "read", 404, "there is no such design document"),
        ("recipes/d/v", "Bert", "write", 400, "of a view only reading is shared"),
    ] {
        let asked = json!({"place": place, "with": with, "right": right});
        let reply = anna.post("/_hub/shares", asked).expect(status).json();
        assert!(reply["reason"].as_str().unwrap().starts_with(reason), "{place} {with}: {reply}");
    }
    anna.delete("/_hub/shares?place=recipes&with=Bert").expect(404);
    anna.delete("/_hub/shares?place=recipes").expect(400);
    assert!(shares(&anna).is_empty());
}

#[test]
fn from_the_command_line() {
    let (anna, bert) = friends();
    anna.larder(&["share", "recipes", "--with", "Bert", "--write"]).expect_success();
    let listed = anna.larder(&["shares"]).expect_success();
    assert!(listed.starts_with("recipes  write  Bert"), "{listed}");
    await_invitation(&bert, "an invitation", |one| one["documents"] == 2);
    let listed = bert.larder(&["invitations"]).expect_success();
    assert!(listed.contains("recipes of Anna  write  2 documents, "), "{listed}");
    let id = listed.split_whitespace().next().unwrap();
    let taken = bert.larder(&["invitations", "accept", id, "--as", "cooking"]).expect_success();
    assert_eq!(taken.trim(), "cooking");
    await_status(&bert, "/cooking/soup", 200);
    anna.larder(&["unshare", "recipes", "--with", "Bert"]).expect_success();
    assert_eq!(anna.larder(&["shares"]).expect_success(), "");
    await_invitation(&bert, "withdrawn", |one| one["state"] == "withdrawn");
    let listed = bert.larder(&["invitations"]).expect_success();
    assert!(listed.contains("taken as cooking, no longer followed"), "{listed}");
}

#[test]
fn with_a_group_means_with_its_members() {
    let (anna, bert) = friends();
    anna.put("/_hub/groups/family", "").expect(201);
    share(&anna, "recipes", "group:family", "write");
    let shared = shares(&anna);
    assert_eq!(shared[0]["with"], json!({"name": "family", "kind": "group"}), "{shared:?}");
    anna.post("/_hub/groups/family", json!({"add": ["Bert"]})).expect(200);
    let here = accept(&bert, "recipes");
    await_status(&bert, &(path(&here) + "/soup"), 200);
    anna.post("/_hub/groups/family", json!({"remove": ["Bert"]})).expect(200);
    await_invitation(&bert, "withdrawn", |one| one["state"] == "withdrawn");
    unshare(&anna, "recipes", "group:family");
    let databases = anna.get("/_hub/dbs").json();
    let mut databases = databases["databases"].as_array().unwrap().iter();
    let recipes = databases.find(|one| one["name"] == "recipes").unwrap();
    assert_eq!(recipes["scope"], "mesh", "shared with nobody any more");
}
