//! What a hub counts, and what it writes into its log.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::exchange::{app, check, error};
use tests::{Body, Hub};

const NODE: &str = "/_node/_local";

fn stats(hub: &Hub) -> Value {
    hub.get(&format!("{NODE}/_stats")).expect(200).json()
}

/// How much a figure grew.
fn growth(before: &Value, after: &Value, path: &str) -> u64 {
    let value = |stats: &Value| {
        let found = stats.pointer(&format!("{path}/value")).and_then(Value::as_u64);
        found.unwrap_or_else(|| panic!("no {path} in {stats}"))
    };
    value(after) - value(before)
}

#[test]
fn figures_follow_what_is_done() {
    let hub = Hub::start();
    let before = stats(&hub);
    hub.put("/db", "").expect(201);
    for id in ["a", "b", "c"] {
        hub.put(&format!("/db/{id}"), json!({})).expect(201);
    }
    hub.put("/db/a", json!({})).expect(409);
    hub.put("/db/_local/x", json!({})).expect(201);
    hub.post("/db/_bulk_docs", json!({"docs": [{}, {}]})).expect(201);
    hub.put("/db/d/note", Body::bytes("twelve bytes", "image/png")).expect(201);
    hub.get("/db/a").expect(200);
    hub.get("/db/none").expect(404);
    hub.request("HEAD", "/db/a").send("").expect(200);
    hub.request("COPY", "/db/a").header("destination", "e").send("").expect(201);
    let after = stats(&hub);
    for (path, expected) in [
        ("/couchdb/httpd_request_methods/PUT", 7),
        ("/couchdb/httpd_request_methods/POST", 1),
        ("/couchdb/httpd_request_methods/HEAD", 1),
        ("/couchdb/httpd_request_methods/COPY", 1),
        ("/couchdb/httpd_request_methods/DELETE", 0),
        // One of them asked for the figures themselves.
        ("/couchdb/httpd_request_methods/GET", 3),
        ("/couchdb/httpd/requests", 13),
        ("/couchdb/httpd/bulk_requests", 1),
        ("/couchdb/httpd_status_codes/404", 1),
        ("/couchdb/httpd_status_codes/409", 1),
        ("/couchdb/local_document_writes", 1),
        ("/larder/attachment_bytes_written", 12),
    ] {
        assert_eq!(growth(&before, &after, path), expected, "{path}");
    }
    // Three, two in bulk, one with an attachment, one copied, and the database's record.
    assert_eq!(growth(&before, &after, "/couchdb/document_writes"), 8);
    assert!(growth(&before, &after, "/couchdb/database_reads") >= 2);
    assert!(growth(&before, &after, "/couchdb/auth_cache_hits") >= 12);
    assert!(after["couchdb"]["open_databases"]["value"].as_u64().unwrap() >= 1);
    assert!(after["couchdb"]["open_os_files"]["value"].as_u64().unwrap() > 3);
    let time = hub.get(&format!("{NODE}/_stats/couchdb/request_time")).expect(200).json();
    assert_eq!((&time["type"], time["desc"].is_string()), (&json!("histogram"), true));
    let value = &time["value"];
    assert!(value["n"].as_u64().unwrap() >= 13, "{time}");
    for member in [
        "min",
        "max",
        "arithmetic_mean",
        "geometric_mean",
        "harmonic_mean",
        "median",
        "variance",
        "standard_deviation",
        "skewness",
        "kurtosis",
    ] {
        assert!(value[member].is_number(), "{member} in {time}");
    }
    let percentiles: Vec<u64> = value["percentile"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| pair[0].as_u64().unwrap())
        .collect();
    assert_eq!(percentiles, [50, 75, 90, 95, 99, 999]);
    let counted =
        value["histogram"].as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap());
    assert_eq!(counted.sum::<u64>(), value["n"].as_u64().unwrap());
    let one = hub.get(&format!("{NODE}/_stats/couchdb/httpd/bulk_requests")).expect(200).json();
    assert_eq!(one["type"], "counter");
    check(&hub, &format!("GET {NODE}/_stats/couchdb/none/at/all"), "", "200 null\n");
}

#[test]
fn prometheus_is_told_the_same() {
    let hub = Hub::start();
    hub.get("/none").expect(404);
    let reply = hub.get(&format!("{NODE}/_prometheus")).expect(200);
    assert_eq!(reply.header("content-type"), "text/plain; version=2.0");
    let text = String::from_utf8(reply.body).unwrap();
    for line in [
        "# TYPE couchdb_httpd_requests_total counter",
        "# TYPE couchdb_httpd_request_methods counter",
        "# TYPE couchdb_httpd_status_codes counter",
        "couchdb_httpd_status_codes{code=\"404\"} 1",
        "couchdb_httpd_request_methods{method=\"COPY\"} 0",
        "# TYPE couchdb_open_databases gauge",
        "# TYPE couchdb_request_time_seconds summary",
        "# TYPE couchdb_document_writes_total counter",
        "# TYPE couchdb_auth_cache_requests_total counter",
        "# TYPE couchdb_couch_log_requests_total counter",
        "# TYPE couchdb_uptime_seconds counter",
        "# TYPE larder_attachment_bytes_written_total counter",
        "larder_onion_reachable 0",
        "larder_onion_restarts_total 0",
        "larder_onion_streams 0",
        "larder_onion_bytes_in_total 0",
        "larder_onion_bytes_out_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
    }
    let mut declared = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let name = kind.split(' ').next().unwrap();
            assert!(declared.insert(name.to_owned()), "{name} is declared twice");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap();
            let of = |name: &String| {
                ["", "_sum", "_count"].iter().any(|end| format!("{name}{end}") == name_of(line))
            };
            assert!(declared.iter().any(of), "{name} is not declared");
            value.parse::<f64>().unwrap();
        }
    }
}

fn name_of(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or_default()
}

#[test]
fn a_node_tells_of_itself_to_those_who_may_know() {
    let hub = Hub::start();
    let system = hub.get(&format!("{NODE}/_system")).expect(200).json();
    assert!(system["uptime"].is_u64() && system["process_count"].is_u64(), "{system}");
    assert!(system["memory"].is_object() && system["message_queues"].is_object(), "{system}");
    #[cfg(target_os = "linux")]
    assert!(system["memory"]["resident"].as_u64().unwrap() > 1_000_000, "{system}");
    let versions = hub.get(&format!("{NODE}/_versions")).expect(200).json();
    assert!(versions["larder"]["version"].is_string());
    let (limited, _) = app(&hub, "limited", &["--db", "notes:rw"]);
    for path in ["_stats", "_stats/couchdb", "_prometheus", "_system", "_versions"] {
        check(&hub, &format!("POST {NODE}/{path}"), "", "405 {\"error\":\"method_not_allowed\"");
        limited.get(&format!("{NODE}/{path}")).expect(403);
        hub.as_principal(None).get(&format!("{NODE}/{path}")).expect(401);
        let other = error(404, "not_found", "no such node: other@host");
        check(&hub, &format!("GET /_node/other@host/{path}"), "", &other);
    }
}

#[test]
fn answers_say_how_long_the_body_took() {
    let hub = Hub::start();
    for reply in [hub.get("/").expect(200), hub.get("/none").expect(404)] {
        reply.header("x-couchdb-body-time").parse::<u64>().unwrap();
        assert_eq!(reply.header("x-couch-request-id").len(), 10);
        assert!(reply.header("server").starts_with("Larder/"));
        assert!(reply.header("date").ends_with("GMT"));
    }
    // What the door refuses is no exception.
    let reply = hub.request("GET", "/").header("host", "evil.test").send("").expect(421);
    assert_eq!(reply.header("x-couch-request-id").len(), 10);
}

fn with_settings(toml: &str) -> Hub {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/larder.toml"), toml).unwrap();
    Hub::start_in(folder)
}

fn log(hub: &Hub) -> String {
    fs::read_to_string(hub.data_dir().parent().unwrap().join("hub.log")).unwrap()
}

#[test]
fn the_log_is_lines_of_json_without_secrets() {
    let hub = with_settings("[log]\nformat = 'json'\nlevel = 'debug'\nrequests = true\n");
    hub.put("/db", "").expect(201);
    let (limited, token) = app(&hub, "limited", &["--db", "db:rw"]);
    let nobody = hub.as_principal(None);
    let owner = hub.owner_url().split(['@', ':']).nth(2).unwrap().to_owned();
    let missing = hub.get("/db/some-private-id?secret=query-secret").expect(404);

    hub.as_principal(Some(("limited", "wrong-basic"))).get("/db").expect(401);
    nobody.post("/_session", json!({"name": "limited", "password": "wrong-json"})).expect(401);
    let form = Body::bytes("name=limited&password=wrong-form", "application/x-www-form-urlencoded");
    nobody.post("/_session", form).expect(401);
    let log_in = json!({"name": "limited", "password": token});
    let session = nobody.post("/_session", &log_in).expect(200);
    let cookie = session.header("set-cookie").split(';').next().unwrap().to_owned();
    nobody.request("GET", "/db").header("cookie", &cookie).send("").expect(200);
    let bearer = format!("Bearer {token}");
    nobody.request("GET", "/db").header("authorization", &bearer).send("").expect(200);
    limited.get("/db").expect(200);
    let setting = format!("{NODE}/_config/chttpd_auth/secret");
    hub.put(&setting, json!("setting-secret")).expect(200);

    let url = |name: &str, password: &str, db: &str| {
        let host = hub.url().trim_start_matches("http://");
        format!("http://{name}:{password}@{host}{db}")
    };
    let replicate = |source: String, target: &str| {
        let body = json!({"source": source, "target": target, "create_target": true});
        hub.post("/_replicate", body).status
    };
    assert_eq!(replicate(url("limited", &token, "db"), "copy"), 200);
    assert_ne!(replicate(url("limited", "wrong-url", "db"), "copy"), 200);
    assert_ne!(replicate("http://x:unreachable-pw@127.0.0.1:1/db".into(), "copy"), 200);
    let with_header = json!({
        "source": {"url": format!("{}db", hub.url()), "headers": {"Authorization": "Basic aGVhZGVy"}},
        "target": "copy",
    });
    assert_ne!(hub.post("/_replicate", with_header).status, 200);

    let text = log(&hub);
    for secret in [
        owner.as_str(),
        &token,
        &cookie,
        cookie.trim_start_matches("AuthSession="),
        "wrong-basic",
        "wrong-json",
        "wrong-form",
        "query-secret",
        "setting-secret",
        "wrong-url",
        "unreachable-pw",
        "aGVhZGVy",
        "some-private-id",
        "Basic ",
        "Bearer ",
    ] {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
    let lines: Vec<Value> = text
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let id = missing.header("x-couch-request-id");
    let line = lines.iter().find(|line| line["id"] == id && line["message"] == "request");
    let line = line.unwrap_or_else(|| panic!("no line for {id} in\n{text}"));
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], "/{db}/{doc}");
    assert_eq!(line["status"], 404);
    assert!(line["time_ms"].is_number(), "{line}");
}

#[test]
fn the_level_of_the_log_is_a_setting() {
    let hub = with_settings("[log]\nformat = 'json'\n");
    let logged = |hub: &Hub| {
        let id = hub.get("/").expect(200).header("x-couch-request-id").to_owned();
        log(hub).contains(&id)
    };
    let level = format!("{NODE}/_config/log/level");
    assert!(!logged(&hub));
    hub.put(&level, json!("debug")).expect(200);
    assert!(logged(&hub));
    let hub = Hub::start_in(hub.kill());
    assert!(logged(&hub));
    hub.put(&level, json!("none")).expect(200);
    assert!(!logged(&hub));
    hub.delete(&level).expect(200);
    assert!(!logged(&hub));
}

#[test]
fn fauxton_is_served_where_it_lies() {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let pages = folder.path().join("pages");
    fs::create_dir_all(pages.join("dashboard.assets/js")).unwrap();
    fs::write(pages.join("index.html"), "<h1>Fauxton</h1>").unwrap();
    fs::write(pages.join("favicon.ico"), "icon").unwrap();
    fs::write(pages.join("dashboard.assets/js/bundle.js"), "x".repeat(200_000)).unwrap();
    fs::write(folder.path().join("secret.html"), "secret").unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let toml = format!("[http]\nutils_dir = {:?}\n", pages.display().to_string());
    fs::write(folder.path().join("data/larder.toml"), toml).unwrap();
    let hub = Hub::start_in(folder);
    let nobody = hub.as_principal(None);
    let get = |path: &str| nobody.get(path);
    let index = get("/_utils/").expect(200);
    assert_eq!(index.body, b"<h1>Fauxton</h1>");
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(index.header("cache-control"), "private, must-revalidate");
    assert!(index.header("content-security-policy").contains("default-src 'self'"));
    let bundle = get("/_utils/dashboard.assets/js/bundle.js").expect(200);
    assert_eq!(bundle.body.len(), 200_000);
    assert_eq!(bundle.header("content-type"), "text/javascript; charset=utf-8");
    let dated = bundle.header("last-modified").to_owned();
    let again = nobody.request("GET", "/_utils/dashboard.assets/js/bundle.js");
    again.header("if-modified-since", &dated).send("").expect(304);
    let head = nobody.request("HEAD", "/_utils/index.html").send("").expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("16", 0));
    assert_eq!(get("/favicon.ico").expect(200).body, b"icon");
    for path in [
        "/_utils/none.js",
        "/_utils/dashboard.assets",
        "/_utils/..%2Fsecret.html",
        "/_utils/dashboard.assets%2F..%2F..%2Fsecret.html",
        "/_utils/%2Fetc%2Fpasswd",
        "/_utils/.hidden",
    ] {
        let reply = get(path);
        assert!(matches!(reply.status, 400 | 404), "{reply}");
    }
    get("/_utils/../secret.html");
    hub.put("/_utils/index.html", "").expect(405);
    hub.post("/_utils", "").expect(405);
}

#[test]
fn without_fauxton_a_page_says_how_to_get_it() {
    let hub = Hub::start();
    let nobody = hub.as_principal(None);
    let page = nobody.get("/_utils/").expect(200);
    assert!(String::from_utf8_lossy(&page.body).contains("utils_dir"), "{page}");
    nobody.get("/_utils/index.html").expect(404);
    nobody.get("/favicon.ico").expect(404);
}
