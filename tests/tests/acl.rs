//! Policies and groups: what they give to apps, how they are changed, and what is told of them.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::exchange::app;
use tests::{Hub, eventually};

const KEY: &str = "nnvaasbf2qpiyfmhwaln4jbi2tbjrvi5lmxcghdivbgh5igkcqga";

fn with_databases(names: &[&str]) -> Hub {
    let hub = Hub::start();
    for name in names {
        hub.put(&format!("/{}", name.replace('/', "%2F")), "").expect(201);
    }
    hub
}

fn acl(hub: &Hub, arguments: &str) -> String {
    hub.larder(&arguments.split(' ').collect::<Vec<_>>()).expect_success()
}

fn refused(hub: &Hub, arguments: &str) -> String {
    hub.larder(&arguments.split(' ').collect::<Vec<_>>()).expect_failure()
}

#[test]
fn a_security_object_gives_apps_rights() {
    let hub = with_databases(&["notes"]);
    let (client, _) = app(&hub, "reader", &[]);
    client.get("/notes").expect(403);
    hub.put("/notes/_security", json!({"readers": {"names": ["reader"]}})).expect(200);
    client.get("/notes").expect(200);
    assert_eq!(client.get("/_all_dbs").expect(200).json(), json!(["notes"]));
    client.put("/notes/a", json!({})).expect(403);
    hub.put("/notes/_security", json!({"members": {"names": ["reader"]}})).expect(200);
    client.put("/notes/a", json!({})).expect(201);
    client.put("/notes/_design/d", json!({})).expect(403);
    client.put("/notes/_security", json!({})).expect(403);
    client.delete("/notes").expect(403);
    hub.put("/notes/_security", json!({"admins": {"names": ["reader"]}})).expect(200);
    client.put("/notes/_design/d", json!({})).expect(201);
    hub.put("/notes/_security", json!({})).expect(200);
    client.get("/notes").expect(403);
}

#[test]
fn a_security_object_is_a_document_of_acl() {
    let hub = with_databases(&["notes"]);
    let security = json!({"members": {"names": [KEY], "roles": ["family"]}, "other": {"n": 1.5}});
    hub.put("/notes/_security", security.clone()).expect(200);
    assert_eq!(hub.get("/notes/_security").expect(200).json(), security);
    let rows = hub.get("/_acl/_all_docs?include_docs=true").expect(200).json();
    let document = &rows["rows"][0]["doc"];
    assert_eq!(document["name"], "notes");
    assert_eq!(document["members"], security["members"]);
    for bad in [
        json!({"members": {"names": ["httpkey://h/ed25519publickey:x/"]}}),
        json!({"views": {"v": {}}}),
        json!({"readers": []}),
        json!({"_deleted": true}),
    ] {
        hub.put("/notes/_security", bad).expect(400);
    }
    // A database made anew under an old name has no policy; that of the old one goes when it cannot be
    // brought back any more.
    hub.delete("/notes").expect(200);
    assert_eq!(hub.get("/_acl").expect(200).json()["doc_count"], 1);
    hub.delete("/_hub/trash/notes").expect(200);
    assert_eq!(hub.get("/_acl").expect(200).json()["doc_count"], 0);
    hub.put("/notes", "").expect(201);
    assert_eq!(hub.get("/notes/_security").json()["members"], json!({"roles": ["_admin"]}));
}

#[test]
fn what_is_written_to_acl_takes_effect() {
    let hub = with_databases(&["notes"]);
    let (client, _) = app(&hub, "writer", &[]);
    hub.put("/notes/_security", json!({"members": {"roles": ["family"]}})).expect(200);
    client.get("/notes").expect(403);
    hub.put("/_acl/group%2Ffamily", json!({"members": ["writer"]})).expect(201);
    eventually("the group counts", || match client.get("/notes").status {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
    let session = client.get("/_session").expect(200).json();
    assert_eq!(session["userCtx"]["roles"], json!(["family"]));
    client.get("/_acl").expect(403);
    client.put("/_acl/group%2Ffamily", json!({"members": ["writer"]})).expect(403);
}

#[test]
fn functions_see_groups_and_the_policy() {
    let hub = with_databases(&["notes"]);
    let (client, _) = app(&hub, "writer", &["--db", "notes:rw"]);
    acl(&hub, "group create family");
    acl(&hub, "group add family writer");
    let security = json!({"members": {"roles": ["family"]}});
    hub.put("/notes/_security", security.clone()).expect(200);
    let function = "function (doc, old, user, security) {
        throw({forbidden: JSON.stringify([user.roles, security])}) }";
    hub.put("/notes/_design/d", json!({"validate_doc_update": function})).expect(201);
    let reply = client.put("/notes/a", json!({})).expect(403).json();
    let seen: Value = serde_json::from_str(reply["reason"].as_str().unwrap()).unwrap();
    assert_eq!(seen, json!([["family"], security]));
}

#[test]
fn an_open_feed_ends_with_the_list_that_opened_it() {
    let hub = with_databases(&["notes"]);
    let (client, _) = app(&hub, "reader", &[]);
    acl(&hub, "acl grant notes reader read");
    let feed = std::thread::spawn(move || {
        // Nothing is sent for an hour: only the end of the right can end this.
        let path = "/notes/_changes?feed=continuous&timeout=3600000";
        client.request("GET", path).try_send("").is_ok()
    });
    eventually("the feed is open", || {
        let stats = hub.get("/_node/_local/_stats/couchdb/httpd/clients_requesting_changes");
        match stats.json()["value"].as_u64() {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    acl(&hub, "acl revoke notes reader");
    eventually("the feed has ended", || match feed.is_finished() {
        true => Ok(()),
        false => Err("it goes on".into()),
    });
}

#[test]
fn rights_on_the_command_line() {
    let hub = with_databases(&["notes", "a/b", "a/b/c/d"]);
    app(&hub, "laptop", &[]);
    acl(&hub, "group create family");
    assert_eq!(acl(&hub, "group list").trim(), "family  nobody");
    acl(&hub, &format!("group add family laptop {KEY}"));
    acl(&hub, "acl grant notes group:family write");
    acl(&hub, &format!("acl grant notes {KEY} views"));
    acl(&hub, "acl grant notes/d/v laptop read");
    let shown = acl(&hub, "acl show notes");
    let lines: Vec<Vec<&str>> =
        shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines,
        [
            vec!["notes", "write", KEY, "group:family"],
            vec!["notes", "views", KEY],
            vec!["notes/d/v", "read", "laptop"],
        ]
    );
    let shown: Value = serde_json::from_str(&acl(&hub, "acl show --json")).unwrap();
    assert_eq!(shown["groups"]["family"], json!(["laptop", KEY]));
    acl(&hub, &format!("acl revoke notes {KEY}"));
    acl(&hub, "group remove family laptop");
    assert!(refused(&hub, "group remove family laptop").contains("no member laptop"));
    assert!(refused(&hub, &format!("acl revoke notes {KEY}")).contains("no list names them"));
    // Slashes are part of names too.
    acl(&hub, "acl grant a/b laptop read");
    let ambiguous = refused(&hub, "acl grant a/b/c/d laptop read");
    assert!(ambiguous.contains("the database a/b/c/d"), "{ambiguous}");
    assert!(ambiguous.contains("the view d of _design/c in a/b"), "{ambiguous}");
    for (line, expected) in [
        ("acl grant other laptop read", "no such database"),
        ("acl grant notes nobody read", "is no key"),
        ("acl grant notes group:other read", "there is no group other"),
        ("acl grant notes/d/v laptop write", "only reading"),
        ("acl grant _users laptop read", "system database"),
        ("acl show other", "Database does not exist"),
        ("group create family", "exists already"),
        ("group create _admin", "cannot name a group"),
        ("group delete other", "no group of that name"),
        ("group add other laptop", "no group of that name"),
    ] {
        let message = refused(&hub, line);
        assert!(message.contains(expected), "{line}: {message}");
    }
    acl(&hub, "group delete family");
    assert_eq!(acl(&hub, "group list"), "");
}

#[test]
fn petnames_that_mean_two_are_refused() {
    let hub = with_databases(&["notes"]);
    hub.put(&format!("/_acl/principal%2F{KEY}"), json!({"name": "anna"})).expect(201);
    let explained = eventually("the petname counts", || {
        let outcome = hub.get("/_hub/acl/explain?who=anna&method=GET&path=/notes");
        if outcome.status == 200 { Ok(outcome.text("sentence")) } else { Err("unknown".into()) }
    });
    assert!(explained.starts_with(&format!("anna ({KEY}) may not read notes")), "{explained}");
    app(&hub, "anna", &[]);
    let message = refused(&hub, "acl grant notes anna read");
    assert!(message.contains("more than one"), "{message}");
    assert!(message.contains(KEY) && message.contains("the app anna"), "{message}");
}

#[test]
fn the_owner_is_told_why() {
    let hub = with_databases(&["notes"]);
    let (client, _) = app(&hub, "laptop", &["--db", "notes:r"]);
    let why = |line: &str| acl(&hub, &format!("acl explain {line}"));
    assert!(why("laptop GET /notes/_all_docs").contains("was given the database notes"));
    assert!(why("laptop PUT /notes/a").contains("it may only read"));
    assert!(why(&format!("{KEY} GET /notes")).contains("told that there is no such database"));
    assert!(why("anonymous GET /notes").contains("log in"));
    assert!(why("owner DELETE /notes").contains("the owner may do everything"));
    assert!(why("laptop GET /notes/_no_such").contains("No route"));
    acl(&hub, "group create inner");
    acl(&hub, "group create outer");
    acl(&hub, "group add inner laptop");
    acl(&hub, "group add outer group:inner");
    acl(&hub, "acl grant notes group:outer write");
    let explained = why("laptop PUT /notes/a");
    assert!(explained.contains("in the group inner, that in outer"), "{explained}");
    client.get("/_hub/acl").expect(403);
    client.get("/_hub/acl/explain?who=laptop&method=GET&path=/notes").expect(403);
}

/// The files of all databases that lie in a data directory.
fn files(data: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(data.join("databases")).unwrap().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten());
    let files = files.flatten().map(|file| file.path());
    files.filter(|path| path.extension().is_some_and(|end| end == "sqlite")).collect()
}

#[test]
fn security_objects_of_earlier_releases_become_policies_once() {
    let hub = with_databases(&["notes"]);
    hub.put("/notes/marker", json!({})).expect(201);
    let folder = hub.stop();
    // As a release left them that kept them in the databases, and knew no policies.
    let mut found = 0;
    for path in files(&folder.path().join("data")) {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute("DELETE FROM local WHERE id = 'security-objects-moved'", []).unwrap();
        let is_notes = "SELECT count(*) FROM docs WHERE id = 'marker'";
        if file.query_row(is_notes, [], |row| row.get::<_, i64>(0)).unwrap() == 1 {
            let security = json!({ "readers": { "names": ["later"] }, "note": 1 }).to_string();
            let insert = "INSERT OR REPLACE INTO meta (key, value) VALUES ('security', ?1)";
            file.execute(insert, [security.as_bytes()]).unwrap();
            found += 1;
        }
    }
    assert_eq!(found, 1, "the file of the database");
    let hub = Hub::start_in(folder);
    let security = hub.get("/notes/_security").expect(200).json();
    assert_eq!(security, json!({ "readers": { "names": ["later"] }, "note": 1 }));
    let (later, _) = app(&hub, "later", &[]);
    later.get("/notes/marker").expect(200);
    // What is said since stands.
    hub.put("/notes/_security", json!({})).expect(200);
    let hub = Hub::start_in(hub.stop());
    assert_eq!(hub.get("/notes/_security").expect(200).json(), json!({}));
}
