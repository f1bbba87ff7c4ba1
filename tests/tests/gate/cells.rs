//! Every row of the table of routes for every kind of principal.

use serde_json::json;
use tests::Body;

use super::cast::{Cast, KINDS, Kind, until};

/// What comes back where the connection is refused.
const REFUSED: u16 = 0;

/// A request, and what each of [`KINDS`] gets; `{kind}` in a path is a name of their own.
struct Row {
    method: &'static str,
    path: &'static str,
    body: &'static str,
    expected: [u16; 10],
}

/// Whoever may read the database.
const fn read(method: &'static str, path: &'static str, body: &'static str) -> Row {
    Row { method, path, body, expected: [200, 200, 200, 200, 200, 200, 403, 404, 401, REFUSED] }
}

/// Whoever may read, on this device; friends may not.
const fn read_here(method: &'static str, path: &'static str, body: &'static str) -> Row {
    Row { method, path, body, expected: [200, 200, 200, 403, 403, 403, 403, 404, 401, REFUSED] }
}

/// Whoever may write documents.
const fn write(status: u16, method: &'static str, path: &'static str, body: &'static str) -> Row {
    let expected = [status, 403, status, 403, status, 403, 403, 404, 401, REFUSED];
    Row { method, path, body, expected }
}

/// Apps that may write, and nobody from elsewhere but the owner's devices.
const fn write_here(
    status: u16,
    method: &'static str,
    path: &'static str,
    body: &'static str,
) -> Row {
    let expected = [status, 403, status, 403, 403, 403, 403, 404, 401, REFUSED];
    Row { method, path, body, expected }
}

/// The owner and the owner's devices.
const fn own(status: u16, method: &'static str, path: &'static str, body: &'static str) -> Row {
    let expected = [status, 403, 403, 403, 403, 403, 403, 404, 401, REFUSED];
    Row { method, path, body, expected }
}

/// The owner, and on this device alone.
const fn here(method: &'static str, path: &'static str, body: &'static str) -> Row {
    Row { method, path, body, expected: [403, 403, 403, 403, 403, 403, 403, 403, 401, REFUSED] }
}

/// A database of the owner's: nobody else learns that it is there.
const fn hidden(method: &'static str, path: &'static str, body: &'static str) -> Row {
    Row { method, path, body, expected: [200, 403, 403, 404, 404, 404, 404, 404, 401, REFUSED] }
}

/// Whoever is known to be somebody on this device.
const fn server(method: &'static str, path: &'static str, body: &'static str) -> Row {
    Row { method, path, body, expected: [200, 200, 200, 403, 403, 403, 403, 403, 401, REFUSED] }
}

const ANYBODY: [u16; 10] = [200, 200, 200, 200, 200, 200, 200, 200, 200, REFUSED];

const fn anybody(path: &'static str) -> Row {
    Row { method: "GET", path, body: "", expected: ANYBODY }
}

/// Whoever may read the view.
const fn view(method: &'static str, path: &'static str, body: &'static str) -> Row {
    Row { method, path, body, expected: [200, 200, 200, 200, 200, 200, 200, 404, 401, REFUSED] }
}

/// A checkpoint: readers keep theirs, each for itself.
const CHECKPOINT: [u16; 10] = [201, 403, 201, 201, 201, 201, 403, 404, 401, REFUSED];

/// The owner's own to say, and on this device.
const NOBODY_ELSE: [u16; 10] = [403, 403, 403, 403, 403, 403, 403, 404, 401, REFUSED];

/// A database that is not there yet, which is all that keys learn.
const CREATED: [u16; 10] = [201, 403, 403, 404, 404, 404, 404, 404, 401, REFUSED];

const ROWS: &[Row] = &[
    anybody("/"),
    anybody("/_up"),
    anybody("/_session"),
    server("GET", "/_all_dbs", ""),
    server("GET", "/_uuids", ""),
    server("GET", "/_active_tasks", ""),
    server("GET", "/_dbs_info", ""),
    server("GET", "/_db_updates", ""),
    server("GET", "/_membership", ""),
    here("GET", "/_hub/status", ""),
    here("GET", "/_hub/apps", ""),
    here("POST", "/_hub/apps", "{}"),
    here("GET", "/_hub/dbs", ""),
    here("PUT", "/_hub/dbs/notes", r#"{"scope":"mesh"}"#),
    here("GET", "/_hub/overwritten", ""),
    here("GET", "/_hub/conflicts", ""),
    here("GET", "/_hub/held", ""),
    here("GET", "/_node/_local/_config", ""),
    here("GET", "/_scheduler/jobs", ""),
    here("PUT", "/_node/_local/_config/log/level", "\"debug\""),
    Row { method: "PUT", path: "/new-{kind}", body: "", expected: CREATED },
    read("GET", "/notes", ""),
    read("HEAD", "/notes", ""),
    read("GET", "/notes/_all_docs", ""),
    read("GET", "/notes/_all_docs?include_docs=true&limit=1", ""),
    read("POST", "/notes/_all_docs", r#"{"keys":["a"]}"#),
    read("POST", "/notes/_all_docs/queries", r#"{"queries":[{"limit":1}]}"#),
    read("GET", "/notes/_design_docs", ""),
    read("GET", "/notes/_changes", ""),
    read("GET", "/notes/_changes?filter=_design&include_docs=true", ""),
    read("POST", "/notes/_changes?filter=_doc_ids", r#"{"doc_ids":["a"]}"#),
    read("POST", "/notes/_bulk_get", r#"{"docs":[{"id":"a"}]}"#),
    read("POST", "/notes/_revs_diff", r#"{"a":["1-x"]}"#),
    read("POST", "/notes/_missing_revs", r#"{"a":["1-x"]}"#),
    read("POST", "/notes/_find", r#"{"selector":{"kind":"shown"}}"#),
    read("POST", "/notes/_explain", r#"{"selector":{"kind":"shown"}}"#),
    read("GET", "/notes/_index", ""),
    read("GET", "/notes/_revs_limit", ""),
    read("GET", "/notes/a", ""),
    read("GET", "/notes/a?revs=true&attachments=true", ""),
    read("GET", "/notes/_design/d", ""),
    read("GET", "/notes/_design/d/_info", ""),
    read("GET", "/notes/_design/d/_view/all", ""),
    read("GET", "/notes/_design/d/_view/shown?include_docs=true", ""),
    read("GET", "/notes/_design/d/_view/shown?update_seq=true", ""),
    view("GET", "/notes/_design/d/_view/shown", ""),
    view("GET", "/notes/_design/d/_view/shown?key=1&descending=true", ""),
    view("POST", "/notes/_design/d/_view/shown", r#"{"keys":[1]}"#),
    view("POST", "/notes/_design/d/_view/shown/queries", r#"{"queries":[{"limit":1}]}"#),
    read_here("GET", "/notes/_security", ""),
    read_here("GET", "/notes/_shards", ""),
    read_here("GET", "/notes/_local_docs", ""),
    read_here("GET", "/notes/_changes?custom=1", ""),
    write(201, "PUT", "/notes/{kind}", "{}"),
    write(201, "POST", "/notes", "{}"),
    write(201, "POST", "/notes/_bulk_docs", r#"{"docs":[{}]}"#),
    write(201, "PUT", "/notes/attached-{kind}/file", "bytes"),
    write_here(201, "PUT", "/notes/_design/views-{kind}", r#"{"views":{}}"#),
    write_here(201, "PUT", "/notes/_design/{kind}", r#"{"validate_doc_update":"function () {}"}"#),
    write_here(200, "POST", "/notes/_index", r#"{"index":{"fields":["kind"]}}"#),
    write_here(202, "POST", "/notes/_compact", "{}"),
    write_here(202, "POST", "/notes/_view_cleanup", "{}"),
    own(200, "PUT", "/notes/_revs_limit", "1000"),
    own(201, "POST", "/notes/_purge", "{}"),
    Row { method: "PUT", path: "/notes/_security", body: "{}", expected: NOBODY_ELSE },
    Row { method: "PUT", path: "/notes/_local/x", body: "{}", expected: CHECKPOINT },
    hidden("GET", "/other", ""),
    hidden("GET", "/other/o", ""),
    hidden("GET", "/other/_changes", ""),
    hidden("GET", "/_acl", ""),
    hidden("GET", "/_apps", ""),
];

#[test]
fn every_cell() {
    let cast = Cast::new();
    let mut wrong = Vec::new();
    for (column, kind) in KINDS.into_iter().enumerate() {
        let client = cast.client(kind);
        for row in ROWS {
            let path = row.path.replace("{kind}", &format!("{kind:?}").to_lowercase());
            let body = match row.body {
                "" => Body::from(""),
                "bytes" => Body::from("bytes"),
                json => Body::from(serde_json::from_str::<serde_json::Value>(json).unwrap()),
            };
            let reply = client.request(row.method, &path).try_send(body);
            let status = reply.map_or(REFUSED, |reply| reply.status);
            // The first to make an index makes it.
            if status != row.expected[column] {
                let expected = row.expected[column];
                wrong.push(format!("{kind:?} {} {path}: {status}, not {expected}", row.method));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_database_that_is_not_there_looks_like_one_that_is_hidden() {
    let cast = Cast::new();
    for kind in [Kind::Stranger, Kind::Reader, Kind::Viewer] {
        let client = cast.client(kind);
        for (method, rest) in [("GET", ""), ("GET", "/_changes"), ("PUT", "/x"), ("DELETE", "")] {
            let ask = |db: &str| client.request(method, &format!("/{db}{rest}")).send("");
            let (hidden, missing) = (ask("other").expect(404), ask("nowhere").expect(404));
            assert_eq!(hidden.body, missing.body, "{kind:?} {method} {rest}");
            let names = |reply: &tests::Reply| {
                reply.headers.keys().map(ToString::to_string).collect::<Vec<_>>()
            };
            assert_eq!(names(&hidden), names(&missing), "{kind:?} {method} {rest}");
        }
    }
}

#[test]
fn methods_and_rows_that_are_not_there_are_refused() {
    let cast = Cast::new();
    let reader = cast.client(Kind::Reader);
    for (method, path, status) in [
        ("POST", "/notes/_nonsense", 403),
        ("GET", "/notes/_design/d/_rewrite/x", 403),
        ("GET", "/notes/_design/d/_show/x", 403),
        ("GET", "/notes/_design/d/_list/x/shown", 403),
        ("POST", "/_replicate", 403),
        ("POST", "/_session", 403),
        ("DELETE", "/notes", 403),
        ("get", "/notes", 403),
        ("TRACE", "/notes", 403),
        ("GET", "/_utils/", 403),
    ] {
        let reply = reader.request(method, path).send("");
        assert!(
            reply.status == status || matches!(reply.status, 400 | 404 | 405),
            "{method} {path}: {}",
            reply.status
        );
    }
}

#[test]
fn checkpoints_are_each_callers_own() {
    let cast = Cast::new();
    let (reader, writer) = (cast.client(Kind::Reader), cast.client(Kind::Writer));
    reader.put("/notes/_local/checkpoint", json!({ "seq": 7 })).expect(201);
    let read = reader.get("/notes/_local/checkpoint").expect(200).json();
    assert_eq!((&read["_id"], &read["seq"]), (&json!("_local/checkpoint"), &json!(7)));
    writer.get("/notes/_local/checkpoint").expect(404);
    writer.delete("/notes/_local/checkpoint").expect(404);
    writer.put("/notes/_local/checkpoint", json!({ "seq": 1 })).expect(201);
    assert_eq!(reader.get("/notes/_local/checkpoint").json()["seq"], 7);
    cast.hub.get("/notes/_local/checkpoint").expect(404);
    // Neither by the name under which the other's is kept, nor among other documents.
    let key = cast.key(Kind::Reader).text();
    for id in [format!("key:{key}:checkpoint"), format!("key%3A{key}%3Acheckpoint")] {
        writer.get(&format!("/notes/_local/{id}")).expect(404);
    }
    let bulk = json!({ "docs": [{ "_id": "_local/checkpoint", "seq": 9 }] });
    let outcome = writer.post("/notes/_bulk_docs", bulk);
    assert!(outcome.status == 403 || outcome.json()[0]["error"] == "forbidden", "{outcome:?}");
    assert_eq!(reader.get("/notes/_local/checkpoint").json()["seq"], 7);
}

#[test]
fn one_who_designs_views_makes_nothing_else() {
    let cast = Cast::new();
    let mut policy = cast.policy();
    let writer = cast.key(Kind::Writer).text();
    policy["designers"] = json!({ "names": [writer], "roles": [] });
    cast.grant(policy);
    let writer = cast.client(Kind::Writer);
    let views = json!({ "views": { "v": { "map": "function (d) { emit(1); }" } }, "language": "javascript" });
    until("the right counts", || writer.put("/notes/_design/v", views.clone()).status == 201);
    for member in ["validate_doc_update", "filters", "updates", "shows", "lists", "rewrites", "lib"]
    {
        let mut design = json!({ "views": {} });
        design[member] = json!("function () {}");
        writer.put(&format!("/notes/_design/{member}"), design.clone()).expect(403);
        let mut replicated = design;
        replicated["_id"] = json!(format!("_design/{member}"));
        replicated["_rev"] = json!("1-abc");
        let bulk = json!({ "docs": [replicated], "new_edits": false });
        let rows = writer.post("/notes/_bulk_docs", bulk).expect(201).json();
        assert_eq!(rows[0]["error"], "forbidden", "{member}: {rows}");
    }
    // What others made with more stays: it is not replaced by less.
    let mut less = views;
    less["_rev"] = cast.hub.get("/notes/_design/d").text("_rev").into();
    writer.put("/notes/_design/d", less).expect(403);
    let rev = cast.hub.get("/notes/_design/d").text("_rev");
    writer.delete(&format!("/notes/_design/d?rev={rev}")).expect(403);
}
