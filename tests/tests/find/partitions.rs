//! Questions to one partition, and to all.

use serde_json::{Value, json};
use tests::Hub;
use tests::exchange::{check, error};

use crate::{check_ids, explain, ids, write};

fn filled() -> Hub {
    let hub = Hub::start();
    hub.put("/db?partitioned=true", "").expect(201);
    let document = |n: usize| {
        let partition = ["a", "ab", "b"][n % 3];
        json!({"_id": format!("{partition}:{n:02}"), "n": n, "m": n % 2})
    };
    write(&hub, &(0..12).map(document).collect());
    hub
}

#[track_caller]
fn index(hub: &Hub, design: &str, partitioned: Option<bool>) {
    let mut body = json!({"index": {"fields": ["n"]}, "ddoc": design, "name": design});
    if let Some(partitioned) = partitioned {
        body["partitioned"] = json!(partitioned);
    }
    hub.post("/db/_index", body).expect(200);
}

#[track_caller]
fn ask(hub: &Hub, partition: &str, body: &Value) -> String {
    ids(&hub.post(&format!("/db/_partition/{partition}/_find"), body).expect(200).json())
}

#[test]
fn without_an_index() {
    let hub = filled();
    let body = json!({"selector": {"n": {"$gt": 2}}});
    assert_eq!(ask(&hub, "a", &body), "a:03 a:06 a:09");
    assert_eq!(ask(&hub, "ab", &body), "ab:04 ab:07 ab:10");
    assert_eq!(ask(&hub, "none", &body), "");
    let body = json!({"selector": {"_id": {"$gt": "ab:04"}}, "sort": [{"_id": "desc"}]});
    assert_eq!(ask(&hub, "ab", &body), "ab:10 ab:07");
    assert_eq!(ask(&hub, "a", &body), "");
    check_ids(&hub, &json!({"selector": {"n": {"$lt": 2}}, "partition": "ab"}), "ab:01");
}

#[test]
fn an_index_belongs_to_partitions_unless_it_says_otherwise() {
    let hub = filled();
    index(&hub, "local", None);
    index(&hub, "global", Some(false));
    let body = json!({"selector": {"n": {"$gt": 2}}, "sort": [{"n": "desc"}]});
    assert_eq!(ask(&hub, "a", &body), "a:09 a:06 a:03");
    assert_eq!(ask(&hub, "ab", &body), "ab:10 ab:07 ab:04");
    check_ids(&hub, &body, "b:11 ab:10 a:09 b:08 ab:07 a:06 b:05 ab:04 a:03");
    let explained = |path: &str| hub.post(path, &body).expect(200).json();
    let local = explained("/db/_partition/a/_explain");
    assert_eq!(
        (&local["index"]["name"], &local["mrargs"]["partition"]),
        (&json!("local"), &json!("a"))
    );
    assert_eq!(local["index"]["partitioned"], true);
    let global = explained("/db/_explain");
    assert_eq!(
        (&global["index"]["name"], &global["mrargs"]["partition"]),
        (&json!("global"), &Value::Null)
    );
    assert_eq!(global["index_candidates"][0]["analysis"]["reasons"][0]["name"], "scope_mismatch");
    let covering = json!({"selector": {"n": {"$lt": 5}}, "fields": ["n", "_id"]});
    assert_eq!(ask(&hub, "a", &covering), "a:00 a:03");
    hub.put("/db/a:99", json!({"n": 4})).expect(201);
    assert_eq!(ask(&hub, "a", &covering), "a:00 a:03 a:99");
    let listed = hub.get("/db/_index").json();
    assert_eq!(listed["indexes"][1]["partitioned"], false);
    assert_eq!(listed["indexes"][2]["partitioned"], true);
}

#[test]
fn pages_of_a_partition() {
    let hub = filled();
    index(&hub, "local", None);
    for sort in [json!([]), json!(["n"]), json!([{"n": "desc"}])] {
        let mut body = json!({"selector": {"n": {"$gte": 0}}, "sort": sort, "limit": 99});
        let whole = ask(&hub, "b", &body);
        body["limit"] = json!(1);
        let mut seen = Vec::new();
        loop {
            let page = hub.post("/db/_partition/b/_find", &body).expect(200).json();
            if ids(&page).is_empty() {
                break;
            }
            seen.push(ids(&page));
            body["bookmark"] = page["bookmark"].clone();
        }
        assert_eq!((seen.len(), seen.join(" ")), (4, whole), "{sort}");
    }
}

#[test]
fn what_cannot_be_asked() {
    let hub = filled();
    index(&hub, "global", Some(false));
    let sorted = json!({"selector": {"n": {"$gt": 2}}, "sort": ["n"]});
    let reason = |kind: &str| {
        format!("No {kind} index exists for this sort, try indexing by the sort fields.")
    };
    let refused = error(400, "no_usable_index", &reason("partitioned"));
    check(&hub, "POST /db/_partition/a/_find", &sorted, &refused);
    let sorted = json!({"selector": {"m": {"$gt": 2}}, "sort": ["m"]});
    check(&hub, "POST /db/_find", &sorted, &error(400, "no_usable_index", &reason("global")));
    let body = json!({"index": {"fields": ["m"]}, "ddoc": "global", "partitioned": true});
    let mismatch = "Requested partitioned option does not match existing value on design document \
                    _design/global";
    check(&hub, "POST /db/_index", body, &error(400, "invalid_partitioned_option", mismatch));
    hub.put("/plain", "").expect(201);
    let body = json!({"index": {"fields": ["m"]}, "partitioned": true});
    assert_eq!(hub.post("/plain/_index", body).expect(400).text("error"), "bad_request");
    let illegal = hub.post("/db/_partition/_x/_find", json!({"selector": {}})).expect(400);
    assert_eq!(illegal.text("error"), "illegal_partition");
    assert_eq!(explain(&hub, &json!({"selector": {}}))["partitioned"], true);
}
