//! `larder import`: the databases of another server.

#![allow(clippy::unwrap_used, reason = "a test file with helpers")]

use serde_json::{Value, json};
use tests::{Body, Hub, eventually, larder};

/// A hub to import from: conflicts, tombstones, attachments, a design document.
fn full() -> Hub {
    let hub = Hub::start();
    for name in ["notes", "a%2Fb", "empty"] {
        hub.put(&format!("/{name}"), "").expect(201);
    }
    let branch = |rev: &str, text: &str| json!({"_id": "torn", "_rev": rev, "text": text});
    let docs = [branch("1-a", "one"), branch("1-b", "two"), json!({"_id": "x", "_rev": "1-c"})];
    hub.post("/notes/_bulk_docs", json!({"new_edits": false, "docs": docs})).expect(201);
    hub.put("/notes/_design/d", json!({"language": "query"})).expect(201);
    let rev = hub.put("/notes/gone", json!({})).expect(201).rev();
    hub.delete(&format!("/notes/gone?rev={rev}")).expect(200);
    let bytes = Body::bytes(vec![9_u8; 200_000], "image/png");
    hub.put("/notes/x/picture?rev=1-c", bytes).expect(201);
    hub.put("/notes/_local/mine", json!({"not": "replicated"})).expect(201);
    hub.put("/notes/_revs_limit", json!(77)).expect(200);
    let security = json!({"members": {"names": ["anna"], "roles": []}, "admins": {"roles": ["r"]}});
    hub.put("/notes/_security", security).expect(200);
    hub.put("/a%2Fb/1", json!({})).expect(201);
    hub
}

#[track_caller]
fn same(there: &Hub, here: &Hub, path: &str) {
    let accept = |hub: &Hub| hub.get(path).expect(200).json();
    assert_eq!(accept(here), accept(there), "{path}");
}

#[test]
fn takes_over_all_that_a_server_has() {
    let there = full();
    let here = Hub::start();
    let done = here.larder(&["import", there.owner_url()]);
    let (out, err) = (done.stdout.clone(), done.stderr.clone());
    done.expect_success();
    assert!(out.contains("3 databases imported, all complete"), "{out}");
    assert!(err.contains("local documents are not replicated"), "{err}");
    assert!(err.contains("_users"), "{err}");
    let token = there.owner_url().split(['@', ':']).nth(2).unwrap().to_owned();
    assert!(!out.contains(&token) && !err.contains(&token) && !here.log().contains(&token));

    for path in [
        "/notes/torn?open_revs=all&revs=true",
        "/notes/_design/d",
        "/notes/x",
        "/a%2Fb/1",
        "/notes/_revs_limit",
        "/notes/_security",
    ] {
        let path = path.replace("torn?open_revs=all&revs=true", "torn?conflicts=true&revs=true");
        same(&there, &here, &path);
    }
    assert_eq!(here.get("/notes/x/picture").expect(200).body, vec![9_u8; 200_000]);
    assert_eq!(here.get("/notes/gone").expect(404).text("reason"), "deleted");
    here.get("/notes/_local/mine").expect(404);
    here.get("/empty").expect(200);

    // Again: it goes on from where it was.
    there.put("/notes/later", json!({})).expect(201);
    let again = here.larder(&["import", there.owner_url(), "--db", "notes"]).expect_success();
    assert!(again.contains("1 database imported, all complete"), "{again}");
    here.get("/notes/later").expect(200);
}

#[test]
fn writes_into_nobody_elses_databases_unless_told() {
    let there = full();
    let here = Hub::start();
    here.put("/notes", "").expect(201);
    here.put("/notes/own", json!({})).expect(201);
    let out = here.larder(&["import", there.owner_url(), "--exclude", "empty"]).expect_finding();
    assert!(out.contains("exists here already"), "{out}");
    assert!(out.contains("2 databases looked at, 1 not complete"), "{out}");
    here.get("/notes/x").expect(404);
    here.get("/a%2Fb/1").expect(200);
    here.get("/empty").expect(404);

    // Told so it does, and finds that there is more here than there.
    let into = ["import", there.owner_url(), "--db", "notes", "--into-existing"];
    let out = here.larder(&into).expect_finding();
    assert!(out.contains("differs"), "{out}");
    here.get("/notes/x").expect(200);
    here.get("/notes/own").expect(200);
    // What was there before keeps its own settings.
    assert_eq!(here.get("/notes/_revs_limit").json(), json!(1000));
}

#[test]
fn partitioned_databases_stay_so() {
    let there = Hub::start();
    there.put("/parts?partitioned=true", "").expect(201);
    let ids = ["a:1", "a:2", "b:1"].map(|id| json!({"_id": id}));
    there.post("/parts/_bulk_docs", json!({"docs": ids})).expect(201);
    there.put("/parts/_design/d", json!({"language": "query"})).expect(201);
    let picture = Body::bytes(vec![9_u8; 100_000], "image/png");
    let rev = there.put("/parts/c:1/picture", picture).expect(201).rev();
    there.delete(&format!("/parts/c:1?rev={rev}")).expect(200);
    let here = Hub::start();
    let out = here.larder(&["import", there.owner_url()]).expect_success();
    assert!(out.contains("1 database imported, all complete"), "{out}");
    assert_eq!(here.get("/parts").expect(200).json()["props"], json!({"partitioned": true}));
    for path in ["/parts/a:2", "/parts/_partition/a/_all_docs", "/parts/_design/d"] {
        same(&there, &here, path);
    }
    let counts = |hub: &Hub, partition: &str| {
        let info = hub.get(&format!("/parts/_partition/{partition}")).expect(200).json();
        (info["doc_count"].clone(), info["doc_del_count"].clone())
    };
    for (partition, expected) in [("a", (2, 0)), ("b", (1, 0)), ("c", (0, 1))] {
        assert_eq!(counts(&here, partition), (json!(expected.0), json!(expected.1)));
    }
    here.put("/parts/whole", json!({})).expect(400);

    // Again it goes on; into one of the other kind it does not, whatever it is told.
    there.put("/parts/a:3", json!({})).expect(201);
    here.larder(&["import", there.owner_url()]).expect_success();
    here.get("/parts/a:3").expect(200);
    let other = Hub::start();
    other.put("/parts", "").expect(201);
    let into = ["import", there.owner_url(), "--into-existing"];
    let out = other.larder(&into).expect_finding();
    assert!(out.contains("only one of the two is partitioned"), "{out}");
    assert_eq!(other.get("/parts").expect(200).json()["doc_count"], 0);
}

#[test]
fn what_cannot_be_done_is_said_without_the_password() {
    let there = full();
    let here = Hub::start();
    let wrong = format!("http://owner:Geheimnis-7@{}", there.url().trim_start_matches("http://"));
    let error = here.larder(&["import", &wrong]).expect_failure();
    assert!(error.contains("unauthorized") && !error.contains("Geheimnis-7"), "{error}");
    let error = here.larder(&["import", "nonsense"]).expect_failure();
    assert!(error.contains("http"), "{error}");
    let out = here.larder(&["import", there.owner_url(), "--db", "nowhere"]).expect_finding();
    assert!(out.contains("db_not_found"), "{out}");
    let url = there.owner_url().to_owned();
    let folder = here.stop();
    let mut command = larder(&["import", &url], &folder.path().join("data"));
    let error = tests::Finished::of(&mut command).expect_failure();
    assert!(error.contains("no hub is running"), "{error}");
}

#[test]
fn goes_on_where_it_was_broken_off() {
    const DOCS: u64 = 4_000;
    let there = Hub::start();
    there.put("/big", "").expect(201);
    let docs: Vec<Value> = (0..DOCS).map(|n| json!({"_id": n.to_string()})).collect();
    there.post("/big/_bulk_docs", json!({"docs": docs})).expect(201);
    let here = Hub::start();
    let mut import =
        tests::Process::start(&mut larder(&["import", there.owner_url()], &here.data_dir()));
    eventually("some documents", || match here.get("/big").json()["doc_count"].as_u64() {
        Some(count) if count > 0 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    import.kill();
    let here = Hub::start_in(here.kill());
    let out = here.larder(&["import", there.owner_url()]).expect_success();
    assert!(out.contains("1 database imported, all complete"), "{out}");
    assert_eq!(here.get("/big").json()["doc_count"], DOCS);
}
