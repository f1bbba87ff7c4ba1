//! What databases offer beside documents and listings: copies, several listings in one request, and
//! what a hub answers as a cluster of one.

use serde_json::{Value, json};
use tests::exchange::{app, check, error, with_db};
use tests::{Body, Hub, Reply};

#[track_caller]
fn copy(hub: &Hub, path: &str, destination: &str) -> Reply {
    hub.request("COPY", path).header("destination", destination).send("")
}

#[track_caller]
fn check_copy(hub: &Hub, path: &str, destination: &str, expected: &str) -> Reply {
    let reply = copy(hub, path, destination);
    let found = format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body));
    assert!(found.starts_with(expected), "{path} to {destination}\n  {expected}\n  {found}");
    reply
}

#[test]
fn copies_documents() {
    let hub = with_db();
    let first = hub.put("/db/a", json!({"n": 1})).expect(201).rev();
    let second = hub.put(&format!("/db/a?rev={first}"), json!({"n": 2})).expect(201).rev();
    let reply = check_copy(&hub, "/db/a", "b%2Fc", "201 {\"ok\":true,\"id\":\"b/c\",\"rev\":\"1-");
    let copied = reply.rev();
    assert!(reply.header("location").ends_with("/db/b%2Fc"), "{}", reply.header("location"));
    assert_eq!(reply.header("etag"), format!("\"{copied}\""));
    let found = hub.get("/db/b%2Fc").expect(200).json();
    assert_eq!(found, json!({"_id": "b/c", "_rev": copied, "n": 2}));

    let conflict = error(409, "conflict", "Document update conflict.");
    check_copy(&hub, "/db/a", "b%2Fc", &conflict);
    check_copy(&hub, "/db/a", "b%2Fc?rev=1-a", &conflict);
    let to = format!("b%2Fc?rev={copied}");
    check_copy(
        &hub,
        &format!("/db/a?rev={first}"),
        &to,
        "201 {\"ok\":true,\"id\":\"b/c\",\"rev\":\"2-",
    );
    assert_eq!(hub.get("/db/b%2Fc").json()["n"], 1);

    check_copy(&hub, "/db/x", "y", &error(404, "not_found", "missing"));
    check_copy(&hub, "/db/a?rev=7-x", "y", &error(404, "not_found", "missing"));
    check_copy(&hub, "/db/a?rev=x", "y", &error(400, "bad_request", "Invalid rev format"));
    check_copy(&hub, "/db/a", "_y", "400 {\"error\":\"illegal_docid\"");
    let relative = error(400, "bad_request", "Destination URL must be relative.");
    check_copy(&hub, "/db/a", "http://localhost/db/y", &relative);
    let mandatory = error(400, "bad_request", "Destination header is mandatory for COPY.");
    check(&hub, "COPY /db/a", "", &mandatory);
    check_copy(&hub, "/none/a", "y", &error(404, "not_found", "Database does not exist."));

    hub.delete(&format!("/db/a?rev={second}")).expect(200);
    check_copy(&hub, "/db/a", "y", &error(404, "not_found", "deleted"));
    let allowed = hub.request("copy", "/db/a").send("").expect(405);
    assert_eq!(allowed.header("allow"), "DELETE,GET,HEAD,POST,PUT,COPY");
}

#[test]
fn copies_design_documents_and_attachments() {
    let hub = with_db();
    hub.put("/db/_design/a", json!({"views": {}})).expect(201);
    check_copy(&hub, "/db/_design/a", "_design%2Fb", "201 {\"ok\":true,\"id\":\"_design/b\"");
    assert_eq!(hub.get("/db/_design/b").expect(200).json()["views"], json!({}));

    let bytes = vec![7; 200_000];
    let rev = hub.put("/db/a/large", Body::bytes(bytes.clone(), "image/png")).expect(201).rev();
    let small = Body::bytes("text", "text/plain");
    hub.put(&format!("/db/a/small?rev={rev}"), small).expect(201);
    hub.put("/db/b", json!({})).expect(201);
    copy(&hub, "/db/a", &format!("b?rev={}", hub.get("/db/b").text("_rev"))).expect(201);
    let large = hub.get("/db/b/large").expect(200);
    assert_eq!((large.header("content-type"), &large.body[..]), ("image/png", &bytes[..]));
    assert_eq!(hub.get("/db/b/small").expect(200).body, b"text");
    let stubs = hub.get("/db/b").json()["_attachments"].clone();
    assert_eq!((&stubs["large"]["revpos"], &stubs["small"]["revpos"]), (&json!(2), &json!(2)));

    let (reader, _) = app(&hub, "reader", &["--db", "db:r"]);
    reader.request("COPY", "/db/a").header("destination", "c").send("").expect(403);
}

#[test]
fn lists_several_times_in_one_request() {
    let hub = with_db();
    let docs = ["_design/x", "a", "b", "c"].map(|id| json!({"_id": id}));
    hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    hub.put("/db/_local/l", json!({})).expect(201);
    let ids = |path: &str, queries: Value| -> Value {
        let found = hub.post(path, json!({"queries": queries})).expect(200).json();
        let results = found["results"].as_array().expect("results").iter();
        let keys = |listing: &Value| -> Value {
            let rows = listing["rows"].as_array().expect("rows").iter();
            rows.map(|row| row["key"].clone()).collect()
        };
        results.map(keys).collect()
    };
    let queries = json!([{"keys": ["c", "x"]}, {"startkey": "b", "limit": 9}, {}]);
    let expected = json!([["c", "x"], ["b", "c"], ["_design/x", "a"]]);
    assert_eq!(ids("/db/_all_docs/queries?limit=2", queries), expected);
    assert_eq!(
        ids("/db/_design_docs/queries", json!([{}, {}])),
        json!([["_design/x"], ["_design/x"]])
    );
    assert_eq!(ids("/db/_local_docs/queries", json!([{}])), json!([["_local/l"]]));
    assert_eq!(ids("/db/_all_docs/queries", json!([])), json!([]));
    let many = vec![json!({"include_docs": true}); 1000];
    let found = ids("/db/_all_docs/queries", Value::Array(many.clone()));
    let all = json!(["_design/x", "a", "b", "c"]);
    assert!(
        found
            .as_array()
            .is_some_and(|found| found.len() == 1000 && found.iter().all(|f| *f == all))
    );

    let too_many = Value::Array([many, vec![json!({})]].concat());
    for (body, reason) in [
        (json!({}), "POST body must include `queries` parameter."),
        (json!({"queries": {}}), "`queries` member must be an array."),
        (json!({"queries": [1]}), "`queries` must be an array of objects."),
        (json!({"queries": too_many}), "`queries` must not have more than 1000 elements."),
    ] {
        check(&hub, "POST /db/_all_docs/queries", body, &error(400, "bad_request", reason));
    }
    let wrong = json!({"queries": [{}, {"limit": "x"}]});
    check(&hub, "POST /db/_all_docs/queries", wrong, "400 {\"error\":\"query_parse_error\"");
    let only = error(405, "method_not_allowed", "Only POST allowed");
    check(&hub, "GET /db/_all_docs/queries", "", &only);
}

#[test]
fn answers_as_a_cluster_of_one() {
    let hub = with_db();
    check(&hub, "POST /db/_view_cleanup", "{}", "202 {\"ok\":true}\n");
    let shards = "200 {\"shards\":{\"00000000-ffffffff\":[\"nonode@nohost\"]}}\n";
    check(&hub, "GET /db/_shards", "", shards);
    let shard = json!({"range": "00000000-ffffffff", "nodes": ["nonode@nohost"]});
    assert_eq!(hub.get("/db/_shards/a").expect(200).json(), shard);
    check(&hub, "GET /db/_shards/_a", "", "400 {\"error\":\"illegal_docid\"");
    check(&hub, "POST /db/_sync_shards", "{}", "202 {\"ok\":true}\n");
    let missing = error(404, "not_found", "Database does not exist.");
    for request in
        ["POST /x/_view_cleanup", "GET /x/_shards", "GET /x/_shards/a", "POST /x/_sync_shards"]
    {
        check(&hub, request, "", &missing);
    }
    let (writer, _) = app(&hub, "writer", &["--db", "db:rw"]);
    writer.post("/db/_sync_shards", "{}").expect(403);
    writer.post("/db/_view_cleanup", "{}").expect(202);
}
