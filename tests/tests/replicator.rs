//! Replications that documents ask for.

use serde_json::{Value, json};
use tests::{Client, Hub, encode, eventually};

/// What `_scheduler/docs` says of a document.
fn status(hub: &Client, doc: &str) -> Value {
    hub.get(&format!("/_scheduler/docs/_replicator/{doc}")).json()
}

/// Waits until a document is in this state; what is said of it then.
#[track_caller]
fn in_state(hub: &Client, doc: &str, state: &str) -> Value {
    eventually(&format!("{state} of {doc}"), || {
        let status = status(hub, doc);
        if status["state"] == state { Ok(status) } else { Err(status.to_string()) }
    })
}

#[track_caller]
fn has(hub: &Client, path: &str) {
    eventually(path, || match hub.get(path) {
        reply if reply.status == 200 => Ok(()),
        reply => Err(reply.to_string()),
    });
}

/// Failures wait only a second for their next chance.
fn impatient(hub: &Hub) {
    set(hub, "min_backoff_penalty_sec", "1");
}

fn set(hub: &Hub, key: &str, value: &str) {
    hub.put(&format!("/_node/_local/_config/replicator/{key}"), json!(value)).expect(200);
}

/// A hub with the databases `a`, with one document, and `b`.
fn with_databases() -> Hub {
    let hub = Hub::start();
    hub.put("/a", "").expect(201);
    hub.put("/b", "").expect(201);
    hub.put("/a/one", json!({"n": 1})).expect(201);
    hub
}

#[test]
fn a_document_replicates_once_and_says_so() {
    let hub = with_databases();
    let asked = json!({"source": "a", "target": "c", "create_target": true, "note": 1.0});
    hub.put("/_replicator/once", asked).expect(201);
    let status = in_state(&hub, "once", "completed");
    assert_eq!(status["database"], "_replicator");
    assert_eq!(status["doc_id"], "once");
    assert_eq!(status["id"], Value::Null);
    assert_eq!(status["error_count"], 0);
    assert_eq!(status["info"]["docs_written"], 1);
    has(&hub, "/c/one");

    let document = eventually("its end in the document", || {
        let document = hub.get("/_replicator/once").expect(200).json();
        let done = document["_replication_state"] == "completed";
        if done { Ok(document) } else { Err(document.to_string()) }
    });
    assert_eq!(document["owner"], "owner");
    assert_eq!(document["note"], 1.0);
    assert_eq!(document["_replication_stats"]["docs_written"], 1);
    assert!(document["_replication_id"].as_str().unwrap().ends_with("+create_target"));
    assert!(document["_replication_state_time"].as_str().unwrap().ends_with('Z'));
    assert!(document["_replication_stats"]["start_time"].is_string());
    assert_eq!(document.get("_replication_state_reason"), None);
    assert_eq!(hub.get("/_scheduler/jobs").json()["total_rows"], 0);

    // An edit asks for it again.
    hub.put("/a/two", json!({})).expect(201);
    let rev = document["_rev"].as_str().unwrap();
    let again = json!({"_rev": rev, "source": "a", "target": "c"});
    hub.put("/_replicator/once", again).expect(201);
    has(&hub, "/c/two");
    in_state(&hub, "once", "completed");
}

#[test]
fn a_continuous_one_runs_until_its_document_is_gone() {
    let hub = with_databases();
    let asked = json!({"source": "a", "target": "b", "continuous": true});
    let rev = hub.put("/_replicator/live", asked.clone()).expect(201).rev();
    has(&hub, "/b/one");
    let status = in_state(&hub, "live", "running");
    let id = status["id"].as_str().unwrap().to_owned();
    assert!(id.ends_with("+continuous"), "{id}");
    hub.put("/a/two", json!({})).expect(201);
    has(&hub, "/b/two");
    // While it goes on nothing is written into it.
    assert_eq!(hub.get("/_replicator/live").text("_rev"), rev);

    // An edit that means nothing to it leaves it alone.
    let started = |hub: &Hub| {
        let job = hub.get(&format!("/_scheduler/jobs/{}", encode(&id))).expect(200).json();
        job["history"].as_array().unwrap().len()
    };
    assert_eq!(started(&hub), 2);
    let mut noted = asked;
    noted["_rev"] = rev.into();
    noted["note"] = "mine".into();
    hub.put("/_replicator/live", noted.clone()).expect(201);
    hub.put("/a/three", json!({})).expect(201);
    has(&hub, "/b/three");
    assert_eq!(started(&hub), 2);

    // One that says something else gives it another job.
    noted["_rev"] = hub.get("/_replicator/live").text("_rev").into();
    noted["target"] = "c".into();
    noted["create_target"] = true.into();
    let rev = hub.put("/_replicator/live", noted).expect(201).rev();
    has(&hub, "/c/three");
    hub.get(&format!("/_scheduler/jobs/{}", encode(&id))).expect(404);

    hub.delete(&format!("/_replicator/live?rev={rev}")).expect(200);
    eventually("the end of the job", || match hub.get("/_active_tasks").json() {
        tasks if tasks == json!([]) => Ok(()),
        tasks => Err(tasks.to_string()),
    });
    assert_eq!(hub.get("/_scheduler/jobs").json()["total_rows"], 0);
    hub.get("/_scheduler/docs/_replicator/live").expect(404);
}

#[test]
fn what_cannot_be_is_refused_or_fails() {
    let hub = with_databases();
    let reply = hub.put("/_replicator/x", json!({"target": "b"})).expect(403);
    assert_eq!(reply.text("error"), "forbidden");
    assert_eq!(
        reply.text("reason"),
        "The `source' property must exist and be either a string or an object."
    );
    let docs = json!({"docs": [
        {"_id": "bad", "source": "a", "target": "b", "continuous": "yes"},
        {"_id": "good", "source": "a", "target": "b"},
    ]});
    let rows = hub.post("/_replicator/_bulk_docs", docs).expect(201).json();
    assert_eq!(rows[0]["error"], "forbidden");
    assert_eq!(rows[0]["reason"], "The `continuous' field must be a boolean.");
    assert_eq!(rows[1]["ok"], true);
    in_state(&hub, "good", "completed");
    hub.get("/_replicator/bad").expect(404);
    let reply = hub.put("/_replicator/x", json!({"_odd": 1, "source": "a", "target": "b"}));
    assert_eq!(reply.expect(400).text("error"), "doc_validation");

    // What passes that and means nothing fails for good.
    let asked = json!({"source": "a", "target": "b", "worker_processes": "a few"});
    hub.put("/_replicator/odd", asked).expect(201);
    let status = in_state(&hub, "odd", "failed");
    assert_eq!(status["error_count"], 1);
    let reason = status["info"]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("worker_processes"), "{reason}");
    let document = eventually("its end in the document", || {
        let document = hub.get("/_replicator/odd").json();
        let failed = document["_replication_state"] == "failed";
        if failed { Ok(document) } else { Err(document.to_string()) }
    });
    assert_eq!(document["_replication_state_reason"], reason);
    // Put right, it runs.
    let right = json!({"_rev": document["_rev"], "source": "a", "target": "b"});
    hub.put("/_replicator/odd", right).expect(201);
    in_state(&hub, "odd", "completed");
}

#[test]
fn two_documents_for_one_replication() {
    let hub = with_databases();
    let asked = json!({"source": "a", "target": "b", "continuous": true});
    hub.put("/_replicator/first", asked.clone()).expect(201);
    let id = in_state(&hub, "first", "running")["id"].as_str().unwrap().to_owned();
    hub.put("/_replicator/second", asked.clone()).expect(201);
    let status = in_state(&hub, "second", "failed");
    let reason = format!(
        "Replication `{id}` specified by document `second` already started, triggered by document \
         `first` from db `_replicator`"
    );
    assert_eq!(status["info"]["error"], reason);
    assert_eq!(status["id"], Value::Null);
    in_state(&hub, "first", "running");
    // A request for the same joins it, and does not end it.
    let reply = hub.post("/_replicate", asked.clone()).expect(202);
    assert_eq!(reply.text("_local_id"), id);
    let mut cancel = asked;
    cancel["cancel"] = true.into();
    hub.post("/_replicate", cancel).expect(404);
    in_state(&hub, "first", "running");
}

#[test]
fn a_transient_one_is_in_the_way_only_for_a_while() {
    let hub = with_databases();
    impatient(&hub);
    let asked = json!({"source": "a", "target": "b", "continuous": true});
    hub.post("/_replicate", asked.clone()).expect(202);
    hub.put("/_replicator/later", asked.clone()).expect(201);
    let status = in_state(&hub, "later", "error");
    let reason = status["info"]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("already running as a transient replication"), "{reason}");
    let mut cancel = asked;
    cancel["cancel"] = true.into();
    hub.post("/_replicate", cancel).expect(200);
    in_state(&hub, "later", "running");
}

#[test]
fn failures_are_counted_and_waited_for_longer_and_longer() {
    let hub = with_databases();
    impatient(&hub);
    let asked = json!({"source": "a", "target": "c", "continuous": true});
    hub.put("/_replicator/early", asked).expect(201);
    let status = eventually("three crashes", || {
        let status = status(&hub, "early");
        if status["error_count"].as_u64() >= Some(3) { Ok(status) } else { Err(status.to_string()) }
    });
    assert_eq!(status["state"], "crashing");
    assert_eq!(status["info"]["error"], "db_not_found: could not open c");
    let id = status["id"].as_str().unwrap();
    let job = hub.get(&format!("/_scheduler/jobs/{}", encode(id))).expect(200).json();
    let events: Vec<&str> = job["history"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .filter_map(|e| e["type"].as_str())
        .collect();
    let expected = ["added", "started", "crashed", "started", "crashed", "started", "crashed"];
    assert_eq!(events[..7], expected);
    let time = |n: usize| {
        let history = job["history"].as_array().unwrap();
        let text = history[history.len() - 1 - n]["timestamp"].as_str().unwrap().to_owned();
        let part = |from: usize| text[from..from + 2].parse::<i64>().unwrap();
        part(11) * 3600 + part(14) * 60 + part(17)
    };
    // At least one second after the first crash, two after the second; times are whole seconds.
    let day = 86_400;
    assert!((time(3) - time(2)).rem_euclid(day) >= 1 && (time(5) - time(4)).rem_euclid(day) >= 2);
    // Nothing of that is written into the document, and what was missing may come.
    assert_eq!(hub.get("/_replicator/early").json().get("_replication_state"), None);
    hub.put("/c", "").expect(201);
    has(&hub, "/c/one");
    in_state(&hub, "early", "running");
}

#[test]
fn a_target_that_cannot_be_reached_is_a_crash() {
    let hub = with_databases();
    let gone = Hub::start();
    let url = gone.url().to_owned();
    gone.stop();
    let asked = json!({"source": "a", "target": format!("{url}b"), "retries_per_request": 0});
    hub.put("/_replicator/away", asked).expect(201);
    let status = in_state(&hub, "away", "crashing");
    assert_eq!(status["error_count"], 1);
    let reason = status["info"]["error"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("replication_failed: "), "{reason}");
}

#[test]
fn goes_on_from_its_checkpoint_after_a_kill() {
    const DOCS: u64 = 5_000;
    let source = Hub::start();
    source.put("/big", "").expect(201);
    for part in 0..10 {
        let id = |n: u64| json!({"_id": format!("{:05}", part * DOCS / 10 + n), "text": "x".repeat(200)});
        let docs: Vec<Value> = (0..DOCS / 10).map(id).collect();
        source.post("/big/_bulk_docs", json!({"docs": docs})).expect(201);
    }
    let hub = Hub::start();
    let asked = json!({
        "source": format!("{}big", source.owner_url()), "target": "big", "create_target": true,
        "continuous": true, "worker_batch_size": 50, "checkpoint_interval": 100,
    });
    hub.put("/_replicator/pull", asked).expect(201);
    eventually("a checkpoint", || {
        let status = status(&hub, "pull");
        let at = &status["info"]["checkpointed_source_seq"];
        if at.is_string() { Ok(()) } else { Err(status.to_string()) }
    });
    let hub = Hub::start_in(hub.kill());
    let copied = |hub: &Hub| hub.get("/big").json()["doc_count"].as_u64().unwrap_or_default();
    eventually("all documents", || match copied(&hub) {
        DOCS => Ok(()),
        count => Err(count.to_string()),
    });
    let status = in_state(&hub, "pull", "running");
    let read = status["info"]["docs_read"].as_u64().unwrap();
    assert!(read < DOCS, "{read} documents were read after the kill");
    source.put("/big/new", json!({})).expect(201);
    has(&hub, "/big/new");
}

#[test]
fn credentials_are_shown_to_nobody() {
    let hub = with_databases();
    let secret = "Geheimnis-7";
    let url = format!("http://anna:{secret}@{}b", hub.url().trim_start_matches("http://"));
    let auth = json!({"basic": {"username": "anna", "password": secret}});
    for (doc, target) in [
        ("url", json!(url)),
        ("auth", json!({"url": format!("{}b", hub.url()), "auth": auth})),
        ("headers", json!({"url": format!("{}b", hub.url()), "headers": {"X-Secret": secret}})),
        ("odd", json!(format!("{url}?{secret}"))),
    ] {
        // Each another replication, or only the first would run.
        let asked = json!({"source": "a", "target": target, "doc_ids": [doc], "continuous": true});
        hub.put(&format!("/_replicator/{doc}"), asked).expect(201);
    }
    for doc in ["url", "auth", "headers"] {
        let status = in_state(&hub, doc, "crashing");
        let reason = status["info"]["error"].as_str().unwrap().to_owned();
        assert!(reason.starts_with("unauthorized: "), "{reason}");
    }
    in_state(&hub, "odd", "failed");
    for path in ["/_scheduler/docs", "/_scheduler/jobs", "/_active_tasks", "/_hub/status"] {
        let reply = hub.get(path).expect(200);
        let text = String::from_utf8_lossy(&reply.body);
        assert!(!text.contains(secret), "{path} shows it: {text}");
    }
    let reason = hub.get("/_replicator/odd").json()["_replication_state_reason"].to_string();
    assert!(!reason.contains(secret), "{reason}");
    assert!(!hub.log().contains(secret));

    let added = hub.larder(&["app", "add", "nosy", "--db", "a:rw"]).expect_success();
    let app = Client::new(added.lines().find(|line| line.starts_with("http")).unwrap_or(&added));
    for path in [
        "/_replicator/url",
        "/_replicator/_all_docs?include_docs=true",
        "/_scheduler/docs",
        "/_scheduler/jobs",
        "/_replicator/_changes?include_docs=true",
    ] {
        app.get(path).expect(403);
    }
    app.put("/_replicator/mine", json!({"source": "a", "target": "b"})).expect(403);
}

#[test]
fn a_job_has_the_rights_of_whoever_it_runs_for() {
    let hub = with_databases();
    impatient(&hub);
    hub.larder(&["app", "add", "notes", "--db", "a:rw", "--db", "own:rw"]).expect_success();
    let asked = |target: &str| {
        json!({
            "source": "a", "target": target, "create_target": true, "continuous": true,
            "user_ctx": {"name": "notes", "roles": []},
        })
    };
    hub.put("/_replicator/own", asked("own")).expect(201);
    has(&hub, "/own/one");
    hub.put("/_replicator/other", asked("b")).expect(201);
    let status = in_state(&hub, "other", "crashing");
    assert_eq!(status["info"]["error"], "forbidden: You are not allowed to access this db.");
    hub.get("/b/one").expect(404);
    let jobs = hub.get("/_scheduler/jobs").json();
    let users: Vec<_> = jobs["jobs"].as_array().unwrap().iter().map(|job| &job["user"]).collect();
    assert_eq!(users, ["notes", "notes"]);
    // With the app its rights go, and its jobs.
    hub.larder(&["app", "remove", "notes"]).expect_success();
    let status = in_state(&hub, "own", "crashing");
    let reason = status["info"]["error"].as_str().unwrap();
    assert!(reason.starts_with("forbidden") || reason.starts_with("unauthorized"), "{reason}");
}

#[test]
fn a_selector_chooses_documents_of_a_database_here() {
    let hub = with_databases();
    hub.put("/a/two", json!({"n": 2})).expect(201);
    let asked = json!({"source": "a", "target": "b", "selector": {"n": {"$gt": 1}}});
    hub.put("/_replicator/some", asked.clone()).expect(201);
    let status = in_state(&hub, "some", "completed");
    assert_eq!(status["info"]["docs_written"], 1);
    hub.get("/b/two").expect(200);
    hub.get("/b/one").expect(404);
    hub.put("/a/three", json!({"n": 3})).expect(201);
    assert_eq!(hub.post("/_replicate", asked).expect(200).json()["ok"], true);
    hub.get("/b/three").expect(200);
}

#[test]
fn other_replicator_databases_work_too() {
    let hub = with_databases();
    hub.put("/mine%2F_replicator", "").expect(201);
    let asked = json!({"source": "a", "target": "b", "continuous": true});
    hub.put("/mine%2F_replicator/x", asked).expect(201);
    has(&hub, "/b/one");
    for path in ["/_scheduler/docs/mine%2F_replicator/x", "/_scheduler/docs/mine/_replicator/x"] {
        let status = hub.get(path).expect(200).json();
        assert_eq!(status["database"], "mine/_replicator");
        assert_eq!(status["state"], "running");
    }
    for path in ["/_scheduler/docs/mine%2F_replicator", "/_scheduler/docs/mine/_replicator"] {
        assert_eq!(hub.get(path).expect(200).json()["total_rows"], 1);
    }
    let grant = ["app", "add", "notes", "--db", "mine/_replicator:rw"];
    assert!(hub.larder(&grant).expect_failure().contains("system database"));
    hub.delete("/mine%2F_replicator").expect(200);
    eventually("the end of the job", || match hub.get("/_scheduler/jobs").json() {
        jobs if jobs["total_rows"] == 0 => Ok(()),
        jobs => Err(jobs.to_string()),
    });
}

#[test]
fn jobs_take_turns_where_not_all_may_run() {
    let hub = with_databases();
    set(&hub, "max_jobs", "1");
    set(&hub, "interval", "60000");
    for doc in ["x", "y"] {
        let asked = json!({"source": "a", "target": "b", "continuous": true, "doc_ids": [doc]});
        hub.put(&format!("/_replicator/{doc}"), asked).expect(201);
    }
    in_state(&hub, "x", "running");
    in_state(&hub, "y", "pending");
    set(&hub, "interval", "200");
    in_state(&hub, "y", "running");
    in_state(&hub, "x", "running");
    assert_eq!(
        hub.get("/_scheduler/docs?states=running").json()["docs"].as_array().unwrap().len(),
        1
    );
}
