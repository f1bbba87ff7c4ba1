//! Every verb as a newcomer would use it, and what it says when something is wrong.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Body, Client, Finished, Hub, larder};

#[track_caller]
fn folder() -> TempDir {
    match TempDir::with_prefix("larder-test-") {
        Ok(folder) => folder,
        Err(error) => panic!("no temporary directory: {error}"),
    }
}

/// Runs a command on a directory, whether a hub runs there or not.
#[track_caller]
fn run(arguments: &[&str], data_dir: &Path) -> Finished {
    Finished::of(&mut larder(arguments, data_dir))
}

/// Runs a command that must fail, and checks that it says why.
#[track_caller]
fn fails_with(finished: Finished, words: &[&str]) {
    let message = finished.expect_failure();
    for word in words {
        assert!(message.contains(word), "no {word:?} in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn url_is_ready_to_use() {
    let hub = Hub::start();
    let url = hub.larder(&["url"]).expect_success();
    let port = hub.url().trim_end_matches('/').rsplit(':').next().unwrap_or_default();
    assert!(url.starts_with("http://owner:"), "{url}");
    assert!(url.trim().ends_with(&format!("@127.0.0.1:{port}/")), "{url}");
    Client::new(&url).get("/_all_dbs").expect(200);
    hub.stop();
}

#[test]
fn only_the_owner_gets_in() {
    let hub = Hub::start();
    hub.get("/_all_dbs").expect(200);
    for stranger in [Some(("owner", "wrong")), Some(("somebody", "wrong")), None] {
        let stranger = hub.as_principal(stranger);
        let reply = stranger.get("/_all_dbs").expect(401);
        assert_eq!(reply.text("error"), "unauthorized");
        stranger.put("/mine", "").expect(401);
    }
    assert_eq!(hub.as_principal(None).get("/").expect(200).text("couchdb"), "Welcome");
}

#[test]
fn secrets_are_the_owners_alone() {
    let hub = Hub::start();
    let mode = |path: PathBuf| match fs::metadata(&path) {
        Ok(found) => found.permissions().mode() & 0o777,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    assert_eq!(mode(hub.data_dir().join("owner-token")), 0o600);
    assert_eq!(mode(hub.data_dir()), 0o700);
}

#[test]
fn the_owners_token_is_in_no_log() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    hub.get("/nowhere").expect(404);
    let url = hub.owner_url().to_owned();
    let token = url.split(['@', ':']).nth(2).unwrap_or_default().to_owned();
    let folder = hub.stop();
    let log = fs::read_to_string(folder.path().join("hub.log")).unwrap();
    assert!(token.len() >= 20 && !log.contains(&token), "{token} in:\n{log}");
}

#[test]
fn databases_are_created_listed_shown_compacted_and_deleted() {
    let hub = Hub::start();
    hub.larder(&["db", "create", "notes"]).expect_success();
    hub.put("/notes/first", json!({ "text": "hello" })).expect(201);
    assert!(hub.larder(&["db", "list"]).expect_success().contains("notes"));
    let info = hub.larder(&["db", "info", "notes"]).expect_success();
    assert!(info.lines().any(|line| line.contains("documents") && line.contains('1')), "{info}");
    hub.larder(&["db", "compact", "notes"]).expect_success();
    assert_eq!(hub.get("/notes/first").expect(200).text("text"), "hello");

    fails_with(hub.larder(&["db", "create", "notes"]), &["exists"]);
    fails_with(hub.larder(&["db", "create", "Notes"]), &["lowercase"]);
    fails_with(hub.larder(&["db", "info", "nowhere"]), &["does not exist"]);

    hub.larder(&["db", "delete", "notes"]).expect_success();
    hub.get("/notes").expect(404);
    fails_with(hub.larder(&["db", "delete", "notes"]), &["does not exist"]);
}

#[test]
fn status_for_people_and_for_programs() {
    let hub = Hub::start();
    let text = hub.larder(&["status"]).expect_success();
    assert!(text.contains(hub.url().trim_end_matches('/')), "{text}");
    let json = hub.larder(&["status", "--json"]).expect_success();
    let status: Value = serde_json::from_str(&json).unwrap();
    assert!(status.is_object(), "{json}");
    let token = hub.owner_url().split(['@', ':']).nth(2).unwrap_or_default();
    assert!(!json.contains(token) && !text.contains(token), "status shows the owner's token");
}

#[test]
fn commands_without_a_hub_say_so() {
    let folder = folder();
    for command in [&["status"][..], &["url"], &["db", "list"], &["app", "list"]] {
        fails_with(run(command, folder.path()), &["no hub is running", "larder run"]);
    }
    // After a kill as well, where socket and discovery file are left behind.
    let folder = Hub::start().kill();
    fails_with(run(&["status"], &folder.path().join("data")), &["no hub is running"]);
}

#[test]
fn a_second_hub_on_one_directory_is_refused() {
    let hub = Hub::start();
    let second = run(&["run", "--http", "127.0.0.1:0", "--onion", "off"], &hub.data_dir());
    let directory = hub.data_dir().display().to_string();
    fails_with(second, &["in use by another hub", &directory]);
    hub.get("/_all_dbs").expect(200);
    hub.stop();
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = folder();
    let refused = run(
        &["run", "--http", &address.to_string(), "--onion", "off"],
        &folder.path().join("data"),
    );
    fails_with(refused, &[&address.port().to_string(), "in use"]);
}

#[test]
fn an_address_others_could_reach_is_refused() {
    let folder = folder();
    fails_with(run(&["run", "--http", "0.0.0.0:0"], folder.path()), &["this machine only"]);
}

#[test]
fn without_a_verb_it_runs() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let mut command = larder(&["--http", "127.0.0.1:0", "--onion", "off"], &data_dir);
    let mut hub = tests::Process::start(&mut command);
    let limit = std::time::Duration::from_secs(60);
    let url = hub.await_line("larder: listening on ", limit).unwrap();
    Client::new(&url).get("/_up").expect(200);
    hub.terminate();
    let (status, _) = hub.await_end(limit);
    assert!(status.success(), "{status}");
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    hub.put("/notes/first", json!({ "text": "hello" })).expect(201);
    let url = hub.owner_url().to_owned();
    let hub = Hub::start_in(hub.stop());
    assert_eq!(hub.get("/notes/first").expect(200).text("text"), "hello");
    let token = |url: &str| url.split('@').next().map(str::to_owned);
    assert_eq!(token(hub.owner_url()), token(&url), "the owner's token changed");
}

/// Adds an app and returns its client.
#[track_caller]
fn app(hub: &Hub, arguments: &[&str]) -> Client {
    let command: Vec<_> = ["app", "add"].iter().chain(arguments).copied().collect();
    let url = hub.larder(&command).expect_success();
    let name = arguments[0];
    assert!(url.starts_with(&format!("http://{name}:")), "{url}");
    Client::new(&url)
}

fn notes_and_photos() -> Hub {
    let hub = Hub::start();
    for database in ["notes", "photos"] {
        hub.put(&format!("/{database}"), "").expect(201);
        hub.put(&format!("/{database}/first"), json!({ "in": database })).expect(201);
    }
    hub
}

#[test]
fn an_app_that_may_read_cannot_write() {
    let hub = notes_and_photos();
    let reader = app(&hub, &["reader", "--db", "notes:r"]);
    let rev = reader.get("/notes/first").expect(200).text("_rev");
    reader.get("/notes/_all_docs").expect(200);
    reader.get("/notes/_changes").expect(200);
    reader.post("/notes/_bulk_get", json!({ "docs": [{ "id": "first" }] })).expect(200);

    let body = json!({ "docs": [{ "_id": "second" }] });
    let attachment = Body::bytes("hello", "text/plain");
    for reply in [
        reader.put("/notes/second", json!({})),
        reader.post("/notes", json!({})),
        reader.post("/notes/_bulk_docs", body),
        reader.delete(&format!("/notes/first?rev={rev}")),
        reader.put(&format!("/notes/first/a.txt?rev={rev}"), attachment),
        reader.post("/notes/_compact", json!({})),
        reader.delete("/notes"),
    ] {
        assert_eq!(reply.expect(403).text("error"), "forbidden");
    }
    assert_eq!(hub.get("/notes").json()["doc_count"], 1);
}

#[test]
fn an_app_cannot_see_other_databases() {
    let hub = notes_and_photos();
    let writer = app(&hub, &["writer", "--db", "notes:rw"]);
    writer.put("/notes/second", json!({})).expect(201);

    // What is there and what is not look alike.
    let [hidden, missing] = ["/photos", "/nowhere"].map(|path| writer.get(path));
    assert_eq!((hidden.status, &hidden.body), (missing.status, &missing.body), "{hidden}");
    assert!(matches!(hidden.status, 403 | 404), "{hidden}");
    for path in ["/photos/first", "/photos/_all_docs", "/photos/_changes"] {
        let reply = writer.get(path);
        assert!(matches!(reply.status, 403 | 404), "{reply}");
    }
    let reply = writer.put("/photos/second", json!({}));
    assert!(matches!(reply.status, 403 | 404), "{reply}");
    let listed = writer.get("/_all_dbs");
    assert!(!listed.body.windows(6).any(|part| part == b"photos"), "{listed}");
    assert_eq!(hub.get("/photos").json()["doc_count"], 1);
}

#[test]
fn apps_are_listed_and_removed() {
    let hub = notes_and_photos();
    let writer = app(&hub, &["writer", "--db", "notes:rw", "--db", "photos:r"]);
    let admin = app(&hub, &["helper", "--admin"]);
    admin.put("/new", "").expect(201);
    writer.get("/notes").expect(200);
    writer.get("/photos").expect(200);

    let list = hub.larder(&["app", "list"]).expect_success();
    assert!(list.contains("writer") && list.contains("notes:rw"), "{list}");
    assert!(list.contains("helper"), "{list}");
    fails_with(hub.larder(&["app", "add", "writer", "--db", "notes"]), &["writer"]);

    hub.larder(&["app", "remove", "writer"]).expect_success();
    writer.get("/notes").expect(401);
    fails_with(hub.larder(&["app", "remove", "writer"]), &["no app"]);

    // Tokens outlive a restart.
    let admins_url = hub.larder(&["app", "add", "other", "--admin"]).expect_success();
    let hub = Hub::start_in(hub.stop());
    let token = admins_url.split(['@', ':']).nth(2).unwrap_or_default();
    hub.as_principal(Some(("other", token))).get("/_all_dbs").expect(200);
}

#[test]
fn an_app_logs_in_by_cookie_and_by_bearer() {
    let hub = notes_and_photos();
    let url = hub.larder(&["app", "add", "notes-app", "--db", "notes:rw"]).expect_success();
    let token = url.split(['@', ':']).nth(2).unwrap_or_default();
    let nobody = hub.as_principal(None);

    let bearer = format!("Bearer {token}");
    nobody.request("GET", "/notes").header("authorization", &bearer).send("").expect(200);
    let wrong = nobody.request("GET", "/notes").header("authorization", "Bearer wrong").send("");
    wrong.expect(401);

    let form = format!("name=notes-app&password={token}");
    let form = Body::bytes(form, "application/x-www-form-urlencoded");
    let login = nobody.post("/_session", form).expect(200);
    let cookie = login.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(cookie.starts_with("AuthSession="), "{:?}", login.headers);
    let session = nobody.request("GET", "/_session").header("cookie", &cookie).send("").expect(200);
    assert_eq!(session.json()["userCtx"]["name"], "notes-app", "{session}");
    nobody.request("GET", "/notes").header("cookie", &cookie).send("").expect(200);
}

#[test]
fn another_host_name_is_refused() {
    let hub = Hub::start();
    let ask = |host: &str| hub.request("GET", "/_all_dbs").header("host", host).send("");
    let port = hub.url().trim_end_matches('/').rsplit(':').next().unwrap_or_default();
    ask(&format!("127.0.0.1:{port}")).expect(200);
    let rebound = ask(&format!("evil.example:{port}"));
    assert!(matches!(rebound.status, 400..500), "{rebound}");
}

#[test]
fn a_sound_hub_verifies() {
    let hub = notes_and_photos();
    hub.larder(&["verify"]).expect_success();
    let folder = hub.stop();
    run(&["verify"], &folder.path().join("data")).expect_success();
}

/// Everything a database says about its documents.
fn contents(hub: &Hub, database: &str) -> [Value; 2] {
    let docs = hub.get(&format!("/{database}/_all_docs?include_docs=true&conflicts=true"));
    let changes = hub.get(&format!("/{database}/_changes?style=all_docs")).expect(200).json();
    let mut leaves = changes["results"].as_array().cloned().unwrap_or_default();
    for row in &mut leaves {
        row["seq"] = Value::Null;
    }
    [docs.expect(200).json()["rows"].clone(), json!(leaves)]
}

#[test]
fn a_backup_brings_everything_back() {
    let hub = notes_and_photos();
    let docs: Vec<_> = (0..300).map(|n| json!({ "_id": format!("n{n}"), "n": n })).collect();
    hub.post("/notes/_bulk_docs", json!({ "docs": docs })).expect(201);
    let rev = hub.get("/notes/n7").expect(200).text("_rev");
    hub.delete(&format!("/notes/n7?rev={rev}")).expect(200);
    let foreign = json!({ "new_edits": false, "docs": [{ "_id": "n8", "_rev": "1-ff" }] });
    hub.post("/notes/_bulk_docs", foreign).expect(201);
    hub.put("/notes/_local/position", json!({ "at": 3 })).expect(201);
    let large: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    for (name, bytes) in [("small", &large[..100]), ("large", &large[..])] {
        let body = Body::bytes(bytes, "application/octet-stream");
        hub.put(&format!("/photos/{name}/a.bin"), body).expect(201);
    }
    let app_url = hub.larder(&["app", "add", "reader", "--db", "notes:r"]).expect_success();
    let before = ["notes", "photos"].map(|database| contents(&hub, database));

    let aside = folder();
    let file = aside.path().join("hub.backup");
    let file = file.display().to_string();
    hub.larder(&["backup", &file]).expect_success();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may read the backup: {mode:o}");
    // Not into a directory with something in it, nor under a running hub.
    run(&["restore", &file], &hub.data_dir()).expect_failure();
    let folder_of_first = hub.stop();
    run(&["restore", &file], &folder_of_first.path().join("data")).expect_failure();

    let fresh = folder();
    run(&["restore", &file], &fresh.path().join("data")).expect_success();
    let restored = Hub::start_in(fresh);
    let after = ["notes", "photos"].map(|database| contents(&restored, database));
    assert_eq!(after, before);
    assert_eq!(restored.get("/notes/_local/position").expect(200).json()["at"], 3);
    assert_eq!(restored.get("/photos/large/a.bin").expect(200).body, large);
    let token = app_url.split(['@', ':']).nth(2).unwrap_or_default();
    restored.as_principal(Some(("reader", token))).get("/notes").expect(200);
    restored.larder(&["verify"]).expect_success();
    restored.stop();
}

#[test]
fn a_broken_backup_is_refused() {
    let aside = folder();
    let file = aside.path().join("not-a-backup");
    fs::write(&file, "this is not a backup").unwrap();
    let file = file.display().to_string();
    run(&["restore", &file], &aside.path().join("data")).expect_failure();
    fails_with(run(&["restore", "nowhere"], &aside.path().join("data")), &["nowhere"]);
}
