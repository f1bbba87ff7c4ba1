//! What the connection between hubs carries, and to whom.

use serde_json::json;
use tests::{Hub, Key};

#[test]
fn strangers_and_apps_get_nothing_of_it() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let stranger = Key::new();
    let stranger = hub.as_key(Some(&stranger));
    let nobody = hub.as_key(None);
    for (method, path, body) in [
        ("GET", "/_hub/feed", ""),
        ("POST", "/_hub/reached", "{}"),
        ("POST", "/_hub/sync/00000000000000000000000000000000", "{}"),
        ("POST", "/_hub/sync/00000000000000000000000000000000/wanted", "{}"),
    ] {
        for client in [&stranger, &nobody, hub.client()] {
            let request = client.request(method, path).header("content-type", "application/json");
            let status = request.send(body).status;
            assert!(matches!(status, 401 | 403), "{method} {path}: {status}");
        }
    }
    for path in ["/_hub/devices", "/_hub/friends", "/_hub/why", "/_hub/events"] {
        assert!(matches!(stranger.get(path).status, 401 | 403), "{path}");
    }
}

#[test]
fn a_friend_asks_for_what_is_shared_alone() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    hub.put("/diary", "").expect(201);
    let friend = Key::new();
    let policy = json!({"readers": {"names": [friend.text()], "roles": []}});
    hub.put("/notes/_security", policy).expect(200);
    let uuid = |name: &str| {
        let record = hub.get("/_dbs/_all_docs?include_docs=true").expect(200).json();
        let rows = record["rows"].as_array().unwrap().clone();
        let row = rows.into_iter().find(|row| row["doc"]["name"] == name).unwrap();
        row["id"].as_str().unwrap().to_owned()
    };
    let friend = hub.as_key(Some(&friend));
    let ask = |id: &str| {
        let path = format!("/_hub/sync/{id}");
        let request = friend.request("POST", &path).header("content-type", "application/json");
        request.send(r#"{"mode":"copy"}"#).status
    };
    assert!(matches!(ask(&uuid("notes")), 200 | 400));
    assert_eq!(ask(&uuid("diary")), 404);
    assert_eq!(ask("00000000000000000000000000000000"), 404);
}
