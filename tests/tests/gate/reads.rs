//! The ledger of reads: what the owner sees of who read what.

use serde_json::{Value, json};

use super::cast::{Cast, Kind, until};

/// What the ledger says of a key and a database, view and all.
fn noted(cast: &Cast, kind: Kind) -> Vec<Value> {
    let key = cast.key(kind).text();
    let all = cast.hub.get("/_reads/_all_docs?include_docs=true").expect(200).json();
    let rows = all["rows"].as_array().unwrap().iter().map(|row| row["doc"].clone());
    rows.filter(|doc| doc["key"] == key.as_str()).collect()
}

#[test]
fn the_owner_sees_who_read_what() {
    let cast = Cast::new();
    let reader = cast.client(Kind::Reader);
    reader.get("/notes/_all_docs").expect(200);
    reader.get("/notes/a").expect(200);
    reader.post("/notes/_bulk_get", json!({ "docs": [{ "id": "a" }, { "id": "b" }] })).expect(200);
    reader.get("/other").expect(404);
    let viewer = cast.client(Kind::Viewer);
    viewer.get("/notes/_design/d/_view/shown").expect(200);
    viewer.get("/notes/a").expect(403);
    cast.client(Kind::Stranger).get("/notes/a").expect(404);
    cast.client(Kind::AppReader).get("/notes/a").expect(200);
    until("the ledger is written", || noted(&cast, Kind::Viewer).len() == 1);
    let of_reader = noted(&cast, Kind::Reader);
    assert_eq!(of_reader.len(), 1, "{of_reader:?}");
    let expected = json!({ "database": "notes", "documents": 6, "reads": 3 });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&of_reader[0][member], value, "{member}: {of_reader:?}");
    }
    assert!(of_reader[0]["last"].as_u64() >= of_reader[0]["first"].as_u64());
    let of_viewer = &noted(&cast, Kind::Viewer)[0];
    assert_eq!((&of_viewer["view"], &of_viewer["documents"]), (&json!("d/shown"), &json!(1)));
    assert!(noted(&cast, Kind::Stranger).is_empty());
    // Later reads of the day are added, and those who read do not see it.
    reader.get("/notes/a").expect(200);
    until("the next read is added", || noted(&cast, Kind::Reader)[0]["documents"] == 7);
    reader.get("/_reads").expect(404);
    cast.client(Kind::AppWriter).get("/_reads").expect(403);
}
