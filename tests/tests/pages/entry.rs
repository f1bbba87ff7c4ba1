//! How a session of the pages begins, and what it is worth without its word.

use serde_json::json;
use tests::{Client, Hub, Reply};

/// The code in a link that `larder open` prints.
#[track_caller]
fn code(hub: &Hub) -> String {
    let link = hub.larder(&["open"]).expect_success();
    let (page, code) = link.trim().split_once("#login=").unwrap();
    assert_eq!(page, format!("{}_hub/ui/", hub.url()));
    // Far more than can be guessed.
    assert_eq!(code.len(), 43, "256 bits");
    code.to_owned()
}

fn redeem(client: &Client, code: &str) -> Reply {
    client.post("/_hub/session", json!({"code": code}))
}

/// The cookie of a session, and its word.
#[track_caller]
fn enter(hub: &Hub) -> (String, String) {
    let begun = redeem(&hub.as_principal(None), &code(hub)).expect(201);
    let cookie = begun.header("set-cookie");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    assert_eq!(begun.header("cache-control"), "no-store");
    (cookie.split(';').next().unwrap().to_owned(), begun.text("csrf"))
}

#[test]
fn a_link_lets_one_browser_in_once() {
    let hub = Hub::start();
    let nobody = hub.as_principal(None);
    redeem(&nobody, "").expect(401);
    redeem(&nobody, &"A".repeat(43)).expect(401);
    let (one, other) = (code(&hub), code(&hub));
    assert_ne!(one, other);
    redeem(&nobody, &one).expect(201);
    redeem(&nobody, &one).expect(401);
    redeem(&nobody, &other).expect(201);
    // Codes are made by the owner alone.
    nobody.post("/_hub/login", json!({})).expect(401);
    let added = hub.post("/_hub/apps", json!({"name": "pad"})).expect(201).text("token");
    hub.as_principal(Some(("pad", &added))).post("/_hub/login", json!({})).expect(403);
}

#[test]
fn wrong_codes_are_slowed_and_right_ones_are_not() {
    let hub = Hub::start();
    let nobody = hub.as_principal(None);
    let statuses: Vec<u16> = (0..12).map(|_| redeem(&nobody, "wrong").status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    redeem(&nobody, &code(&hub)).expect(201);
}

#[test]
fn codes_and_sessions_are_in_no_log() {
    let hub = Hub::start_with("[log]\nlevel = 'debug'\nfile = 'larder.log'\nrequests = true\n");
    let code = code(&hub);
    let begun = redeem(&hub.as_principal(None), &code).expect(201);
    redeem(&hub.as_principal(None), &code).expect(401);
    let (cookie, word) = (begun.header("set-cookie").to_owned(), begun.text("csrf"));
    let folder = hub.stop();
    let log = std::fs::read_to_string(folder.path().join("data/larder.log")).unwrap();
    assert!(log.contains("/_hub/session"), "requests are logged: {log}");
    let value = cookie.split([';', '=']).nth(1).unwrap();
    for secret in [code.as_str(), value, word.as_str()] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_cookie_without_its_word_is_worth_nothing() {
    let hub = Hub::start();
    let (cookie, word) = enter(&hub);
    let nobody = hub.as_principal(None);
    let ask = |method: &str, path: &str, word: &str| {
        let request = nobody.request(method, path).header("cookie", &cookie);
        request.header("x-larder-csrf", word).send(json!({})).status
    };
    for (method, path, status) in
        [("GET", "/_hub/status", 200), ("POST", "/_hub/login", 201), ("PUT", "/made-here", 201)]
    {
        assert_eq!(ask(method, path, ""), 401, "{method} {path}");
        assert_eq!(ask(method, path, &"A".repeat(43)), 401, "{method} {path}");
        assert_eq!(ask(method, path, &word), status, "{method} {path}");
    }
    // The word of one session does not go with the cookie of another.
    let (_, other) = enter(&hub);
    assert_eq!(ask("GET", "/_hub/status", &other), 401);
    // Nor does a hub take the session of another.
    let another = Hub::start();
    let there = another.as_principal(None);
    let request = there.request("GET", "/_hub/status").header("cookie", &cookie);
    request.header("x-larder-csrf", &word).send("").expect(401);
}

#[test]
fn pages_of_other_origins_never_have_a_session() {
    // One that a person let in with all that browsers attach.
    let hub = Hub::start_with("[http]\norigins = ['http://localhost:3000']\n");
    let (cookie, word) = enter(&hub);
    let nobody = hub.as_principal(None);
    for (origin, status) in [
        ("http://localhost:3000", 401),
        ("http://127.0.0.1:1", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        for method in ["GET", "POST"] {
            let path = if method == "GET" { "/_hub/status" } else { "/_hub/login" };
            let request = nobody.request(method, path).header("cookie", &cookie);
            let request = request.header("x-larder-csrf", &word).header("origin", origin);
            assert_eq!(request.send(json!({})).status, status, "{method} {origin}");
        }
    }
    let own = hub.url().trim_end_matches('/').to_owned();
    let request = nobody.request("POST", "/_hub/login").header("cookie", &cookie);
    request.header("x-larder-csrf", &word).header("origin", &own).send(json!({})).expect(201);
}

#[test]
fn couchdbs_cookie_changes_nothing_of_the_hubs_own() {
    let hub = Hub::start();
    let token = hub.owner_url().split([':', '@']).nth(2).unwrap().to_owned();
    let nobody = hub.as_principal(None);
    let begun = nobody.post("/_session", json!({"name": "owner", "password": token})).expect(200);
    let cookie = begun.header("set-cookie").split(';').next().unwrap().to_owned();
    let with = |method: &str, path: &str| {
        nobody.request(method, path).header("cookie", &cookie).send(json!({})).status
    };
    assert_eq!(with("GET", "/_hub/status"), 200);
    assert_eq!(with("POST", "/_hub/login"), 403);
    assert_eq!(with("POST", "/%5Fhub/login"), 403);
    assert_eq!(with("POST", "/_hub/dbs"), 403);
    // What CouchDB's clients do they go on doing.
    assert_eq!(with("PUT", "/notes"), 201);
    assert_eq!(with("PUT", "/notes/a"), 201);
    // A browser that has it still gets into the pages.
    let entering = nobody.request("POST", "/_hub/session").header("cookie", &cookie);
    entering.send(json!({"code": code(&hub)})).expect(201);
}

#[test]
fn the_files_are_for_everybody_and_guarded() {
    let hub = Hub::start();
    let nobody = hub.as_principal(None);
    let page = nobody.get("/_hub/ui/").expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    for part in
        ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let tag = page.header("etag").to_owned();
    let again = nobody.request("GET", "/_hub/ui/").header("if-none-match", &tag).send("");
    assert!(again.expect(304).body.is_empty());
    assert_eq!(nobody.get("/_hub/ui").status, 301);
    nobody.get("/_hub/ui/main.js").expect(200);
    for missing in
        ["/_hub/ui/x", "/_hub/ui/page", "/_hub/ui/page%2Fhome.js/x", "/_hub/ui/..%2Flib.rs"]
    {
        let status = nobody.get(missing).status;
        assert!([400, 404].contains(&status), "{missing}: {status}");
    }
}
