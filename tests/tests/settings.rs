//! CouchDB's settings: which of them take effect, at once and after a restart.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fs;

use serde_json::json;
use tempfile::TempDir;
use tests::exchange::{app, check, error};
use tests::{Body, Hub};

fn set(hub: &Hub, setting: &str, value: &str) {
    hub.put(&format!("/_node/_local/_config/{setting}"), json!(value)).expect(200);
}

fn document(bytes: usize) -> serde_json::Value {
    json!({"text": "x".repeat(bytes)})
}

#[test]
fn limits_take_effect_at_once_and_after_a_restart() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    hub.put("/db/a", document(2000)).expect(201);
    set(&hub, "couchdb/max_document_size", "1000");
    check(&hub, "PUT /db/b", document(2000), "413 {\"error\":\"document_too_large\"");
    let docs = json!({"docs": [document(2000)]});
    check(&hub, "POST /db/_bulk_docs", &docs, "413 {\"error\":\"document_too_large\"");
    hub.put("/db/b", document(500)).expect(201);
    set(&hub, "couchdb/max_attachment_size", "3");
    let attachment = |text: &str| Body::bytes(text, "text/plain");
    check(&hub, "PUT /db/c/att", attachment("four"), "413 {\"error\":\"attachment_too_large\"");
    hub.put("/db/c/att", attachment("abc")).expect(201);
    set(&hub, "chttpd/max_http_request_size", "300");
    check(
        &hub,
        "POST /db/_bulk_docs",
        json!({"docs": [document(400)]}),
        "413 {\"error\":\"too_large\"",
    );
    let hub = Hub::start_in(hub.kill());
    check(&hub, "PUT /db/d/att", attachment("four"), "413 {\"error\":\"attachment_too_large\"");
    check(
        &hub,
        "POST /db/_bulk_docs",
        json!({"docs": [document(400)]}),
        "413 {\"error\":\"too_large\"",
    );
    for setting in ["chttpd/max_http_request_size", "couchdb/max_document_size"] {
        hub.delete(&format!("/_node/_local/_config/{setting}")).expect(200);
    }
    hub.put("/db/b2", document(2000)).expect(201);
    // What LiveSync's set-up script asks for.
    set(&hub, "couchdb/max_document_size", "50000000");
    hub.put("/db/large", document(9_000_000)).expect(201);
}

#[test]
fn larder_toml_is_the_upper_bound() {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let toml = "[limits]\ndocument_bytes_max = 1000\n";
    fs::write(folder.path().join("data/larder.toml"), toml).unwrap();
    let hub = Hub::start_in(folder);
    hub.put("/db", "").expect(201);
    let setting = "/_node/_local/_config/couchdb/max_document_size";
    check(&hub, &format!("GET {setting}"), "", "200 \"1000\"\n");
    check(&hub, &format!("PUT {setting}"), json!("50000000"), "200 \"1000\"\n");
    check(&hub, "PUT /db/a", document(2000), "413 {\"error\":\"document_too_large\"");
    set(&hub, "couchdb/max_document_size", "100");
    check(&hub, "PUT /db/a", document(500), "413 {\"error\":\"document_too_large\"");
}

#[test]
fn ids_follow_the_algorithm() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let uuids = || {
        let reply = hub.get("/_uuids?count=3").expect(200);
        assert_eq!(reply.header("cache-control"), "no-cache");
        assert_eq!(reply.header("pragma"), "no-cache");
        assert_eq!(reply.header("expires"), "Mon, 01 Jan 1990 00:00:00 GMT");
        assert!(reply.header("etag").starts_with('"'), "{reply}");
        serde_json::from_value::<Vec<String>>(reply.json()["uuids"].clone()).unwrap()
    };
    let prefix =
        |ids: &[String], digits: usize| ids.iter().all(|id| id[..digits] == ids[0][..digits]);
    let ids = uuids();
    assert!(prefix(&ids, 26) && ids.iter().all(|id| id.len() == 32), "{ids:?}");
    set(&hub, "uuids/algorithm", "random");
    let ids = uuids();
    assert!(!prefix(&ids, 8) && ids.iter().all(|id| id.len() == 32), "{ids:?}");
    set(&hub, "uuids/algorithm", "utc_random");
    let ids = uuids();
    assert!(prefix(&ids, 5) && ids.is_sorted() && ids.iter().all(|id| id.len() == 32), "{ids:?}");
    set(&hub, "uuids/algorithm", "utc_id");
    set(&hub, "uuids/utc_id_suffix", "-here");
    let ids = uuids();
    assert!(ids.iter().all(|id| id.len() == 19 && id.ends_with("-here")), "{ids:?}");
    assert!(hub.post("/db", json!({})).expect(201).text("id").ends_with("-here"));
    set(&hub, "uuids/max_count", "2");
    let large = error(400, "bad_request", "count parameter too large");
    check(&hub, "GET /_uuids?count=3", "", &large);
    hub.get("/_uuids?count=2").expect(200);
    let natural = error(400, "bad_request", "count must be a positive integer");
    for bad in ["-1", "x", "1.5", ""] {
        check(&hub, &format!("GET /_uuids?count={bad}"), "", &natural);
    }
    check(&hub, "GET /_uuids?count=0", "", "200 {\"uuids\":[]}\n");
    let methods = check(&hub, "POST /_uuids", "", "405 {\"error\":\"method_not_allowed\"");
    assert_eq!(methods.header("allow"), "GET,HEAD");
    let hub = Hub::start_in(hub.kill());
    check(&hub, "GET /_uuids?count=3", "", &large);
}

#[test]
fn sessions_last_as_long_as_the_setting_says() {
    let hub = Hub::start();
    let (_, token) = app(&hub, "notes", &["--db", "notes:rw"]);
    let log_in = json!({"name": "notes", "password": token});
    let nobody = hub.as_principal(None);
    let cookie = |hub: &tests::Client| {
        let reply = hub.post("/_session", &log_in).expect(200);
        reply.header("set-cookie").to_owned()
    };
    assert!(cookie(&nobody).contains("; Max-Age=600; Path=/; HttpOnly"));
    set(&hub, "chttpd_auth/timeout", "4000");
    assert!(cookie(&nobody).contains("; Max-Age=4000; Path=/; HttpOnly"));
    set(&hub, "chttpd_auth/allow_persistent_cookies", "false");
    let session = cookie(&nobody);
    assert!(session.contains("; Version=1; Path=/; HttpOnly"), "{session}");
    let value = session.split(';').next().unwrap();
    let shown = nobody.request("GET", "/_session").header("cookie", value).send("").expect(200);
    assert_eq!(shown.json()["userCtx"]["name"], "notes");
}

#[test]
fn maintenance_keeps_load_balancers_away() {
    let hub = Hub::start();
    check(&hub, "GET /_up", "", "200 {\"status\":\"ok\",\"seeds\":{}}\n");
    for (value, expected) in [
        ("true", "404 {\"status\":\"maintenance_mode\"}\n"),
        ("nolb", "404 {\"status\":\"nolb\"}\n"),
        ("false", "200 {\"status\":\"ok\",\"seeds\":{}}\n"),
    ] {
        set(&hub, "couchdb/maintenance_mode", value);
        check(&hub, "GET /_up", "", expected);
        hub.get("/_all_dbs").expect(200);
    }
}

#[test]
fn what_is_not_to_persist_does_not() {
    let hub = Hub::start();
    let setting = "/_node/_local/_config/uuids/max_count";
    let put = |value: &str| {
        hub.request("PUT", setting)
            .header("x-couch-persist", "false")
            .send(json!(value))
            .expect(200)
    };
    put("7");
    hub.get("/_uuids?count=8").expect(400);
    check(&hub, "POST /_node/_local/_config/_reload", "", "200 {\"ok\":true}\n");
    hub.get("/_uuids?count=8").expect(200);
    put("7");
    hub.get("/_uuids?count=8").expect(400);
    let hub = Hub::start_in(hub.kill());
    check(&hub, &format!("GET {setting}"), "", "200 \"1000\"\n");
    check(&hub, "GET /_node/_local/_config/_reload", "", "405");
    hub.as_principal(None).post("/_node/_local/_config/_reload", "").expect(401);
}

#[test]
fn what_would_run_or_open_the_hub_is_not_obeyed() {
    let hub = Hub::start();
    let blocked =
        error(403, "forbidden", "Config section blacklisted for modification over HTTP API.");
    for section in ["daemons", "external", "query_servers", "os_daemons", "feature_flags"] {
        let setting = format!("/_node/_local/_config/{section}/x");
        check(&hub, &format!("PUT {setting}"), json!("y"), &blocked);
        check(&hub, &format!("DELETE {setting}"), "", &blocked);
    }
    for (setting, value) in [
        ("chttpd/require_valid_user", "false"),
        ("chttpd_auth/require_valid_user", "false"),
        ("chttpd/bind_address", "0.0.0.0"),
        ("chttpd/port", "1"),
        ("couchdb/default_security", "everyone"),
        ("chttpd_auth/same_site", "none"),
        ("chttpd/authentication_handlers", "{chttpd_auth, proxy_authentication_handler}"),
    ] {
        set(&hub, setting, value);
        let kept = hub.get(&format!("/_node/_local/_config/{setting}")).expect(200).json();
        assert_eq!(kept, value);
    }
    let url = hub.url().to_owned();
    assert!(url.starts_with("http://127.0.0.1:"));
    let nobody = hub.as_principal(None);
    nobody.get("/_all_dbs").expect(401);
    let proxied = nobody.request("GET", "/_all_dbs").header("x-auth-couchdb-username", "owner");
    proxied.header("x-auth-couchdb-roles", "_admin").send("").expect(401);
    let hub = Hub::start_in(hub.kill());
    assert!(hub.url().starts_with("http://127.0.0.1:"));
    hub.as_principal(None).get("/_all_dbs").expect(401);
}

#[test]
fn a_client_may_ask_for_fewer_databases_at_a_time() {
    let hub = Hub::start();
    set(&hub, "chttpd/max_db_number_for_dbs_info_req", "2");
    let keys = |count: usize| json!({"keys": vec!["a"; count]});
    check(&hub, "POST /_dbs_info", keys(3), &error(400, "bad_request", "too_many_keys"));
    check(&hub, "POST /_dbs_info", keys(2), "200 [");
}
