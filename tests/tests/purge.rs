//! Purging documents, the record of purges, and how much of it is kept.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::exchange::{app, check, error, with_db};
use tests::{Body, Hub};

/// Waits for a compaction to end; it may have ended before it is asked for.
fn compact(hub: &Hub, db: &str) {
    hub.post(&format!("/{db}/_compact"), json!({})).expect(202);
    let deadline = Instant::now() + Duration::from_secs(60);
    while hub.get(&format!("/{db}")).json()["compact_running"] == true {
        assert!(Instant::now() < deadline, "compaction does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn branch(hub: &Hub, id: &str, revs: &[&str], n: u64) {
    let start: u64 = revs[0].split_once('-').expect("a revision").0.parse().expect("a generation");
    let ids: Vec<&str> =
        revs.iter().map(|rev| rev.split_once('-').expect("a revision").1).collect();
    let doc = json!({"_id": id, "n": n, "_revisions": {"start": start, "ids": ids}});
    let body = json!({"docs": [doc], "new_edits": false});
    assert_eq!(hub.post("/db/_bulk_docs", body).expect(201).json(), json!([]));
}

fn purge(hub: &Hub, body: Value) -> Value {
    let answer = hub.post("/db/_purge", body).expect(201).json();
    assert_eq!(answer["purge_seq"], Value::Null);
    answer["purged"].clone()
}

#[test]
fn a_purged_document_was_never_there() {
    let hub = with_db();
    let rev = hub.put("/db/a", json!({"n": 1})).expect(201).rev();
    let second = hub.put(&format!("/db/a?rev={rev}"), json!({"n": 2})).expect(201).rev();
    let deleted = hub.put("/db/gone", json!({})).expect(201).rev();
    let deleted = hub.delete(&format!("/db/gone?rev={deleted}")).expect(200).rev();
    hub.put("/db/b", json!({})).expect(201);
    let before = hub.get("/db").json();

    let purged = purge(&hub, json!({"a": [rev, second], "gone": [deleted], "x": ["1-x"]}));
    assert_eq!(purged, json!({"a": [second], "gone": [deleted], "x": []}), "only leaves go");
    check(&hub, "GET /db/a", "", &error(404, "not_found", "missing"));
    check(&hub, "GET /db/gone", "", &error(404, "not_found", "missing"));
    check(&hub, &format!("GET /db/a?rev={second}"), "", &error(404, "not_found", "missing"));
    let listed = hub.get("/db/_all_docs").json();
    assert_eq!((&listed["total_rows"], &listed["rows"][0]["id"]), (&json!(1), &json!("b")));
    let changes = hub.get("/db/_changes").json();
    assert_eq!(changes["results"].as_array().map(Vec::len), Some(1));
    let after = hub.get("/db").json();
    assert_eq!((&after["doc_count"], &after["doc_del_count"]), (&json!(1), &json!(0)));
    for member in ["purge_seq", "update_seq"] {
        assert_ne!(after[member], before[member], "{member}");
        assert!(after[member].is_string());
    }
    assert_eq!(changes["last_seq"], after["update_seq"]);
    assert_eq!(hub.get("/db/_changes?since=now").json()["last_seq"], after["update_seq"]);
    let missing = hub.post("/db/_revs_diff", json!({"a": [second]})).expect(200).json();
    assert_eq!(missing["a"]["missing"], json!([second]));

    compact(&hub, "db");
    assert_eq!(hub.get("/db").json()["purge_seq"], after["purge_seq"], "compaction keeps it");
    let hub = Hub::start_in(hub.kill());
    check(&hub, "GET /db/a", "", &error(404, "not_found", "missing"));
    assert_eq!(hub.get("/db").json()["purge_seq"], after["purge_seq"]);
    hub.larder(&["verify"]).expect_success();
    let infos = hub.get("/db/_purged_infos").expect(200).json();
    let revs = json!([rev, second]);
    assert!(
        infos["purged_infos"]
            .as_array()
            .expect("infos")
            .contains(&json!({"id": "a", "revs": revs}))
    );
}

#[test]
fn what_remains_moves_to_a_new_sequence() {
    let hub = with_db();
    branch(&hub, "a", &["2-b", "1-a"], 1);
    branch(&hub, "a", &["3-d", "2-c", "1-a"], 2);
    hub.put("/db/z", json!({})).expect(201);
    let since = hub.get("/db").text("update_seq");
    assert_eq!(purge(&hub, json!({"a": ["3-d", "2-c", "1-a"]})), json!({"a": ["3-d"]}));
    let left = hub.get("/db/a?revs=true&conflicts=true").expect(200).json();
    let revisions = json!({"start": 2, "ids": ["b", "a"]});
    assert_eq!(left, json!({"_id": "a", "_rev": "2-b", "n": 1, "_revisions": revisions}));
    let changes = hub.get(&format!("/db/_changes?since={since}&style=all_docs")).json();
    assert_eq!(changes["results"][0]["changes"], json!([{"rev": "2-b"}]));
    assert_eq!(changes["pending"], 0);
    // What was purged may come back by replication.
    branch(&hub, "a", &["3-d", "2-c", "1-a"], 2);
    assert_eq!(hub.get("/db/a").json()["_rev"], "3-d");
}

#[test]
fn attachments_go_and_feeds_wake() {
    let hub = with_db();
    let bytes = Body::bytes(vec![7; 300_000], "image/png");
    let rev = hub.put("/db/a/large", bytes).expect(201).rev();
    assert_eq!(purge(&hub, json!({"a": [rev]})), json!({"a": [rev]}));
    check(&hub, "GET /db/a/large", "", "404");
    compact(&hub, "db");
    let sizes = hub.get("/db").json()["sizes"].clone();
    assert!(sizes["file"].as_u64().is_some_and(|file| file < 300_000), "{sizes}");
    assert_eq!(sizes["external"], 0);
    // A feed that waits goes on waiting, for nothing stands at the purge's sequence.
    let since = hub.get("/db").text("update_seq");
    let rev = hub.put("/db/b", json!({})).expect(201).rev();
    purge(&hub, json!({"b": [rev]}));
    let found = hub.get(&format!("/db/_changes?feed=longpoll&timeout=50&since={since}")).json();
    assert_eq!(found["results"], json!([]));
    assert_eq!(found["last_seq"], hub.get("/db").json()["update_seq"]);
}

#[test]
fn the_record_is_bounded_by_a_limit() {
    let hub = with_db();
    check(&hub, "GET /db/_purged_infos", "", r#"200 {"purged_infos":[]}"#);
    check(&hub, "GET /db/_purged_infos_limit", "", "200 1000");
    check(&hub, "PUT /db/_purged_infos_limit", "2", r#"200 {"ok":true}"#);
    check(&hub, "GET /db/_purged_infos_limit", "", "200 2");
    let docs: Vec<Value> = (0..5).map(|n| json!({"_id": n.to_string()})).collect();
    let rows = hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201).json();
    for row in rows.as_array().expect("rows") {
        let (id, rev) = (row["id"].as_str().expect("an id"), row["rev"].clone());
        purge(&hub, json!({id: [rev]}));
    }
    let infos = || hub.get("/db/_purged_infos").json()["purged_infos"].clone();
    assert_eq!(infos().as_array().map(Vec::len), Some(5), "until compaction");
    compact(&hub, "db");
    let expected: Vec<Value> =
        (3..5).map(|n: usize| json!({"id": n.to_string(), "revs": [rows[n]["rev"]]})).collect();
    assert_eq!(infos(), json!(expected));
    assert!(hub.get("/db").text("purge_seq").starts_with("5-"));
    for bad in ["0", "-1", "1.5", "\"2\"", "null"] {
        let reason = "`purged_infos_limit` must be positive integer";
        check(&hub, "PUT /db/_purged_infos_limit", bad, &error(400, "bad_request", reason));
    }
    let json = error(400, "bad_request", "invalid UTF-8 JSON");
    check(&hub, "PUT /db/_purged_infos_limit", "x", &json);
    check(&hub, "GET /db/_purged_infos_limit", "", "200 2");
}

#[test]
fn bad_requests_purge_nothing() {
    let hub = with_db();
    let rev = hub.put("/db/a", json!({})).expect(201).rev();
    let before = hub.get("/db").json();
    let bad = |reason: &str| error(400, "bad_request", reason);
    let many: serde_json::Map<String, Value> =
        (0..101).map(|n| (n.to_string(), json!(["1-x"]))).collect();
    for (body, expected) in [
        (json!({}), r#"201 {"purge_seq":null,"purged":{}}"#.to_owned()),
        (json!({"_x": ["1-x"], "": []}), r#"201 {"purge_seq":null,"purged":{"#.to_owned()),
        (json!([1]), bad("Request body must be a JSON object")),
        (json!({"a": rev}), bad("Invalid list of revisions")),
        (json!({"a": [rev, "x"]}), bad("Invalid rev format")),
        (json!({"a": [rev, 1]}), bad("Invalid rev format")),
        (json!({"a": [rev], "b": 1}), bad("Invalid list of revisions")),
        (Value::Object(many), bad("Exceeded maximum number of documents.")),
        (json!({"a": vec![rev.as_str(); 1001]}), bad("Exceeded maximum number of revisions.")),
    ] {
        let reply = hub.post("/db/_purge", body.clone());
        let found = format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body));
        assert!(found.starts_with(&expected), "{body}\n  {expected}\n  {found}");
    }
    let text = hub.post("/db/_purge", Body::bytes("{}", "text/plain")).expect(415);
    assert_eq!(text.text("error"), "bad_content_type");
    let broken = hub.post("/db/_purge", Body::bytes("{\"a\":", "application/json")).expect(400);
    assert_eq!(broken.text("reason"), "invalid UTF-8 JSON");
    let refused = hub.put("/db/_purge", json!({})).expect(405);
    assert_eq!(
        (refused.text("reason").as_str(), refused.header("allow")),
        ("Only POST allowed", "POST")
    );
    hub.post("/db/_purged_infos", json!({})).expect(405);
    hub.post("/db/_purged_infos_limit", json!(1)).expect(405);
    hub.post("/none/_purge", json!({})).expect(404);
    assert_eq!(hub.get("/db").json(), before);
}

#[test]
fn only_administrators_purge() {
    let hub = with_db();
    let rev = hub.put("/db/a", json!({})).expect(201).rev();
    let (writer, _) = app(&hub, "writer", &["--db", "db:rw"]);
    writer.post("/db/_purge", json!({"a": [rev]})).expect(403);
    writer.get("/db/_purged_infos").expect(403);
    writer.put("/db/_purged_infos_limit", json!(1)).expect(403);
    assert_eq!(writer.get("/db/_purged_infos_limit").expect(200).json(), 1000);
    hub.as_principal(None).post("/db/_purge", json!({})).expect(401);
    writer.get("/db/a").expect(200);
    assert_eq!(purge(&hub, json!({"a": [rev]})), json!({"a": [rev]}));
}

/// Purges, edits and compactions until the hub is killed: whatever was answered holds, and nothing
/// that was purged is there.
#[test]
fn a_kill_in_the_middle_loses_no_purge() {
    let mut folder = None;
    for round in 0..3_u32 {
        let hub = match folder.take() {
            None => with_db(),
            Some(folder) => Hub::start_in(folder),
        };
        let owner = hub.client().clone();
        let working = std::thread::spawn(move || {
            let mut purged = Vec::new();
            for number in 0_u32.. {
                let id = format!("{round}-{number}");
                let body = json!({"pad": "x".repeat(2000)});
                let Ok(written) = owner.request("PUT", &format!("/db/{id}")).try_send(body) else {
                    break;
                };
                if !number.is_multiple_of(3) {
                    continue;
                }
                let body = json!({&id: [written.rev()]});
                let Ok(reply) = owner.request("POST", "/db/_purge").try_send(body) else { break };
                assert_eq!(reply.status, 201, "{reply}");
                purged.push(id);
                if number.is_multiple_of(60)
                    && owner.request("POST", "/db/_compact").try_send(json!({})).is_err()
                {
                    break;
                }
            }
            purged
        });
        // The feed tells how far the work is.
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let info = hub.get("/db").json();
            let purges: u32 = info["purge_seq"]
                .as_str()
                .and_then(|seq| seq.split_once('-')?.0.parse().ok())
                .expect("a sequence");
            if purges >= 40 * (round + 1) {
                break;
            }
            assert!(Instant::now() < deadline, "no progress: {info}");
        }
        let left = hub.kill();
        let purged = working.join().expect("the writer");
        let hub = Hub::start_in(left);
        assert!(purged.len() > 10);
        for id in purged {
            hub.get(&format!("/db/{id}")).expect(404);
        }
        hub.larder(&["verify"]).expect_success();
        folder = Some(hub.stop());
    }
}
