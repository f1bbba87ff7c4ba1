//! Data directories of earlier releases, which knew no statements.

use serde_json::json;
use tests::{Hub, Key, encode};

#[test]
fn devices_of_an_earlier_release_stay_devices() {
    let hub = Hub::start();
    let (device, half, blocked) = (Key::new(), Key::new(), Key::new());
    let note = |key: &Key, name: &str, notes: serde_json::Value| {
        let key = key.text();
        let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{key}/");
        let record = json!({"key": key, "name": name, "reach": [url], "added_at": 1});
        hub.put(&format!("/_devices/{key}"), record).expect(201);
        hub.put(&format!("/_acl/{}", encode(&format!("principal/{key}"))), notes).expect(201);
    };
    note(&device, "phone", json!({"name": "phone", "own": true}));
    note(&half, "half", json!({"name": "half"}));
    note(&blocked, "old", json!({"name": "old", "blocked": true}));
    hub.put("/notes", "").expect(201);
    hub.as_key(Some(&device)).get("/notes").expect(404);
    // As an earlier release left it: no count of starts.
    let data_dir = hub.data_dir();
    let folder = hub.stop();
    std::fs::remove_file(data_dir.join("boot.json")).unwrap();
    let hub = Hub::start_in(folder);
    hub.as_key(Some(&device)).get("/notes").expect(200);
    hub.as_key(Some(&half)).get("/notes").expect(404);
    assert_eq!(hub.device("phone")["standing"], "listed");
    assert_eq!(crate::support::statements(&hub).len(), 1);
    // Once is enough.
    hub.delete("/_hub/devices/phone").expect(200);
    let hub = Hub::start_in(hub.stop());
    assert_eq!(hub.device("phone")["standing"], "removed");
    hub.as_key(Some(&device)).get("/notes").expect(403);
}
