//! A friend: the databases that were shared, and nothing else.

use serde_json::{Value, json};
use tests::{Hub, await_member, await_status, eventually};

/// Two people's hubs that know each other, and a database of the first one's.
#[track_caller]
fn friends() -> (Hub, Hub) {
    let (anna, bert) = tests::friends();
    anna.put("/recipes", "").expect(201);
    anna.put("/recipes/soup", json!({"text": "water"})).expect(201);
    anna.put("/diary", "").expect(201);
    anna.put("/diary/monday", json!({"text": "secret"})).expect(201);
    (anna, bert)
}

fn grant(hub: &Hub, place: &str, who: &str, right: &str) {
    hub.post("/_hub/acl/grant", json!({"place": place, "who": who, "right": right})).expect(200);
}

#[track_caller]
fn offers(hub: &Hub, friend: &str) -> Vec<Value> {
    let offers = hub.get(&format!("/_hub/friends/{friend}/databases")).expect(200).json();
    offers["databases"].as_array().unwrap().clone()
}

#[track_caller]
fn await_offer(hub: &Hub, friend: &str, name: &str) {
    eventually("an offer", || {
        let offers = offers(hub, friend);
        match offers.iter().any(|offer| offer["name"] == name) {
            true => Ok(()),
            false => Err(format!("{offers:?}")),
        }
    });
}

#[test]
fn a_friend_sees_what_was_shared_and_takes_it_when_asked() {
    let (anna, bert) = friends();
    grant(&anna, "recipes", "Bert", "write");
    await_offer(&bert, "Anna", "recipes");
    assert_eq!(offers(&bert, "Anna").len(), 1, "the diary is nobody's business");
    bert.get("/recipes").expect(404);
    let taken = bert.larder(&["friend", "accept", "Anna", "recipes", "--as", "annas"]);
    assert_eq!(taken.expect_success().trim(), "annas");
    await_member(&bert, "/annas/soup", "text", "water");
    // Back the same way: Anna lets Bert write, so her hub fetches.
    bert.put("/annas/cake", json!({"text": "flour"})).expect(201);
    await_member(&anna, "/recipes/cake", "text", "flour");
    let listed = bert.larder(&["friend", "databases", "Anna"]).expect_success();
    assert!(listed.contains("annas"), "{listed}");
    bert.get("/_all_dbs").expect(200);
    let names = bert.get("/_all_dbs").json();
    assert!(!names.as_array().unwrap().contains(&json!("diary")), "{names}");
}

#[test]
fn a_reader_is_not_fetched_from() {
    let (anna, bert) = friends();
    grant(&anna, "recipes", "Bert", "read");
    await_offer(&bert, "Anna", "recipes");
    bert.post("/_hub/friends/Anna/accept", json!({"database": "recipes", "as": "recipes"}))
        .expect(201);
    await_status(&bert, "/recipes/soup", 200);
    bert.put("/recipes/cake", json!({})).expect(201);
    // One round more, so that what could come would have come.
    anna.put("/recipes/tea", json!({})).expect(201);
    await_status(&bert, "/recipes/tea", 200);
    anna.get("/recipes/cake").expect(404);
}

#[test]
fn a_right_taken_away_ends_it_and_a_late_one_brings_the_rest() {
    let (anna, bert) = friends();
    grant(&anna, "recipes", "Bert", "write");
    await_offer(&bert, "Anna", "recipes");
    bert.post("/_hub/friends/Anna/accept", json!({"database": "recipes", "as": "recipes"}))
        .expect(201);
    await_status(&bert, "/recipes/soup", 200);
    anna.post("/_hub/acl/revoke", json!({"place": "recipes", "who": "Bert"})).expect(200);
    anna.put("/recipes/cake", json!({})).expect(201);
    bert.put("/recipes/tea", json!({})).expect(201);
    bert.await_reason("peer=Anna&db=recipes", "right_missing_there");
    bert.get("/recipes/cake").expect(404);
    bert.get("/recipes/soup").expect(200);
    anna.get("/recipes/tea").expect(404);
    grant(&anna, "recipes", "Bert", "write");
    await_status(&bert, "/recipes/cake", 200);
    await_status(&anna, "/recipes/tea", 200);
}

#[test]
fn a_late_right_lets_in_what_was_refused_before() {
    let (anna, bert) = friends();
    grant(&anna, "recipes", "Bert", "write");
    await_offer(&bert, "Anna", "recipes");
    bert.post("/_hub/friends/Anna/accept", json!({"database": "recipes", "as": "recipes"}))
        .expect(201);
    let view = json!({"views": {"v": {"map": "function (doc) { emit(doc._id); }"}}});
    bert.put("/recipes/_design/d", view).expect(201);
    bert.put("/recipes/cake", json!({})).expect(201);
    await_status(&anna, "/recipes/cake", 200);
    anna.get("/recipes/_design/d").expect(404);
    let reason = anna.await_reason("peer=Bert&db=recipes", "design_not_taken");
    assert_eq!(reason["doc"], "_design/d", "{reason}");
    grant(&anna, "recipes", "Bert", "views");
    await_status(&anna, "/recipes/_design/d", 200);
}
