//! Programs with keys and tokens: how they are let in, what binds them, and how they are shown.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::process::Command;

use serde_json::{Value, json};
use tests::exchange::app;
use tests::{Client, Finished, Hub, Key, eventually};

/// A request over the control socket, as a program of the same person sends it.
#[track_caller]
fn over_socket(hub: &Hub, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--write-out", "\n%{http_code}", "-X", method]);
    command.arg("--unix-socket").arg(hub.data_dir().join("run/control.sock"));
    command.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
    command.arg(format!("http://localhost{path}"));
    let printed = Finished::of(&mut command).expect_success();
    let (body, status) = printed.trim_end().rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[track_caller]
fn ask(hub: &Hub, name: &str, key: &Key) -> (u16, Value) {
    let databases = json!([{ "name": "notes", "write": true }]);
    let question = json!({ "name": name, "key": key.text(), "databases": databases });
    over_socket(hub, "POST", "/_hub/enrolments", &question)
}

#[test]
fn a_program_asks_and_the_owner_lets_it_in() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let key = Key::new();
    let program = hub.as_key(Some(&key));
    program.get("/notes").expect(404);
    assert_eq!(ask(&hub, "notes-app", &key), (202, json!({ "ok": true, "state": "waiting" })));
    assert_eq!(ask(&hub, "notes-app", &key).1["state"], "waiting");
    assert_eq!(ask(&hub, "notes-app", &Key::new()).0, 409);
    program.get("/notes").expect(404);
    let listed = hub.larder(&["app", "requests"]).expect_success();
    assert!(listed.contains("notes-app") && listed.contains("notes:rw"), "{listed}");
    assert!(listed.contains(&key.text()) && listed.contains("waiting"), "{listed}");
    hub.larder(&["app", "approve", "notes-app"]).expect_success();
    let state = over_socket(&hub, "GET", "/_hub/enrolments/notes-app", &json!({}));
    assert_eq!(state, (200, json!({ "state": "approved" })));
    program.put("/notes/mine", json!({})).expect(201);
    program.get("/other").expect(403);
    assert_eq!(program.get("/_session").json()["userCtx"]["name"], "notes-app");
    // It has no token, so its name opens no door.
    hub.as_principal(Some(("notes-app", ""))).get("/notes").expect(401);
    let apps = hub.larder(&["app", "list"]).expect_success();
    assert!(apps.contains("notes-app") && apps.contains("key"), "{apps}");
    hub.larder(&["app", "remove", "notes-app"]).expect_success();
    program.get("/notes").expect(404);
}

#[test]
fn the_owner_refuses_or_gives_less() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let (first, second) = (Key::new(), Key::new());
    ask(&hub, "greedy", &first);
    hub.larder(&["app", "refuse", "greedy"]).expect_success();
    assert_eq!(ask(&hub, "greedy", &first).1["state"], "refused");
    hub.as_key(Some(&first)).get("/notes").expect(404);
    ask(&hub, "modest", &second);
    hub.larder(&["app", "approve", "modest", "--db", "notes:r"]).expect_success();
    let program = hub.as_key(Some(&second));
    program.get("/notes").expect(200);
    program.put("/notes/x", json!({})).expect(403);
    hub.larder(&["app", "approve", "nobody"]).expect_failure();
}

#[test]
fn a_code_lets_one_program_in_once() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let code = hub.larder(&["app", "code", "coded", "--db", "notes:rw"]).expect_success();
    let code = code.trim();
    let (key, other) = (Key::new(), Key::new());
    let enrol = |key: Option<&Key>, name: &str, code: &str| {
        hub.as_key(key).post("/_hub/enrol", json!({ "name": name, "code": code })).status
    };
    assert_eq!(enrol(None, "coded", code), 401);
    assert_eq!(enrol(Some(&key), "coded", "wrong"), 403);
    assert_eq!(enrol(Some(&key), "other", code), 403);
    assert_eq!(enrol(Some(&key), "coded", code), 201);
    assert_eq!(enrol(Some(&other), "coded", code), 403);
    hub.as_key(Some(&key)).put("/notes/mine", json!({})).expect(201);
    hub.as_key(Some(&other)).get("/notes").expect(404);
    // Guesses use a code up.
    let code = hub.larder(&["app", "code", "guessed", "--db", "notes:rw"]).expect_success();
    for guess in 0..5 {
        assert_eq!(enrol(Some(&other), "guessed", &format!("guess-{guess}")), 403);
    }
    assert_eq!(enrol(Some(&other), "guessed", code.trim()), 403);
}

#[test]
fn system_databases_are_not_asked_for() {
    let hub = Hub::start();
    let question = json!({
        "name": "sly", "key": Key::new().text(),
        "databases": [{ "name": "_acl", "write": true }],
    });
    assert_eq!(over_socket(&hub, "POST", "/_hub/enrolments", &question).0, 400);
}

/// What a page of an origin gets with an app's token.
#[track_caller]
fn from_page(client: &Client, origin: &str) -> u16 {
    client.request("GET", "/notes").header("origin", origin).send("").status
}

#[test]
fn a_token_is_bound_to_the_pages_it_was_made_for() {
    let hub = Hub::start_with("[http]\norigins = ['app://general']");
    hub.put("/notes", "").expect(201);
    let rights = ["--db", "notes:rw", "--origin", "app://mine"];
    let (bound, _) = app(&hub, "bound", &rights);
    let (free, _) = app(&hub, "free", &["--db", "notes:rw"]);
    assert_eq!(from_page(&bound, "app://mine"), 200);
    assert_eq!(from_page(&bound, "APP://MINE"), 200);
    assert_eq!(from_page(&bound, "app://general"), 403);
    assert_eq!(from_page(&bound, "https://evil.example"), 403);
    assert_eq!(from_page(&free, "app://general"), 200);
    assert_eq!(from_page(&free, "app://mine"), 403);
    // Nor may a page that was let in for an app act as the owner.
    assert_eq!(from_page(hub.client(), "app://mine"), 403);
    assert_eq!(from_page(hub.client(), "app://general"), 200);
    bound.get("/notes").expect(200);
    hub.larder(&["app", "remove", "bound"]).expect_success();
    assert_eq!(from_page(&free, "app://mine"), 403);
}

#[test]
fn the_last_use_is_shown_and_survives_a_restart() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let (client, _) = app(&hub, "seldom", &["--db", "notes:r"]);
    let used = |hub: &Hub| hub.get("/_hub/apps").json()["apps"][0]["last_used"].clone();
    assert_eq!(used(&hub), Value::Null);
    client.get("/notes").expect(200);
    let first = used(&hub);
    assert!(first.as_u64().is_some_and(|used| used > 1_700_000_000_000), "{first}");
    let hub = Hub::start_in(hub.stop());
    eventually("the last use", || {
        let now = used(&hub);
        (now == first).then_some(()).ok_or_else(|| now.to_string())
    });
}
