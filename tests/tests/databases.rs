//! The server and its databases: requests, and what a CouchDB client finds in the answers.

use serde_json::{Value, json};
use tests::exchange::{check, error};
use tests::{Body, Hub};

#[test]
fn greets() {
    let hub = Hub::start();
    let reply = hub.get("/").expect(200);
    let welcome = reply.json();
    assert_eq!(welcome["couchdb"], "Welcome");
    assert!(welcome["version"].as_str().is_some_and(|version| version.starts_with("3.5.")));
    assert_eq!(welcome["vendor"]["name"], "Larder");
    assert_eq!(welcome["uuid"].as_str().map(str::len), Some(32));
    assert!(reply.header("server").starts_with("Larder/"));
    assert_eq!(reply.header("x-couch-request-id").len(), 10);
    assert_eq!(reply.header("cache-control"), "must-revalidate");
    assert_eq!(reply.header("content-type"), "application/json");
    check(&hub, "GET /_up", "", "200 {\"status\":\"ok\"");
    assert_eq!(hub.as_principal(None).get("/").expect(200).json(), welcome);
}

#[test]
fn creates_and_deletes() {
    let hub = Hub::start();
    let reply = check(&hub, "PUT /db", "", "201 {\"ok\":true}\n");
    assert!(reply.header("location").ends_with("/db"), "{}", reply.header("location"));
    let exists = "The database could not be created, the file already exists.";
    check(&hub, "PUT /db", "", &error(412, "file_exists", exists));
    check(&hub, "PUT /a%2Fb/?q=1&n=1", "", "201");
    check(&hub, "GET /a%2Fb", "", "200 {\"instance_start_time\":\"");
    for (query, reason) in [
        ("q=0", "The `q` value should be a positive integer."),
        ("n=x", "The `n` value should be a positive integer."),
        ("partitioned=1", "Invalid `partitioned` parameter"),
        ("placement=a", "The `placement` value should be in a format `zone:n`."),
        ("placement=a:0", "The `placement` value should be in a format `zone:n`."),
        ("engine=other", "invalid_engine_extension"),
    ] {
        check(&hub, &format!("PUT /other?{query}"), "", &error(400, "bad_request", reason));
    }
    for name in ["Db", "1db", "_db", "d%20b", "d.b"] {
        check(&hub, &format!("PUT /{name}"), "", "400 {\"error\":\"illegal_database_name\"");
        let missing = error(404, "not_found", "Database does not exist.");
        check(&hub, &format!("GET /{name}"), "", &missing);
        check(&hub, &format!("DELETE /{name}"), "", &missing);
    }
    check(&hub, "DELETE /db?rev=1-a", "", "400 {\"error\":\"bad_request\"");
    check(&hub, "DELETE /db", "", "200 {\"ok\":true}\n");
    check(&hub, "GET /db/", "", &error(404, "not_found", "Database does not exist."));
    check(&hub, "PUT /db/", "", "201");
}

#[test]
fn tells_what_a_database_is() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let rev = hub.put("/db/a", json!({"n": 1})).expect(201).rev();
    hub.put("/db/b", json!({})).expect(201);
    hub.delete(&format!("/db/a?rev={rev}")).expect(200);
    let info = hub.get("/db/").expect(200).json();
    assert_eq!(info["db_name"], "db");
    assert_eq!((&info["doc_count"], &info["doc_del_count"]), (&json!(1), &json!(1)));
    assert_eq!(info["cluster"], json!({"q": 1, "n": 1, "w": 1, "r": 1}));
    assert_eq!((&info["props"], &info["compact_running"]), (&json!({}), &json!(false)));
    assert!(info["update_seq"].as_str().is_some_and(|seq| seq.starts_with("3-")), "{info}");
    assert!(info["purge_seq"].as_str().is_some_and(|seq| seq.starts_with("0-")), "{info}");
    assert!(info["instance_start_time"].as_str().is_some_and(|time| time.parse::<u64>().is_ok()));
    for size in ["file", "external", "active"] {
        assert!(info["sizes"][size].is_u64(), "{info}");
    }
    let head = hub.request("HEAD", "/db").send("").expect(200);
    assert!(head.body.is_empty());
    assert!(head.header("content-length").parse::<u64>().is_ok_and(|length| length > 100));
}

#[test]
fn keeps_settings() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    check(&hub, "GET /db/_revs_limit", "", "200 1000\n");
    check(&hub, "PUT /db/_revs_limit", "5", "200 {\"ok\":true}\n");
    check(&hub, "GET /db/_revs_limit", "", "200 5\n");
    for bad in ["0", "-1", "\"a\"", "1.5", "{}", "x"] {
        check(&hub, "PUT /db/_revs_limit", bad, "400 {\"error\":\"bad_request\"");
    }
    let default = r#"{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}"#;
    check(&hub, "GET /db/_security", "", &format!("200 {default}\n"));
    let security = r#"{"admins":{"names":["a"]},"members":{},"other":{"n":1.5}}"#;
    check(&hub, "PUT /db/_security", security, "200 {\"ok\":true}\n");
    check(&hub, "GET /db/_security", "", &format!("200 {security}\n"));
    for bad in ["[]", "{", "{\"admins\":[]}", "{\"members\":{\"names\":[1]}}"] {
        check(&hub, "PUT /db/_security", bad, "400 {\"error\":\"bad_request\"");
    }
    check(&hub, "GET /db/_security", "", &format!("200 {security}\n"));
    check(&hub, "PUT /_users/_security", "{}", "403 {\"error\":\"forbidden\"");
    let committed = check(&hub, "POST /db/_ensure_full_commit", "{}", "201 {");
    assert_eq!(committed.json()["ok"], true);
    assert_eq!(
        committed.json()["instance_start_time"],
        hub.get("/db").json()["instance_start_time"]
    );
    check(
        &hub,
        "POST /db/_ensure_full_commit",
        Body::none(),
        "415 {\"error\":\"bad_content_type\"",
    );
}

#[test]
fn compacts() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    check(&hub, "POST /db/_compact", Body::none(), "415 {\"error\":\"bad_content_type\"");
    check(&hub, "POST /db/_compact", Body::json_text(""), "202 {\"ok\":true}\n");
    check(&hub, "POST /db/_compact", "{}", "202 {\"ok\":true}\n");
    check(&hub, "POST /db/_compact/x", "{}", &error(404, "not_found", "missing"));
    hub.put("/db/_design/x", json!({"views": {}})).expect(201);
    check(&hub, "POST /db/_compact/x", "{}", "202 {\"ok\":true}\n");
    check(&hub, "POST /other/_compact", "{}", &error(404, "not_found", "Database does not exist."));
    check(&hub, "GET /_active_tasks", "", "200 [");
}

#[test]
fn lists_databases() {
    let hub = Hub::start();
    for name in ["a", "b", "c%2Fd"] {
        hub.put(&format!("/{name}"), "").expect(201);
    }
    let all = |query: &str| {
        let query = query.replace('"', "%22");
        hub.get(&format!("/_all_dbs{query}")).expect(200).json()
    };
    let own = |names: Value| {
        let names = names.as_array().cloned().unwrap_or_default().into_iter();
        names.filter(|name| !name.as_str().unwrap_or_default().starts_with('_')).collect::<Value>()
    };
    assert_eq!(own(all("")), json!(["a", "b", "c/d"]));
    assert!(all("").as_array().is_some_and(|names| names.contains(&json!("_users"))));
    assert_eq!(all("?startkey=\"a\"&limit=2"), json!(["a", "b"]));
    assert_eq!(all("?startkey=\"a\"&skip=1"), json!(["b", "c/d"]));
    assert_eq!(all("?start_key=\"b\"&endkey=\"a\"&descending=true"), json!(["b", "a"]));
    assert_eq!(all("?startkey=\"a\"&endkey=\"b\"&inclusive_end=false"), json!(["a"]));
    assert_eq!(all("?startkey=\"z\"&endkey=\"a\""), json!([]));
    check(&hub, "GET /_all_dbs?limit=x", "", "400 {\"error\":\"query_parse_error\"");
}

#[test]
fn gives_ids() {
    let hub = Hub::start();
    let ids = |query: &str| hub.get(&format!("/_uuids{query}")).expect(200).json()["uuids"].clone();
    let one = ids("");
    assert_eq!(one[0].as_str().map(str::len), Some(32));
    assert_eq!(one.as_array().map(Vec::len), Some(1));
    let many = ids("?count=1000");
    let texts: Vec<&str> =
        many.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(texts.len(), 1000);
    assert!(texts.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(ids("?count=0"), json!([]));
    let large = error(400, "bad_request", "count parameter too large");
    check(&hub, "GET /_uuids?count=1001", "", &large);
    let bad = error(400, "bad_request", "count must be a positive integer");
    check(&hub, "GET /_uuids?count=x", "", &bad);
    check(&hub, "GET /_uuids?count=-1", "", &bad);
    assert_eq!(hub.get("/_uuids").header("cache-control"), "no-cache");
}

#[test]
fn routes_as_couchdb_does() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    for (request, expected) in [
        ("POST /", error(405, "method_not_allowed", "Only GET,HEAD allowed")),
        ("get /db", error(405, "method_not_allowed", "Only DELETE,GET,HEAD,POST,PUT allowed")),
        ("PUT /db/_all_docs", error(405, "method_not_allowed", "Only GET,HEAD,POST allowed")),
        ("GET /db/_bulk_docs", error(405, "method_not_allowed", "Only POST allowed")),
        ("GET /db/_nothing", error(404, "not_found", "missing")),
        ("GET /db/_local", error(400, "bad_request", "Invalid _local document id.")),
        ("GET /db//doc", error(400, "bad_request", "Path with an empty segment")),
        ("GET /db/%2e%2e", error(400, "bad_request", "Path with a dot segment")),
        ("GET /db/%zz", error(400, "bad_request", "invalid_url_encoding")),
        ("GET /db/a?x=%zz", error(400, "bad_request", "invalid_url_encoding")),
        ("GET /db/%ff", error(400, "bad_request", "The URL is not UTF-8")),
    ] {
        check(&hub, request, "", &expected);
    }
    assert_eq!(hub.request("COPY", "/db").send("").header("allow"), "DELETE,GET,HEAD,POST,PUT");
    let nobody = hub.as_principal(None);
    for path in ["/_all_dbs", "/db", "/db/_nothing", "/nothing", "/db/_changes", "/_uuids"] {
        assert_eq!(nobody.get(path).expect(401).text("error"), "unauthorized", "{path}");
    }
}

#[test]
fn tells_what_is_missing() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let first = hub.put("/db/a", json!({})).expect(201).rev();
    let second = hub.put(&format!("/db/a?rev={first}"), json!({"n": 1})).expect(201).rev();
    let asked = json!({"a": [first, second, "3-x"], "b": ["1-y", "1-z"], "c": [], "_bad": ["1-w"]});
    assert_eq!(
        hub.post("/db/_revs_diff", &asked).expect(200).json(),
        json!({
            "a": {"missing": ["3-x"], "possible_ancestors": [second]},
            "b": {"missing": ["1-y", "1-z"]},
            "_bad": {"missing": ["1-w"]},
        })
    );
    assert_eq!(
        hub.post("/db/_missing_revs", &asked).expect(200).json(),
        json!({"missing_revs": {"a": ["3-x"], "b": ["1-y", "1-z"], "_bad": ["1-w"]}})
    );
    check(&hub, "POST /db/_revs_diff", "{}", "200 {}\n");
    check(&hub, "POST /db/_missing_revs", "{}", "200 {\"missing_revs\":{}}\n");
    let invalid = error(400, "bad_request", "Invalid rev format");
    check(&hub, "POST /db/_revs_diff", r#"{"a":["x"]}"#, &invalid);
    for bad in [r#"{"a":"1-x"}"#, r#"{"a":[1]}"#, "[]", "{", ""] {
        check(&hub, "POST /db/_revs_diff", Body::json_text(bad), "400 {\"error\":\"bad_request\"");
    }
    let other = Body::bytes("{}", "text/plain");
    check(&hub, "POST /db/_revs_diff", other, "415 {\"error\":\"bad_content_type\"");
}
