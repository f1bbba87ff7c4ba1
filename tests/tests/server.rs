//! Endpoints of the server as a whole: what it says of its databases, its node and its settings.

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
