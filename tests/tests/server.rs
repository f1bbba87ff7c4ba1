//! Endpoints of the server as a whole: what it says of its databases, its node and its settings.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::exchange::{app, check, error};
use tests::{Body, Hub};

/// A member of each element of an array.
fn each(rows: &Value, member: &str) -> Vec<Value> {
    rows.as_array().into_iter().flatten().map(|row| row[member].clone()).collect()
}

#[test]
fn tells_of_several_databases() {
    let hub = Hub::start();
    for name in ["a", "b", "c%2Fd"] {
        hub.put(&format!("/{name}"), "").expect(201);
    }
    hub.put("/a/doc", json!({})).expect(201);
    let keys = json!({"keys": ["c/d", "a", "none", "No Name", 1, "a"]});
    let rows = hub.post("/_dbs_info", &keys).expect(200).json();
    assert_eq!(
        each(&rows, "key"),
        ["c/d", "a", "none", "No Name"]
            .map(Value::from)
            .into_iter()
            .chain([json!(1), json!("a")])
            .collect::<Vec<_>>()
    );
    assert_eq!(rows[1]["info"], hub.get("/a").expect(200).json());
    assert_eq!(rows[0]["info"]["db_name"], "c/d");
    for row in [2, 3, 4] {
        assert_eq!(rows[row]["error"], "not_found");
        assert_eq!(rows[row].get("info"), None);
    }
    let range = |query: &str| {
        let path = format!("/_dbs_info?{}", query.replace('"', "%22"));
        each(&hub.get(&path).expect(200).json(), "key")
    };
    assert_eq!(range("startkey=\"a\""), ["a", "b", "c/d"]);
    assert_eq!(range("startkey=\"a\"&endkey=\"b\"&limit=1&skip=1"), ["b"]);
    assert_eq!(range("start_key=\"b\"&endkey=\"a\"&descending=true"), ["b", "a"]);
    assert!(range("").contains(&json!("_users")));
}

#[test]
fn refuses_what_it_cannot_list() {
    let hub = Hub::start();
    let bad = |reason| error(400, "bad_request", reason);
    for (body, expected) in [
        ("{}", bad("`keys` member must exist.")),
        ("{\"keys\":1}", bad("`keys` member must be an array.")),
        ("{\"keys\":null}", bad("`keys` member must be an array.")),
        ("[]", bad("Request body must be a JSON object")),
        ("{", bad("invalid UTF-8 JSON")),
    ] {
        check(&hub, "POST /_dbs_info", Body::json_text(body), &expected);
    }
    let keys = |count: usize| json!({"keys": vec!["a"; count]});
    check(&hub, "POST /_dbs_info", keys(101), &bad("too_many_keys"));
    check(&hub, "POST /_dbs_info", keys(100), "200 [{");
    check(&hub, "POST /_dbs_info", Body::none(), "415 {\"error\":\"bad_content_type\"");
    check(&hub, "GET /_dbs_info?limit=x", "", "400 {\"error\":\"query_parse_error\"");
}

#[test]
fn an_app_learns_of_its_databases_only() {
    let hub = Hub::start();
    hub.put("/mine", "").expect(201);
    hub.put("/hidden", "").expect(201);
    let (limited, _) = app(&hub, "limited", &["--db", "mine:r"]);
    let rows = limited.get("/_dbs_info").expect(200).json();
    assert_eq!(each(&rows, "key"), ["mine"]);
    let keys = json!({"keys": ["mine", "hidden", "none"]});
    let rows = limited.post("/_dbs_info", &keys).expect(200).json();
    assert_eq!(rows[0]["info"]["db_name"], "mine");
    assert_eq!(rows[1], json!({"key": "hidden", "error": "not_found"}));
    assert_eq!(rows[2], json!({"key": "none", "error": "not_found"}));
    hub.as_principal(None).get("/_dbs_info").expect(401);
}

#[test]
fn is_one_node_that_is_set_up() {
    let hub = Hub::start();
    let nodes = json!({"all_nodes": ["nonode@nohost"], "cluster_nodes": ["nonode@nohost"]});
    assert_eq!(hub.get("/_membership").expect(200).json(), nodes);
    let enabled = "200 {\"state\":\"single_node_enabled\"}\n";
    let disabled = "200 {\"state\":\"single_node_disabled\"}\n";
    let wanted = "/_cluster_setup?ensure_dbs_exist=%5B%22_users%22,%22notes%22%5D";
    check(&hub, "GET /_cluster_setup", "", enabled);
    check(&hub, &format!("GET {wanted}"), "", disabled);
    let body = json!({
        "action": "enable_single_node", "username": "a", "password": "b",
        "bind_address": "0.0.0.0", "port": 5984, "singlenode": true,
    });
    check(&hub, "POST /_cluster_setup", &body, "201 {\"ok\":true}\n");
    hub.get("/notes").expect(404);
    let body = json!({"action": "finish_cluster", "ensure_dbs_exist": ["_users", "notes"]});
    check(&hub, "POST /_cluster_setup", &body, "201 {\"ok\":true}\n");
    check(&hub, "POST /_cluster_setup", &body, "201 {\"ok\":true}\n");
    check(&hub, &format!("GET {wanted}"), "", enabled);
    let bad = |reason| error(400, "bad_request", reason);
    let names = "`ensure_dbs_exist` must be an array of names.";
    for (body, expected) in [
        (r#"{"action":"enable_cluster"}"#, bad("A hub is a single node.")),
        (r#"{"action":"add_node","host":"x"}"#, bad("A hub is a single node.")),
        (r#"{"action":"other"}"#, bad("Invalid Action")),
        ("{}", bad("Invalid Action")),
        (r#"{"action":"finish_cluster","ensure_dbs_exist":1}"#, bad(names)),
        (r#"{"action":"finish_cluster","ensure_dbs_exist":[1]}"#, bad(names)),
        ("[", bad("invalid UTF-8 JSON")),
    ] {
        check(&hub, "POST /_cluster_setup", Body::json_text(body), &expected);
    }
    let illegal = json!({"action": "finish_cluster", "ensure_dbs_exist": ["No"]});
    check(&hub, "POST /_cluster_setup", &illegal, "400 {\"error\":\"illegal_database_name\"");
}

#[test]
fn keeps_couchdb_settings() {
    let hub = Hub::start();
    let at = |node: &str, rest: &str| format!("/_node/{node}/_config{rest}");
    // What the set-up script of Obsidian LiveSync writes.
    for (rest, value) in [
        ("/chttpd/require_valid_user", "true"),
        ("/chttpd_auth/require_valid_user", "true"),
        ("/httpd/WWW-Authenticate", "Basic realm=\"couchdb\""),
        ("/httpd/enable_cors", "true"),
        ("/chttpd/enable_cors", "true"),
        ("/chttpd/max_http_request_size", "4294967296"),
        ("/couchdb/max_document_size", "50000000"),
        ("/cors/credentials", "true"),
        ("/cors/origins", "app://obsidian.md,capacitor://localhost,http://localhost"),
    ] {
        hub.put(&at("nonode@nohost", rest), json!(value)).expect(200);
        assert_eq!(hub.get(&at("_local", rest)).expect(200).json(), value, "{rest}");
    }
    let level = at("_local", "/log/level");
    check(&hub, &format!("GET {level}"), "", "200 \"info\"\n");
    check(&hub, &format!("PUT {level}"), "\"debug\"", "200 \"info\"\n");
    check(&hub, &format!("PUT {}", at("_local", "/mine/a")), "\"1\"", "200 \"\"\n");
    check(&hub, &format!("PUT {}", at("_local", "/mine/a")), "\" 2 \"", "200 \"1\"\n");
    let hub = Hub::start_in(hub.kill());
    assert_eq!(hub.get(&at("_local", "/mine")).expect(200).json(), json!({"a": "2"}));
    assert_eq!(hub.get(&at("_local", "/none")).expect(200).json(), json!({}));
    let all = hub.get(&at("_local", "")).expect(200).json();
    assert_eq!(
        (&all["log"]["level"], &all["uuids"]["algorithm"]),
        (&json!("debug"), &json!("sequential"))
    );
    assert_eq!(all["cors"]["credentials"], "true");
    check(&hub, &format!("DELETE {level}"), "", "200 \"debug\"\n");
    check(&hub, &format!("GET {level}"), "", "200 \"info\"\n");
    check(&hub, &format!("DELETE {}", at("_local", "/mine/a")), "", "200 \"2\"\n");
    let unknown = error(404, "not_found", "unknown_config_value");
    check(&hub, &format!("DELETE {}", at("_local", "/mine/a")), "", &unknown);
    check(&hub, &format!("GET {}", at("_local", "/mine/a")), "", &unknown);
    check(&hub, "GET /_node/_local", "", "200 {\"name\":\"nonode@nohost\"}\n");
}

#[test]
fn refuses_settings_that_cannot_be() {
    let hub = Hub::start();
    let key = "/_node/_local/_config/mine/a";
    for bad in ["1", "true", "{}", "null", "x", "", "\"a\\nb\""] {
        check(&hub, &format!("PUT {key}"), bad, "400 {\"error\":\"bad_request\"");
    }
    check(&hub, "PUT /_node/_local/_config/mine/a%3Db", "\"x\"", "400 {\"error\":\"bad_request\"");
    check(&hub, "PUT /_node/_local/_config/admins/me", "\"x\"", "403 {\"error\":\"forbidden\"");
    check(&hub, &format!("POST {key}"), "\"x\"", "405");
    check(&hub, "PUT /_node/_local/_config/mine", "\"x\"", "405");
    for path in ["", "/_config", "/_config/log", "/_config/log/level"] {
        let other = error(404, "not_found", "no such node: other@host");
        check(&hub, &format!("GET /_node/other@host{path}"), "", &other);
    }
    let (limited, _) = app(&hub, "limited", &["--db", "notes:rw"]);
    for path in ["/_node/_local", "/_node/_local/_config", key, "/_cluster_setup"] {
        limited.get(path).expect(403);
        hub.as_principal(None).get(path).expect(401);
    }
    limited.put(key, json!("x")).expect(403);
    limited.get("/_membership").expect(200);
}

/// What the feed tells of databases whose names begin with no underscore: `name type`.
fn told(feed: &Value) -> Vec<String> {
    let rows = feed["results"].as_array().into_iter().flatten();
    let rows = rows.map(|row| (row["db_name"].as_str().unwrap_or_default(), &row["type"]));
    rows.filter(|(name, _)| !name.starts_with('_'))
        .map(|(name, kind)| format!("{name} {}", kind.as_str().unwrap_or_default()))
        .collect()
}

#[test]
fn tells_what_happens_to_databases() {
    let hub = Hub::start();
    let updates = |query: &str| hub.get(&format!("/_db_updates{query}")).expect(200).json();
    hub.put("/a", "").expect(201);
    hub.put("/b", "").expect(201);
    hub.put("/a/doc", json!({})).expect(201);
    let first = updates("");
    let mut found = told(&first);
    found.sort();
    assert_eq!(found, ["a created", "a updated", "b created"]);
    let since = first["last_seq"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        first["results"].as_array().and_then(|rows| rows.last()).map(|row| &row["seq"]),
        Some(&first["last_seq"])
    );
    let after = format!("?since={since}");
    assert_eq!(updates(&after), json!({"results": [], "last_seq": since}));
    assert_eq!(updates("?since=now"), json!({"results": [], "last_seq": since}));
    hub.delete("/b").expect(200);
    hub.put("/a/other", json!({})).expect(201);
    hub.put("/c", "").expect(201);
    let mut found = told(&updates(&after));
    found.sort();
    assert_eq!(found, ["a updated", "b deleted", "c created"]);
    let one = updates(&format!("{after}&limit=1"));
    assert_eq!(one["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["last_seq"], one["results"][0]["seq"]);
    assert_eq!(updates("?limit=0")["results"], json!([]));
    // A sequence of an earlier run is the start.
    let hub = Hub::start_in(hub.stop());
    let again = hub.get(&format!("/_db_updates{after}")).expect(200).json();
    assert_eq!(told(&again), ["a created", "a updated", "c created"]);
}

#[test]
fn refuses_updates_that_cannot_be() {
    let hub = Hub::start();
    for (query, expected) in [
        ("feed=other", "400 {\"error\":\"bad_request\",\"reason\":\"Supported `feed` types"),
        ("since=x", "400 {\"error\":\"bad_request\",\"reason\":\"Malformed sequence"),
        ("since=99", "400 {\"error\":\"bad_request\",\"reason\":\"Malformed sequence"),
        ("limit=x", "400 {\"error\":\"query_parse_error\""),
        ("timeout=x", "400 {\"error\":\"query_parse_error\""),
        ("heartbeat=0", "400 {\"error\":\"bad_request\""),
    ] {
        check(&hub, &format!("GET /_db_updates?{query}"), "", expected);
    }
    hub.as_principal(None).get("/_db_updates").expect(401);
}

#[test]
fn waits_for_what_happens_to_databases() {
    let hub = Hub::start();
    let (limited, _) = app(&hub, "limited", &["--db", "mine:r"]);
    let waiting = |query: String| {
        let limited = limited.clone();
        std::thread::spawn(move || limited.get(&format!("/_db_updates?{query}")).expect(200).body)
    };
    let silent = waiting("feed=longpoll&since=now&timeout=200".into()).join().unwrap_or_default();
    let silent: Value = serde_json::from_slice(&silent).unwrap_or_default();
    assert_eq!(silent["results"], json!([]));
    // From here, not from now: a request that comes late misses nothing.
    let here = silent["last_seq"].as_str().unwrap_or_default();
    let poll = waiting(format!("feed=longpoll&since={here}"));
    let lines = waiting(format!("feed=continuous&since={here}&heartbeat=50&limit=2"));
    let ended = waiting(format!("feed=continuous&since={here}&timeout=1500"));
    std::thread::sleep(Duration::from_millis(300));
    hub.put("/hidden", "").expect(201);
    std::thread::sleep(Duration::from_millis(200));
    assert!(!poll.is_finished(), "an app hears of a database it was not granted");
    let began = Instant::now();
    hub.put("/mine", "").expect(201);
    let poll: Value = serde_json::from_slice(&poll.join().unwrap_or_default()).unwrap_or_default();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(told(&poll), ["mine created"]);
    hub.put("/mine/doc", json!({})).expect(201);
    let text = |feed: Vec<u8>| String::from_utf8(feed).unwrap_or_default();
    let lines = text(lines.join().unwrap_or_default());
    assert!(lines.starts_with('\n'), "no heartbeat: {lines}");
    let rows: Vec<Value> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(each(&json!(rows), "type"), [json!("created"), json!("updated"), Value::Null]);
    assert_eq!(rows[2]["last_seq"], rows[1]["seq"]);
    let ended = text(ended.join().unwrap_or_default());
    assert!(ended.ends_with("\"}\n") && ended.contains("last_seq"), "{ended}");
    assert!(!ended.contains("hidden"), "{ended}");
}

#[test]
fn tells_browsers_what_happens_to_databases() {
    let hub = Hub::start();
    hub.put("/a", "").expect(201);
    let all = hub.get("/_db_updates").expect(200).json();
    let reply = hub.get("/_db_updates?feed=eventsource&timeout=1").expect(200);
    assert_eq!(reply.header("content-type"), "text/event-stream");
    assert_eq!(reply.header("cache-control"), "no-cache");
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let events = text.split_terminator("\n\n").map(|event| {
        let (data, id) = event.split_once("\nid: ").expect("data and id");
        let row: Value = serde_json::from_str(data.trim_start_matches("data: ")).expect("JSON");
        assert_eq!(id, row["seq"].to_string());
        row
    });
    assert_eq!(Value::Array(events.collect()), all["results"]);
    let last = &all["last_seq"];
    hub.put("/b", "").expect(201);
    let quoted = last.to_string();
    let reply = hub
        .request("GET", "/_db_updates?feed=eventsource&timeout=1&since=0")
        .header("last-event-id", &quoted)
        .send("")
        .expect(200);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.contains("\"db_name\":\"b\"") && !text.contains("\"db_name\":\"a\""), "{text}");
    let supported = error(
        400,
        "bad_request",
        "Supported `feed` types: normal, continuous, longpoll, eventsource",
    );
    check(&hub, "GET /_db_updates?feed=other", "", &supported);
}

#[test]
fn a_log_in_may_lead_on_within_the_hub() {
    let hub = Hub::start();
    let (_, token) = app(&hub, "notes", &["--db", "notes:rw"]);
    let log_in = json!({"name": "notes", "password": token});
    let wrong = json!({"name": "notes", "password": "x"});
    let nobody = hub.as_principal(None);
    let base = hub.url().trim_end_matches('/');
    let reply = nobody.post("/_session?next=/_utils/", &log_in).expect(302);
    assert_eq!(reply.header("location"), format!("{base}/_utils/"));
    assert!(reply.header("set-cookie").starts_with("AuthSession="), "{reply}");
    assert_eq!(reply.json(), json!({"ok": true, "name": "notes", "roles": []}));
    let reply = nobody.post("/_session?fail=/_up", &wrong).expect(302);
    assert_eq!(reply.header("location"), format!("{base}/_up"));
    let reply = nobody.post("/_session", &wrong).expect(401);
    assert!(reply.header("set-cookie").starts_with("AuthSession=;"), "{reply}");
    let reply = nobody.delete("/_session?next=/").expect(302);
    assert_eq!(reply.header("location"), format!("{base}/"));
    for bad in ["http://evil.test/", "//evil.test/", "/%5Cevil.test/", "evil"] {
        nobody.post(&format!("/_session?next={bad}"), &log_in).expect(400);
    }
    let shown = hub.get("/_session").expect(200).json();
    assert_eq!(
        shown,
        json!({
            "ok": true,
            "userCtx": {"name": "owner", "roles": ["_admin"]},
            "info": {
                "authentication_handlers": ["cookie", "default"],
                "authenticated": "default",
                "authentication_db": "_users",
            },
        })
    );
}
