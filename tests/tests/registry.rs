//! Which databases there are: their records, what becomes of them on another device, the trash.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tests::{Hub, encode, eventually};

/// What the owner is shown of databases.
#[track_caller]
fn shown(hub: &Hub) -> Value {
    hub.get("/_hub/dbs").expect(200).json()
}

/// What is shown of one of them.
#[track_caller]
fn noted(hub: &Hub, name: &str) -> Option<Value> {
    let databases = shown(hub)["databases"].as_array().cloned().unwrap_or_default();
    databases.into_iter().find(|noted| noted["name"] == name)
}

#[track_caller]
fn uuid(hub: &Hub, name: &str) -> String {
    let noted = noted(hub, name).unwrap_or_else(|| panic!("no {name}"));
    noted["uuid"].as_str().unwrap().to_owned()
}

/// The record of the database that is called so.
#[track_caller]
fn record(hub: &Hub, uuid: &str) -> Value {
    hub.get(&format!("/_dbs/{uuid}")).expect(200).json()
}

/// Names of the databases that are no hub's own.
#[track_caller]
fn names(hub: &Hub) -> Vec<String> {
    let names = hub.get("/_all_dbs").expect(200).json();
    let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.filter(|name| !name.starts_with('_')).map(str::to_owned).collect()
}

#[track_caller]
fn await_names(hub: &Hub, expected: &[&str]) {
    eventually(&format!("{expected:?}"), || match names(hub) {
        names if names == expected => Ok(()),
        names => Err(format!("{names:?}")),
    });
}

/// Brings the records that one hub has to another, and those that this one has back.
#[track_caller]
fn sync_records(one: &Hub, other: &Hub) {
    for (source, target) in [("/_dbs", "_dbs"), ("_dbs", "/_dbs")] {
        let place = |text: &str| match text.strip_prefix('/') {
            Some(name) => format!("{}{name}", other.owner_url()),
            None => text.to_owned(),
        };
        let asked = json!({"source": place(source), "target": place(target)});
        one.post("/_replicate", asked).expect(200);
    }
}

#[test]
fn every_database_has_a_record() {
    let hub = Hub::start();
    hub.put("/by-app", "").expect(201);
    hub.put("/cut?partitioned=true", "").expect(201);
    hub.larder(&["db", "create", "by-person"]).expect_success();
    hub.larder(&["db", "create", "here", "--local"]).expect_success();
    for (name, conflicts, version, scope) in [
        ("by-app", "keep", 0, "mesh"),
        ("cut", "keep", 0, "mesh"),
        ("by-person", "newest", 1, "mesh"),
        ("here", "newest", 1, "local"),
    ] {
        let record = record(&hub, &uuid(&hub, name));
        assert_eq!(record["name"], name);
        assert_eq!(record["conflicts"], conflicts, "{record}");
        assert_eq!(record["conflicts_version"], version, "{record}");
        assert_eq!(record["scope"], scope, "{record}");
        assert_eq!(record["partitioned"] == true, name == "cut", "{record}");
        assert!(record["device"].is_string() && record["created"].is_u64(), "{record}");
    }
    // One that a replication makes is found.
    hub.put("/by-app/a", json!({})).expect(201);
    let asked = json!({"source": "by-app", "target": "copied", "create_target": true});
    hub.post("/_replicate", asked).expect(200);
    eventually("a record", || match hub.get(&format!("/_dbs/{}", uuid(&hub, "copied"))) {
        reply if reply.status == 200 => Ok(()),
        reply => Err(reply.to_string()),
    });
    // A hub's own have none, and are where they have to be.
    for (name, is_of_mesh) in [
        ("_acl", true),
        ("_contacts", true),
        ("_dbs", true),
        ("_devices", true),
        ("_overwritten", true),
        ("_apps", false),
        ("_global_changes", false),
        ("_reads", false),
        ("_replicator", false),
        ("_users", false),
    ] {
        let noted = noted(&hub, name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(noted["scope"], if is_of_mesh { "mesh" } else { "local" });
        assert_eq!(noted["sync_id"].is_string(), is_of_mesh, "{noted}");
        hub.get(&format!("/_dbs/{}", noted["uuid"].as_str().unwrap())).expect(404);
        assert_eq!(hub.delete(&format!("/{name}")).status == 200, !is_of_mesh, "{name}");
    }
}

#[test]
fn what_a_record_says_takes_effect_on_another_device() {
    let (laptop, phone) = (Hub::start(), Hub::start());
    for name in ["notes", "photos", "old"] {
        laptop.put(&format!("/{name}"), "").expect(201);
    }
    laptop.put("/cut?partitioned=true", "").expect(201);
    laptop.larder(&["db", "create", "here", "--local"]).expect_success();
    sync_records(&phone, &laptop);
    await_names(&phone, &["cut", "notes", "old", "photos"]);
    for name in ["cut", "notes", "old", "photos"] {
        assert_eq!(uuid(&phone, name), uuid(&laptop, name));
        assert_eq!(noted(&phone, name).unwrap()["made_here"], false);
    }
    assert_eq!(phone.get("/cut").json()["props"]["partitioned"], true);
    let epoch = |hub: &Hub| hub.get("/notes").json()["update_seq"].as_str().unwrap().to_owned();
    assert_ne!(epoch(&phone), epoch(&laptop), "each counts its own history");

    // Renamed, deleted and set on one, it is so on the other.
    laptop.larder(&["db", "rename", "photos", "pictures"]).expect_success();
    laptop.larder(&["db", "set", "notes", "conflicts=newest_by:/at"]).expect_success();
    phone.delete("/old").expect(200);
    sync_records(&phone, &laptop);
    for hub in [&laptop, &phone] {
        eventually("the same databases", || match names(hub) {
            names if names.iter().any(|name| name == "old" || name == "photos") => {
                Err(format!("{names:?}"))
            }
            _ => Ok(()),
        });
        hub.get("/pictures").expect(200);
        hub.get("/photos").expect(404);
        let notes = noted(hub, "notes").unwrap();
        assert_eq!(notes["conflicts"], "newest_by:/at");
        assert_eq!(notes["conflicts_version"], 1);
        let trash = shown(hub)["trash"].clone();
        assert_eq!(trash[0]["name"], "old", "{trash}");
    }

    // What is brought back on one is back on the other, with what that had.
    laptop.larder(&["db", "restore", "old"]).expect_success();
    sync_records(&phone, &laptop);
    eventually("old", || match phone.get("/old") {
        reply if reply.status == 200 => Ok(()),
        reply => Err(reply.to_string()),
    });
    assert_eq!(uuid(&phone, "old"), uuid(&laptop, "old"));
}

#[test]
fn the_same_name_from_two_devices_stays_apart_until_it_is_joined() {
    let (laptop, phone) = (Hub::start(), Hub::start());
    for (hub, word) in [(&laptop, "laptop"), (&phone, "phone")] {
        hub.put("/notes", "").expect(201);
        hub.put("/notes/both", json!({"by": word})).expect(201);
        hub.put(&format!("/notes/{word}"), json!({})).expect(201);
    }
    let key = record(&laptop, &uuid(&laptop, "notes"))["device"].as_str().unwrap().to_owned();
    phone
        .put(
            &format!("/_acl/principal%2F{}", encode(&key)),
            json!({"name": "My Laptop", "own": true}),
        )
        .expect(201);
    sync_records(&phone, &laptop);
    await_names(&phone, &["notes", "notes~my-laptop"]);
    eventually("another one", || match names(&laptop) {
        names if names.len() == 2 => Ok(()),
        names => Err(format!("{names:?}")),
    });
    assert_eq!(uuid(&phone, "notes~my-laptop"), uuid(&laptop, "notes"));

    // It can be used, and nobody makes one that is called so.
    phone.put("/notes~my-laptop/early", json!({})).expect(201);
    assert_eq!(phone.get("/notes~my-laptop").json()["db_name"], "notes~my-laptop");
    phone.put("/notes~other", "").expect(400);
    let asked = json!({"source": "notes", "target": "notes~other", "create_target": true});
    phone.post("/_replicate", asked).expect(400);
    phone.get("/notes~other").expect(404);

    phone.larder(&["db", "create", "here", "--local"]).expect_success();
    let other = phone.larder(&["db", "join", "notes~my-laptop", "--with", "here"]).expect_failure();
    assert!(other.contains("on this device alone"), "{other}");
    phone.larder(&["db", "delete", "here", "--now"]).expect_success();

    // Joined on one, it is one on both.
    phone.larder(&["db", "join", "notes~my-laptop"]).expect_success();
    assert_eq!(names(&phone), ["notes"]);
    phone.get("/notes/early").expect(200);
    sync_records(&phone, &laptop);
    await_names(&laptop, &["notes"]);
    assert_eq!(uuid(&phone, "notes"), uuid(&laptop, "notes"));
    for (hub, word) in [(&laptop, "laptop"), (&phone, "phone")] {
        hub.get(&format!("/notes/{word}")).expect(200);
    }
    assert_eq!(noted(&phone, "notes").unwrap()["uuid"], noted(&laptop, "notes").unwrap()["uuid"]);
    let asked = json!({"source": format!("{}notes", laptop.owner_url()), "target": "notes"});
    phone.post("/_replicate", asked).expect(200);
    let both = phone.get("/notes/both?conflicts=true").json();
    assert_eq!(both["_conflicts"].as_array().map(Vec::len), Some(1), "nothing is lost: {both}");
    for word in ["laptop", "phone", "early"] {
        phone.get(&format!("/notes/{word}")).expect(200);
    }
}

#[test]
fn a_database_of_another_device_gets_a_name_of_its_own() {
    let (laptop, phone) = (Hub::start(), Hub::start());
    laptop.put("/notes", "").expect(201);
    phone.put("/notes", "").expect(201);
    sync_records(&phone, &laptop);
    let other = eventually("the laptop's", || {
        names(&phone).into_iter().find(|name| name.starts_with("notes~")).ok_or_else(String::new)
    });
    let taken = phone.larder(&["db", "rename", &other, "notes"]).expect_failure();
    assert!(taken.contains("exists"), "{taken}");
    phone.larder(&["db", "rename", &other, "from-laptop"]).expect_success();
    sync_records(&phone, &laptop);
    await_names(&phone, &["from-laptop", "notes"]);
    await_names(&laptop, &["from-laptop", "notes"]);
    assert_eq!(uuid(&phone, "from-laptop"), uuid(&laptop, "from-laptop"));
    assert_eq!(uuid(&phone, "notes"), uuid(&laptop, "notes"));
}

#[test]
fn what_is_deleted_can_come_back() {
    let mut hub = Hub::start();
    hub.put("/notes", "").expect(201);
    hub.put("/notes/a", json!({"n": 1})).expect(201);
    let (first, seq) = (uuid(&hub, "notes"), hub.get("/notes").json()["update_seq"].clone());
    hub.delete("/notes").expect(200);
    hub.get("/notes").expect(404);
    hub.get("/notes/a").expect(404);
    hub.delete("/notes").expect(404);
    hub.put("/notes", "").expect(201);
    assert_eq!(hub.get("/notes").json()["doc_count"], 0);
    assert_ne!(uuid(&hub, "notes"), first);
    assert!(record(&hub, &first)["deleted_at"].is_u64());

    let trash = hub.larder(&["db", "list", "--trash"]).expect_success();
    assert!(trash.contains("notes") && trash.contains(&first), "{trash}");
    assert!(!hub.larder(&["db", "list"]).expect_success().contains(&first));
    hub = Hub::start_in(hub.stop());
    let taken = hub.larder(&["db", "restore", "notes"]).expect_failure();
    assert!(taken.contains("exists"), "{taken}");
    hub.larder(&["db", "restore", &first, "--as", "first-notes"]).expect_success();
    assert_eq!(hub.get("/first-notes/a").expect(200).json()["n"], 1);
    assert_eq!(hub.get("/first-notes").json()["update_seq"], seq);
    assert_eq!(record(&hub, &first)["deleted_at"], Value::Null);
    assert_eq!(shown(&hub)["trash"], json!([]));

    hub.larder(&["db", "delete", "first-notes", "--now"]).expect_success();
    assert_eq!(shown(&hub)["trash"], json!([]));
    hub.delete("/notes").expect(200);
    hub.larder(&["db", "delete", "notes", "--now"]).expect_success();
    assert_eq!(shown(&hub)["trash"], json!([]));
    hub.larder(&["verify"]).expect_success();
}

#[test]
fn what_comes_back_is_shared_as_it_was() {
    let hub = Hub::start();
    let key = tests::Key::new();
    hub.put("/notes", "").expect(201);
    let grant = json!({"place": "notes", "who": key.text(), "right": "write"});
    hub.post("/_hub/acl/grant", grant).expect(200);
    let shared = hub.get("/notes/_security").expect(200).json();
    hub.as_key(Some(&key)).get("/notes").expect(200);
    hub.delete("/notes").expect(200);
    hub.as_key(Some(&key)).get("/notes").expect(404);
    // Another one of that name is nobody else's.
    hub.put("/notes", "").expect(201);
    hub.as_key(Some(&key)).get("/notes").expect(404);
    let policies = |hub: &Hub| {
        let range = "startkey=%22database/%22&endkey=%22database0%22";
        let rows = hub.get(&format!("/_acl/_all_docs?{range}")).expect(200).json();
        rows["rows"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(policies(&hub), 1);
    hub.larder(&["db", "restore", "notes", "--as", "first"]).expect_success();
    assert_eq!(hub.get("/first/_security").expect(200).json(), shared);
    hub.as_key(Some(&key)).get("/first").expect(200);
    // With the database goes, for good, what was said of it.
    hub.larder(&["db", "delete", "first", "--now"]).expect_success();
    assert_eq!(policies(&hub), 0);
}

#[test]
fn replication_makes_databases_as_apps_do() {
    let hub = Hub::start_with("[databases]\napp_conflicts = \"newest\"\n");
    hub.put("/notes", "").expect(201);
    hub.put("/notes/a", json!({})).expect(201);
    let asked = json!({"source": "notes", "target": "copy", "create_target": true});
    hub.post("/_replicate", asked).expect(200);
    hub.get("/copy/a").expect(200);
    assert_eq!(noted(&hub, "copy").unwrap()["conflicts"], "newest");
}

#[test]
fn nothing_is_kept_where_the_owner_wants_no_trash() {
    let hub = Hub::start_with("[databases]\ntrash_days = 0\napp_conflicts = \"newest\"\n");
    hub.put("/notes", "").expect(201);
    assert_eq!(noted(&hub, "notes").unwrap()["conflicts"], "newest");
    hub.delete("/notes").expect(200);
    assert_eq!(shown(&hub)["trash"], json!([]));
    let folders = std::fs::read_dir(hub.data_dir().join("databases")).unwrap().flatten();
    let mut names = folders.map(|folder| folder.file_name().to_string_lossy().into_owned());
    assert_eq!(names.find(|name| name.starts_with("deleted-")), None);
}

/// A hub that is killed while it deletes, restores and creates has each database or has it not, and says
/// the same of it everywhere.
#[test]
fn kill_9_leaves_databases_deleted_or_not() {
    let mut hub = Hub::start();
    for round in 0..6_u64 {
        let name = format!("db{round}");
        hub.put(&format!("/{name}"), "").expect(201);
        hub.put(&format!("/{name}/a"), json!({})).expect(201);
        let client = hub.client().clone();
        let done = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&done);
        let asking = std::thread::spawn(move || {
            let mut acknowledged = 0;
            for step in 0..200 {
                let path = format!("/{name}");
                let done = match step % 2 {
                    0 => client.request("DELETE", &path).try_send(""),
                    _ => client
                        .request("POST", &format!("/_hub/trash/{name}/restore"))
                        .header("content-type", "application/json")
                        .try_send("{}"),
                };
                match done {
                    Ok(reply) if reply.status == 200 => acknowledged = step + 1,
                    _ => break,
                }
                counting.store(acknowledged, Ordering::Release);
            }
            acknowledged
        });
        // Later in each round.
        eventually("acknowledgements", || match done.load(Ordering::Acquire) {
            some if some > 2 * round => Ok(()),
            few => Err(few.to_string()),
        });
        hub = Hub::start_in(hub.kill());
        let acknowledged = asking.join().unwrap();
        let name = format!("db{round}");
        let is_here = hub.get(&format!("/{name}")).status == 200;
        let trash = shown(&hub)["trash"].as_array().cloned().unwrap_or_default();
        let in_trash = trash.iter().filter(|trashed| trashed["name"] == name.as_str()).count();
        assert_eq!(usize::from(is_here) + in_trash, 1, "after {acknowledged}: {trash:?}");
        if in_trash == 1 {
            let word = trash.iter().find(|trashed| trashed["name"] == name.as_str()).unwrap();
            assert!(word["deleted_at"].is_u64(), "{word}");
            hub.larder(&["db", "restore", &name]).expect_success();
        }
        hub.get(&format!("/{name}/a")).expect(200);
        let record = record(&hub, &uuid(&hub, &name));
        assert_eq!(record["deleted_at"], Value::Null, "{record}");
    }
    hub.larder(&["verify"]).expect_success();
}

#[test]
fn records_in_conflict_say_one_thing() {
    let hub = Hub::start();
    hub.larder(&["db", "create", "notes"]).expect_success();
    let id = uuid(&hub, "notes");
    let mut losing = record(&hub, &id);
    losing["conflicts"] = json!("keep");
    losing["conflicts_version"] = json!(7);
    losing["name"] = json!("diary");
    losing["_rev"] = json!("1-00000000000000000000000000000000");
    let written = json!({"docs": [losing], "new_edits": false});
    hub.post("/_dbs/_bulk_docs", written).expect(201);
    // The policy that was set most often counts, of the rest what was said last.
    eventually("version 7", || match noted(&hub, "notes") {
        Some(noted) if noted["conflicts_version"] == 7 => Ok(()),
        noted => Err(format!("{noted:?}")),
    });
    assert_eq!(noted(&hub, "notes").unwrap()["conflicts"], "keep");
    hub.larder(&["db", "set", "notes", "conflicts=newest"]).expect_success();
    let settled = hub.get(&format!("/_dbs/{id}?conflicts=true")).expect(200).json();
    assert_eq!(settled["conflicts_version"], 8);
    assert_eq!(settled["_conflicts"], Value::Null);
    // What is no record changes nothing.
    hub.put(&format!("/_dbs/{}", "0".repeat(32)), json!({"name": "No"})).expect(201);
    hub.put("/_dbs/note", json!({"mine": true})).expect(201);
    hub.put("/other", "").expect(201);
    assert_eq!(names(&hub), ["notes", "other"]);
}

/// A record that somebody deletes as a document says nothing of the database: that has another one then,
/// which says what is.
#[test]
fn a_record_that_is_taken_away_is_written_again() {
    let hub = Hub::start();
    hub.larder(&["db", "create", "notes"]).expect_success();
    hub.larder(&["db", "set", "notes", "conflicts=newest_by:/at"]).expect_success();
    let id = uuid(&hub, "notes");
    let rev = record(&hub, &id)["_rev"].as_str().unwrap().to_owned();
    hub.delete(&format!("/_dbs/{id}?rev={rev}")).expect(200);
    let again = eventually("a record", || match hub.get(&format!("/_dbs/{id}")) {
        reply if reply.status == 200 => Ok(reply.json()),
        reply => Err(reply.to_string()),
    });
    assert_eq!((&again["name"], &again["conflicts"]), (&json!("notes"), &json!("newest_by:/at")));
    assert_eq!(again["conflicts_version"], 2);
    // Which rules were set outlives the hub.
    let hub = Hub::start_in(hub.kill());
    assert_eq!(noted(&hub, "notes").unwrap()["conflicts"], "newest_by:/at");
    let rules = hub.get("/_dbs/_local/conflict-rules").expect(200).json();
    assert_eq!(rules[&id], json!([2, "newest_by:/at"]));
}

#[test]
fn only_the_owner_and_admins_manage_databases() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let added = hub.post(
        "/_hub/apps",
        json!({"name": "pad", "databases": [{"name": "notes", "write": true}]}),
    );
    let token = added.expect(201).text("token");
    for (client, refused) in
        [(hub.as_principal(Some(("pad", &token))), 403), (hub.as_principal(None), 401)]
    {
        for (method, path, body) in [
            ("GET", "/_hub/dbs", ""),
            ("POST", "/_hub/dbs", r#"{"name":"mine"}"#),
            ("PUT", "/_hub/dbs/notes", r#"{"conflicts":"newest"}"#),
            ("POST", "/_hub/dbs/notes/rename", r#"{"name":"mine"}"#),
            ("POST", "/_hub/dbs/notes/join", r#"{"with":"mine"}"#),
            ("POST", "/_hub/trash/notes/restore", "{}"),
            ("DELETE", "/_hub/trash/notes", ""),
            ("GET", "/_dbs", ""),
            ("GET", "/_dbs/_all_docs", ""),
        ] {
            let request = client.request(method, path).header("content-type", "application/json");
            request.send(body).expect(refused);
        }
    }
    assert_eq!(names(&hub), ["notes"]);
    for (path, body) in [
        ("/_hub/dbs/notes", json!({"conflicts": "first"})),
        ("/_hub/dbs/notes", json!({"scope": "shared"})),
        ("/_hub/dbs/notes", json!({"other": 1})),
        ("/_hub/dbs/_users", json!({"conflicts": "newest"})),
    ] {
        hub.put(path, body).expect(400);
    }
    hub.put("/_hub/dbs/none", json!({"conflicts": "newest"})).expect(404);
}

#[test]
fn databases_of_earlier_releases_get_records() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    hub.put("/notes/a", json!({})).expect(201);
    let id = uuid(&hub, "notes");
    let folder = hub.stop();
    // As an earlier release left it: nothing in `_dbs`, and a catalog of its version.
    let catalog = folder.path().join("data/catalog.sqlite");
    let catalog = rusqlite::Connection::open(catalog).unwrap();
    let dbs: Vec<u8> = catalog
        .query_row("SELECT uuid FROM databases WHERE name = '_dbs'", [], |row| row.get(0))
        .unwrap();
    catalog
        .execute_batch(
            "DELETE FROM databases WHERE name = '_dbs';
             ALTER TABLE databases DROP COLUMN deleted;
             ALTER TABLE databases DROP COLUMN called;
             PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(catalog);
    let dbs: String = dbs.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::remove_dir_all(folder.path().join("data/databases").join(dbs)).unwrap();
    let hub = Hub::start_in(folder);
    let record = record(&hub, &id);
    assert_eq!((&record["name"], &record["conflicts"]), (&json!("notes"), &json!("keep")));
    assert_eq!(record["scope"], "mesh");
    hub.get("/notes/a").expect(200);
}
