//! Three devices of one owner, edited at random, killed at random, one of them lost for ever: in the end
//! the others have the same, to the byte.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Body, Chance, Hub, HubOptions, eventually};

/// How long they are edited.
const EDITED: Duration = Duration::from_secs(25);

/// Documents that are edited.
const DOCUMENTS: u64 = 30;

/// One device, which keeps its port.
struct Device {
    hub: Option<Hub>,
    port: String,
}

impl Device {
    fn start() -> Self {
        let hub = Hub::start();
        let port = hub.tls_url().trim_start_matches("https://").trim_end_matches('/').to_owned();
        Self { hub: Some(hub), port }
    }

    fn hub(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    fn kill_and_start(&mut self) {
        let folder = self.hub.take().unwrap().kill();
        let options = HubOptions { tls: Some(&self.port), ..HubOptions::default() };
        self.hub = Some(Hub::start_again(folder, &options));
    }
}

/// An edit as a person makes one: from what is there.
fn edit(hub: &Hub, chance: &mut Chance, count: u64) {
    let path = format!("/notes/d{}", chance.below(DOCUMENTS));
    let now = hub.get(&path);
    let rev = (now.status == 200).then(|| now.json()["_rev"].as_str().unwrap().to_owned());
    let query = rev.as_ref().map(|rev| format!("?rev={rev}")).unwrap_or_default();
    // Somebody else may have been faster; nobody minds.
    let _outcome = match (chance.below(10), &rev) {
        (0, Some(_)) => hub.delete(&format!("{path}{query}")),
        (1 | 2, _) => {
            let bytes = vec![chance.below(250) as u8; chance.below(200_000) as usize];
            hub.put(&format!("{path}/file{query}"), Body::bytes(bytes, "application/octet-stream"))
        }
        _ => hub.put(&format!("{path}{query}"), json!({"text": format!("edit {count}")})),
    };
}

/// The winner of every document, its attachments' digests included; of deleted ones that they are.
fn winners(hub: &Hub) -> BTreeMap<String, Value> {
    let path = "/notes/_changes?include_docs=true&attachments=true";
    let changes = hub.get(path).expect(200).json();
    let rows = changes["results"].as_array().unwrap().clone();
    rows.into_iter()
        .map(|row| (row["id"].as_str().unwrap().to_owned(), row["doc"].clone()))
        .collect()
}

#[test]
fn three_devices_come_to_the_same_whatever_happens() {
    let (mut chance, seed) = Chance::of_environment("MESH_SEED");
    let mut devices = [Device::start(), Device::start(), Device::start()];
    for (at, device) in devices.iter().enumerate() {
        for (other, peer) in devices.iter().enumerate().filter(|(other, _)| *other != at) {
            device.hub().add_device(peer.hub(), &format!("device{other}"));
        }
    }
    devices[0].hub().put("/notes", "").expect(201);
    for device in &devices {
        tests::await_status(device.hub(), "/notes", 200);
    }
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < EDITED {
        let at = chance.below(3) as usize;
        count += 1;
        edit(devices[at].hub(), &mut chance, count);
        if chance.below(60) == 0 {
            let at = chance.below(3) as usize;
            devices[at].kill_and_start();
        }
    }
    // One is lost, with whatever it has not handed on.
    let [first, second, lost] = devices;
    drop(lost);
    let (first, second) = (first.hub(), second.hub());
    first.put("/notes/last", json!({"text": "of the first"})).expect(201);
    second.put("/notes/least", json!({"text": "of the second"})).expect(201);
    let same = eventually("the same", || {
        let (ours, theirs) = (winners(first), winners(second));
        let differs = ours.iter().find(|(id, doc)| theirs.get(*id) != Some(*doc));
        match (differs, ours.len() == theirs.len() && ours.contains_key("least")) {
            (None, true) => Ok(ours),
            (Some((id, _)), _) => Err(format!("seed {seed}: {id} differs")),
            (None, false) => Err(format!("seed {seed}: {} and {}", ours.len(), theirs.len())),
        }
    });
    assert!(same.len() > 5, "{count} edits");
}
