//! Whoever may read one view sees its rows, and no trace of anything else.

use serde_json::json;

use super::cast::{Cast, Kind};

const SHOWN: &str = "/notes/_design/d/_view/shown";

#[test]
fn rows_and_nothing_else() {
    let cast = Cast::new();
    let viewer = cast.client(Kind::Viewer);
    let before = viewer.get(SHOWN).expect(200);
    let rows = json!({
        "total_rows": 1, "offset": 0, "rows": [{ "id": "a", "key": 1, "value": "shown" }]
    });
    assert_eq!(before.json(), rows);
    assert!(before.headers.get("etag").is_none(), "{:?}", before.headers);
    // What the view does not emit changes nothing that can be seen.
    cast.hub.put("/notes/unseen", json!({ "kind": "hidden" })).expect(201);
    let after = viewer.get(SHOWN).expect(200);
    assert_eq!(after.body, before.body);
    assert!(after.headers.get("etag").is_none());
}

#[test]
fn no_option_shows_more() {
    let cast = Cast::new();
    let viewer = cast.client(Kind::Viewer);
    for option in [
        "include_docs=true",
        "include_docs=TRUE",
        "attachments=true",
        "att_encoding_info=true",
        "conflicts=true",
        "update_seq=true",
    ] {
        viewer.get(&format!("{SHOWN}?{option}")).expect(403);
        let (name, _) = option.split_once('=').unwrap();
        viewer.post(SHOWN, json!({ name: true })).expect(403);
        let queries = json!({ "queries": [{ "limit": 1 }, { name: true }] });
        viewer.post(&format!("{SHOWN}/queries"), queries.clone()).expect(403);
        viewer.post(SHOWN, queries).expect(403);
    }
    for path in [
        "/notes/_design/d/_view/all",
        "/notes/_design/d/_view/none",
        "/notes/_design/none/_view/shown",
        "/notes/_design/d/_info",
        "/notes/_design/d",
        "/notes/_partition/x/_design/d/_view/all",
        "/notes/a",
        "/notes/none",
        "/notes",
    ] {
        let reply = viewer.get(path);
        assert_eq!(reply.status, 403, "{path}");
    }
}
