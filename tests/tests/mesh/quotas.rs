//! How much others may bring.

use serde_json::{Value, json};
use tests::{Body, Hub, await_status, eventually};

/// Two people's hubs with a database in common that both write to.
#[track_caller]
fn friends() -> (Hub, Hub) {
    let (anna, bert) = tests::friends();
    anna.put("/recipes", "").expect(201);
    anna.put("/recipes/soup", json!({})).expect(201);
    let grant = json!({"place": "recipes", "who": "Bert", "right": "write"});
    anna.post("/_hub/acl/grant", grant).expect(200);
    bert.take_offer("Anna", "recipes");
    await_status(&bert, "/recipes/soup", 200);
    (anna, bert)
}

fn text(bytes: usize) -> Value {
    json!({"text": "x".repeat(bytes)})
}

/// What a hub says that somebody has brought.
fn charged(hub: &Hub, who: &str) -> u64 {
    let quotas = hub.get("/_hub/quotas").expect(200).json();
    let mut charged = quotas["charged"].as_array().cloned().unwrap_or_default().into_iter();
    charged.find(|one| one["name"] == who).map_or(0, |one| one["bytes"].as_u64().unwrap())
}

#[test]
fn what_finds_no_room_comes_when_there_is_room() {
    let (anna, bert) = friends();
    anna.larder(&["quota", "set", "--who", "Bert", "5000"]).expect_success();
    bert.put("/recipes/cake", text(2000)).expect(201);
    await_status(&anna, "/recipes/cake", 200);
    assert!((2000..2300).contains(&charged(&anna, "Bert")), "{}", charged(&anna, "Bert"));
    let pie = bert.put("/recipes/pie", text(4000)).expect(201).text("rev");
    bert.put("/recipes/tea", text(100)).expect(201);
    // The small one behind it finds room, and the large one is noted.
    await_status(&anna, "/recipes/tea", 200);
    anna.await_reason("peer=Bert&db=recipes&doc=pie", "quota");
    anna.get("/recipes/pie").expect(404);
    let listed = anna.larder(&["quota", "list"]).expect_success();
    assert!(listed.contains("no room for") && listed.contains("1 document"), "{listed}");
    // Bert's hub does not say that Anna has everything.
    bert.await_reason("peer=Anna&db=recipes", "not_fetched");
    // Deletions pass.
    let rev = bert.get("/recipes/tea").expect(200).text("_rev");
    bert.delete(&format!("/recipes/tea?rev={rev}")).expect(200);
    await_status(&anna, "/recipes/tea", 404);
    // All that over a restart, and an edit of the document that waits.
    let folder = anna.kill();
    let anna = Hub::start_in(folder);
    bert.add_friend(&anna, "Anna");
    anna.await_reason("peer=Bert&db=recipes", "quota");
    anna.get("/recipes/pie").expect(404);
    let mut edited = text(4100);
    edited["_rev"] = pie.into();
    let pie = bert.put("/recipes/pie", edited).expect(201).text("rev");
    anna.larder(&["quota", "set", "--who", "Bert", "none"]).expect_success();
    await_status(&anna, "/recipes/pie", 200);
    assert_eq!(anna.get("/recipes/pie").json()["_rev"], pie.as_str());
    assert_eq!(bert.get("/recipes/pie").expect(200).json()["_rev"], pie.as_str());
    eventually("nothing to say", || {
        let reasons = anna.why("peer=Bert&db=recipes");
        if reasons.is_empty() { Ok(()) } else { Err(format!("{reasons:?}")) }
    });
}

#[test]
fn deleting_and_compacting_gives_room_back() {
    let (anna, bert) = friends();
    anna.larder(&["quota", "set", "--who", "Bert", "--db", "recipes", "5000"]).expect_success();
    let rev = bert.put("/recipes/cake", text(4000)).expect(201).text("rev");
    await_status(&anna, "/recipes/cake", 200);
    bert.put("/recipes/pie", text(4000)).expect(201);
    anna.await_reason("peer=Bert&db=recipes&doc=pie", "quota");
    bert.delete(&format!("/recipes/cake?rev={rev}")).expect(200);
    await_status(&anna, "/recipes/cake", 404);
    // Until compaction it is stored.
    assert!(charged(&anna, "Bert") > 4000);
    anna.post("/recipes/_compact", json!({})).expect(202);
    await_status(&anna, "/recipes/pie", 200);
    assert!(charged(&anna, "Bert") < 5000, "{}", charged(&anna, "Bert"));
}

#[test]
fn direct_writes_are_refused_with_a_reason() {
    let hub = Hub::start();
    let key = tests::Key::new();
    hub.put("/recipes", "").expect(201);
    let who = key.text();
    let grant = json!({"place": "recipes", "who": who, "right": "write"});
    hub.post("/_hub/acl/grant", grant).expect(200);
    hub.put("/_hub/quotas", json!({"who": who, "bytes_max": 3000})).expect(200);
    let friend = hub.as_key(Some(&key));
    let rev = friend.put("/recipes/cake", text(2000)).expect(201).text("rev");
    let refused = friend.put("/recipes/pie", text(2000)).expect(413).json();
    assert_eq!(refused["error"], "over_quota");
    let reason = refused["reason"].as_str().unwrap();
    assert_eq!(reason, "over quota: at most 3000 bytes may be brought to this hub");
    friend.put("/recipes/pie/file", Body::bytes(vec![7; 2000], "text/plain")).expect(413);
    // Some of a bulk find room, and of what is replicated nothing is taken for done.
    let docs = json!({"docs": [{"_id": "a"}, {"_id": "b", "text": "x".repeat(2000)}]});
    let rows = friend.post("/recipes/_bulk_docs", docs).expect(201).json();
    assert_eq!((&rows[0]["ok"], &rows[1]["error"]), (&json!(true), &json!("over_quota")));
    let docs = json!({"new_edits": false, "docs": [
        {"_id": "c", "_rev": "1-c"}, {"_id": "d", "_rev": "1-d", "text": "x".repeat(2000)},
    ]});
    let refused = friend.post("/recipes/_bulk_docs", docs.clone()).expect(503).json();
    assert!(refused["reason"].as_str().unwrap().contains("try again later"), "{refused}");
    hub.get("/recipes/c").expect(200);
    hub.get("/recipes/d").expect(404);
    friend.delete(&format!("/recipes/cake?rev={rev}")).expect(200);
    // The owner has no quota, nor what is not charged to that key.
    hub.put("/recipes/mine", text(9000)).expect(201);
    hub.put("/_hub/quotas", json!({"who": who, "bytes_max": null})).expect(200);
    friend.post("/recipes/_bulk_docs", docs).expect(201);
    friend.put("/recipes/pie", text(2000)).expect(201);
    // All friends together.
    hub.put("/_hub/quotas", json!({"db": "recipes", "bytes_max": 100})).expect(200);
    friend.put("/recipes/more", json!({})).expect(413);
    hub.larder(&["quota", "unset", "--db", "recipes"]).expect_success();
    friend.put("/recipes/more", json!({})).expect(201);
}

#[test]
fn quotas_that_cannot_be_are_refused() {
    let hub = Hub::start_with("[quotas]\nfriend_bytes_max = 0\n");
    hub.put("/recipes", "").expect(201);
    for quota in [
        json!({}),
        json!({"bytes_max": 7}),
        json!({"db": "recipes"}),
        json!({"db": "recipes", "bytes_max": -1}),
        json!({"who": "nobody", "bytes_max": 7}),
    ] {
        hub.put("/_hub/quotas", quota).expect(400);
    }
    hub.put("/_hub/quotas", json!({"db": "nothing", "bytes_max": 7})).expect(404);
    hub.delete("/_hub/quotas?db=recipes").expect(404);
    hub.delete("/_hub/quotas").expect(400);
    // Friends that nothing is set for.
    let key = tests::Key::new();
    let grant = json!({"place": "recipes", "who": key.text(), "right": "write"});
    hub.post("/_hub/acl/grant", grant).expect(200);
    hub.as_key(Some(&key)).put("/recipes/a", json!({})).expect(413);
}
