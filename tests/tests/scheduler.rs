//! `/_scheduler`: what is said of jobs and replication documents.

#![allow(clippy::unwrap_used, reason = "a test file with helpers")]

use serde_json::{Value, json};
use tests::exchange::{check, error};
use tests::{Hub, encode, eventually};

/// Two documents: one that has replicated everything, one that goes on.
fn with_two() -> Hub {
    let hub = Hub::start();
    hub.put("/a", "").expect(201);
    hub.put("/b", "").expect(201);
    hub.put("/c", "").expect(201);
    hub.put("/a/one", json!({})).expect(201);
    let url = format!("{}b", hub.owner_url());
    // A target of its own: whoever came second to the same one would find nothing left to write.
    let other = format!("{}c", hub.owner_url());
    hub.put("/_replicator/done", json!({"source": "a", "target": other})).expect(201);
    let live =
        json!({"source": "a", "target": url, "continuous": true, "checkpoint_interval": 100});
    hub.put("/_replicator/live", live).expect(201);
    hub.put("/_replicator/_design/x", json!({})).expect(201);
    eventually("both", || {
        let docs = hub.get("/_scheduler/docs").expect(200).json();
        let states: Vec<_> =
            docs["docs"].as_array().unwrap().iter().map(|doc| &doc["state"]).collect();
        let info = &docs["docs"][1]["info"];
        let idle = info["checkpointed_source_seq"].is_string() && info["docs_written"] == 1;
        if states == ["completed", "running"] && idle { Ok(()) } else { Err(docs.to_string()) }
    });
    hub
}

#[track_caller]
fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn jobs_as_couchdb_shows_them() {
    let hub = with_two();
    let listed = hub.get("/_scheduler/jobs").expect(200).json();
    assert_eq!((&listed["total_rows"], &listed["offset"]), (&json!(1), &json!(0)));
    let job = &listed["jobs"][0];
    assert_eq!(
        names(job),
        [
            "database",
            "doc_id",
            "history",
            "id",
            "info",
            "node",
            "pid",
            "source",
            "start_time",
            "target",
            "user",
        ]
    );
    assert_eq!(job["database"], "_replicator");
    assert_eq!(job["doc_id"], "live");
    assert_eq!(job["user"], "owner");
    assert_eq!(job["node"], "nonode@nohost");
    assert_eq!(job["source"], "a");
    assert_eq!(job["target"], format!("{}b/", hub.url()));
    assert!(job["pid"].as_str().unwrap().starts_with("<0."), "{job}");
    assert_eq!(job["history"][0]["type"], "started");
    assert_eq!(job["history"][1]["type"], "added");
    for counted in [
        "revisions_checked",
        "missing_revisions_found",
        "docs_read",
        "docs_written",
        "doc_write_failures",
        "changes_pending",
        "bulk_get_attempts",
        "bulk_get_docs",
    ] {
        assert!(job["info"][counted].is_u64(), "{counted}: {job}");
    }
    for position in ["checkpointed_source_seq", "source_seq", "through_seq"] {
        assert!(job["info"][position].is_string(), "{position}: {job}");
    }
    let id = job["id"].as_str().unwrap();
    let one = hub.get(&format!("/_scheduler/jobs/{}", encode(id))).expect(200).json();
    assert_eq!(one["id"], id);
    assert_eq!(one["history"], job["history"]);

    // Tasks are shown as they were half a second ago.
    let task = eventually("the task as far as its job", || {
        let task = hub.get("/_active_tasks").json()[0].clone();
        let is_there = task["docs_written"] == job["info"]["docs_written"];
        if is_there { Ok(task) } else { Err(task.to_string()) }
    });
    assert_eq!(task["type"], "replication");
    assert_eq!(task["replication_id"], id);
    assert_eq!(task["doc_id"], "live");
    assert_eq!(task["database"], "_replicator");
    assert_eq!(task["pid"], job["pid"]);

    // A job that no document asks for.
    hub.post("/_replicate", json!({"source": "b", "target": "a", "continuous": true})).expect(202);
    let listed = hub.get("/_scheduler/jobs").json();
    assert_eq!(listed["total_rows"], 2);
    let transient = listed["jobs"].as_array().unwrap().iter().find(|job| job["source"] == "b");
    assert_eq!(transient.unwrap()["doc_id"], Value::Null);
    assert_eq!(transient.unwrap()["database"], Value::Null);
    let second = hub.get("/_scheduler/jobs?skip=1&limit=1").json();
    assert_eq!((&second["total_rows"], &second["offset"]), (&json!(2), &json!(1)));
    assert_eq!(second["jobs"][0]["id"], listed["jobs"][1]["id"]);
    assert_eq!(hub.get("/_scheduler/jobs?limit=0").json()["jobs"], json!([]));
    assert_eq!(hub.get("/_scheduler/jobs?skip=9").json()["offset"], 2);
}

#[test]
fn documents_as_couchdb_shows_them() {
    let hub = with_two();
    let listed = hub.get("/_scheduler/docs").expect(200).json();
    // Design documents ask for nothing.
    assert_eq!((&listed["total_rows"], &listed["offset"]), (&json!(2), &json!(0)));
    for doc in listed["docs"].as_array().unwrap() {
        assert_eq!(
            names(doc),
            [
                "database",
                "doc_id",
                "error_count",
                "id",
                "info",
                "last_updated",
                "node",
                "source",
                "source_proxy",
                "start_time",
                "state",
                "target",
                "target_proxy",
            ]
        );
        assert!(doc["last_updated"].as_str().unwrap().ends_with('Z'));
        assert!(doc["start_time"].as_str().unwrap().ends_with('Z'));
        assert_eq!(doc["info"]["docs_written"], 1);
    }
    let ids = |query: &str| -> Vec<String> {
        let listed = hub.get(&format!("/_scheduler/docs{query}")).expect(200).json();
        let docs = listed["docs"].as_array().unwrap().clone();
        docs.iter().map(|doc| doc["doc_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(""), ["done", "live"]);
    assert_eq!(ids("/_replicator"), ["done", "live"]);
    assert_eq!(ids("?descending=true"), ["live", "done"]);
    assert_eq!(ids("?limit=1"), ["done"]);
    assert_eq!(ids("?skip=1"), ["live"]);
    assert_eq!(ids("?states=running"), ["live"]);
    assert_eq!(ids("?states=completed,Failed"), ["done"]);
    assert_eq!(ids("?states=running&skip=1"), [""; 0]);
    let one = hub.get("/_scheduler/docs/_replicator/done").expect(200).json();
    assert_eq!(one["state"], "completed");
    assert_eq!(hub.request("HEAD", "/_scheduler/docs").send("").status, 200);
}

#[test]
fn what_is_not_there_or_not_understood() {
    let hub = Hub::start();
    let missing = error(404, "not_found", "missing");
    check(&hub, "GET /_scheduler/jobs/x", "", &missing);
    check(&hub, "GET /_scheduler/docs/_replicator/x", "", &missing);
    check(&hub, "GET /_scheduler", "", &missing);
    let no_database = error(404, "not_found", "Database does not exist.");
    check(&hub, "GET /_scheduler/docs/x%2F_replicator", "", &no_database);
    check(&hub, "GET /_scheduler/docs/x", "", "400 {\"error\":\"bad_request\"");
    check(&hub, "GET /_scheduler/docs?states=odd", "", "400 {\"error\":\"query_parse_error\"");
    check(&hub, "GET /_scheduler/docs?limit=x", "", "400 {\"error\":\"query_parse_error\"");
    let reason = error(400, "query_parse_error", "limit must be an integer");
    check(&hub, "GET /_scheduler/jobs?limit=x", "", &reason);
    let reason = error(400, "query_parse_error", "skip not in range of [0,infinity]");
    check(&hub, "GET /_scheduler/jobs?skip=-1", "", &reason);
    let reason = error(405, "method_not_allowed", "Only GET,HEAD allowed");
    check(&hub, "POST /_scheduler/jobs", "", &reason);
    check(&hub, "POST /_scheduler/docs", "", &reason);
    let stranger = hub.as_principal(None);
    stranger.get("/_scheduler/jobs").expect(401);
    stranger.get("/_scheduler/docs").expect(401);
}
