//! Three devices of one owner.

use serde_json::{Value, json};
use tests::{Hub, await_status, eventually};

/// Three hubs, each of which has added the two others; all know of all.
#[track_caller]
pub(crate) fn three() -> [Hub; 3] {
    let hubs = [Hub::start(), Hub::start(), Hub::start()];
    let names = ["laptop", "phone", "tablet"];
    for (at, hub) in hubs.iter().enumerate() {
        for (other, name) in names.iter().enumerate().filter(|(other, _)| *other != at) {
            hub.add_device(&hubs[other], name);
        }
    }
    await_statements(&hubs, 6);
    hubs
}

/// Waits until each of these has heard so many statements.
#[track_caller]
fn await_statements(hubs: &[Hub], count: usize) {
    for hub in hubs {
        eventually("all statements", || {
            let heard = statements(hub).len();
            if heard == count { Ok(()) } else { Err(heard.to_string()) }
        });
    }
}

/// The statements that a hub has heard.
#[track_caller]
pub(crate) fn statements(hub: &Hub) -> Vec<Value> {
    let range = "startkey=%22statement-%22&endkey=%22statement-~%22";
    let rows =
        hub.get(&format!("/_devices/_all_docs?include_docs=true&{range}")).expect(200).json();
    rows["rows"].as_array().unwrap().iter().map(|row| row["doc"].clone()).collect()
}

/// A database on one hub that the others get.
#[track_caller]
pub(crate) fn share(from: &Hub, with: &[&Hub], database: &str) {
    from.put(&format!("/{database}"), "").expect(201);
    from.put(&format!("/{database}/first"), json!({"n": 1})).expect(201);
    for hub in with {
        await_status(hub, &format!("/{database}/first"), 200);
    }
}
